//! The figures of the last days, and the record that holds them (spec/16-statistics.md section 5).

use super::table::TABLES;
use deaddrop_wire::Day;

/// Maximum number of days of a record, and the age in days after which a day leaves it.
pub(crate) const MAX_DAYS: usize = 90;
/// The same as a number of days.
const MAX_AGE_DAYS: u32 = 90;
/// Least number of slots of a table. With fewer, the noise covers everything.
pub(crate) const LEAST_SLOTS: u32 = 1_024;
/// Maximum number of slots of a table.
const MAX_SLOTS: u32 = 1 << 20;
/// First byte of the record's body: the version of its format, of the bias and of the noise.
const VERSION: u8 = 1;
/// Value of the blobs of a day on which too few mailboxes were used.
const NOT_RECORDED: u64 = u64::MAX;
/// Number of bytes of one day in the record's body.
const DAY_LEN: usize = 4 + 4 + 4 * TABLES + 8;

/// The recorded figures of one day. They have their noise already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DayFigures {
    pub(super) day: Day,
    /// Number of slots of each table.
    pub(super) slots: u32,
    /// Number of ones in each table, with noise.
    pub(super) ones: [u32; TABLES],
    /// Number of blobs that were put, with noise; `None` if too few mailboxes were used.
    pub(super) blobs: Option<u64>,
}

/// The figures of the last days, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History(Vec<DayFigures>);

impl History {
    /// Adds a day. The same and later days, which only a day that was set back leaves, are removed,
    /// and so is the oldest one if there are too many.
    pub(super) fn add(&mut self, figures: DayFigures) {
        self.0.retain(|other| other.day < figures.day);
        self.0.push(figures);
        self.0.drain(..self.0.len().saturating_sub(MAX_DAYS));
    }

    /// Removes the days that are more than 90 days before `today`. Returns whether there were any.
    pub(super) fn forget_old(&mut self, today: Day) -> bool {
        let before = self.0.len();
        self.0.retain(|figures| figures.day.plus(MAX_AGE_DAYS) >= today);
        self.0.len() < before
    }

    /// Whether there are no days.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn days(&self) -> &[DayFigures] {
        &self.0
    }

    /// Returns the newest day; `None` if there is none.
    pub(crate) fn newest(&self) -> Option<Day> {
        self.0.last().map(|figures| figures.day)
    }

    /// Returns the body of the record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for DayFigures { day, slots, ones, blobs } in &self.0 {
            bytes.extend_from_slice(&day.number().to_le_bytes());
            bytes.extend_from_slice(&slots.to_le_bytes());
            bytes.extend(ones.iter().flat_map(|ones| ones.to_le_bytes()));
            bytes.extend_from_slice(&blobs.unwrap_or(NOT_RECORDED).to_le_bytes());
        }
        bytes
    }

    /// Decodes the body of the record; `None` if it is malformed. Strict: each history has one
    /// encoding.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        // S-01: the version is known, and whole days follow it, not more than fit.
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (chunks, []) = rest.as_chunks::<DAY_LEN>() else { return None };
        if chunks.is_empty() || chunks.len() > MAX_DAYS {
            return None;
        }
        let days: Vec<DayFigures> = chunks.iter().filter_map(decode_day).collect();
        // S-02: the days ascend.
        if days.len() != chunks.len() || !days.is_sorted_by(|a, b| a.day < b.day) {
            return None;
        }
        Some(Self(days))
    }
}

fn decode_day(bytes: &[u8; DAY_LEN]) -> Option<DayFigures> {
    let (day, rest) = bytes.split_first_chunk()?;
    let (slots, rest) = rest.split_first_chunk()?;
    let (words, blobs) = rest.split_at_checked(4 * TABLES)?;
    let mut ones = [0; TABLES];
    for (ones, word) in ones.iter_mut().zip(words.as_chunks().0) {
        *ones = u32::from_le_bytes(*word);
    }
    let slots = u32::from_le_bytes(*slots);
    // S-03: a table has a possible number of slots, and at most as many ones.
    if !(LEAST_SLOTS..=MAX_SLOTS).contains(&slots) || ones.iter().any(|ones| *ones > slots) {
        return None;
    }
    let blobs = Some(u64::from_le_bytes(*blobs.first_chunk()?)).filter(|blobs| *blobs != NOT_RECORDED);
    Some(DayFigures { day: Day::from_number(u32::from_le_bytes(*day)), slots, ones, blobs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(day: u32) -> DayFigures {
        let ones = [500, 510, 520, 530, 540, 550, 560, 1_024];
        DayFigures {
            day: Day::from_number(day),
            slots: 1_024,
            ones,
            blobs: day.is_multiple_of(2).then_some(7),
        }
    }

    fn of(days: impl IntoIterator<Item = u32>) -> History {
        let mut history = History::default();
        days.into_iter().for_each(|day| history.add(figures(day)));
        history
    }

    #[test]
    fn a_history_holds_ninety_days_and_has_one_encoding() {
        let history = of(20_000..20_200);
        assert_eq!((history.days().len(), history.newest()), (90, Some(Day::from_number(20_199))));
        let bytes = history.encode();
        assert_eq!(bytes.len(), 1 + 90 * 48);
        assert_eq!(History::decode(&bytes), Some(history));
        for len in (0..bytes.len()).filter(|len| *len == 1 || len % DAY_LEN != 1) {
            assert_eq!(History::decode(&bytes[..len]), None, "S-01: {len} bytes");
        }
        let too_many = [&bytes[..], &of([20_200]).encode()[1..]].concat();
        assert_eq!(History::decode(&too_many), None, "S-01");
        let other_version = [&[2], &bytes[1..]].concat();
        assert_eq!(History::decode(&other_version), None, "S-01");
    }

    #[test]
    fn a_history_ascends_and_its_figures_are_possible() {
        let pair = |first, second| [of([first]).encode(), of([second]).encode()[1..].to_vec()].concat();
        assert!(History::decode(&pair(5, 6)).is_some());
        assert_eq!(History::decode(&pair(6, 6)), None, "S-02");
        assert_eq!(History::decode(&pair(7, 6)), None, "S-02");
        let with = |slots, ones| {
            let mut history = History::default();
            history.add(DayFigures { slots, ones: [ones; TABLES], ..figures(5) });
            History::decode(&history.encode())
        };
        assert!(with(1_024, 1_024).is_some() && with(1 << 20, 0).is_some());
        for (slots, ones) in [(1_023, 0), ((1 << 20) + 1, 0), (1_024, 1_025), (0, 0)] {
            assert_eq!(with(slots, ones), None, "S-03: {ones} of {slots}");
        }
    }

    #[test]
    fn a_day_that_comes_again_replaces_it_and_the_later_ones() {
        let days = |history: History| history.days().iter().map(|it| it.day.number()).collect::<Vec<_>>();
        assert_eq!(days(of([1, 2, 3])), [1, 2, 3]);
        assert_eq!(days(of([1, 2, 9, 2])), [1, 2]);
    }

    #[test]
    fn days_older_than_ninety_days_are_forgotten() {
        let mut history = of([100, 101, 150]);
        assert!(!history.forget_old(Day::from_number(190)) && history == of([100, 101, 150]));
        assert!(history.forget_old(Day::from_number(191)) && history == of([101, 150]));
        assert!(history.forget_old(Day::from_number(1_000)) && history.is_empty());
        assert!(!history.forget_old(Day::from_number(1_000)));
        let mut later = of([100]);
        assert!(!later.forget_old(Day::from_number(5)), "the day was set back");
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_what_encodes_to_them(
            days in proptest::collection::vec(any::<[u8; 4]>(), 0..4),
            rest in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = vec![VERSION];
            for [day, slots, ones, blobs] in days {
                bytes.extend([day, 0, 0, 0, 0, slots, 0, 0]);
                bytes.extend([ones, slots, 0, 0].repeat(TABLES));
                bytes.extend([blobs; 8]);
            }
            prop_assert!(History::decode(&bytes).is_none_or(|history| history.encode() == bytes));
            bytes.extend(rest);
            prop_assert!(History::decode(&bytes).is_none_or(|history| history.encode() == bytes));
        }
    }
}
