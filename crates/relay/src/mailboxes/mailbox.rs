//! One mailbox: its lasting part, its blobs, its reader, its quota and its lease.
//!
//! A mailbox without blobs and without a reader is *at rest* and takes little memory, because a
//! relay has many of them. The active part of a mailbox is allocated with its first use, and the
//! next sweep that finds the mailbox at rest frees it.

use super::attached::Attached;
use super::closed::Closed;
use super::job::Medium;
use super::queue::Queue;
use super::record::Lasting;
use crate::bucket::Bucket;
use crate::clock::Now;
use crate::hints::SubscriptionEnd;
use crate::limits::Limits;
use deaddrop_wire::item::CreateFlags;
use deaddrop_wire::{Day, SizeClass};

/// One mailbox.
pub(super) struct Mailbox {
    pub(super) lasting: Lasting,
    /// Number that grows with each claim, release and rekey; 0 before the first claim.
    pub(super) fence: u64,
    /// Whether reading has changed the record of the mailbox, and the change was not written.
    pub(super) unsaved: bool,
    active: Option<Box<Active>>,
}

/// The parts of a mailbox that are needed while it has blobs or a reader, or was used a short time
/// ago.
#[derive(Default)]
pub(super) struct Active {
    pub(super) queue: Queue,
    pub(super) reader: Option<Attached>,
    /// Time in milliseconds at which a reader last took the mailbox from a connected reader with
    /// another token.
    pub(super) taken_ms: Option<u64>,
    pub(super) rate: Bucket,
    /// Pause after a put that had no room; `None` if no class is closed.
    pub(super) closed: Option<Closed>,
    /// Number of puts under way that are the first use of the mailbox.
    pub(super) first_uses: u32,
}

impl Active {
    /// Whether a new active part would answer every request in the same way as this one.
    fn is_at_rest(&self, now: Now, limits: &Limits) -> bool {
        let rate = limits.mailbox_puts_per_s.into();
        let is_read = self.reader.as_ref().is_some_and(Attached::is_connected);
        let was_taken = self.taken_ms.is_some_and(|at| now.ms.saturating_sub(at) < limits.takeover_ms);
        let is_closed = self.closed.is_some_and(|closed| now.ms < closed.until_ms());
        self.queue.is_empty()
            && self.first_uses == 0
            && !is_read
            && !was_taken
            && !is_closed
            && self.rate.is_full(rate, now.ms)
    }
}

impl Mailbox {
    pub(super) fn new(lasting: Lasting) -> Self {
        Self { lasting, fence: 0, unsaved: false, active: None }
    }

    /// Returns the active part; `None` if the mailbox has none since a sweep found it at rest, or
    /// because it was never used.
    pub(super) fn active(&self) -> Option<&Active> {
        self.active.as_deref()
    }

    /// Returns the active part, which is made if the mailbox has none.
    pub(super) fn active_mut(&mut self) -> &mut Active {
        self.active.get_or_insert_default()
    }

    /// Returns the blobs; `None` if the mailbox has no active part, and so no blobs.
    pub(super) fn queue(&self) -> Option<&Queue> {
        self.active().map(|active| &active.queue)
    }

    /// Returns the number of puts under way that are the first use of the mailbox.
    pub(super) fn first_uses(&self) -> u32 {
        self.active().map_or(0, |active| active.first_uses)
    }

    /// Returns the reader, connected or not; `None` if there is none.
    pub(super) fn reader(&self) -> Option<&Attached> {
        self.active()?.reader.as_ref()
    }

    /// Removes the reader, and returns it; `None` if there is none.
    pub(super) fn detach_reader(&mut self) -> Option<Attached> {
        self.active.as_mut()?.reader.take()
    }

    /// Frees the active part if no answer depends on it.
    pub(super) fn rest(&mut self, now: Now, limits: &Limits) {
        self.active.take_if(|active| active.is_at_rest(now, limits));
    }

    /// Returns where the mailbox's blobs are kept.
    pub(super) fn medium(&self) -> Medium {
        match self.lasting.flags.contains(CreateFlags::VOLATILE) {
            true => Medium::Volatile,
            false => Medium::Lasting,
        }
    }

    /// Removes the reader and tells it the reason. Does nothing if there is none.
    pub(super) fn end_reader(&mut self, ended: SubscriptionEnd) {
        if let Some(reader) = self.detach_reader() {
            reader.tell_ended(ended);
        }
    }

    /// Notes a claim, or an ack that destroys a blob: the mailbox counts as used. If less than half
    /// of its lease is left and the lease is not fixed, the lease is renewed (see [`renewed`]).
    /// Returns whether this changed the record, which the caller then writes.
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

    /// Decides whether a blob of this class is accepted. If it does not fit, closes the smallest
    /// class that does not fit, and all larger ones, for a pause of `pause_ms`.
    pub(super) fn admit(&mut self, class: SizeClass, now_ms: u64, pause_ms: impl FnOnce() -> u64) -> bool {
        let is_half_free = self.is_half_free();
        let active = self.active_mut();
        if active.closed.is_some_and(|closed| now_ms >= closed.until_ms()) && is_half_free {
            active.closed = None;
        }
        if active.closed.is_some_and(|closed| closed.refuses(class)) {
            return false;
        }
        if self.has_room_for(class) {
            return true;
        }
        let from = SizeClass::ALL.into_iter().find(|class| !self.has_room_for(*class)).unwrap_or(class);
        let active = self.active_mut();
        let before_ms = active.closed.map_or(0, |closed| closed.until_ms());
        let until_ms = now_ms.saturating_add(pause_ms()).max(before_ms);
        active.closed = Some(Closed::new(from, until_ms));
        false
    }

    fn has_room_for(&self, class: SizeClass) -> bool {
        let (blobs, bytes) = self.quota();
        let (used_blobs, used_bytes) = self.used();
        let with = used_bytes.saturating_add(u32::try_from(class.bytes()).unwrap_or(u32::MAX));
        used_blobs < blobs && with <= bytes
    }

    fn is_half_free(&self) -> bool {
        let (blobs, bytes) = self.quota();
        let (used_blobs, used_bytes) = self.used();
        used_blobs <= blobs / 2 && used_bytes <= bytes / 2
    }

    /// Returns the numbers of blobs and of bytes that the mailbox holds.
    fn used(&self) -> (u32, u32) {
        self.queue().map_or((0, 0), |queue| (queue.blobs(), queue.bytes()))
    }

    /// Returns the maximum numbers of blobs and of bytes of the mailbox.
    fn quota(&self) -> (u32, u32) {
        let quota = self.lasting.quota;
        (quota.blobs().unwrap_or(0), quota.bytes().unwrap_or(0))
    }
}

/// Number of days by which leases move: coarse, so that a lease tells little about when the reader
/// was connected.
const LEASE_STEP: u32 = 7;

/// Returns the last day of the renewed lease, if less than half of the present one is left, and
/// else `None`. The last day moves by the fewest whole steps after which a full lease from today is
/// covered. A lease that ended long ago, while expiry pauses, is renewed like any other.
pub(super) fn renewed(lasting: &Lasting, today: Day) -> Option<Day> {
    let days = lasting.lease.days().unwrap_or(0);
    let left = lasting.ends.since(today);
    let missing = today.plus(days).since(lasting.ends);
    (left.saturating_mul(2) < days)
        .then(|| lasting.ends.plus(missing.checked_next_multiple_of(LEASE_STEP).unwrap_or(missing)))
}
