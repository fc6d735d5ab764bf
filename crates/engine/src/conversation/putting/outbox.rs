//! The outbox: the view that putting has of the engine, and the changes it makes there.

use crate::{
    conversation::{action::Action, states::PutState},
    engine::{BlobLives, PutJob, SentPut},
};
use std::{collections::BTreeSet, net::IpAddr};

/// The part of the engine that a [`PutConversation`](crate::conversation::PutConversation) reads.
pub trait Outbox {
    /// Returns the next envelope for a contact; `None` if none waits.
    fn next_put(&self, contact: u32) -> Option<PutJob>;

    /// Returns the next envelopes for a contact, oldest first, without those whose
    /// [numbers](PutJob::number) are in `under_way`: at most `most` envelopes with at most `bytes`
    /// bytes together. The first one may be longer.
    fn take_puts(&self, contact: u32, under_way: &BTreeSet<u64>, most: usize, bytes: usize) -> Vec<PutJob>;

    /// Whether envelopes for a contact wait that are sealed for an address that is not its newest.
    fn has_newer_address(&self, contact: u32) -> bool;
}

/// A change of the outbox of one contact, which a
/// [`PutConversation`](crate::conversation::PutConversation) asks for.
pub struct OutboxStep {
    /// Number of the contact.
    pub contact: u32,
    /// The change to be made.
    pub change: OutboxChange,
}

/// The changes that an [`OutboxStep`] can make.
pub enum OutboxChange {
    /// Seal the envelopes that wait for an older address again, for the newest one.
    SealForNewest,
    /// Note that the contact's address leads to this IP address, to which the client may not
    /// connect.
    BlockAddress(IpAddr),
    /// Note that the relay has stored these envelopes, and for how many days it keeps them.
    Accept(Vec<SentPut>, BlobLives),
    /// Note that the relay has refused this envelope: it does not know the address.
    Refuse(SentPut),
}

/// An action of a [`PutConversation`](crate::conversation::PutConversation).
pub(super) type PutAction = Action<OutboxStep, PutState>;
