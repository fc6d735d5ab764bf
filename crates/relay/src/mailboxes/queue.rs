//! One mailbox's blobs: queued (their commit is under way), resident, dying (their erase is under way).

use crate::store::{RecordId, Verdict};
use deaddrop_shred::RecordKey;
use deaddrop_wire::{Blob, Day, SizeClass};
use std::collections::VecDeque;
use std::fmt;

/// The way to tell a caller the verdict of its put. If it is dropped without one, the mailbox was deleted.
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
    /// The blob itself, if it is kept in memory for a connected reader.
    pub(crate) hot: Option<Blob>,
    /// The waiters of the first put and of its retries.
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
    /// Whether the erase is under way: then the blob is not given out.
    pub(crate) dying: bool,
}

/// A retry of a put whose blob was acked meanwhile. It waits for the erase.
#[derive(Debug)]
pub(crate) struct Dying {
    pub(crate) id: RecordId,
    pub(crate) waiter: Waiter,
}

/// The blobs of one mailbox and their counts, which hold until a blob is destroyed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) pending: Vec<Pending>,
    /// The durable blobs in the store's order.
    pub(crate) residents: VecDeque<Resident>,
    pub(crate) dying: Vec<Dying>,
    /// Blobs that could not be read: looks pass over them until one has found all others.
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

    /// Whether it holds nothing, and no caller waits.
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

    /// Makes a pending blob resident, because its commit is durable. Returns its waiters.
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

    /// Removes a blob whose erase is durable. Returns its class, its hot bytes and its waiters; `None` if there is no
    /// such blob.
    pub(crate) fn remove(&mut self, id: RecordId) -> Option<(SizeClass, u64, Vec<Waiter>)> {
        let at = self.place(id)?;
        let resident = self.residents.remove(at)?;
        self.blobs = self.blobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(u32::try_from(resident.class.bytes()).unwrap_or(u32::MAX));
        let waiters = self.dying.extract_if(.., |dying| dying.id == id).map(|dying| dying.waiter).collect();
        let hot = resident.hot.map_or(0, |blob| blob.as_bytes().len() as u64);
        Some((resident.class, hot, waiters))
    }

    fn count(&mut self, class: SizeClass) {
        self.blobs = self.blobs.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u32::try_from(class.bytes()).unwrap_or(u32::MAX));
    }
}
