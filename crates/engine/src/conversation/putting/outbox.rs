//! The outbox: the view that putting has of the engine, and the changes it makes there.

use crate::{
    conversation::{action::Action, states::PutState},
    engine::{BlobLives, PutJob, SentPut},
};
use std::{collections::BTreeSet, net::IpAddr};

/// The outbox, as a conversation that puts sees the engine.
pub trait Outbox {
    /// Returns the next envelope for a contact; `None` if none waits.
    fn next_put(&self, contact: u32) -> Option<PutJob>;

    /// Returns the next envelopes for a contact, oldest first, without those that are under way: at most `most` envelopes with at
    /// most `bytes` bytes together. The first one may be longer.
    fn take_puts(&self, contact: u32, under_way: &BTreeSet<u64>, most: usize, bytes: usize) -> Vec<PutJob>;

    /// Whether envelopes for a contact are sealed for an address that is not its newest.
    fn has_newer_address(&self, contact: u32) -> bool;
}

/// A step of the engine for one contact.
pub struct OutboxStep {
    /// The contact.
    pub contact: u32,
    /// The change.
    pub change: OutboxChange,
}

/// The change that a step makes.
pub enum OutboxChange {
    /// Seal again for the newest address what is sealed for an older one.
    SealForNewest,
    /// Note that the contact's address leads to an IP address that is not allowed.
    BlockAddress(IpAddr),
    /// Note that the relay has stored these, and how long it keeps them.
    Accept(Vec<SentPut>, BlobLives),
    /// Note that the relay has refused this one.
    Refuse(SentPut),
}

/// An action of putting.
pub(super) type PutAction = Action<OutboxStep, PutState>;
