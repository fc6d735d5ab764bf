//! The present reader of a mailbox, as the rules know it.

use crate::hints::{Hints, SubscriptionEnd};
use crate::store::ConnectedReader;
use deaddrop_wire::ClientToken;
use std::sync::{Arc, Weak};

/// The reader of a mailbox. It stays connected while its hints exist.
pub(super) struct Attached {
    token: ClientToken,
    hints: Weak<Hints>,
    sub: u32,
}

impl Attached {
    /// Attaches `reader`, which calls the mailbox `sub`.
    pub(super) fn new(reader: &ConnectedReader, sub: u32) -> Self {
        Self { token: reader.token, hints: Arc::downgrade(&reader.hints), sub }
    }

    /// Whether the reader's link still exists.
    pub(super) fn is_connected(&self) -> bool {
        self.hints.strong_count() > 0
    }

    /// Whether `reader` is the same reader on another connection. Readers without a token are never the same.
    pub(super) fn is_same(&self, reader: &ConnectedReader) -> bool {
        reader.token == self.token && reader.token != ClientToken::from_bytes([0; 16])
    }

    /// Tells the reader that a blob was stored in the mailbox.
    pub(super) fn tell_changed(&self) {
        if let Some(hints) = self.hints.upgrade() {
            hints.tell_changed(self.sub);
        }
    }

    /// Tells the reader that blobs of the mailbox expired.
    pub(super) fn tell_expired(&self) {
        if let Some(hints) = self.hints.upgrade() {
            hints.tell_expired(self.sub);
        }
    }

    /// Tells the reader that its subscription is over.
    pub(super) fn tell_ended(&self, end: SubscriptionEnd) {
        if let Some(hints) = self.hints.upgrade() {
            hints.tell_ended(self.sub, end);
        }
    }
}
