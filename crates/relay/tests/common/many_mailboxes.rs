//! Many mailboxes in a store, made by calls of the store and not over a link.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use deaddrop_relay::clock::Now;
use deaddrop_relay::store::{NewMailbox, Store, Verdict};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{MailboxId, OwnId, SendId};

/// Number of mailboxes created in one call of the store. Any number does.
const AT_ONCE: u64 = 1_000;

/// Creates `mailboxes` mailboxes in an empty store. Panics if the store refuses one.
pub async fn create_mailboxes(store: &impl Store, mailboxes: u64, now: Now) {
    for first in (0..mailboxes).step_by(AT_ONCE.try_into().unwrap()) {
        let numbers = first..(first + AT_ONCE).min(mailboxes);
        let verdicts = store.create(numbers.map(new_mailbox).collect(), now).await;
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Done), "a mailbox was not created");
    }
}

fn new_mailbox(number: u64) -> NewMailbox {
    let mut id = [0; 32];
    id.iter_mut().zip(number.to_le_bytes()).for_each(|(place, byte)| *place = byte);
    NewMailbox {
        own: OwnId::from_bytes(id),
        read: MailboxId::from_bytes(id),
        sends: vec![SendGrant { send: SendId::from_bytes(id), via: 0 }],
        lease: LeaseClass::Month,
        quota: QuotaClass::Usual,
        flags: CreateFlags::NONE,
    }
}
