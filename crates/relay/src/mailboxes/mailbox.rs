//! One mailbox: its lasting part, its blobs, its reader, its quota and its lease.

use super::attached::Attached;
use super::closed::Closed;
use super::job::Medium;
use super::queue::Queue;
use super::record::Lasting;
use crate::bucket::Bucket;
use crate::clock::Now;
use crate::hints::SubscriptionEnd;
use deaddrop_wire::item::CreateFlags;
use deaddrop_wire::{Day, SizeClass};

/// One mailbox.
pub(super) struct Mailbox {
    pub(super) lasting: Lasting,
    pub(super) queue: Queue,
    /// The fence of the newest reader; 0 before the first.
    pub(super) fence: u64,
    pub(super) reader: Option<Attached>,
    /// The moment of the last takeover from a connected reader.
    pub(super) taken_ms: Option<u64>,
    pub(super) rate: Bucket,
    /// The pause after a put that had no room.
    pub(super) closed: Option<Closed>,
    /// Number of puts under way that are the first use of the mailbox.
    pub(super) first_uses: u32,
    /// Whether changes by reading are not on the disk yet.
    pub(super) unsaved: bool,
}

impl Mailbox {
    pub(super) fn new(lasting: Lasting) -> Self {
        Self {
            lasting,
            queue: Queue::default(),
            fence: 0,
            reader: None,
            taken_ms: None,
            rate: Bucket::default(),
            closed: None,
            first_uses: 0,
            unsaved: false,
        }
    }

    /// Returns the place of the mailbox's blobs.
    pub(super) fn medium(&self) -> Medium {
        match self.lasting.flags.contains(CreateFlags::VOLATILE) {
            true => Medium::Volatile,
            false => Medium::Lasting,
        }
    }

    /// Ends the reader's subscription and tells it why.
    pub(super) fn end_reader(&mut self, ended: SubscriptionEnd) {
        if let Some(reader) = self.reader.take() {
            reader.tell_ended(ended);
        }
    }

    /// Notes that the mailbox is read: renews the lease in coarse steps, unless it is fixed. Returns whether the record
    /// changed.
    pub(super) fn note_reading(&mut self, now: Now) -> bool {
        let mut changed = self.lasting.unused_until.take().is_some();
        if !self.lasting.flags.contains(CreateFlags::FIXED)
            && let Some(ends) = renewed(&self.lasting, now.day)
        {
            self.lasting.ends = ends;
            changed = true;
        }
        changed
    }

    /// Decides whether a blob of this class is taken. If it does not fit, closes the smallest class that does not fit
    /// for a pause.
    pub(super) fn admit(&mut self, class: SizeClass, now_ms: u64, pause_ms: impl FnOnce() -> u64) -> bool {
        if self.closed.is_some_and(|closed| now_ms >= closed.until_ms()) && self.is_half_free() {
            self.closed = None;
        }
        if self.closed.is_some_and(|closed| closed.refuses(class)) {
            return false;
        }
        if self.has_room_for(class) {
            return true;
        }
        let from = SizeClass::ALL.into_iter().find(|class| !self.has_room_for(*class)).unwrap_or(class);
        let before_ms = self.closed.map_or(0, |closed| closed.until_ms());
        let until_ms = now_ms.saturating_add(pause_ms()).max(before_ms);
        self.closed = Some(Closed::new(from, until_ms));
        false
    }

    fn has_room_for(&self, class: SizeClass) -> bool {
        let (blobs, bytes) = self.quota();
        let with = self.queue.bytes().saturating_add(u32::try_from(class.bytes()).unwrap_or(u32::MAX));
        self.queue.blobs() < blobs && with <= bytes
    }

    fn is_half_free(&self) -> bool {
        let (blobs, bytes) = self.quota();
        self.queue.blobs() <= blobs / 2 && self.queue.bytes() <= bytes / 2
    }

    /// Returns the maximum numbers of blobs and of bytes.
    fn quota(&self) -> (u32, u32) {
        let quota = self.lasting.quota;
        (quota.blobs().unwrap_or(0), quota.bytes().unwrap_or(0))
    }
}

/// Steps of a lease, in days: coarse, so that it tells little about when the reader was there.
const LEASE_STEP: u32 = 7;

/// Returns the last day of a whole lease from today, if less than half of the present one is left: later by the fewest
/// whole steps that cover it. A lease that ended long ago, while expiry pauses, is made whole like any other.
pub(super) fn renewed(lasting: &Lasting, today: Day) -> Option<Day> {
    let days = lasting.lease.days().unwrap_or(0);
    let left = lasting.ends.since(today);
    let missing = today.plus(days).since(lasting.ends);
    (left.saturating_mul(2) < days)
        .then(|| lasting.ends.plus(missing.checked_next_multiple_of(LEASE_STEP).unwrap_or(missing)))
}
