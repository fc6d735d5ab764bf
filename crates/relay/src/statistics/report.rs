//! The published statistics as an operator reads them.

use super::estimate::{self, CONFIDENCE_PERCENT};
use super::history::{DayFigures, History};
use super::parameters::{BLOB_NOISE, ONES_OF_EIGHT, TABLE_NOISE};
use super::table::TABLES;
use deaddrop_wire::Day;
use serde::{Serialize, Serializer};

pub use super::estimate::Figure;

/// The published statistics of a relay.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The days, oldest first.
    pub days: Vec<PublishedDay>,
    /// Whether there is a record that is damaged or cannot be read. Then there are no days.
    pub is_unreadable: bool,
    /// Percent of the true numbers that are between the bounds of their figures.
    pub confidence_percent: u8,
    /// Epsilon of a mailbox: the figures of a day change the odds of a statement about a single
    /// mailbox by at most the factor e to the power of this. The number of blobs does not count.
    pub epsilon: f64,
    /// The same for the figures of a day together with one image of the tables in memory.
    pub epsilon_with_memory_image: f64,
    /// Epsilon of a single blob, by the number of blobs and one image of its count in memory.
    pub epsilon_of_a_blob: f64,
}

/// The published figures of one day.
#[derive(Clone, Debug, Serialize)]
pub struct PublishedDay {
    /// The day.
    #[serde(serialize_with = "write_day")]
    pub day: Day,
    /// Number of slots of each table.
    pub slots: u32,
    /// Mailboxes into which a blob was put, that a reader claimed, or of which an ack destroyed a
    /// blob.
    pub used: Figure,
    /// Mailboxes into which a blob of 4 KiB was put.
    pub put_small: Figure,
    /// Mailboxes into which a blob of 16 KiB was put.
    pub put_medium: Figure,
    /// Mailboxes into which a blob of 64 KiB was put.
    pub put_large: Figure,
    /// Mailboxes of which an ack destroyed a blob on the day of its put.
    pub acked_same_day: Figure,
    /// Mailboxes of which an ack destroyed a blob on the day after its put.
    pub acked_next_day: Figure,
    /// Mailboxes of which an ack destroyed a blob 2 to 6 days after its put.
    pub acked_after_2_days: Figure,
    /// Mailboxes of which an ack destroyed a blob 7 or more days after its put.
    pub acked_after_7_days: Figure,
    /// Blobs that were put; `None` if it is not recorded because too few mailboxes were used. Noise
    /// hides a single blob in this number, and no mailbox with many of them.
    pub blobs_put: Option<Figure>,
}

fn write_day<S: Serializer>(day: &Day, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

impl Report {
    /// Makes the report on the recorded days; `None` stands for a record that cannot be read.
    pub(crate) fn of(history: Option<&History>) -> Self {
        let tables = f64::from(u32::try_from(TABLES).unwrap_or(u32::MAX));
        let epsilon = tables / f64::from(TABLE_NOISE);
        // A bit of a touched slot is 0 with the probability 3/8, and one of another slot with 1/2.
        let of_a_bit = (4.0 / f64::from(8 - ONES_OF_EIGHT)).ln();
        Self {
            days: history.map(History::days).unwrap_or_default().iter().map(PublishedDay::of).collect(),
            is_unreadable: history.is_none(),
            confidence_percent: CONFIDENCE_PERCENT,
            epsilon,
            epsilon_with_memory_image: epsilon + tables * of_a_bit,
            epsilon_of_a_blob: 2.0 / f64::from(BLOB_NOISE),
        }
    }
}

impl PublishedDay {
    fn of(figures: &DayFigures) -> Self {
        let DayFigures { day, slots, ones, blobs } = figures;
        let [
            used,
            put_small,
            put_medium,
            put_large,
            acked_same_day,
            acked_next_day,
            acked_after_2_days,
            acked_after_7_days,
        ] = ones.map(|ones| estimate::of_mailboxes(ones, *slots));
        Self {
            day: *day,
            slots: *slots,
            used,
            put_small,
            put_medium,
            put_large,
            acked_same_day,
            acked_next_day,
            acked_after_2_days,
            acked_after_7_days,
            blobs_put: blobs.map(estimate::of_blobs),
        }
    }
}

impl std::fmt::Display for PublishedDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.day)?;
        for (counted, figure) in [
            ("mailboxes used", self.used),
            ("mailboxes with a put of 4 KiB", self.put_small),
            ("mailboxes with a put of 16 KiB", self.put_medium),
            ("mailboxes with a put of 64 KiB", self.put_large),
            ("mailboxes with an ack on the day of the put", self.acked_same_day),
            ("mailboxes with an ack on the next day", self.acked_next_day),
            ("mailboxes with an ack after 2 to 6 days", self.acked_after_2_days),
            ("mailboxes with an ack after 7 days or more", self.acked_after_7_days),
        ] {
            writeln!(f, "  {counted}: {figure}")?;
        }
        match self.blobs_put {
            Some(figure) => writeln!(f, "  blobs put: {figure}"),
            None => writeln!(f, "  blobs put: not recorded, because too few mailboxes were used"),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_unreadable {
            f.write_str(
                "The record of the statistics is damaged or cannot be read. When the relay starts, it erases a damaged one.\n",
            )?;
        } else if self.days.is_empty() {
            f.write_str(
                "No day is recorded yet. A relay records a day at its end if it ran for all of it; a restart drops the day. \
                 With `statistics_slots = 0` or --volatile it records none.\n",
            )?;
        }
        for day in &self.days {
            write!(f, "{day}")?;
        }
        let (epsilon, image) = (self.epsilon, self.epsilon_with_memory_image);
        write!(
            f,
            "\nEach true number is between its bounds on {} of 100 days. The noise is on purpose: it hides each single mailbox, except in the number of blobs.\n\
             Epsilon is {epsilon:.1} for a day: suppose that somebody guesses whether a certain mailbox was used. These figures change the odds of \
             the guess by at most a factor of {:.1}; if the person also read the tables in the relay's memory once on that day \
             (epsilon {image:.1}), by at most {:.0}. A mailbox that is used on several days is exposed once for each: the factors multiply.\n\
             The number of blobs hides a single blob alone (epsilon {:.2}), and not a busy mailbox. A relay records it only on days whose number of used \
             mailboxes is not shown as small (\"fewer than\").",
            self.confidence_percent,
            epsilon.exp(),
            image.exp(),
            self.epsilon_of_a_blob,
        )
    }
}
