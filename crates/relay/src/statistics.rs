//! Statistics of a relay that say next to nothing about a single mailbox (spec/16-statistics.md).
//!
//! Once a day a relay records how many mailboxes were used, for which sizes and with which delays.
//! In the course of the day it keeps tables of bits that begin as random bits and are redrawn with
//! a small bias, so that an image of the memory says little about a mailbox. The recorded counts
//! have noise.

mod day_tables;
mod estimate;
mod history;
mod laplace;
mod parameters;
mod report;
mod running;
mod table;

pub(crate) use history::{History, LEAST_SLOTS};
pub use report::{Figure, PublishedDay, Report};
pub(crate) use running::Statistics;

#[cfg(test)]
mod tests;
