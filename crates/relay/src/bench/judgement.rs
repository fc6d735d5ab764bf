//! The figures in words: the part of the machine that a growing load exhausts first, and an
//! estimate of the number of people.

use crate::limits::Limits;
use serde::Serialize;
use std::fmt;

/// Assumed number of messages that each person sends in a day.
const MESSAGES_A_DAY: f64 = 50.0;
/// Assumed number of blobs for each message: one for the message, one for its receipt.
const BLOBS_A_MESSAGE: f64 = 2.0;
/// Assumed ratio of the rate in the busiest hour to the average rate.
const PEAK: f64 = 5.0;
/// Part of the measured rate that the estimate uses, so that half is left in reserve.
const USED: f64 = 0.5;
const SECONDS_A_DAY: f64 = 86_400.0;

/// The part of a machine that a growing load exhausts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstLimit {
    /// The processors.
    Processor,
    /// The disk.
    Disk,
    /// Not known, because the system tells no processor time of the relay, or because the disk was
    /// not measured.
    Unknown,
}

/// A judgement of the figures of one machine.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// The part of the machine that a growing load exhausts first.
    pub first_limit: FirstLimit,
    /// Number of blobs in a second that all processors carry if the relay has them alone; `None` if
    /// the system does not tell its processor time.
    pub processors_per_s: Option<f64>,
    /// Number of blobs in a second that the disk carries by itself; `None` if it was not measured.
    pub disk_per_s: Option<f64>,
    /// Assumed number of messages of each person in a day.
    pub messages_a_day: f64,
    /// Estimated number of people whose messages the measured rate is enough for. Connections,
    /// mailboxes and memory are not considered.
    pub people: f64,
}

impl Judgement {
    /// Judges the measured rates, in blobs a second: `per_s` by the clock, `per_core_s` that of one
    /// core of the relay, `disk_per_s` that of the disk alone. `processors` is the number of
    /// processors.
    pub(super) fn new(
        per_s: f64,
        per_core_s: Option<f64>,
        disk_per_s: Option<f64>,
        processors: usize,
    ) -> Self {
        let processors_per_s = per_core_s.map(|per_core| (per_core * processors as f64).round());
        let disk_per_s = disk_per_s.map(f64::round);
        let first_limit = match (processors_per_s, disk_per_s) {
            (Some(processors), Some(disk)) if disk < processors => FirstLimit::Disk,
            (Some(_), Some(_)) => FirstLimit::Processor,
            _ => FirstLimit::Unknown,
        };
        Self {
            first_limit,
            processors_per_s,
            disk_per_s,
            messages_a_day: MESSAGES_A_DAY,
            people: people(per_s),
        }
    }
}

/// Returns the number of people whose messages `per_s` blobs a second are enough for, rounded down
/// to two digits.
fn people(per_s: f64) -> f64 {
    let people = per_s * USED * SECONDS_A_DAY / (MESSAGES_A_DAY * BLOBS_A_MESSAGE * PEAK);
    let digits = 10_f64.powf(people.max(10.0).log10().floor() - 1.0);
    (people / digits).floor() * digits
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first_limit, self.processors_per_s, self.disk_per_s) {
            (FirstLimit::Processor, Some(processors), Some(disk)) => writeln!(
                f,
                "The processor ends first: all processors carry at most {processors:.0} blobs/s if the relay has them alone, the disk {disk:.0}."
            )?,
            (FirstLimit::Disk, Some(processors), Some(disk)) => writeln!(
                f,
                "The disk ends first: it carries {disk:.0} blobs/s, all processors at most {processors:.0} if the relay has them alone."
            )?,
            _ => writeln!(f, "This system does not tell whether the processor or the disk ends first.")?,
        }
        let Limits { connections, mailboxes, .. } = Limits::DEFAULT;
        let people = match self.people {
            people if people >= 1e6 => format!("{:.1} million", people / 1e6),
            people => people.to_string(),
        };
        write!(
            f,
            "Estimate: half of the rate by the clock on disk is enough for the messages of {people} people. It assumes that each sends \
             {MESSAGES_A_DAY} messages a day, that a message is {BLOBS_A_MESSAGE} blobs with its receipt, and that the busiest hour has \
             {PEAK} times the average.\nThe limits end earlier unless config.toml raises them: {connections} connections at once, {mailboxes} \
             mailboxes. Memory and the network were not measured."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_its_assumptions() {
        // 500 blobs a day at the peak's rate are 100 a person, five times as fast; half of the rate is used.
        assert_eq!(people(1_000.0), 86_000.0);
        assert_eq!(people(0.0), 0.0);
    }

    #[test]
    fn the_slower_part_ends_first() {
        let first = |per_core, disk| Judgement::new(1_000.0, per_core, disk, 2).first_limit;
        assert_eq!(first(Some(10.0), Some(21.0)), FirstLimit::Processor);
        assert_eq!(first(Some(10.0), Some(19.0)), FirstLimit::Disk);
        assert_eq!(first(None, Some(19.0)), FirstLimit::Unknown);
    }
}
