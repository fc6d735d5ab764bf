//! Checks of puts: order, repetition, one answer per entry.

use super::kit::*;
use crate::store::{Claim, Fence, NewMailbox, NotClaimed, Store, Verdict};
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::QuotaClass;
use futures_util::FutureExt;
use futures_util::future::join;

pub(super) async fn a_blob_is_kept_until_it_is_acked(store: &impl Store) {
    assert_eq!(create(store, 1).await, Verdict::Done);
    for number in 0..3 {
        assert_eq!(put(store, 1, number).await, Verdict::Done);
        assert_eq!(put(store, 1, number).await, Verdict::Done, "the same put again");
    }
    assert_eq!(counts(store), (1, 3, 3 * 4_096));
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
    let found = look(store, &claimed, now(0)).await.unwrap();
    assert_eq!(found.iter().map(|stored| stored.blob.clone()).collect::<Vec<_>>(), [0, 1, 2].map(blob));
    assert!(found.iter().all(|stored| stored.via == 1));
    assert!(found.is_sorted_by(|one, next| one.record < next.record), "numbers grow with the order");
    assert_eq!(claimed.newest, Some(found[2].record));
    assert_eq!(ack(store, &claimed, vec![found[1].record]).await, Ok(()));
    assert_eq!(ack(store, &claimed, vec![found[1].record]).await, Ok(()), "the same ack again");
    let left = look(store, &claimed, now(0)).await.unwrap();
    assert_eq!(
        left.iter().map(|stored| stored.record).collect::<Vec<_>>(),
        [found[0].record, found[2].record],
        "an acked blob is destroyed, and the others keep their numbers"
    );
    // After its ack the same bytes are a new blob: the sender's retry is the reader's duplicate.
    assert_eq!(put(store, 1, 1).await, Verdict::Done);
    let again = look(store, &claimed, now(0)).await.unwrap();
    assert_eq!(numbers(&again), [0, 2, 1]);
    assert!(again[2].record > found[2].record, "no number is used twice");
    assert_eq!(counts(store), (1, 3, 3 * 4_096));
}

pub(super) async fn answers_come_in_order_one_per_entry(store: &impl Store) {
    let created = store
        .create(
            vec![
                mailbox(1, QuotaClass::Many),
                NewMailbox { own: own(2), ..mailbox(1, QuotaClass::Many) },
                mailbox(3, QuotaClass::Many),
            ],
            now(0),
        )
        .await;
    assert_eq!(created, [Verdict::Done, Verdict::Refused, Verdict::Done]);
    let puts = vec![(send(1), blob(0)), (send(9), blob(1)), (send(3), blob(2)), (send(1), blob(3))];
    assert_eq!(
        store.put(puts, now(0)).await,
        [Verdict::Done, Verdict::Refused, Verdict::Done, Verdict::Done]
    );
    let reader = reader(1);
    let claims = [1, 9, 3].map(|number| Claim { read: read(number), sub: number }).to_vec();
    let claimed = store.claim(claims, &reader, now(0)).await;
    assert_eq!(claimed.len(), 3);
    assert_eq!(claimed[1], Err(NotClaimed::Refused));
    let (first, third) = (claimed[0].unwrap(), claimed[2].unwrap());
    assert_eq!(numbers(&look(store, &first, now(0)).await.unwrap()), [0, 3]);
    let found = look(store, &third, now(0)).await.unwrap();
    assert_eq!(numbers(&found), [2]);
    let acks = vec![
        (first.handle, Fence(first.fence.0 + 1), vec![]),
        (third.handle, third.fence, vec![found[0].record]),
    ];
    let acked = store.ack(acks, now(0)).await;
    assert!(acked.len() == 2 && acked[0].is_err() && acked[1].is_ok(), "one answer per entry, in order");
    assert_eq!(counts(store).1, 2);
    let empty = (store.put(vec![], now(0)).await.len(), store.ack(vec![], now(0)).await.len());
    assert_eq!(empty, (0, 0), "an empty batch has no answers");
}

/// A repeated put, even before the answer to the first one, stores no second blob.
pub(super) async fn a_repeated_put_stores_one_blob(store: &impl Store) {
    create(store, 1).await;
    let batch = vec![(send(1), blob(0)), (send(1), blob(0))];
    assert_eq!(store.put(batch, now(0)).await, [Verdict::Done; 2], "twice in one batch");
    let (one, two) = join(put(store, 1, 1), put(store, 1, 1)).await;
    assert_eq!([one, two], [Verdict::Done; 2], "twice at once");
    // The caller goes away before the answer.
    let _ = put(store, 1, 2).now_or_never();
    assert_eq!(put(store, 1, 2).await, Verdict::Done, "again after a dropped call");
    assert_eq!(counts(store), (1, 3, 3 * 4_096));
    let claimed = claim(store, 1, &reader(1), now(0)).await.unwrap();
    assert_eq!(numbers(&look(store, &claimed, now(0)).await.unwrap()), [0, 1, 2]);
}

pub(super) async fn the_same_blob_in_two_mailboxes_is_two_blobs(store: &impl Store) {
    create(store, 1).await;
    create(store, 2).await;
    let large = blob_of(SizeClass::Large, 5);
    for sender in [1, 2] {
        assert_eq!(put_blob(store, sender, large.clone(), now(0)).await, Verdict::Done);
    }
    assert_eq!(counts(store), (2, 2, 2 * 65_536));
    let reader = reader(1);
    let (one, two) =
        (claim(store, 1, &reader, now(0)).await.unwrap(), claim(store, 2, &reader, now(0)).await.unwrap());
    let record = look(store, &one, now(0)).await.unwrap()[0].record;
    assert_eq!(ack(store, &one, vec![record]).await, Ok(()));
    let left = look(store, &two, now(0)).await.unwrap();
    assert_eq!(left.len(), 1, "an ack destroys in its own mailbox only");
    assert_eq!(left[0].blob, large);
}
