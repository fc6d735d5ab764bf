//! The pace of a link's requests: each entry that a client sends beside accepted puts and useful acks is paid for before the
//! relay reads the next record of the link (spec/12-relay.md section 7.4).

use super::SessionContext;
use crate::admission::Prefix;
use crate::bucket::Bucket;
use crate::clock::Now;

/// Bytes of a record without use ([`Entries::is_useful`]) that count as one entry: to open them
/// takes about as long as a claim.
const ENTRY_BYTES: u32 = 4_096;

/// The entries of one link that are not taken from the rates yet.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Number of entries of earlier records that are not paid for.
    owed: u32,
    /// Number of entries of the record that is being handled.
    of_record: u32,
    /// Length of the record that is being handled, in bytes.
    record_bytes: u32,
    /// Whether the record brings a put to the store or confirms a blob in flight. The bytes of such
    /// a record count for no entries, because the rates of puts have counted its blobs.
    is_useful: bool,
    bucket: Bucket,
    /// The time, in milliseconds of [`Now::ms`], before which no further attempt to pay is made.
    retry_ms: u64,
}

impl Entries {
    /// Adds entries of the record that is being handled.
    pub(super) fn add(&mut self, entries: usize) {
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        self.of_record = self.of_record.saturating_add(entries);
    }

    /// Notes the length of the record that is handled next.
    pub(super) fn note_record(&mut self, bytes: usize) {
        self.record_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    /// Notes that the record brings a put to the store, or confirms a blob in flight.
    pub(super) const fn note_use(&mut self) {
        self.is_useful = true;
    }

    /// Ends a record: its entries are owed from now on. A record without use counts as at least one
    /// entry, and one more for each [`ENTRY_BYTES`] of its length.
    pub(super) fn end_record(&mut self) {
        let bytes = std::mem::take(&mut self.record_bytes);
        let least = if std::mem::take(&mut self.is_useful) { 0 } else { 1 + bytes / ENTRY_BYTES };
        self.owed = self.owed.saturating_add(std::mem::take(&mut self.of_record).max(least));
    }

    /// Whether entries of earlier records are not paid for.
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
