//! One mailbox's blobs: pending (their commit is under way), resident (durable), dying (their erase
//! is under way). A *hot* blob is one that is kept in memory for a connected reader.

use crate::store::{RecordId, Verdict};
use deaddrop_shred::RecordKey;
use deaddrop_wire::{Blob, Day, SizeClass};
use std::collections::VecDeque;
use std::fmt;

/// A callback that tells a caller the verdict of its put. It is dropped without a call if
/// [`Mailboxes::put`](super::Mailboxes::put) has returned the verdict itself or waits for an owner's
/// change, or if the mailbox was deleted meanwhile: then the caller takes the put for refused.
pub(crate) struct Waiter(Box<dyn FnOnce(Verdict) + Send>);

impl Waiter {
    pub(crate) fn new(tell: impl FnOnce(Verdict) + Send + 'static) -> Self {
        Self(Box::new(tell))
    }

    pub(crate) fn tell(self, verdict: Verdict) {
        (self.0)(verdict);
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiter(..)")
    }
}

/// A blob that is not durable yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) key: RecordKey,
    pub(crate) class: SizeClass,
    pub(crate) via: u8,
    pub(crate) expiry: Day,
    /// The blob, if it is kept in memory for a connected reader.
    pub(crate) hot: Option<Blob>,
    /// Callbacks of the first put and of its retries.
    pub(crate) waiters: Vec<Waiter>,
}

/// A durable blob.
#[derive(Debug)]
pub(crate) struct Resident {
    pub(crate) id: RecordId,
    pub(crate) key: RecordKey,
    pub(crate) class: SizeClass,
    pub(crate) via: u8,
    pub(crate) expiry: Day,
    pub(crate) hot: Option<Blob>,
    /// Whether the erase of the blob is under way: then it is not delivered any more.
    pub(crate) dying: bool,
}

/// A retry of a put whose blob is dying. It is answered when the blob is destroyed.
#[derive(Debug)]
pub(crate) struct Dying {
    pub(crate) id: RecordId,
    pub(crate) waiter: Waiter,
}

/// The blobs of one mailbox and their counts. A blob counts until it is destroyed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) pending: Vec<Pending>,
    /// The durable blobs in the store's order.
    pub(crate) residents: VecDeque<Resident>,
    pub(crate) dying: Vec<Dying>,
    /// Numbers of the blobs that could not be read: looks (peeks) pass over them until a look has
    /// found all others.
    pub(crate) unread: Vec<RecordId>,
    blobs: u32,
    bytes: u32,
}

impl Queue {
    pub(crate) const fn blobs(&self) -> u32 {
        self.blobs
    }

    pub(crate) const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Whether the queue holds no blob, and no put waits for an answer.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.residents.is_empty() && self.dying.is_empty()
    }

    pub(crate) fn hot_bytes(&self) -> u64 {
        let pending = self.pending.iter().filter_map(|pending| pending.hot.as_ref());
        let residents = self.residents.iter().filter_map(|resident| resident.hot.as_ref());
        pending.chain(residents).map(|blob| blob.as_bytes().len() as u64).sum()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = RecordKey> + '_ {
        let pending = self.pending.iter().map(|pending| pending.key);
        pending.chain(self.residents.iter().map(|resident| resident.key))
    }

    pub(crate) fn begin(&mut self, pending: Pending) {
        self.count(pending.class);
        self.pending.push(pending);
    }

    pub(crate) fn restore(&mut self, resident: Resident) {
        self.count(resident.class);
        self.residents.push_back(resident);
    }

    /// Makes the pending blob with this key resident, because its commit is durable. Returns its
    /// waiters; none if there is no such blob.
    pub(crate) fn commit(&mut self, key: RecordKey, id: RecordId) -> Vec<Waiter> {
        let Some(at) = self.pending.iter().position(|pending| pending.key == key) else { return Vec::new() };
        let Pending { key, class, via, expiry, hot, waiters } = self.pending.remove(at);
        let resident = Resident { id, key, class, via, expiry, hot, dying: false };
        // Commits are reported in their order; should that ever fail, the order still holds here.
        let place = self.residents.partition_point(|other| other.id < id);
        self.residents.insert(place, resident);
        waiters
    }

    pub(crate) fn place(&self, id: RecordId) -> Option<usize> {
        self.residents.binary_search_by_key(&id, |resident| resident.id).ok()
    }

    /// Returns the class of a durable blob; `None` if there is no such blob.
    pub(crate) fn class_of(&self, id: RecordId) -> Option<SizeClass> {
        Some(self.residents.get(self.place(id)?)?.class)
    }

    /// Removes a blob whose erase is durable. Returns its class, the number of its bytes that were
    /// kept in memory, and the waiters of its retries; `None` if there is no such blob.
    pub(crate) fn remove(&mut self, id: RecordId) -> Option<(SizeClass, u64, Vec<Waiter>)> {
        let at = self.place(id)?;
        let resident = self.residents.remove(at)?;
        self.blobs = self.blobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(u32::try_from(resident.class.bytes()).unwrap_or(u32::MAX));
        let waiters = self.dying.extract_if(.., |dying| dying.id == id).map(|dying| dying.waiter).collect();
        let hot = resident.hot.map_or(0, |blob| blob.as_bytes().len() as u64);
        self.free_empty();
        Some((resident.class, hot, waiters))
    }

    /// Frees the buffers of an empty queue: a mailbox with a reader is empty for most of its time.
    fn free_empty(&mut self) {
        if self.is_empty() {
            (self.pending, self.residents, self.dying) = (Vec::new(), VecDeque::new(), Vec::new());
        }
    }

    fn count(&mut self, class: SizeClass) {
        self.blobs = self.blobs.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u32::try_from(class.bytes()).unwrap_or(u32::MAX));
    }
}
