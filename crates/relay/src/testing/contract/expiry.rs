//! Checks of days: expiry of blobs and leases, unused mailboxes, sweeps.

use super::kit::*;
use crate::clock::Now;
use crate::store::{Change, NewMailbox, Peek, Store, Verdict};
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass};

pub(super) async fn days_end_blobs_and_mailboxes(store: &impl Store) {
    create(store, 1).await;
    let large = blob_of(SizeClass::Large, 1);
    assert_eq!(store.put(vec![(send(1), large), (send(1), blob(0))], on(0)).await, [Verdict::Done; 2]);
    sweep_all(store, on(7)).await;
    assert_eq!(counts(store).1, 2, "nothing expires on its last day");
    sweep_all(store, on(8)).await;
    assert_eq!(counts(store), (1, 1, 4_096), "the largest class expires first");
    assert_eq!(store.census().calendar.map(|calendar| calendar.day), Some(TODAY.plus(8)));
    sweep_all(store, on(30)).await;
    assert_eq!(counts(store).0, 1, "the last day of the lease");
    sweep_all(store, on(31)).await;
    assert_eq!(counts(store), (0, 0, 0), "the lease was a month");
    assert_eq!(put(store, 1, 1).await, Verdict::Refused);
    sweep_all(store, on(5)).await;
    assert_eq!(
        store.census().calendar.map(|calendar| calendar.day),
        Some(TODAY.plus(31)),
        "the day never goes back"
    );
}

pub(super) async fn an_expired_blob_is_not_given_out_before_the_sweep(store: &impl Store) {
    create(store, 1).await;
    put_blob(store, 1, blob_of(SizeClass::Large, 0), on(0)).await;
    put(store, 1, 1).await;
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, on(0)).await.unwrap();
    assert_eq!(numbers(&look(store, &claimed, on(7)).await.unwrap()), [0, 1]);
    assert_eq!(numbers(&look(store, &claimed, on(8)).await.unwrap()), [1]);
    assert_eq!(counts(store).1, 2, "a look destroys nothing");
}

pub(super) async fn a_sweep_keeps_its_limit(store: &impl Store) {
    create(store, 1).await;
    for number in 0..10 {
        put_blob(store, 1, blob_of(SizeClass::Large, number), on(0)).await;
    }
    assert!(store.sweep(on(8), 4).await, "there is more");
    let left = counts(store).1;
    assert!((6..10).contains(&left), "at most four blobs in one step: {left} are left");
    sweep_all(store, on(8)).await;
    assert_eq!(counts(store), (1, 0, 0));
}

pub(super) async fn a_pause_of_expiry_keeps_everything(store: &impl Store) {
    create(store, 1).await;
    put_blob(store, 1, blob_of(SizeClass::Large, 0), on(0)).await;
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, on(0)).await.unwrap();
    let pausing = Now { expires_from: TODAY.plus(47), ..on(40) };
    sweep_all(store, pausing).await;
    assert_eq!(counts(store).1, 1, "nothing expires during the pause");
    assert_eq!(store.census().calendar, Some(pausing.calendar()));
    assert_eq!(look(store, &claimed, pausing).await.unwrap().len(), 1);
    sweep_all(store, Now { expires_from: TODAY.plus(47), ..on(47) }).await;
    assert_eq!(counts(store).1, 0, "the pause is over");
}

pub(super) async fn an_expired_blob_in_flight_is_told(store: &impl Store) {
    create(store, 1).await;
    put_blob(store, 1, blob_of(SizeClass::Large, 0), on(0)).await;
    put(store, 1, 1).await;
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, on(0)).await.unwrap();
    let flying: Vec<_> =
        look(store, &claimed, on(0)).await.unwrap().iter().map(|stored| stored.record).collect();
    sweep_all(store, on(8)).await;
    let peeked = store.peek(Peek { in_flight: flying.clone(), ..wide(&claimed) }, on(8)).await.unwrap();
    assert_eq!(peeked.gone, [flying[0]]);
    assert_eq!(ack(store, &claimed, flying).await, Ok(()), "an absent blob counts as destroyed");
    assert_eq!(counts(store).1, 0);
}

pub(super) async fn reading_renews_and_unused_mailboxes_go(store: &impl Store) {
    create(store, 1).await;
    create(store, 2).await;
    create_with(store, NewMailbox { flags: CreateFlags::FIXED, ..mailbox(3, QuotaClass::Few) }, on(0)).await;
    create_with(store, NewMailbox { lease: LeaseClass::Week, ..mailbox(4, QuotaClass::Few) }, on(0)).await;
    for number in [1, 3] {
        claim(store, number, &reader(1), on(0)).await.unwrap();
    }
    put(store, 4, 0).await;
    sweep_all(store, on(1)).await;
    assert_eq!(counts(store).0, 4, "the last day on which a mailbox may be unused");
    sweep_all(store, on(2)).await;
    assert_eq!(counts(store).0, 3, "the second mailbox was neither read nor put into");
    assert_eq!(store.change(vec![(own(4), Change::Renew)], on(5)).await, [Verdict::Done]);
    sweep_all(store, on(8)).await;
    assert_eq!(counts(store).0, 3, "the owner renewed a lease");
    for number in [1, 3] {
        claim(store, number, &reader(1), on(20)).await.unwrap();
    }
    sweep_all(store, on(31)).await;
    assert_eq!(counts(store).0, 1, "reading does not renew a fixed lease, and a week is over");
    sweep_all(store, on(80)).await;
    assert_eq!(counts(store).0, 0);
}

pub(super) async fn volatile_blobs_expire_too(store: &impl Store) {
    create_with(store, NewMailbox { flags: CreateFlags::VOLATILE, ..mailbox(1, QuotaClass::Usual) }, on(0))
        .await;
    put_blob(store, 1, blob_of(SizeClass::Large, 0), on(0)).await;
    put(store, 1, 1).await;
    sweep_all(store, on(8)).await;
    assert_eq!(counts(store), (1, 1, 4_096));
    sweep_all(store, on(31)).await;
    assert_eq!(counts(store), (0, 0, 0));
}
