//! One subscription: the blobs in flight with their tags, and whether the reader has caught up. A
//! *tag* is the number of a delivery in its subscription. A *look* asks the store for blobs (a
//! peek).

use crate::store::{Fence, Handle, Peek, RecordId};
use deaddrop_wire::item::AckEntry;
use std::collections::VecDeque;

/// A blob in flight: it was delivered and is neither acked nor destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) tag: u32,
    pub(super) record: RecordId,
    pub(super) bytes: usize,
}

/// The progress of a reader that has not caught up: the blobs that were there when the subscription
/// began are not all acked and destroyed, or expired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Catching {
    /// The number that the session gave the client's subscribe request.
    pub(super) request: u64,
    /// Number of the newest blob that was there when the subscription began.
    upto: RecordId,
    /// Whether every blob up to `upto` was delivered or is destroyed.
    drained: bool,
    /// Number of blobs up to `upto` that are acked, but not destroyed yet.
    dying: usize,
}

/// A subscription: one mailbox that the client of this link reads.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) handle: Handle,
    pub(super) fence: Fence,
    last_tag: u32,
    pub(super) in_flight: VecDeque<Flight>,
    pub(super) catching: Option<Catching>,
    /// Whether the mailbox may hold blobs to deliver.
    pub(super) wants: bool,
    /// Whether the subscription is in the queue for the next looks.
    pub(super) queued: bool,
    /// Whether a hint has come since the last look for blobs began.
    pub(super) dirty: bool,
}

/// The error of an ack that names a tag which was never delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeverDelivered;

impl Sub {
    pub(super) fn new(handle: Handle, fence: Fence, request: u64, newest: Option<RecordId>) -> Self {
        let catching = newest.map(|upto| Catching { request, upto, drained: false, dying: 0 });
        Self {
            handle,
            fence,
            last_tag: 0,
            in_flight: VecDeque::new(),
            catching,
            wants: newest.is_some(),
            queued: false,
            dirty: false,
        }
    }

    /// Returns a look at this mailbox for at most `blobs` blobs of `bytes` together. With
    /// `any_first`, the first blob is returned even if it is larger.
    pub(super) fn peek(&self, blobs: usize, bytes: usize, any_first: bool) -> Peek {
        let in_flight = self.in_flight.iter().map(|flight| flight.record).collect();
        Peek { handle: self.handle, fence: self.fence, in_flight, blobs, bytes, any_first }
    }

    /// Adds a blob to those in flight and returns its tag. Tags count from 1 without gaps. Returns
    /// `None` after the last tag, `u32::MAX`.
    pub(super) fn deliver(&mut self, record: RecordId, bytes: usize) -> Option<u32> {
        self.last_tag = self.last_tag.checked_add(1)?;
        self.in_flight.push_back(Flight { tag: self.last_tag, record, bytes });
        Some(self.last_tag)
    }

    /// Removes the blobs that an ack confirms from those in flight and returns them. Fails, and
    /// changes nothing, if the ack names a tag that was never delivered.
    pub(super) fn ack(&mut self, entry: &AckEntry) -> Result<Vec<Flight>, NeverDelivered> {
        let known = |tag: u32| tag <= self.last_tag;
        // only what was delivered can be confirmed.
        if !known(entry.upto) || !entry.also.iter().all(|tag| known(*tag) && *tag != 0) {
            return Err(NeverDelivered);
        }
        let mut acked = Vec::new();
        self.in_flight.retain(|flight| {
            let named = flight.tag <= entry.upto || entry.also.contains(&flight.tag);
            if named {
                acked.push(*flight);
            }
            !named
        });
        // An idle subscription holds no buffer.
        if self.in_flight.is_empty() {
            self.in_flight = VecDeque::new();
        }
        if let Some(catching) = &mut self.catching {
            catching.dying += acked.iter().filter(|flight| flight.record <= catching.upto).count();
        }
        Ok(acked)
    }

    /// Notes that the acked blobs with these numbers are destroyed.
    pub(super) fn note_destroyed(&mut self, records: &[RecordId]) {
        if let Some(catching) = &mut self.catching {
            let count = records.iter().filter(|record| **record <= catching.upto).count();
            catching.dying = catching.dying.saturating_sub(count);
        }
    }

    /// Removes the blobs with these numbers from those in flight and returns them: they were
    /// destroyed without an ack.
    pub(super) fn take_gone(&mut self, records: &[RecordId]) -> Vec<Flight> {
        let mut gone = Vec::new();
        self.in_flight.retain(|flight| {
            let is = records.contains(&flight.record);
            if is {
                gone.push(*flight);
            }
            !is
        });
        gone
    }

    /// Notes the result of a look that could read all it found: `newest` is the last blob that it
    /// returned, and `more` says whether others are left.
    pub(super) fn note_look(&mut self, newest: Option<RecordId>, more: bool) {
        if let Some(catching) = &mut self.catching
            && (!more || newest.is_some_and(|newest| newest >= catching.upto))
        {
            catching.drained = true;
        }
    }

    /// Returns the session's number of the subscribe request when all blobs that were there at the
    /// beginning are acked and destroyed, or expired. Returns `None` before that, on later calls,
    /// and if there were no blobs at the beginning.
    pub(super) fn take_caught_up(&mut self) -> Option<u64> {
        let Catching { request, upto, drained, dying } = self.catching?;
        let open = self.in_flight.iter().any(|flight| flight.record <= upto);
        if !drained || dying != 0 || open {
            return None;
        }
        self.catching = None;
        Some(request)
    }
}
