//! Bounds on the numbers that a relay names (spec/14-client.md section 6.3). A relay can be wrong
//! or hostile: no number of it may silence a contact for long, or make the client busy.

use std::{ops::RangeInclusive, time::Duration};

/// Bounds of `retry_s` in an answer to a Put: seconds to wait before the next Put to the contact.
pub const PUT_RETRY_S: RangeInclusive<u16> = 1..=900;
/// Seconds to wait before the next Put if the answer asks to wait and names 0.
pub const PUT_RETRY_UNNAMED_S: u16 = 5;
/// Bounds of `retry_s` in an answer to Create, Delete or Subscribe: seconds to wait before the next
/// such request for the mailbox.
pub const OWNER_RETRY_S: RangeInclusive<u16> = 5..=900;
/// Bounds of `blob_days` and `large_blob_days` in a relay's Hello: days for which it keeps a blob.
pub const BLOB_DAYS: RangeInclusive<u16> = 1..=30;
/// Bounds of `ping_s` in a relay's Hello: seconds between two pings.
pub const PING_S: RangeInclusive<u16> = 2..=300;
/// Maximum in seconds of the client's own wait after an answer that asks to wait. It begins with
/// the lower bound, and doubles with each such answer in a row.
pub const OWN_RETRY_MAX_S: u16 = 300;

/// The waits after answers that ask to wait, for one contact or mailbox. Each wait is the one that
/// the relay names, within bounds, and not less than the client's own, which doubles with each such
/// answer until [`reset`](Self::reset).
#[derive(Clone, Copy, Debug, Default)]
pub struct AskedWaits {
    /// Number of answers in a row that asked to wait.
    count: u32,
}

impl AskedWaits {
    /// Counts one more answer to a Put that asks to wait, and returns the wait before the next one.
    /// `retry_s` is the number of seconds in the answer.
    pub fn next_put(&mut self, retry_s: u16) -> Duration {
        let retry_s = if retry_s == 0 { PUT_RETRY_UNNAMED_S } else { retry_s };
        self.next(retry_s, &PUT_RETRY_S)
    }

    /// Counts one more answer to Create, Delete or Subscribe that asks to wait, and returns the
    /// wait before the next one. `retry_s` is the number of seconds in the answer.
    pub fn next_owner(&mut self, retry_s: u16) -> Duration {
        self.next(retry_s, &OWNER_RETRY_S)
    }

    fn next(&mut self, retry_s: u16, bounds: &RangeInclusive<u16>) -> Duration {
        let own = bounds.start().saturating_mul(1 << self.count.min(15)).min(OWN_RETRY_MAX_S);
        self.count = self.count.saturating_add(1);
        Duration::from_secs(u64::from(retry_s.clamp(*bounds.start(), *bounds.end()).max(own)))
    }

    /// Returns the number of answers in a row that asked to wait.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Notes an answer that does not ask to wait: the next wait is the shortest again.
    pub const fn reset(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_a_relay_waits_longer_than_its_ceiling_or_shorter_than_its_floor() {
        let seconds = |wait: Duration| wait.as_secs();
        for retry_s in [0, 1, 4, 5, 60, 900, 901, u16::MAX] {
            let mut waits = AskedWaits::default();
            let first = seconds(waits.next_put(retry_s));
            let unnamed = u64::from(PUT_RETRY_UNNAMED_S);
            assert_eq!(first, if retry_s == 0 { unnamed } else { u64::from(retry_s).clamp(1, 900) });
            for _ in 0..100 {
                assert!((1..=900).contains(&seconds(waits.next_put(retry_s))));
            }
            assert!(seconds(waits.next_put(retry_s)) >= u64::from(OWN_RETRY_MAX_S));
            waits.reset();
            assert_eq!(seconds(waits.next_put(retry_s)), first);
            let mut waits = AskedWaits::default();
            assert_eq!(seconds(waits.next_owner(retry_s)), u64::from(retry_s).clamp(5, 900));
        }
    }

    #[test]
    fn the_table_of_the_spec_has_these_bounds() {
        let spec = include_str!("../../../spec/14-client.md");
        let section = spec.split("### 6.3 ").nth(1).unwrap().split("\n## ").next().unwrap();
        let row = |name: &str| -> Vec<u16> {
            let row = section.lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
            row.split('|').skip(2).filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect()
        };
        let bounds = |range: RangeInclusive<u16>| vec![*range.start(), *range.end()];
        assert_eq!(row("`retry_s` of an answer to Put"), bounds(PUT_RETRY_S));
        assert_eq!(row("`retry_s` of an answer to Create, Delete or Subscribe"), bounds(OWNER_RETRY_S));
        assert_eq!(row("`blob_days`, `large_blob_days`"), bounds(BLOB_DAYS));
        assert_eq!(row("`ping_s` of Hello"), bounds(PING_S));
        for text in
            [format!("names 0, that is {PUT_RETRY_UNNAMED_S} s"), format!("to at most {OWN_RETRY_MAX_S} s")]
        {
            assert!(section.contains(&text), "{text:?} is not in section 6.3");
        }
    }
}
