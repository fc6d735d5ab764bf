//! Days as dates: `2026-11-28`.

use super::Day;
use core::{fmt, str::FromStr};

/// Number of days of 400 years, after which the calendar repeats.
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

impl Day {
    /// Returns January 1 of `year`; 1970-01-01 for an earlier year.
    #[must_use]
    pub const fn first_of_year(year: u32) -> Self {
        let mut days = 0;
        let mut before = 1970;
        while before < year {
            days += days_of_year(before);
            before += 1;
        }
        Self::from_number(days)
    }
}

/// The error of a text that is not a date of the form `YYYY-MM-DD`, or names a day that does not
/// exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a date; write it as YYYY-MM-DD")]
pub struct NotADate;

/// Reads `YYYY-MM-DD`, from 1970 to 9999.
impl FromStr for Day {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        let mut parts = text.split('-');
        let mut number = |len: usize| {
            let part = parts.next().filter(|part| part.len() == len).ok_or(NotADate)?;
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u32>().ok().filter(|_| is_number).ok_or(NotADate)
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let is_month = year >= 1970 && (1..=12).contains(&month);
        if parts.next().is_some() || !is_month || day == 0 || day > days_of_month(year, month) {
            return Err(NotADate);
        }
        let months: u32 = (1..month).map(|month| days_of_month(year, month)).sum();
        Ok(Self::first_of_year(year).plus(months + day - 1))
    }
}

/// Writes `YYYY-MM-DD`. Years after 9999 have more digits, and are not read back.
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut year = 1970 + self.number() / CYCLE * 400;
        let mut rest = self.number() % CYCLE;
        while rest >= days_of_year(year) {
            rest -= days_of_year(year);
            year += 1;
        }
        let mut month = 1;
        while rest >= days_of_month(year, month) {
            rest -= days_of_month(year, month);
            month += 1;
        }
        write!(f, "{year:04}-{month:02}-{:02}", rest + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
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
            assert_eq!(text.parse(), Ok(Day::from_number(number)), "{text}");
            assert_eq!(Day::from_number(number).to_string(), text);
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
            assert_eq!(text.parse::<Day>(), Err(NotADate), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_day_is_read_as_it_is_written(number in 0_u32..2_932_000) {
            let day = Day::from_number(number);
            prop_assert_eq!(day.to_string().parse(), Ok(day));
        }

        #[test]
        fn any_day_can_be_written(number: u32) {
            prop_assert!(Day::from_number(number).to_string().len() >= 10);
        }
    }
}
