//! The rules of mailboxes as a value: rights, places of blobs, records to write (spec/12-relay.md
//! sections 3 to 6). Sans-I/O: every transition returns the job to write, and is told when the job
//! is durable.
//!
//! The order of the decisions is the order of the writes, so jobs must reach the disk in the order
//! in which they were returned. A job for which there is no room changes nothing here, as on the
//! disk; one that fails otherwise stops the store.

mod attached;
mod changes;
mod closed;
mod directory;
mod expiry;
mod job;
mod mailbox;
mod puts;
mod queue;
mod readers;
pub(crate) mod record;
mod sends;

pub(crate) use changes::ChangeStep;
pub(crate) use expiry::SweepStep;
pub(crate) use job::{Job, Medium};
pub(crate) use puts::PutStep;
pub(crate) use readers::{AckStep, Found, PeekStep};

use crate::clock::Calendar;
use crate::limits::Limits;
use crate::names::{Handle, IndexKey};
use crate::random::SystemRandom;
use crate::statistics::{History, Statistics};
use crate::store::Census;
use deaddrop_shred::RecordKey;
use deaddrop_wire::{Blob, Day, SizeClass};
use directory::Directory;
use mailbox::Mailbox;
use queue::Resident;
pub(crate) use queue::Waiter;
use rand::rngs::StdRng;
use record::Lasting;

/// All mailboxes of a store, with their blobs and the counts for the limits of the store.
pub(crate) struct Mailboxes {
    key: IndexKey,
    limits: Limits,
    /// Whether the mailboxes' records are in memory, too, so that no blob is kept in memory twice.
    in_memory: bool,
    /// Generator of handles and of the pauses of full mailboxes. Both are known to the relay alone,
    /// and no key depends on them.
    rng: StdRng,
    directory: Directory,
    statistics: Statistics<SystemRandom>,
    blobs: u64,
    bytes: u64,
    volatile_bytes: u64,
    hot_bytes: u64,
    calendar: Option<Calendar>,
    /// Number of commits since the start that found no room.
    without_room: u64,
    /// Whether the last commit found no room. A destruction is a commit that needs none.
    is_full: bool,
    /// Number of puts and changes since the start that were refused because dead bytes wait for too
    /// long.
    overdue: u64,
    /// Number of damaged blobs that were erased since the start.
    damaged: u64,
    /// The mailbox of which an owner's change is decided and not written yet; `None` if there is
    /// none.
    changing: Option<Handle>,
    stopped: bool,
    /// Number of the slot in the directory with which the next step of expiry begins.
    sweep_from: usize,
}

impl Mailboxes {
    /// Makes a store without mailboxes.
    pub(crate) fn new(key: IndexKey, limits: Limits, in_memory: bool, rng: StdRng) -> Self {
        // A relay in memory records nothing.
        let slots = if in_memory { 0 } else { limits.statistics_slots };
        Self {
            key,
            limits,
            in_memory,
            rng,
            directory: Directory::default(),
            statistics: Statistics::new(slots, SystemRandom),
            blobs: 0,
            bytes: 0,
            volatile_bytes: 0,
            hot_bytes: 0,
            calendar: None,
            without_room: 0,
            is_full: false,
            overdue: 0,
            damaged: 0,
            changing: None,
            stopped: false,
            sweep_from: 0,
        }
    }

    /// Adds a mailbox that was found when the store was opened.
    pub(crate) fn restore_mailbox(&mut self, handle: Handle, lasting: Lasting) {
        self.directory.insert(handle, lasting);
    }

    /// Adds a blob that was found when the store was opened. Blobs are added in the store's order,
    /// after all mailboxes. Returns `false` if the blob's mailbox does not exist: the caller erases
    /// the blob.
    pub(crate) fn restore_blob(&mut self, handle: Handle, resident: Resident) -> bool {
        let Some(mailbox) = self.directory.get_mut(handle) else { return false };
        self.blobs += 1;
        self.bytes += resident.class.bytes() as u64;
        mailbox.active_mut().queue.restore(resident);
        true
    }

    /// Sets the calendar that was found when the store was opened, unless one with a later day is
    /// set.
    pub(crate) fn restore_calendar(&mut self, calendar: Calendar) {
        if self.calendar.is_none_or(|before| before.day <= calendar.day) {
            self.calendar = Some(calendar);
        }
    }

    /// Sets the statistics that were found when the store was opened.
    pub(crate) fn restore_statistics(&mut self, history: History) {
        self.statistics.restore(history);
    }

    /// Notes that a commit found no room (`is_full`), or that it succeeded.
    pub(crate) fn note_room(&mut self, is_full: bool) {
        self.is_full = is_full;
        self.without_room += u64::from(is_full);
    }

    /// Notes a put or a change that was refused because dead bytes wait for too long.
    pub(crate) fn note_overdue(&mut self) {
        self.overdue += 1;
    }

    /// Notes that the store has failed. After this no create, change, put, ack or sweep is decided.
    /// Claims, releases and looks go on.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub(crate) fn census(&self) -> Census {
        Census {
            mailboxes: self.directory.len() as u64,
            blobs: self.blobs,
            bytes: self.bytes,
            memory_bytes: if self.in_memory { self.volatile_bytes } else { 0 },
            volatile_bytes: self.volatile_bytes,
            hot_bytes: self.hot_bytes,
            calendar: self.calendar,
            has_statistics: self.statistics.is_recorded(),
            without_room: self.without_room,
            is_full: self.is_full,
            overdue: self.overdue,
            damaged: self.damaged,
            space: None,
            stopped: self.stopped,
        }
    }

    /// Removes a mailbox at once. Returns it with two jobs: one that erases records of the store of
    /// the mailboxes, one for blobs in memory. Returns `None` if there is no such mailbox. Puts
    /// that wait for its blobs are answered `Refused`, because their waiters are dropped with it.
    fn remove(&mut self, handle: Handle) -> Option<(Mailbox, Job, Job)> {
        let mailbox = self.directory.remove(handle)?;
        let keys: Vec<RecordKey> = mailbox.queue().map(|queue| queue.keys().collect()).unwrap_or_default();
        self.uncount(&mailbox);
        let mut lasting = Job { puts: Vec::new(), erases: vec![record::mailbox_key(handle)] };
        let mut volatile = Job::default();
        match mailbox.medium() {
            Medium::Lasting => lasting.erases.extend(keys),
            Medium::Volatile => volatile.erases.extend(keys),
        }
        Some((mailbox, lasting, volatile))
    }

    fn uncount(&mut self, mailbox: &Mailbox) {
        let Some(queue) = mailbox.queue() else { return };
        let (blobs, bytes) = (u64::from(queue.blobs()), u64::from(queue.bytes()));
        self.blobs = self.blobs.saturating_sub(blobs);
        self.bytes = self.bytes.saturating_sub(bytes);
        if mailbox.medium() == Medium::Volatile || self.in_memory {
            self.volatile_bytes = self.volatile_bytes.saturating_sub(bytes);
        }
        self.hot_bytes = self.hot_bytes.saturating_sub(queue.hot_bytes());
    }

    /// Notes that the record of this mailbox, which reading has changed, was not written: the next
    /// sweep tries again.
    pub(crate) fn note_unsaved(&mut self, handle: Handle) {
        if let Some(mailbox) = self.directory.get_mut(handle) {
            mailbox.unsaved = true;
        }
    }

    /// Whether the mailbox exists and its record on the disk is up to date.
    pub(crate) fn is_saved(&self, handle: Handle) -> bool {
        self.directory.get(handle).is_some_and(|mailbox| !mailbox.unsaved)
    }

    /// Returns the job that writes the mailbox's record after reading has changed it. Returns
    /// `None` while an owner's change of it is under way: a record that was decided later than this
    /// change, without it, would undo it on the disk. The next sweep writes the record then.
    fn save(handle: Handle, mailbox: &mut Mailbox, changing: Option<Handle>) -> Option<Job> {
        mailbox.unsaved = changing == Some(handle);
        let record = record::mailbox(handle, &mailbox.lasting);
        (!mailbox.unsaved).then(|| Job { puts: vec![record], erases: Vec::new() })
    }

    /// Returns the last day on which a blob of this class in this mailbox is delivered.
    fn expiry(&self, mailbox: &Mailbox, class: SizeClass, today: Day) -> Day {
        today.plus(keeping_days(&self.limits, &mailbox.lasting, class))
    }
}

/// Returns the number of days for which a blob of this class in this mailbox is kept.
fn keeping_days(limits: &Limits, lasting: &Lasting, class: SizeClass) -> u32 {
    let days = match class {
        SizeClass::Large => limits.large_blob_days,
        SizeClass::Small | SizeClass::Medium => limits.blob_days,
    };
    u32::from(days).min(lasting.lease.days().unwrap_or(0))
}

impl std::fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailboxes(..)")
    }
}

/// Whether memory is left to keep a blob for a connected reader, so that it need not be read from
/// the disk. `hot_bytes` is the number of bytes that are kept already.
fn keep_hot(blob: &Blob, hot_bytes: u64, limits: &Limits) -> bool {
    hot_bytes.saturating_add(blob.as_bytes().len() as u64) <= limits.hot_bytes
}

#[cfg(test)]
mod tests;
