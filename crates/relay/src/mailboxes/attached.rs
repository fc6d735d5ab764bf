//! The present reader of a mailbox, as the rules know it.

use crate::hints::{Hints, SubscriptionEnd};
use crate::store::ConnectedReader;
use deaddrop_wire::ClientToken;
use std::sync::{Arc, Weak};

/// The reader of a mailbox. It counts as connected while its [`Hints`] exist outside of the store.
pub(super) struct Attached {
    token: ClientToken,
    hints: Weak<Hints>,
    sub: u32,
}

impl Attached {
    /// Makes the entry of `reader`, whose subscription of the mailbox has the number `sub`.
    pub(super) fn new(reader: &ConnectedReader, sub: u32) -> Self {
        Self { token: reader.token, hints: Arc::downgrade(&reader.hints), sub }
    }

    /// Whether the reader's link still exists.
    pub(super) fn is_connected(&self) -> bool {
        self.hints.strong_count() > 0
    }

    /// Whether `reader` has the same token, and so is the same reader, perhaps on another
    /// connection. Readers whose token is zeros are never the same.
    pub(super) fn is_same(&self, reader: &ConnectedReader) -> bool {
        reader.token == self.token && reader.token != ClientToken::from_bytes([0; 16])
    }

    /// Tells the reader that a blob was stored in the mailbox. Does nothing if it is not connected.
    pub(super) fn tell_changed(&self) {
        if let Some(hints) = self.hints.upgrade() {
            hints.tell_changed(self.sub);
        }
    }

    /// Tells the reader that blobs of the mailbox were destroyed without an ack. Does nothing if it
    /// is not connected.
    pub(super) fn tell_expired(&self) {
        if let Some(hints) = self.hints.upgrade() {
            hints.tell_expired(self.sub);
        }
    }

    /// Tells the reader that its subscription has ended. Does nothing if it is not connected.
    pub(super) fn tell_ended(&self, end: SubscriptionEnd) {
        if let Some(hints) = self.hints.upgrade() {
            hints.tell_ended(self.sub, end);
        }
    }
}
