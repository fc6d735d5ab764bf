//! Checks of quotas, of the store's own limits and of rates.

use super::factory::StoreFactory;
use super::kit::*;
use crate::limits::Limits;
use crate::store::{Change, NewMailbox, Store, Verdict};
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{CreateFlags, QuotaClass};

pub(super) async fn quotas_hold_until_blobs_are_destroyed(store: &impl Store) {
    for (mailbox_number, flags) in [(1, CreateFlags::NONE), (2, CreateFlags::VOLATILE)] {
        let new = NewMailbox { flags, ..mailbox(mailbox_number, QuotaClass::Few) };
        assert_eq!(create_with(store, new, now(0)).await, Verdict::Done);
        let put = async |number| put(store, mailbox_number, number).await;
        for number in 0..4 {
            assert_eq!(put(number).await, Verdict::Done);
        }
        assert_eq!(put(0).await, Verdict::Done, "a retry is never told that the mailbox is full");
        assert_eq!(put(4).await, Verdict::Full);
        let reader = reader(1);
        let claimed = claim(store, mailbox_number, &reader, now(0)).await.unwrap();
        let found = look(store, &claimed, now(0)).await.unwrap();
        assert_eq!(ack(store, &claimed, vec![found[0].record]).await, Ok(()));
        assert_eq!(put(4).await, Verdict::Full, "full until half of the quota is free");
        assert_eq!(ack(store, &claimed, vec![found[1].record]).await, Ok(()));
        assert_eq!(put(4).await, Verdict::Done);
        assert_eq!(numbers(&look(store, &claimed, now(0)).await.unwrap()), [2, 3, 4]);
    }
}

pub(super) async fn each_class_holds_its_numbers(store: &impl Store) {
    let classes = [QuotaClass::Few, QuotaClass::Usual, QuotaClass::Many, QuotaClass::Single];
    for (quota, number) in classes.into_iter().zip(1..) {
        create_with(store, mailbox(number, quota), now(0)).await;
        for blobs in 0..quota.blobs().unwrap() {
            assert_eq!(put(store, number, blobs).await, Verdict::Done, "{quota:?}");
        }
        assert_eq!(put(store, number, 1_000).await, Verdict::Full, "{quota:?}");
        create_with(store, mailbox(10 + number, quota), now(0)).await;
        let bytes = quota.bytes().unwrap() as usize;
        let large = (bytes / SizeClass::Large.bytes()) as u32;
        for blobs in 0..large {
            let blob = blob_of(SizeClass::Large, blobs);
            assert_eq!(put_blob(store, 10 + number, blob, now(0)).await, Verdict::Done, "{quota:?}");
        }
        let blob = blob_of(SizeClass::Large, large);
        assert_eq!(put_blob(store, 10 + number, blob, now(0)).await, Verdict::Full, "{quota:?}");
    }
}

pub(super) async fn limits_of_the_store_hold(factory: &mut impl StoreFactory) {
    let limits = Limits { mailboxes: 10, blobs: 20, create_percent: 80, put_percent: 90, ..limits() };
    let store = factory.create(limits).await;
    for number in 0..8 {
        assert_eq!(create(&store, number).await, Verdict::Done);
    }
    assert_eq!(create(&store, 8).await, Verdict::Busy, "80 percent of the mailboxes");
    assert_eq!(create(&store, 0).await, Verdict::Done, "a repeated create needs no room");
    for number in 0..18 {
        assert_eq!(put(&store, number % 8, number).await, Verdict::Done);
    }
    assert_eq!(put(&store, 0, 18).await, Verdict::Busy, "90 percent of the blobs");
    assert_eq!(put(&store, 0, 0).await, Verdict::Done, "a retry needs no room");
    assert_eq!(put(&store, 20, 18).await, Verdict::Refused, "the right is checked first");
    let reader = reader(1);
    let claimed = claim(&store, 0, &reader, now(0)).await.unwrap();
    let record = look(&store, &claimed, now(0)).await.unwrap()[0].record;
    assert_eq!(ack(&store, &claimed, vec![record]).await, Ok(()));
    assert_eq!(put(&store, 0, 18).await, Verdict::Done, "an ack makes room");
    assert_eq!(change(&store, 1, Change::Delete).await, Verdict::Done);
    assert_eq!(counts(&store).0, 7);
}

pub(super) async fn puts_come_no_faster_than_the_rate(factory: &mut impl StoreFactory) {
    let limits = Limits { mailbox_puts_per_s: 1, mailbox_put_burst: 3, ..limits() };
    let store = factory.create(limits).await;
    create(&store, 1).await;
    create(&store, 2).await;
    for number in 0..3 {
        assert_eq!(put(&store, 1, number).await, Verdict::Done);
    }
    assert!(matches!(put(&store, 1, 3).await, Verdict::TooFast(1..)));
    assert_eq!(put(&store, 1, 0).await, Verdict::Done, "a retry is not counted");
    assert_eq!(put(&store, 2, 3).await, Verdict::Done, "each mailbox has its own rate");
    assert_eq!(put_blob(&store, 1, blob(3), now(1_000)).await, Verdict::Done, "a second later");
}

pub(super) async fn a_mailbox_has_few_senders(factory: &mut impl StoreFactory) {
    let store = factory.create(Limits { sends_per_mailbox: 4, ..limits() }).await;
    create(&store, 1).await;
    for number in 11..14 {
        assert_eq!(change(&store, 1, Change::Grant(grant(number))).await, Verdict::Done);
    }
    assert_eq!(change(&store, 1, Change::Grant(grant(14))).await, Verdict::Full);
    assert_eq!(change(&store, 1, Change::Grant(grant(13))).await, Verdict::Done, "a known sender");
    assert_eq!(put(&store, 14, 0).await, Verdict::Refused);
    assert_eq!(change(&store, 1, Change::Revoke(send(11))).await, Verdict::Done);
    assert_eq!(change(&store, 1, Change::Grant(grant(14))).await, Verdict::Done);
    assert_eq!(put(&store, 14, 0).await, Verdict::Done);
}
