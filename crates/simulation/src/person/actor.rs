//! A conversation of a running client (an actor). It does one thing at a time, so that a crash can
//! come between any two.

use super::shell::Place;
use crate::{breach::Checked, ids::ConnId};

/// The time at which a conversation continues, or its end.
pub(crate) enum Next {
    /// The conversation continues within a few milliseconds.
    Now,
    /// The conversation waits for this time of the run in milliseconds, if there is one, or for an
    /// event before.
    At(Option<u64>),
    /// The conversation is over.
    Ended(Ended),
}

/// The kind of a conversation that has ended, with its result.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// The reading at the relay with this address.
    Reader(String),
    /// The putting to the contact with this number.
    Putter(u32),
    /// The emptying of the invite mailbox for the contact with this number, and whether it was
    /// emptied.
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
    /// Does the next thing. Returns when the conversation continues.
    fn wake(&mut self, at: &mut Place<'_>) -> Checked<Next>;

    /// Called when the connection is open.
    fn on_connected(&mut self, _conn: ConnId, _at: &mut Place<'_>) {}

    /// Called when a message of the relay has arrived.
    fn on_message(&mut self, _conn: ConnId, _bytes: Vec<u8>) {}

    /// Called when the connection is over: the relay closed it, or it broke.
    fn on_closed(&mut self, _conn: ConnId) {}
}
