//! The contract of stores, over memory and over a disk that crashes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod stores;

use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::hints::Hints;
use deaddrop_relay::store::*;
use deaddrop_relay::testing::contract::{Effort, StoreFactory, StoredCounts, check_all};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, Day, MailboxId, OwnId, SendId};
use std::sync::Arc;
use stores::renamed::Renamed;
use stores::{InMemory, OnDisk, run};

#[test]
fn a_store_in_memory_keeps_the_contract() {
    run(check_all(&mut InMemory, Effort::default()));
}

#[test]
fn a_store_on_disk_keeps_the_contract() {
    run(check_all(&mut OnDisk::new(), Effort::default()));
}

#[test]
fn a_store_that_chooses_its_own_handles_keeps_the_contract() {
    run(check_all(&mut Renamed(InMemory), Effort::default()));
}

/// After an ack is answered, its blob can no longer be decrypted from the disk. (A replaced record
/// of a mailbox may be readable for a little longer.)
#[test]
fn an_acked_blob_cannot_be_read_on_the_disk_when_the_ack_is_answered() {
    run(async {
        let mut on_disk = OnDisk::new();
        let store = on_disk.create(Limits::DEFAULT).await;
        let now = Now::new(Day::from_number(20_000), 0);
        let (read, send) = (MailboxId::from_bytes([1; 32]), SendId::from_bytes([1; 32]));
        let new = NewMailbox {
            own: OwnId::from_bytes([1; 32]),
            read,
            sends: vec![SendGrant { send, via: 0 }],
            lease: LeaseClass::Month,
            quota: QuotaClass::Usual,
            flags: CreateFlags::NONE,
        };
        assert_eq!(store.create(vec![new], now).await, [Verdict::Done]);
        let blobs: Vec<_> = (0..8).map(|number| (send, Blob::new(vec![number; 4_096]).unwrap())).collect();
        assert_eq!(store.put(blobs, now).await, [Verdict::Done; 8]);
        let reader =
            ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) };
        let claimed = store.claim(vec![Claim { read, sub: 1 }], &reader, now).await.remove(0).unwrap();
        let Claimed { handle, fence, .. } = claimed;
        let peek = Peek { handle, fence, in_flight: vec![], blobs: 8, bytes: 1 << 20, any_first: true };
        let found = store.peek(peek, now).await.unwrap().blobs;
        assert_eq!(found.len(), 8);
        on_disk.check_stored(&store, StoredCounts { mailboxes: 1, blobs: 8, has_day: true });
        for (stored, left) in found.iter().zip((0..8).rev()) {
            let acked = store.ack(vec![(handle, fence, vec![stored.record])], now).await;
            assert_eq!(acked, [Ok(())]);
            assert_eq!(on_disk.readable_bodies(), 2 + left, "the mailbox and the day stay");
        }
    });
}
