//! Upkeep between commits, in small steps.

use super::Shred;
use crate::disk::Disk;
use crate::error::CommitError;
use crate::upkeep::{LOOK_EVERY, QUIET, SETTLE_AFTER, Upkeep};
use rand_core::CryptoRng;
use std::time::Duration;

impl<D: Disk> Shred<D> {
    /// Sets the maximum time for which the ciphertext of a dead record may stay on the disk;
    /// [`DEAD_BYTES_LIMIT`](crate::DEAD_BYTES_LIMIT) unless it is set.
    pub fn set_dead_bytes_limit(&mut self, limit: Duration) {
        self.upkeep.limit = limit;
    }

    /// Does a bounded part of the upkeep between commits: settles ([`settle`](Self::settle)),
    /// zeroes dead bytes, makes wholly dead segments ready to be used again, copies the live
    /// records of mostly dead ones when room is short, adds segments ahead of need, gives unused
    /// ones back, continues a replacement of the data key. `now` is the time since the store was
    /// opened; one before that of an earlier call counts as that. Returns the time (on the same
    /// clock) of the next call at the latest, or `None` if nothing is to be done before the next
    /// commit; call it after each commit, too.
    ///
    /// # Errors
    /// Fails with `Stopped` when the disk has failed.
    pub fn maintain(
        &mut self,
        now: Duration,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<Duration>, CommitError> {
        self.set_now(now);
        if self.is_stopped() {
            return Err(CommitError::Stopped);
        }
        if !self.is_settled() && self.upkeep.now >= self.upkeep.busy_at.saturating_add(SETTLE_AFTER) {
            self.settle()?;
        }
        if self.upkeep.is_quiet() && self.renewable(false).is_some_and(|it| self.is_named(it)) {
            self.commit_empty()?;
        }
        let stored = self.upkeep.take_stored();
        let grew = self.grow_ahead(stored)?;
        let is_tight = self.is_tight();
        let is_wanted = self.is_short() && self.renewable(false).is_some();
        self.upkeep.is_tight = is_tight || is_wanted || self.is_replacing_key();
        let copied = self.wants_compaction() && self.compact_a_little(stored, rng)?;
        let replaced = self.replace_a_little(rng)?;
        let done = self
            .scrub()
            .and_then(|did| Ok(self.verify_gaps()? || did))
            .and_then(|did| Ok(self.renew()? || did));
        let mut worked = self.or_stop(done)? || grew || copied || replaced;
        // Zeros reach the disk with the next commit, or now if none comes or their time is over.
        if self.upkeep.is_overdue() {
            self.sync_zeros()?;
        }
        if !worked && self.upkeep.is_quiet() {
            self.sync_zeros()?;
            worked = self.shrink_a_little(rng)?;
        }
        self.publish_debt();
        Ok(self.next_upkeep(worked))
    }

    /// Settles ([`settle`](Self::settle)), then zeroes all dead bytes, until that is done or
    /// `is_over`, which is asked between the pieces, returns true. Returns the number of dead bytes
    /// that are left.
    ///
    /// # Errors
    /// Fails with `Stopped` when the disk has failed.
    pub fn scrub_all(&mut self, mut is_over: impl FnMut() -> bool) -> Result<u64, CommitError> {
        self.settle()?;
        // As if nothing had happened for long.
        self.upkeep.busy_at = Duration::ZERO;
        self.upkeep.now = self.upkeep.now.max(QUIET);
        loop {
            let done = self.scrub().and_then(|did| Ok(did || self.verify_gaps()?));
            if !self.or_stop(done)? || is_over() {
                break;
            }
        }
        self.sync_zeros()?;
        self.publish_debt();
        let (left, _) = self.upkeep.debt();
        if left == 0 && !self.is_clean {
            // The next opening need not look for dead bytes.
            self.commit_clean()?;
        }
        Ok(left)
    }

    pub(crate) fn set_now(&mut self, now: Duration) {
        self.upkeep.now = self.upkeep.now.max(now);
    }

    /// Returns the time of the next step of upkeep; `None` if there is nothing to do. `worked`
    /// tells whether the last step did something.
    pub(super) fn next_upkeep(&self, worked: bool) -> Option<Duration> {
        let Upkeep { now, busy_at, limit, .. } = self.upkeep;
        if worked {
            return Some(now);
        }
        let settle = (!self.is_settled()).then(|| busy_at.saturating_add(SETTLE_AFTER));
        let quiet = busy_at.saturating_add(QUIET);
        let due = self.upkeep.runs.front().map(|(_, died)| quiet.min(died.saturating_add(limit / 4)));
        let zeros = self.upkeep.zeroed.map(|_| quiet);
        let gaps = (!self.upkeep.gaps.is_empty()).then(|| now.saturating_add(LOOK_EVERY));
        let waits = self.renewable(false).map(|_| quiet);
        settle.into_iter().chain(due).chain(zeros).chain(gaps).chain(waits).min().map(|at| at.max(now))
    }
}
