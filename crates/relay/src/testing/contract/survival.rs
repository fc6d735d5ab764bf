//! Checks of what survives a crash of the process: all that was answered, and nothing that was
//! destroyed.

use super::factory::StoreFactory;
use super::kit::*;
use crate::limits::Limits;
use crate::store::{Change, NewMailbox, NotClaimed, Stale, Store, Verdict};
use deaddrop_wire::item::{CreateFlags, QuotaClass, SendGrant};
use deaddrop_wire::{Day, SizeClass};

pub(super) async fn answered_changes_survive(factory: &mut impl StoreFactory) {
    let store = factory.create(limits()).await;
    for number in 1..=4 {
        assert_eq!(create(&store, number).await, Verdict::Done);
    }
    assert_eq!(change(&store, 1, Change::Grant(SendGrant { via: 6, ..grant(5) })).await, Verdict::Done);
    assert_eq!(change(&store, 2, Change::Revoke(send(2))).await, Verdict::Done);
    assert_eq!(change(&store, 3, Change::Rekey(read(8))).await, Verdict::Done);
    assert_eq!(put(&store, 4, 0).await, Verdict::Done);
    assert_eq!(change(&store, 4, Change::Delete).await, Verdict::Done);
    assert_eq!(put(&store, 1, 1).await, Verdict::Done);
    assert_eq!(put(&store, 5, 2).await, Verdict::Done);
    let reader = reader(1);
    let claimed = claim(&store, 1, &reader, now(0)).await.unwrap();
    let before = look(&store, &claimed, now(0)).await.unwrap();
    let Some(store) = factory.reopen(store, limits()).await else { return };
    assert_eq!(counts(&store), (3, 2, 2 * 4_096));
    assert!(ack(&store, &claimed, vec![before[0].record]).await.is_err(), "a claim ends with the process");
    assert!(matches!(look(&store, &claimed, now(0)).await, Err(Stale(_))));
    let again = claim(&store, 1, &reader, now(0)).await.unwrap();
    assert_eq!(look(&store, &again, now(0)).await.unwrap(), before, "the same blobs with the same numbers");
    assert_eq!(put(&store, 5, 2).await, Verdict::Done, "a retry");
    assert_eq!(put(&store, 5, 3).await, Verdict::Done, "a granted sender");
    let found = look(&store, &again, now(0)).await.unwrap();
    assert_eq!(found.iter().map(|stored| stored.via).collect::<Vec<_>>(), [1, 6, 6]);
    assert!(found[2].record > before[1].record, "no number is used twice");
    assert_eq!(put(&store, 2, 0).await, Verdict::Refused, "a revoked sender");
    assert_eq!(claim(&store, 3, &reader, now(0)).await, Err(NotClaimed::Refused), "a replaced reader");
    claim(&store, 8, &reader, now(0)).await.expect("the new reader");
    assert_eq!(put(&store, 4, 0).await, Verdict::Refused, "a deleted mailbox");
    assert_eq!(create(&store, 1).await, Verdict::Done, "a repeated create");
    assert_eq!(counts(&store).0, 3);
}

/// A change of each kind survives a crash directly after its answer.
pub(super) async fn each_change_survives_at_once(factory: &mut impl StoreFactory) {
    let changes = [
        Change::Grant(grant(5)),
        Change::Revoke(send(1)),
        Change::Rekey(read(8)),
        Change::Renew,
        Change::Delete,
    ];
    for what in changes {
        let store = factory.create(limits()).await;
        create(&store, 1).await;
        let reader = reader(1);
        claim(&store, 1, &reader, now(0)).await.unwrap();
        let changed = store.change(vec![(own(1), what)], on(20)).await;
        assert_eq!(changed, [Verdict::Done], "{what:?}");
        let Some(store) = factory.reopen(store, limits()).await else { return };
        sweep_all(&store, on(31)).await;
        let is_there = matches!(what, Change::Renew);
        assert_eq!(counts(&store).0, u64::from(is_there), "only a renewed lease holds after {what:?}");
        let store = factory.create(limits()).await;
        create(&store, 1).await;
        assert_eq!(change(&store, 1, what).await, Verdict::Done);
        let Some(store) = factory.reopen(store, limits()).await else { return };
        let found =
            [put(&store, 1, 0).await, put(&store, 5, 1).await].map(|verdict| verdict == Verdict::Done);
        let claims = [claim(&store, 1, &reader, now(0)).await, claim(&store, 8, &reader, now(0)).await];
        let claims = claims.map(|claimed| claimed.is_ok());
        let expected = match what {
            Change::Grant(_) => ([true, true], [true, false]),
            Change::Revoke(_) => ([false, false], [true, false]),
            Change::Rekey(_) => ([true, false], [false, true]),
            Change::Renew => ([true, false], [true, false]),
            Change::Delete => ([false, false], [false, false]),
        };
        assert_eq!((found, claims), expected, "senders and readers after {what:?}");
    }
}

pub(super) async fn destroyed_blobs_stay_destroyed(factory: &mut impl StoreFactory) {
    let store = factory.create(limits()).await;
    create(&store, 1).await;
    for number in 0..6 {
        put(&store, 1, number).await;
    }
    let reader = reader(1);
    let claimed = claim(&store, 1, &reader, now(0)).await.unwrap();
    let found = look(&store, &claimed, now(0)).await.unwrap();
    let acked = [0, 2, 5].map(|at: usize| found[at].record).to_vec();
    assert_eq!(ack(&store, &claimed, acked).await, Ok(()));
    let Some(store) = factory.reopen(store, limits()).await else { return };
    let again = claim(&store, 1, &reader, now(0)).await.unwrap();
    assert_eq!(numbers(&look(&store, &again, now(0)).await.unwrap()), [1, 3, 4]);
    assert_eq!(put(&store, 1, 9).await, Verdict::Done);
    let newest = look(&store, &again, now(0)).await.unwrap()[3].record;
    assert!(newest > found[5].record, "the number of a destroyed blob is not used again");
}

/// A volatile mailbox survives a crash, its blobs do not, and they no longer count for its quota.
pub(super) async fn volatile_blobs_do_not_survive(factory: &mut impl StoreFactory) {
    let store = factory.create(limits()).await;
    create_with(&store, NewMailbox { flags: CreateFlags::VOLATILE, ..mailbox(1, QuotaClass::Few) }, now(0))
        .await;
    create(&store, 2).await;
    for number in 0..4 {
        assert_eq!(put(&store, 1, number).await, Verdict::Done);
        assert_eq!(put(&store, 2, number).await, Verdict::Done);
    }
    assert_eq!(counts(&store).1, 8);
    let Some(store) = factory.reopen(store, limits()).await else { return };
    assert_eq!(counts(&store), (2, 4, 4 * 4_096));
    let reader = reader(1);
    let claimed = claim(&store, 1, &reader, now(0)).await.unwrap();
    assert!(
        look(&store, &claimed, now(0)).await.unwrap().is_empty(),
        "volatile blobs ended with the process"
    );
    for number in 0..4 {
        assert_eq!(put(&store, 1, number).await, Verdict::Done);
    }
    assert_eq!(numbers(&look(&store, &claimed, now(0)).await.unwrap()), [0, 1, 2, 3]);
}

pub(super) async fn the_calendar_and_expiry_survive(factory: &mut impl StoreFactory) {
    let limits = Limits { unused_days: 60, ..limits() };
    let store = factory.create(limits.clone()).await;
    create(&store, 1).await;
    create(&store, 2).await;
    put_blob(&store, 1, blob_of(SizeClass::Large, 0), on(0)).await;
    put(&store, 1, 1).await;
    sweep_all(&store, on(3)).await;
    let Some(store) = factory.reopen(store, limits.clone()).await else { return };
    assert_eq!(store_day(&store), Some(TODAY.plus(3)));
    sweep_all(&store, on(8)).await;
    assert_eq!(counts(&store), (2, 1, 4_096), "days are counted from the put, not from the reopening");
    let Some(store) = factory.reopen(store, limits).await else { return };
    assert_eq!(counts(&store), (2, 1, 4_096));
    sweep_all(&store, on(31)).await;
    assert_eq!(counts(&store), (0, 0, 0));
    let claimed = claim(&store, 1, &reader(1), on(31)).await;
    assert_eq!(claimed, Err(NotClaimed::Refused));
}

/// A store with a mailbox remembers the day, also after a crash: otherwise a relay that starts with
/// it would believe any clock.
pub(super) async fn a_store_with_a_mailbox_remembers_the_day(factory: &mut impl StoreFactory) {
    let store = factory.create(limits()).await;
    assert_eq!(store_day(&store), None);
    create(&store, 1).await;
    assert_eq!(store_day(&store), Some(TODAY));
    let Some(store) = factory.reopen(store, limits()).await else { return };
    assert_eq!((counts(&store).0, store_day(&store)), (1, Some(TODAY)));
    // Later mailboxes leave the day to the sweeps.
    create_with(&store, mailbox(2, QuotaClass::Few), on(3)).await;
    assert_eq!(store_day(&store), Some(TODAY));
}

fn store_day(store: &impl Store) -> Option<Day> {
    store.census().calendar.map(|calendar| calendar.day)
}
