//! One subscription: the blobs in flight with their tags, and whether the reader has caught up.

use crate::store::{Fence, Handle, Peek, RecordId};
use deaddrop_wire::item::AckEntry;
use std::collections::VecDeque;

/// A blob that was delivered and not acked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) tag: u32,
    pub(super) record: RecordId,
    pub(super) bytes: usize,
}

/// The blobs that must be confirmed before the reader has caught up with this mailbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Catching {
    /// The internal number of the subscribe request.
    pub(super) request: u64,
    /// The newest blob that was there when the subscription began.
    upto: RecordId,
    /// Whether every blob up to `upto` was delivered or is gone.
    drained: bool,
    /// Number of blobs that are acked, but not destroyed yet.
    dying: usize,
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) handle: Handle,
    pub(super) fence: Fence,
    last_tag: u32,
    pub(super) in_flight: VecDeque<Flight>,
    pub(super) catching: Option<Catching>,
    /// Whether the mailbox may hold blobs to deliver.
    pub(super) wants: bool,
    /// Whether the subscription waits for its turn.
    pub(super) queued: bool,
    /// Whether a hint came while a look was under way.
    pub(super) dirty: bool,
}

/// The tags of an ack were never delivered.
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

    /// Returns a look at this mailbox.
    pub(super) fn peek(&self, blobs: usize, bytes: usize, any_first: bool) -> Peek {
        let in_flight = self.in_flight.iter().map(|flight| flight.record).collect();
        Peek { handle: self.handle, fence: self.fence, in_flight, blobs, bytes, any_first }
    }

    /// Adds a blob to those in flight and returns its tag: from 1, without gaps. Returns `None` when there are no more
    /// tags.
    pub(super) fn deliver(&mut self, record: RecordId, bytes: usize) -> Option<u32> {
        self.last_tag = self.last_tag.checked_add(1)?;
        self.in_flight.push_back(Flight { tag: self.last_tag, record, bytes });
        Some(self.last_tag)
    }

    /// Takes the blobs that an ack confirms out of flight; fails if one of its tags was never delivered.
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
        if let Some(catching) = &mut self.catching {
            catching.dying += acked.iter().filter(|flight| flight.record <= catching.upto).count();
        }
        Ok(acked)
    }

    /// Notes that these acked blobs are destroyed.
    pub(super) fn note_destroyed(&mut self, records: &[RecordId]) {
        if let Some(catching) = &mut self.catching {
            let count = records.iter().filter(|record| **record <= catching.upto).count();
            catching.dying = catching.dying.saturating_sub(count);
        }
    }

    /// Takes the blobs of these records out of flight and returns them: they expired.
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

    /// Notes a look that found blobs up to `newest` and, unless `more`, found all.
    pub(super) fn note_look(&mut self, newest: Option<RecordId>, more: bool) {
        if let Some(catching) = &mut self.catching
            && (!more || newest.is_some_and(|newest| newest >= catching.upto))
        {
            catching.drained = true;
        }
    }

    /// Returns the internal number of the request once, when all blobs that were there at the beginning are confirmed.
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
