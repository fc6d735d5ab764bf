//! The own mailboxes: the view that reading has of the engine, and the changes it makes there.

use crate::{
    conversation::{action::Action, states::Connectivity},
    engine::{MailboxName, OwnMailbox},
};
use deaddrop_wire::{Blob, Fingerprint};
use zeroize::Zeroizing;

/// The own mailboxes, as a conversation that reads them sees the engine.
pub trait OwnMailboxes {
    /// Whether own mailboxes lie at a relay, or are to be made there.
    fn is_read_at(&self, relay: &str) -> bool;

    /// Returns the own mailboxes at a relay.
    fn mailboxes_at(&self, relay: &str) -> Vec<OwnMailbox>;

    /// Returns the token that is shown to a relay for new mailboxes.
    fn create_token(&self, relay: &Fingerprint) -> Zeroizing<Vec<u8>>;

    /// Whether the vault has no room for received messages.
    fn is_full(&self) -> bool;
}

/// A step of the engine about own mailboxes.
pub enum MailboxStep {
    /// Store these blobs.
    Deliver(Vec<(MailboxName, Blob)>),
    /// Note that the relay has destroyed the blobs that begin with these bytes.
    Confirm(Vec<(MailboxName, [u8; 16])>),
    /// Note that the relay has made a mailbox.
    Created(MailboxName),
    /// Note that the relay has deleted a mailbox.
    Deleted(MailboxName),
    /// Note that the relay does not have a mailbox of a contact.
    Lost(MailboxName),
    /// Note that the relay does not have one of the vault's own mailboxes.
    SentinelLost {
        /// The mailbox.
        name: MailboxName,
        /// Whether mailboxes of contacts are read at this relay, too.
        others: bool,
    },
    /// Note that the relay has one of the vault's own mailboxes.
    SentinelFound,
    /// Note that another reader has taken a mailbox over.
    Displaced,
}

/// An action of reading.
pub(super) type ReadAction = Action<MailboxStep, Connectivity>;
