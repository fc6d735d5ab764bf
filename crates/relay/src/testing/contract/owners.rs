//! Checks of owners' requests: create, grant, revoke, rekey, delete.

use super::kit::*;
use crate::hints::SubscriptionEnd;
use crate::store::{Change, Claimed, Fence, NewMailbox, NotAcked, NotClaimed, Stale, Store, Verdict};
use deaddrop_wire::item::{QuotaClass, SendGrant};

pub(super) async fn rights_are_separate(store: &impl Store) {
    create(store, 1).await;
    create(store, 2).await;
    assert_eq!(put(store, 3, 0).await, Verdict::Refused);
    assert_eq!(claim(store, 3, &reader(1), now(0)).await, Err(NotClaimed::Refused));
    for what in [Change::Delete, Change::Renew, Change::Grant(grant(8)), Change::Rekey(read(8))] {
        assert_eq!(change(store, 3, what).await, Verdict::Refused);
    }
    put(store, 1, 7).await;
    let claimed = claim(store, 2, &reader(1), now(0)).await.unwrap();
    assert!(look(store, &claimed, now(0)).await.unwrap().is_empty());
    let other = claim(store, 1, &reader(2), now(0)).await.unwrap();
    let record = look(store, &other, now(0)).await.unwrap()[0].record;
    let _ = ack(store, &claimed, vec![record]).await;
    assert_eq!(
        look(store, &other, now(0)).await.unwrap().len(),
        1,
        "a number of another mailbox does nothing"
    );
    let wrong = Claimed { fence: Fence(other.fence.0 + 1), ..other };
    assert_eq!(ack(store, &wrong, vec![record]).await, Err(NotAcked::Stale(SubscriptionEnd::Displaced)));
    assert_eq!(look(store, &other, now(0)).await.unwrap().len(), 1);
}

pub(super) async fn a_create_repeats_only_itself(store: &impl Store) {
    assert_eq!(create(store, 1).await, Verdict::Done);
    put(store, 1, 0).await;
    assert_eq!(create(store, 1).await, Verdict::Done);
    assert_eq!(counts(store), (1, 1, 4_096), "a repeated create changes nothing");
    let attempts = [
        NewMailbox { read: read(9), ..mailbox(1, QuotaClass::Many) },
        NewMailbox { own: own(9), sends: vec![grant(9)], ..mailbox(1, QuotaClass::Many) },
        NewMailbox { sends: vec![grant(1)], ..mailbox(9, QuotaClass::Many) },
    ];
    for attempt in attempts {
        assert_eq!(create_with(store, attempt, now(0)).await, Verdict::Refused);
    }
    assert_eq!(counts(store).0, 1);
    assert_eq!(change(store, 1, Change::Delete).await, Verdict::Done);
    assert_eq!(create(store, 1).await, Verdict::Done, "rights of a deleted mailbox are free");
    let claimed = claim(store, 1, &reader(1), now(0)).await.unwrap();
    assert!(look(store, &claimed, now(0)).await.unwrap().is_empty(), "a new mailbox is empty");
}

pub(super) async fn owners_grant_revoke_and_delete(store: &impl Store) {
    create(store, 1).await;
    create(store, 2).await;
    assert_eq!(change(store, 1, Change::Grant(grant(5))).await, Verdict::Done);
    assert_eq!(put(store, 5, 9).await, Verdict::Done);
    assert_eq!(change(store, 1, Change::Grant(SendGrant { via: 6, ..grant(5) })).await, Verdict::Done);
    assert_eq!(
        change(store, 1, Change::Grant(grant(2))).await,
        Verdict::Refused,
        "a sender of another mailbox"
    );
    assert_eq!(put(store, 5, 0).await, Verdict::Done);
    assert_eq!(change(store, 1, Change::Renew).await, Verdict::Done);
    for _ in 0..2 {
        assert_eq!(change(store, 1, Change::Revoke(send(5))).await, Verdict::Done);
    }
    assert_eq!(put(store, 5, 1).await, Verdict::Refused, "the sender was revoked");
    assert_eq!(put(store, 5, 0).await, Verdict::Refused, "also a retry of a revoked sender");
    assert_eq!(change(store, 1, Change::Revoke(send(2))).await, Verdict::Done, "an absent sender");
    assert_eq!(put(store, 2, 1).await, Verdict::Done, "a sender of another mailbox stays");
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
    let vias: Vec<u8> =
        look(store, &claimed, now(0)).await.unwrap().iter().map(|stored| stored.via).collect();
    assert_eq!(vias, [5, 6], "the via at the time of the put");
    assert_eq!(change(store, 1, Change::Delete).await, Verdict::Done);
    assert_eq!(look(store, &claimed, now(0)).await, Err(Stale(SubscriptionEnd::Gone)));
    assert_eq!(ack(store, &claimed, vec![]).await, Err(NotAcked::Stale(SubscriptionEnd::Gone)));
    assert_eq!(put(store, 1, 2).await, Verdict::Refused);
    assert_eq!(claim(store, 1, &reader, now(0)).await, Err(NotClaimed::Refused));
    assert_eq!(change(store, 1, Change::Delete).await, Verdict::Refused);
    assert_eq!(counts(store), (1, 1, 4_096));
}

pub(super) async fn a_rekey_displaces_the_reader(store: &impl Store) {
    create(store, 1).await;
    create(store, 2).await;
    put(store, 1, 0).await;
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
    assert_eq!(
        change(store, 1, Change::Rekey(read(2))).await,
        Verdict::Refused,
        "the reader of another mailbox"
    );
    assert_eq!(change(store, 1, Change::Rekey(read(1))).await, Verdict::Done, "the present reader");
    assert_eq!(look(store, &claimed, now(0)).await.unwrap().len(), 1);
    assert_eq!(change(store, 1, Change::Rekey(read(8))).await, Verdict::Done);
    assert_eq!(look(store, &claimed, now(0)).await, Err(Stale(SubscriptionEnd::Displaced)));
    assert_eq!(claim(store, 1, &reader, now(0)).await, Err(NotClaimed::Refused));
    let again = claim(store, 8, &reader, now(0)).await.unwrap();
    assert!(again.fence > claimed.fence);
    assert_eq!(numbers(&look(store, &again, now(0)).await.unwrap()), [0]);
    assert_eq!(
        create_with(store, NewMailbox { read: read(1), ..mailbox(4, QuotaClass::Few) }, now(0)).await,
        Verdict::Done
    );
}
