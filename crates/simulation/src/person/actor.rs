//! A conversation of a running client: it does one thing at a time, so that a crash can come between any two.

use super::shell::Place;
use crate::{breach::Checked, ids::ConnId};

/// The next step of a conversation.
pub(crate) enum Next {
    /// The conversation continues soon.
    Now,
    /// The conversation waits for a time of the run, or for an event.
    At(Option<u64>),
    /// The conversation is over.
    Ended(Ended),
}

/// A conversation that has ended, with its result.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// The reading at a relay.
    Reader(String),
    /// The putting to a contact.
    Putter(u32),
    /// The emptying of an invite mailbox, and whether it was emptied.
    Emptier(u32, bool),
    /// An invite to a contact of this name, with its link or the reason for which there is none.
    Invited(String, Result<String, String>),
    /// The acceptance of an invite.
    Accepted(Result<(), String>),
    /// The supervisor, because the vault has failed.
    Supervisor,
}

/// A conversation of a running client.
pub(crate) trait Actor {
    /// Does the next thing, and returns the step after it.
    fn wake(&mut self, at: &mut Place<'_>) -> Checked<Next>;

    /// Called when the connection is open.
    fn on_connected(&mut self, _conn: ConnId, _at: &mut Place<'_>) {}

    /// Called when a message has arrived.
    fn on_message(&mut self, _conn: ConnId, _bytes: Vec<u8>) {}

    /// Called when the connection is over.
    fn on_closed(&mut self, _conn: ConnId) {}
}
