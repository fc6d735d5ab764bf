//! A store whose disk has no room. A refused request changes nothing, in the store or after a
//! restart; requests that need no room are done; and room that comes back is used without a
//! restart.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod disks;

use deaddrop_relay::hints::Hints;
use deaddrop_relay::store::*;
use deaddrop_wire::ClientToken;
use deaddrop_wire::item::{QuotaClass, SendGrant};
use disks::*;
use std::sync::Arc;

/// Makes mailboxes from number 10 on and puts blobs into them until the store has no room, not even
/// for a further sender of a mailbox.
async fn fill(store: &impl Store) {
    let mut number = 0;
    for mailbox in 10..100 {
        if create(store, mailbox, QuotaClass::Many).await == Verdict::Busy {
            break;
        }
        loop {
            number += 1;
            match put(store, mailbox, number).await {
                Verdict::Done => {}
                Verdict::Full => break,
                Verdict::Busy => break,
                other => panic!("{other:?}"),
            }
        }
        if store.census().is_full {
            break;
        }
    }
    // Changes, which take less room than a blob, take the rest.
    for sender in 200..=255 {
        if change(store, 10, Change::Grant(grant(sender))).await == Verdict::Busy {
            return;
        }
        assert_eq!(change(store, 10, Change::Revoke(send(sender))).await, Verdict::Done);
    }
    panic!("the store is not full");
}

async fn look(store: &impl Store, claimed: &Claimed) -> Vec<RecordId> {
    let (handle, fence) = (claimed.handle, claimed.fence);
    let peek = Peek { handle, fence, in_flight: vec![], blobs: 1_000, bytes: 1 << 30, any_first: true };
    store.peek(peek, now()).await.unwrap().blobs.into_iter().map(|stored| stored.record).collect()
}

/// Describes what refused requests could have changed: the numbers of mailboxes and blobs, the
/// answers to some senders, and whether some readers can claim.
async fn state(store: &impl Store) -> Vec<String> {
    let reader =
        ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) };
    let mut state = vec![format!("{} mailboxes, {} blobs", store.census().mailboxes, store.census().blobs)];
    for sender in [1, 2, 5, 6] {
        // A blob that is there is stored already, whichever sender puts it.
        state.push(format!("sender {sender}: {:?}", put(store, sender, 1_000_000).await));
    }
    for number in [1, 3, 8] {
        let claimed = claim(store, number, &reader).await.is_ok();
        state.push(format!("reader {number}: {claimed}"));
    }
    state
}

#[tokio::test]
async fn what_a_full_store_refuses_changes_nothing_there_or_after_a_restart() {
    let disk = Arc::new(Watched::default());
    create_on(&disk, 16, 6);
    let limits = limits(300);
    let store = open(&disk, &limits);
    for number in [1, 2] {
        assert_eq!(create(&store, number, QuotaClass::Few).await, Verdict::Done);
    }
    assert_eq!(change(&store, 1, Change::Grant(grant(5))).await, Verdict::Done);
    assert_eq!(put(&store, 1, 1_000_000).await, Verdict::Done);
    let mut store = store;
    let attempts = [
        (1, Change::Revoke(send(5))),
        (1, Change::Grant(grant(6))),
        (1, Change::Grant(SendGrant { via: 77, ..grant(5) })),
        (1, Change::Rekey(deaddrop_wire::MailboxId::from_bytes([8; 32]))),
    ];
    for (owner, attempt) in attempts {
        fill(&store).await;
        let before = state(&store).await;
        assert!(
            before.contains(&"sender 5: Done".to_owned()) && before.contains(&"sender 2: Busy".to_owned())
        );
        assert_eq!(change(&store, owner, attempt).await, Verdict::Busy, "{attempt:?}");
        assert_eq!(state(&store).await, before, "{attempt:?}");
        drop(store);
        store = open(&disk, &limits);
        assert_eq!(state(&store).await, before, "{attempt:?} and a restart");
    }
    fill(&store).await;
    let before = state(&store).await;
    assert_eq!(create(&store, 3, QuotaClass::Few).await, Verdict::Busy);
    assert_eq!(put(&store, 2, 7).await, Verdict::Busy);
    assert_eq!(state(&store).await, before);
    drop(store);
    let store = open(&disk, &limits);
    assert_eq!(state(&store).await, before, "a create and a put, and a restart");
    // A mailbox into which a put was refused is as unused as before.
    store.sweep(on(2), 1_000).await;
    assert_eq!(put(&store, 2, 7).await, Verdict::Refused, "it was not used, so it is gone");
}

#[tokio::test]
async fn a_store_that_was_full_takes_puts_again_after_acks() {
    let disk = Arc::new(Watched::default());
    create_on(&disk, 64, 6);
    let store = open(&disk, &limits(300));
    for round in 0..3 {
        fill(&store).await;
        assert!(store.census().is_full);
        let reader =
            ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) };
        let mut destroyed = 0;
        for number in 10..100 {
            let Ok(claimed) = claim(&store, number, &reader).await else { break };
            let found = look(&store, &claimed).await;
            destroyed += found.len();
            assert_eq!(store.ack(vec![(claimed.handle, claimed.fence, found)], now()).await, [Ok(())]);
            assert_eq!(change(&store, number, Change::Delete).await, Verdict::Done);
        }
        assert!(destroyed > 30, "round {round}: {destroyed}");
        assert!(!store.census().is_full);
    }
}

/// A volume is full before the store has grown to its limit. When the volume has room again, the
/// store uses it.
#[tokio::test]
async fn a_volume_that_was_full_is_used_when_it_has_room() {
    let disk = Arc::new(Watched::default());
    create_on(&disk, 64, 40);
    let store = open(&disk, &limits(300));
    disk.set_room(Some(40_960 + 5 * (64 << 10)));
    fill(&store).await;
    let full = store.census().blobs;
    disk.set_room(None);
    // The store tries to grow once a second.
    let mut tries = 0;
    while put(&store, 10, 2_000_000 + tries).await != Verdict::Done {
        tries += 1;
        assert!(tries < 200, "it has room");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    fill(&store).await;
    assert!(store.census().blobs > 3 * full);
}
