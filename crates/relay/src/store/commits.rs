//! The figures of a store's commits: how many wait, and the time that they take (spec/12-relay.md
//! section 10.2).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Upper bounds of the buckets of commit times, in rising order. Slower commits are in a last
/// bucket without a bound.
pub const LATENCY_BOUNDS: [Duration; 13] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Number of commits after which the figures of their times change. Fewer show nothing, so that a
/// row of readings does not tell when one client put or acked.
const STEP: u64 = 64;

/// The figures of a store's commits since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitFigures {
    /// Number of commits that were submitted and are not durable yet.
    pub waiting: u64,
    /// Number of commits in each bucket of [`LATENCY_BOUNDS`] and in the last one; their sum is a
    /// multiple of 64.
    pub buckets: [u64; LATENCY_BOUNDS.len() + 1],
    /// Sum of the times of the commits in the buckets.
    pub total: Duration,
}

impl CommitFigures {
    fn count(&mut self, took: Duration) {
        let at = LATENCY_BOUNDS.iter().position(|bound| took <= *bound).unwrap_or(LATENCY_BOUNDS.len());
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += 1;
        }
        self.total = self.total.saturating_add(took);
    }
}

/// The counts of the commits of a running store.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    waiting: AtomicU64,
    times: Mutex<Times>,
}

/// The times of commits: all of them, and those until the last multiple of [`STEP`].
#[derive(Debug, Default)]
struct Times {
    counted: u64,
    all: CommitFigures,
    shown: CommitFigures,
}

impl Commits {
    /// Returns the figures as they may be shown.
    pub(crate) fn figures(&self) -> CommitFigures {
        let shown = self.times.lock().unwrap_or_else(PoisonError::into_inner).shown;
        CommitFigures { waiting: self.waiting.load(Ordering::Relaxed), ..shown }
    }

    fn note(&self, took: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.all.count(took);
        times.counted += 1;
        if times.counted.is_multiple_of(STEP) {
            times.shown = times.all;
        }
    }
}

/// A commit that was submitted. It waits until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenCommit {
    commits: Arc<Commits>,
    begun: Instant,
}

impl OpenCommit {
    /// Counts a commit that is submitted now.
    pub(crate) fn begin(commits: &Arc<Commits>) -> Self {
        commits.waiting.fetch_add(1, Ordering::Relaxed);
        Self { commits: Arc::clone(commits), begun: Instant::now() }
    }
}

impl Drop for OpenCommit {
    fn drop(&mut self) {
        self.commits.waiting.fetch_sub(1, Ordering::Relaxed);
        self.commits.note(self.begun.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_change_in_steps_and_are_exact_at_each_step() {
        let commits = Commits::default();
        for ms in 0..63 {
            commits.note(Duration::from_millis(ms));
        }
        assert_eq!(commits.figures(), CommitFigures::default(), "63 commits show nothing");
        commits.note(Duration::from_secs(60));
        let shown = commits.figures();
        assert_eq!(shown.buckets, [2, 1, 3, 5, 10, 30, 12, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(shown.total, Duration::from_millis((0..63).sum::<u64>() + 60_000));
        commits.note(Duration::ZERO);
        assert_eq!(commits.figures(), shown);
    }

    #[test]
    fn a_commit_waits_until_it_ends_in_whatever_way() {
        let commits = Arc::new(Commits::default());
        let open = [(); 3].map(|()| OpenCommit::begin(&commits));
        assert_eq!(commits.figures().waiting, 3);
        drop(open);
        assert_eq!(commits.figures().waiting, 0);
        assert_eq!(commits.times.lock().unwrap().counted, 3);
    }
}
