//! Days as dates: `2026-11-28`.

use deaddrop_wire::Day;

/// Days of 400 years.
const CYCLE: u32 = 146_097;

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u32) -> u32 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The first day of a year, from 1970 on.
pub(crate) const fn first_of(year: u32) -> Day {
    let mut days = 0;
    let mut before = 1970;
    while before < year {
        days += days_of_year(before);
        before += 1;
    }
    Day::from_number(days)
}

/// Reads `YYYY-MM-DD`, from 1970 to 9999. `None` if there is no such day.
#[must_use]
pub fn parse(text: &str) -> Option<Day> {
    let [year, month, day] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
    let number = |text: &str, len: usize| {
        let is_number = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u32>().ok()).flatten()
    };
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    if year < 1970 || !(1..=12).contains(&month) || day == 0 || day > days_of_month(year, month) {
        return None;
    }
    let months: u32 = (1..month).map(|month| days_of_month(year, month)).sum();
    Some(first_of(year).plus(months + day - 1))
}

/// Writes `YYYY-MM-DD`.
#[must_use]
pub fn format(day: Day) -> String {
    let mut year = 1970 + day.number() / CYCLE * 400;
    let mut rest = day.number() % CYCLE;
    while rest >= days_of_year(year) {
        rest -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while rest >= days_of_month(year, month) {
        rest -= days_of_month(year, month);
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_dates() {
        for (text, number) in [
            ("1970-01-01", 0),
            ("1972-02-29", 789),
            ("2000-03-01", 11_017),
            ("2026-11-28", 20_785),
            ("2100-03-01", 47_541),
        ] {
            assert_eq!(parse(text), Some(Day::from_number(number)), "{text}");
            assert_eq!(format(Day::from_number(number)), text);
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2026-11",
            "2026-11-31",
            "2026-13-01",
            "2026-00-01",
            "2100-02-29",
            "1969-12-31",
            "26-11-28",
            "2026-1-1",
            "+026-01-01",
            "2026-01-01-",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_day_is_read_as_it_is_written(number in 0_u32..2_932_000) {
            let day = Day::from_number(number);
            prop_assert_eq!(parse(&format(day)), Some(day));
        }

        #[test]
        fn any_day_can_be_written(number: u32) {
            prop_assert!(format(Day::from_number(number)).len() >= 10);
        }
    }
}
