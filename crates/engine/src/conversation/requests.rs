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

/// The number of the way by which a sender got the address. Always 0, because each mailbox has one sender.
const VIA: u8 = 0;

/// Quota and lease of a landing mailbox, which is used until the contact knows the private one.
pub(crate) const LANDING: (QuotaClass, LeaseClass) = (QuotaClass::Few, LeaseClass::Month);
/// Quota and lease of a private mailbox, which holds all that a contact sends while this client is away.
const PRIVATE: (QuotaClass, LeaseClass) = (QuotaClass::Many, LeaseClass::Quarter);
/// Quota and lease of an invite mailbox, which holds one bundle.
pub(crate) const INVITE: (QuotaClass, LeaseClass) = (QuotaClass::Single, LeaseClass::Month);
/// Quota and lease of a sentinel, which holds nothing.
const SENTINEL: (QuotaClass, LeaseClass) = (QuotaClass::Few, LeaseClass::Quarter);

/// Returns quota and lease of a mailbox of this client's own, also if it is made again.
pub(crate) fn classes(name: MailboxName, kind: MailboxKind) -> (QuotaClass, LeaseClass) {
    match kind {
        _ if name.contact == OWN => SENTINEL,
        MailboxKind::Landing => LANDING,
        MailboxKind::Private => PRIVATE,
    }
}

/// Creates the request that makes a mailbox.
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
