//! The metrics of a running relay, in the text format of Prometheus (spec/12-relay.md section
//! 10.2).
//!
//! A program that reads them at intervals keeps a row of readings, which is a record of activity.
//! Numbers of things that clients do are therefore rounded, and a label is one of a few constants
//! of this program: no text that a client sent can be in one.

mod exposition;
mod label;

pub(crate) use exposition::Exposition;
#[cfg(test)]
pub(crate) use label::Label;
pub(crate) use label::{Day, Limit, MemoryHolder, Request, Segment, Stage, Version};

/// A number of connections, of waiting commits, of mailboxes or of blobs is rounded down to a multiple of this, so that
/// readings do not tell when one person came.
pub(crate) const COUNT_STEP: u64 = 16;
/// A number of bytes is rounded down to a multiple of this, for the same reason.
pub(crate) const BYTES_STEP: u64 = 1 << 20;

/// The type of a metric in the text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number that never falls while the relay runs.
    Counter,
    /// A number that rises and falls.
    Gauge,
    /// Counts in buckets, and a sum.
    Histogram,
}

impl Kind {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// The version of the program, as a label.
    BuildInfo,
    /// Whether puts and creates are taken.
    Takes,
    /// Segments in the store's file.
    Segments,
    /// Maximum number of segments.
    SegmentsLimit,
    /// Bytes of destroyed records that are not zeroed yet.
    DeadBytes,
    /// Age of the oldest dead byte.
    OldestDeadByte,
    /// Parts of the limits that are used.
    Used,
    /// Bytes that are held in memory.
    MemoryBytes,
    /// Times of commits.
    CommitDuration,
    /// Commits that are not durable yet.
    WaitingCommits,
    /// Open connections.
    Connections,
    /// Refusals and ended connections.
    Refusals,
    /// The believed day and that of the system.
    DayTimestamp,
}

impl Metric {
    /// All metrics, in the order in which they are written.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 13] = [
        Self::BuildInfo,
        Self::Takes,
        Self::Segments,
        Self::SegmentsLimit,
        Self::DeadBytes,
        Self::OldestDeadByte,
        Self::Used,
        Self::MemoryBytes,
        Self::CommitDuration,
        Self::WaitingCommits,
        Self::Connections,
        Self::Refusals,
        Self::DayTimestamp,
    ];

    /// Returns the name in the text format.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BuildInfo => "deaddrop_relay_build_info",
            Self::Takes => "deaddrop_relay_takes",
            Self::Segments => "deaddrop_relay_segments",
            Self::SegmentsLimit => "deaddrop_relay_segments_limit",
            Self::DeadBytes => "deaddrop_relay_dead_bytes",
            Self::OldestDeadByte => "deaddrop_relay_oldest_dead_byte_seconds",
            Self::Used => "deaddrop_relay_used_ratio",
            Self::MemoryBytes => "deaddrop_relay_memory_bytes",
            Self::CommitDuration => "deaddrop_relay_commit_duration_seconds",
            Self::WaitingCommits => "deaddrop_relay_waiting_commits",
            Self::Connections => "deaddrop_relay_connections",
            Self::Refusals => "deaddrop_relay_refusals_total",
            Self::DayTimestamp => "deaddrop_relay_day_timestamp_seconds",
        }
    }

    /// Returns the type in the text format.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::CommitDuration => Kind::Histogram,
            Self::Refusals => Kind::Counter,
            _ => Kind::Gauge,
        }
    }

    /// Describes the metric for the operator.
    pub(crate) const fn help(self) -> &'static str {
        match self {
            Self::BuildInfo => "The version of the program, as a label; the value is 1.",
            Self::Takes => "1 while the relay takes such requests, 0 while it refuses them.",
            Self::Segments => "Segments in the store's file, by whether they hold something.",
            Self::SegmentsLimit => "Maximum number of segments in the store's file.",
            Self::DeadBytes => {
                "Bytes of destroyed records that are not zeroed on the disk yet, rounded down to MiB."
            }
            Self::OldestDeadByte => {
                "Age of the oldest dead byte; 0 while that is at most half of dead_bytes_s, or at most 60 s."
            }
            Self::Used => {
                "Part of a limit that is used, rounded down to a multiple of 16 or to MiB, then to whole percents."
            }
            Self::MemoryBytes => "Bytes that are held in memory, rounded down to MiB.",
            Self::CommitDuration => {
                "Time from the decision on a write until it is on the disk; changes every 64 commits."
            }
            Self::WaitingCommits => "Writes that are not on the disk yet, rounded down to a multiple of 16.",
            Self::Connections => "Open connections, rounded down to a multiple of 16.",
            Self::Refusals => "Refusals and ended connections since the start, by reason.",
            Self::DayTimestamp => {
                "Beginning of the day that the relay believes, and of the system's day, in seconds since 1970."
            }
        }
    }
}

/// Returns `number` rounded down to a multiple of `step`.
pub(crate) const fn round_down(number: u64, step: u64) -> u64 {
    number - number % step
}

#[cfg(test)]
mod tests;
