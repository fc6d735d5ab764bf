//! The own mailboxes: the view that reading has of the engine, and the changes it makes there.

use crate::{
    conversation::{action::Action, states::Connectivity},
    engine::{MailboxName, OwnMailbox},
};
use deaddrop_wire::{Blob, Fingerprint};
use zeroize::Zeroizing;

/// The part of the engine that a [`ReadConversation`](crate::conversation::ReadConversation) reads.
/// `relay` is the address of a relay in the spelling of
/// [`Agenda::reading_relays`](crate::conversation::Agenda::reading_relays).
pub trait OwnMailboxes {
    /// Whether own mailboxes lie at a relay, or are to be made there.
    fn is_read_at(&self, relay: &str) -> bool;

    /// Returns the own mailboxes at a relay. Sentinels and those that are to be made or deleted are
    /// among them, but not the landing mailbox of an invite that is not published yet.
    fn mailboxes_at(&self, relay: &str) -> Vec<OwnMailbox>;

    /// Returns the token that is shown to a relay when a mailbox is created there; empty if none is
    /// set.
    fn create_token(&self, relay: &Fingerprint) -> Zeroizing<Vec<u8>>;

    /// Whether the vault has no room for received messages. Blobs are left at the relays then.
    fn is_full(&self) -> bool;
}

/// A change of the engine's own mailboxes, which a
/// [`ReadConversation`](crate::conversation::ReadConversation) asks for.
pub enum MailboxStep {
    /// Process and store these delivered blobs, each with the mailbox from which it came.
    Deliver(Vec<(MailboxName, Blob)>),
    /// Note that the relay has destroyed these blobs, named by mailbox and first 16 bytes.
    Confirm(Vec<(MailboxName, [u8; 16])>),
    /// Note that the relay has created this mailbox, or has refused to, as it does if the mailbox
    /// exists: subscribing then shows whether it does.
    Created(MailboxName),
    /// Note that the relay has deleted this mailbox, or does not have it.
    Deleted(MailboxName),
    /// Note that the relay does not have this mailbox, which was made for a contact.
    Lost(MailboxName),
    /// Note that the relay does not have a sentinel mailbox: one that only shows whether the vault
    /// was put back from a copy.
    SentinelLost {
        /// Name of the sentinel mailbox.
        name: MailboxName,
        /// Whether mailboxes that were made for contacts are read at this relay. If they are there
        /// and the sentinel mailbox is not, the vault was put back.
        others: bool,
    },
    /// Note that the relay has the newest sentinel mailbox.
    SentinelFound,
    /// Note that another reader has taken over one of the mailboxes.
    Displaced,
}

/// An action of a [`ReadConversation`](crate::conversation::ReadConversation).
pub(super) type ReadAction = Action<MailboxStep, Connectivity>;
