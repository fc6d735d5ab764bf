//! A conversation of a running client: it does one thing at a time, so that a crash can come between any two.

use super::shell::Place;
use crate::{breach::Checked, ids::ConnId};

/// The next step of a conversation.
pub(crate) enum Next {
    /// Soon.
    Now,
    /// The conversation waits for a time of the run, or for an event.
    At(Option<u64>),
    /// The conversation is over.
    Ended(Ended),
}

/// A conversation that has ended, with its result.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// Reading at a relay.
    Reader(String),
    /// Putting to a contact.
    Putter(u32),
    /// Emptying an invite mailbox; whether it was emptied.
    Emptier(u32, bool),
    /// An invite to a contact of this name: its link, or why there is none.
    Invited(String, Result<String, String>),
    /// Accepting an invite.
    Accepted(Result<(), String>),
    /// The supervisor, as the vault has failed.
    Supervisor,
}

/// A conversation of a running client.
pub(crate) trait Actor {
    /// Does the next thing.
    fn wake(&mut self, at: &mut Place<'_>) -> Checked<Next>;

    /// The connection stands.
    fn on_connected(&mut self, _conn: ConnId, _at: &mut Place<'_>) {}

    /// A message has come.
    fn on_message(&mut self, _conn: ConnId, _bytes: Vec<u8>) {}

    /// The connection is over.
    fn on_closed(&mut self, _conn: ConnId) {}
}
