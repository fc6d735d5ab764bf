//! The statistics of a running relay: the tables of the day, and the days that are recorded
//! (spec/16-statistics.md sections 2 and 5).

use super::day_tables::DayTables;
use super::history::History;
use super::table::{Table, TableSet};
use crate::clock::Now;
use crate::names::Handle;
use deaddrop_wire::{Day, SizeClass};
use rand::CryptoRng;
use std::ops::RangeInclusive;

const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Numbers of milliseconds for which tables run in a whole day. The clock is looked at only at each
/// step of expiry, and may be corrected a little.
const WHOLE_DAY_MS: RangeInclusive<u64> = 23 * HOUR_MS..=25 * HOUR_MS;

/// The statistics of a running relay. `R` is the source of all random bits.
pub(crate) struct Statistics<R> {
    random: R,
    /// Number of slots of each table; 0 if there are no statistics.
    slots: u32,
    /// The believed day at the last step of expiry; `None` before the first step.
    day: Option<Day>,
    running: Option<Running>,
    history: History,
    /// Whether the history differs from the one on stable storage.
    is_unsaved: bool,
    /// Whether the store has a record of statistics.
    is_recorded: bool,
}

/// The tables of a day that this process has seen begin.
struct Running {
    tables: DayTables,
    since_ms: u64,
}

impl<R: CryptoRng> Statistics<R> {
    /// Makes statistics with tables of this number of slots; none with 0 slots. The first tables
    /// begin with the next day.
    pub(crate) fn new(slots: u32, random: R) -> Self {
        let history = History::default();
        Self { random, slots, day: None, running: None, history, is_unsaved: false, is_recorded: false }
    }

    /// Sets the days that were found when the store was opened.
    pub(crate) fn restore(&mut self, history: History) {
        self.history = history;
        self.is_recorded = true;
    }

    /// Notes that a blob of this class was put into the mailbox.
    pub(crate) fn note_put(&mut self, handle: Handle, class: SizeClass) {
        self.touch(handle, TableSet::default().with(Table::of_class(class)));
        if let Some(running) = &mut self.running {
            running.tables.count_blob();
        }
    }

    /// Notes that a reader has claimed the mailbox.
    pub(crate) fn note_claim(&mut self, handle: Handle) {
        self.touch(handle, TableSet::default());
    }

    /// Notes an ack that destroys blobs of the mailbox, each so many days after its put.
    pub(crate) fn note_ack(&mut self, handle: Handle, delays: impl Iterator<Item = u32>) {
        if self.running.is_some() {
            self.touch(handle, delays.fold(TableSet::default(), |set, days| set.with(Table::of_delay(days))));
        }
    }

    fn touch(&mut self, handle: Handle, tables: TableSet) {
        if let Some(running) = &mut self.running {
            running.tables.touch(handle, tables.with(Table::Used), &mut self.random);
        }
    }

    /// Follows the believed day. At its change the old tables end, and new ones begin. The figures
    /// of the old ones are added to the history if they ran for a whole day and if the day has
    /// moved by one. Old days are removed from the history; without slots, all of them.
    pub(crate) fn advance(&mut self, now: Now) {
        if self.day == Some(now.day) {
            return;
        }
        let before = self.day.replace(now.day);
        if self.slots == 0 {
            self.is_unsaved |= !self.history.is_empty();
            self.history = History::default();
            return;
        }
        self.is_unsaved |= self.history.forget_old(now.day);
        let ended = self.running.take();
        let Some(before) = before else { return };
        let tables = DayTables::begin(self.slots, &mut self.random);
        self.running = Some(Running { tables, since_ms: now.ms });
        if let Some(Running { tables, since_ms }) = ended
            && now.day == before.plus(1)
            && WHOLE_DAY_MS.contains(&now.ms.saturating_sub(since_ms))
        {
            self.history.add(tables.close(before, &mut self.random));
            self.is_unsaved = true;
        }
    }

    /// Returns the history if it differs from the one on stable storage. If it is empty, the record
    /// is to be erased. The figures of a day are drawn once: a write that found no room is repeated
    /// with the same ones.
    pub(crate) fn unsaved(&self) -> Option<&History> {
        self.is_unsaved.then_some(&self.history)
    }

    /// Notes that the history is on stable storage.
    pub(crate) fn note_saved(&mut self) {
        (self.is_unsaved, self.is_recorded) = (false, !self.history.is_empty());
    }

    /// Whether the store has a record of statistics.
    pub(crate) const fn is_recorded(&self) -> bool {
        self.is_recorded
    }
}

impl<R> std::fmt::Debug for Statistics<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Statistics(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deaddrop_testkit::rng;

    const DAY_MS: u64 = 24 * HOUR_MS;

    fn recorded(days: &[(u32, u64)]) -> Vec<u32> {
        let mut statistics = Statistics::new(1_024, rng(1));
        for (day, ms) in days {
            statistics.advance(Now::new(Day::from_number(*day), *ms));
        }
        statistics.history.days().iter().map(|figures| figures.day.number()).collect()
    }

    #[test]
    fn a_day_counts_if_the_process_ran_all_of_it() {
        let noon = DAY_MS / 2;
        let [one, two, three] = [noon, noon + DAY_MS, noon + 2 * DAY_MS];
        assert!(recorded(&[(5, 0), (6, one)]).is_empty(), "the process began within day 5");
        assert_eq!(recorded(&[(5, 0), (6, one), (6, one + 1), (7, two)]), [6]);
        assert_eq!(recorded(&[(5, 0), (6, one), (7, two), (8, three)]), [6, 7]);
    }

    #[test]
    fn a_day_of_a_clock_that_was_corrected_is_dropped() {
        let [one, two, three] = [1_000, 1_000 + DAY_MS, 1_000 + 2 * DAY_MS];
        assert!(recorded(&[(5, 0), (6, one), (8, two)]).is_empty(), "a step of two days");
        assert_eq!(recorded(&[(5, 0), (6, one), (8, two), (9, three)]), [8], "the next one counts");
        assert!(recorded(&[(5, 0), (6, one), (7, one + 22 * HOUR_MS)]).is_empty(), "a short day");
        assert!(recorded(&[(5, 0), (6, one), (7, one + 26 * HOUR_MS)]).is_empty(), "a long day");
        assert!(recorded(&[(5, 0), (6, one), (5, two)]).is_empty(), "a step back");
    }

    #[test]
    fn a_day_is_drawn_once_and_written_until_it_is_saved() {
        let mut statistics = Statistics::new(1_024, rng(1));
        for (day, ms) in [(5, 0), (6, 1), (7, 1 + DAY_MS)] {
            assert_eq!(statistics.unsaved(), None);
            statistics.advance(Now::new(Day::from_number(day), ms));
        }
        let first = statistics.unsaved().cloned().unwrap();
        statistics.advance(Now::new(Day::from_number(7), 2 + DAY_MS));
        assert_eq!(statistics.unsaved(), Some(&first), "no new noise");
        statistics.note_saved();
        statistics.advance(Now::new(Day::from_number(7), 3 + DAY_MS));
        assert_eq!(statistics.unsaved(), None);
    }

    #[test]
    fn statistics_without_slots_record_nothing() {
        let mut statistics = Statistics::new(0, rng(1));
        for day in 5..9 {
            statistics.advance(Now::new(Day::from_number(day), u64::from(day) * DAY_MS));
            statistics.note_claim(Handle::from_bytes([1; 6]));
        }
        assert!(statistics.running.is_none() && statistics.unsaved().is_none());
    }

    /// Returns the history of one day, 6, and the time of its end.
    fn of_one_day() -> (History, u64) {
        let mut statistics = Statistics::new(1_024, rng(1));
        for (day, ms) in [(5, 0), (6, 1), (7, 1 + DAY_MS)] {
            statistics.advance(Now::new(Day::from_number(day), ms));
        }
        (statistics.history, 1 + DAY_MS)
    }

    #[test]
    fn a_start_without_slots_or_long_after_the_last_day_erases_the_record() {
        for (slots, day) in [(0, 7), (1_024, 97)] {
            let (history, ms) = of_one_day();
            let mut statistics = Statistics::new(slots, rng(1));
            statistics.restore(history);
            assert!(statistics.unsaved().is_none() && statistics.is_recorded());
            statistics.advance(Now::new(Day::from_number(day), ms));
            assert!(statistics.unsaved().is_some_and(History::is_empty), "{slots} slots");
            statistics.note_saved();
            assert!(statistics.unsaved().is_none() && !statistics.is_recorded());
        }
        let (history, ms) = of_one_day();
        let mut statistics = Statistics::new(1_024, rng(1));
        statistics.restore(history);
        statistics.advance(Now::new(Day::from_number(96), ms));
        assert!(statistics.unsaved().is_none() && statistics.is_recorded());
    }
}
