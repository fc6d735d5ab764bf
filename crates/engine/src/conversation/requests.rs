//! Requests for mailboxes, with the quota and the lease of each kind.

use crate::{
    engine::{MailboxName, OWN},
    vault::MailboxKind,
};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_wire::{
    Fingerprint, Item,
    item::{Create, CreateFlags, LeaseClass, QuotaClass, SendGrant},
};

/// The number with which the relay marks the blobs of a mailbox's sender. Always 0, because each
/// mailbox has one sender.
const VIA: u8 = 0;

/// Quota and lease of a landing mailbox, to which the contact writes until it knows the private
/// mailbox.
pub(crate) const LANDING: (QuotaClass, LeaseClass) = (QuotaClass::Few, LeaseClass::Month);
/// Quota and lease of a private mailbox, which holds all that a contact sends while this client is
/// away.
const PRIVATE: (QuotaClass, LeaseClass) = (QuotaClass::Many, LeaseClass::Quarter);
/// Quota and lease of an invite mailbox, which holds one bundle.
pub(crate) const INVITE: (QuotaClass, LeaseClass) = (QuotaClass::Single, LeaseClass::Month);
/// Quota and lease of a sentinel mailbox, which holds nothing: it only shows whether the vault was
/// put back from a copy.
const SENTINEL: (QuotaClass, LeaseClass) = (QuotaClass::Few, LeaseClass::Quarter);

/// Returns quota and lease of an own mailbox, from which it is created for the first time and again
/// after a loss.
pub(crate) fn classes(name: MailboxName, kind: MailboxKind) -> (QuotaClass, LeaseClass) {
    match kind {
        _ if name.contact == OWN => SENTINEL,
        MailboxKind::Landing => LANDING,
        MailboxKind::Private => PRIVATE,
    }
}

/// Creates the request with number `req` that makes a mailbox at a relay. `token` is shown to the
/// relay; empty: none.
pub(crate) fn create(
    req: u32,
    relay: &Fingerprint,
    capabilities: (&OwnCapability, &ReadCapability, &SendCapability),
    (quota, lease): (QuotaClass, LeaseClass),
    flags: CreateFlags,
    token: &[u8],
) -> Item {
    let (own, read, send) = capabilities;
    Create {
        req,
        own: own.id(relay),
        read: read.id(relay),
        sends: vec![SendGrant { send: send.id(relay), via: VIA }],
        lease,
        quota,
        flags,
        token: token.to_vec().into(),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_gives_the_classes_of_every_mailbox() {
        let spec = include_str!("../../../../spec/14-client.md");
        for (words, (quota, lease)) in [
            ("Create the landing (", LANDING),
            ("and the invite mailbox (", INVITE),
            ("The private mailbox is created (", PRIVATE),
            ("mailboxes of its own at the relay that is set (", SENTINEL),
        ] {
            let text = format!("{words}quota class {}, lease class {}", quota.code(), lease.code());
            assert!(spec.contains(&text), "{text}");
        }
    }
}
