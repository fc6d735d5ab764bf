//! The pace of a link's requests: the entries that a client sends beside accepted puts and useful acks are paid for before their
//! record is handled or, where it shows only then what they are, before the next one is read (spec/12-relay.md section 7.4).

use super::SessionContext;
use crate::admission::Prefix;
use crate::bucket::Bucket;
use crate::clock::Now;

/// Bytes of a record beyond its accepted blobs that count as one entry: to open them takes about as
/// long as a claim.
const ENTRY_BYTES: u32 = 4_096;

/// The entries of one link that are not taken from the rates yet.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Number of entries that are not paid for.
    owed: u32,
    /// Number of entries of the present record that were owed before it was handled.
    charged: u32,
    /// Number of entries of the present record that showed while it was handled.
    of_record: u32,
    /// Length of the present record in bytes, without the blobs of its accepted puts.
    record_bytes: u32,
    /// Whether the record brings a put to the store or confirms a blob in flight.
    is_useful: bool,
    bucket: Bucket,
    /// The time, in milliseconds of [`Now::ms`], before which no further attempt to pay is made.
    retry_ms: u64,
}

impl Entries {
    /// Begins a record of `bytes` bytes: so many of its entries are owed before it is handled.
    pub(super) fn charge(&mut self, entries: usize, bytes: usize) {
        self.charged = u32::try_from(entries).unwrap_or(u32::MAX);
        self.record_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.owed = self.owed.saturating_add(self.charged);
    }

    /// Adds entries that showed while the record was handled.
    pub(super) fn add(&mut self, entries: usize) {
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        self.of_record = self.of_record.saturating_add(entries);
    }

    /// Notes that the record brings a put of a blob of this many bytes to the store, or (with 0)
    /// confirms a blob in flight.
    pub(super) fn note_use(&mut self, bytes: usize) {
        self.is_useful = true;
        self.record_bytes = self.record_bytes.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// Ends a record: what it counts as and was not charged is owed from now on. It counts as at
    /// least one entry, unless it was useful, and one more for each [`ENTRY_BYTES`].
    pub(super) fn end_record(&mut self) {
        let is_useful = std::mem::take(&mut self.is_useful);
        let least = u32::from(!is_useful) + std::mem::take(&mut self.record_bytes) / ENTRY_BYTES;
        let charged = std::mem::take(&mut self.charged);
        let entries = charged.saturating_add(std::mem::take(&mut self.of_record)).max(least);
        self.owed = self.owed.saturating_add(entries - charged);
    }

    /// Whether entries are not paid for.
    pub(super) const fn owes(&self) -> bool {
        self.owed > 0
    }

    /// Takes all that is owed, or nothing, from the rates of the link, of its prefix and of all
    /// links together. Returns whether nothing is owed any more. After a refusal, makes no further
    /// attempt until the seconds to wait that the rates named are over.
    pub(super) fn pay(&mut self, shared: &SessionContext, prefix: Prefix, now: Now) -> bool {
        if self.owed == 0 {
            return true;
        }
        if now.ms < self.retry_ms {
            return false;
        }
        let (per_s, burst) = (shared.limits.entries_per_s.into(), shared.limits.entries_burst.into());
        let mut bucket = self.bucket;
        let taken = bucket.take(self.owed.into(), per_s, burst, now.ms);
        match taken.and_then(|()| shared.take_entries(prefix, self.owed.into(), now)) {
            Ok(()) => {
                self.bucket = bucket;
                self.owed = 0;
                true
            }
            Err(wait_s) => {
                self.retry_ms = now.ms.saturating_add(u64::from(wait_s) * 1_000);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
