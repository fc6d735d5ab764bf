//! Capabilities: 32-byte secrets in three roles, and the values that a relay sees of them
//! (spec/11-capabilities.md).
//!
//! secret -> (with the relay's fingerprint) presented -> id. The holder keeps the secret, shows the
//! presented value through a link, and the relay keeps nothing but the id.

use crate::labels;
use deaddrop_primitives::{hash::sha256_of_secret, hkdf::extract, secret_bytes};
use deaddrop_wire::{Fingerprint, MailboxId, OwnId, PresentedOwn, PresentedRead, PresentedSend, SendId};

secret_bytes! {
    /// The secret that gives the right to change a mailbox: grant, revoke, renew, delete, replace
    /// its read capability.
    pub struct OwnCapability[32];
}
secret_bytes! {
    /// The secret that gives the right to read a mailbox: subscribe and ack.
    pub struct ReadCapability[32];
}
secret_bytes! {
    /// The secret that gives the right to put into a mailbox.
    pub struct SendCapability[32];
}

impl OwnCapability {
    /// Derives the value to present to the relay with this fingerprint. It gives no right at any
    /// other relay.
    #[must_use]
    pub fn present(&self, relay: &Fingerprint) -> PresentedOwn {
        PresentedOwn::fill_with(|place| present(self.expose(), labels::CAPABILITY_OWN, relay, place))
    }

    /// Derives the id by which the relay with this fingerprint knows the capability.
    #[must_use]
    pub fn id(&self, relay: &Fingerprint) -> OwnId {
        own_id(&self.present(relay))
    }
}

impl ReadCapability {
    /// Derives the value to present to the relay with this fingerprint. It gives no right at any
    /// other relay.
    #[must_use]
    pub fn present(&self, relay: &Fingerprint) -> PresentedRead {
        PresentedRead::fill_with(|place| present(self.expose(), labels::CAPABILITY_READ, relay, place))
    }

    /// Derives the id by which the relay with this fingerprint knows the capability.
    #[must_use]
    pub fn id(&self, relay: &Fingerprint) -> MailboxId {
        mailbox_id(&self.present(relay))
    }
}

impl SendCapability {
    /// Derives the value to present to the relay with this fingerprint. It gives no right at any
    /// other relay.
    #[must_use]
    pub fn present(&self, relay: &Fingerprint) -> PresentedSend {
        PresentedSend::fill_with(|place| present(self.expose(), labels::CAPABILITY_SEND, relay, place))
    }

    /// Derives the id by which the relay with this fingerprint knows the capability.
    #[must_use]
    pub fn id(&self, relay: &Fingerprint) -> SendId {
        send_id(&self.present(relay))
    }
}

/// Returns the id by which a relay knows the owner who presents this value.
#[must_use]
pub fn own_id(presented: &PresentedOwn) -> OwnId {
    OwnId::from_bytes(sha256_of_secret(&[labels::OWN_ID, presented.expose()]))
}

/// Returns the id of the mailbox whose reader presents this value.
#[must_use]
pub fn mailbox_id(presented: &PresentedRead) -> MailboxId {
    MailboxId::from_bytes(sha256_of_secret(&[labels::MAILBOX_ID, presented.expose()]))
}

/// Returns the id by which a relay knows the sender who presents this value.
#[must_use]
pub fn send_id(presented: &PresentedSend) -> SendId {
    SendId::from_bytes(sha256_of_secret(&[labels::SEND_ID, presented.expose()]))
}

fn present(secret: &[u8; 32], role: &[u8], relay: &Fingerprint, place: &mut [u8; 32]) {
    extract(labels::CAPABILITY, &[secret]).ready().expand_into(&[role, relay.as_bytes()], place);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Fingerprint = Fingerprint::from_bytes([1; 32]);
    const THERE: Fingerprint = Fingerprint::from_bytes([2; 32]);

    #[test]
    fn roles_and_relays_have_different_secrets() {
        let bytes = [7; 32];
        let (own, read, send) = (
            OwnCapability::from_bytes(bytes),
            ReadCapability::from_bytes(bytes),
            SendCapability::from_bytes(bytes),
        );
        let shown = [
            *own.present(&HERE).expose(),
            *read.present(&HERE).expose(),
            *send.present(&HERE).expose(),
            *own.present(&THERE).expose(),
            *own.id(&HERE).as_bytes(),
            *read.id(&HERE).as_bytes(),
            *send.id(&HERE).as_bytes(),
            bytes,
        ];
        for (at, one) in shown.iter().enumerate() {
            assert!(!shown[at + 1..].contains(one));
        }
    }

    #[test]
    fn presenting_is_stable() {
        let send = SendCapability::from_bytes([7; 32]);
        assert_eq!(send.present(&HERE), send.present(&HERE));
        assert_eq!(send.id(&HERE), send_id(&send.present(&HERE)));
    }
}
