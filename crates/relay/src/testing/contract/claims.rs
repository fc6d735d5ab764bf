//! Checks of claims: fences, several readers, takeovers, hints.

use super::kit::*;
use crate::hints::{News, SubscriptionEnd};
use crate::store::{Change, ConnectedReader, NotAcked, NotClaimed, Stale, Store, Verdict};
use std::time::Duration;

pub(super) async fn fences_end_with_their_reader(store: &impl Store) {
    create(store, 1).await;
    put(store, 1, 0).await;
    let (one, two) = (reader(1), reader(2));
    let first = claim(store, 1, &one, now(0)).await.unwrap();
    let record = look(store, &first, now(0)).await.unwrap()[0].record;
    let again = claim(store, 1, &one, now(1)).await.expect("a reader replaces its own connection at once");
    assert!(again.fence > first.fence);
    assert_eq!(look(store, &first, now(1)).await, Err(Stale(SubscriptionEnd::Displaced)));
    let second = claim(store, 1, &two, now(10_000)).await.unwrap();
    for old in [first, again] {
        assert_eq!(ack(store, &old, vec![record]).await, Err(NotAcked::Stale(SubscriptionEnd::Displaced)));
        store.release(vec![(old.handle, old.fence)]).await;
    }
    let found = look(store, &second, now(0)).await.unwrap();
    assert_eq!(found[0].record, record, "delivered again to the next reader");
    store.release(vec![(second.handle, second.fence)]).await;
    assert_eq!(ack(store, &second, vec![record]).await, Err(NotAcked::Stale(SubscriptionEnd::Displaced)));
    assert_eq!(counts(store).1, 1, "acks under older fences do nothing");
}

pub(super) async fn readers_do_not_take_turns_quickly(store: &impl Store) {
    create(store, 1).await;
    let (one, two) = (reader(1), reader(2));
    claim(store, 1, &one, now(0)).await.unwrap();
    let second = claim(store, 1, &two, now(10_000)).await.unwrap();
    assert_eq!(claim(store, 1, &one, now(10_001)).await, Err(NotClaimed::Contended));
    assert_eq!(claim(store, 1, &one, now(14_999)).await, Err(NotClaimed::Contended));
    assert!(look(store, &second, now(14_999)).await.is_ok(), "a refused claim displaces no reader");
    let third = claim(store, 1, &one, now(15_000)).await.unwrap();
    assert_eq!(claim(store, 1, &two, now(15_001)).await, Err(NotClaimed::Contended));
    store.release(vec![(third.handle, third.fence)]).await;
    claim(store, 1, &two, now(15_002)).await.expect("the reader gave its claim back");
    drop(two);
    claim(store, 1, &one, now(15_003)).await.expect("the reader's connection is gone");
}

pub(super) async fn a_reader_without_a_token_is_never_the_same(store: &impl Store) {
    create(store, 1).await;
    let [one, two, three] = [reader(0), reader(0), reader(0)];
    claim(store, 1, &one, now(0)).await.unwrap();
    claim(store, 1, &two, now(1)).await.expect("the first takeover");
    assert_eq!(claim(store, 1, &three, now(2)).await, Err(NotClaimed::Contended));
}

pub(super) async fn readers_of_several_mailboxes_are_independent(store: &impl Store) {
    for number in 1..=3 {
        create(store, number).await;
        put(store, number, number).await;
    }
    let (one, two) = (reader(1), reader(2));
    let mut claims = Vec::new();
    for (number, reader) in [(1, &one), (2, &two), (3, &one)] {
        claims.push(claim(store, number, reader, now(0)).await.unwrap());
    }
    let third = claim(store, 3, &two, now(0)).await.unwrap();
    assert_eq!(look(store, &claims[2], now(0)).await, Err(Stale(SubscriptionEnd::Displaced)));
    for (claimed, number) in claims[..2].iter().chain([&third]).zip(1..) {
        let found = look(store, claimed, now(0)).await.unwrap();
        assert_eq!(numbers(&found), [number]);
        assert_eq!(ack(store, claimed, vec![found[0].record]).await, Ok(()));
    }
    assert_eq!(counts(store), (3, 0, 0));
}

/// Hints may be lost under load. In a store without load each hint arrives.
pub(super) async fn hints_tell_of_puts_and_ends(store: &impl Store) {
    for number in 1..=3 {
        create(store, number).await;
    }
    let (one, two) = (reader(1), reader(2));
    for number in 1..=3 {
        claim(store, number, &one, now(0)).await.unwrap();
    }
    put(store, 2, 0).await;
    assert_eq!(news(&one).await.changed.into_iter().collect::<Vec<_>>(), [2]);
    claim(store, 1, &two, now(10_000)).await.unwrap();
    assert_eq!(news(&one).await.ended, [(1, SubscriptionEnd::Displaced)]);
    assert_eq!(change(store, 3, Change::Delete).await, Verdict::Done);
    assert_eq!(news(&one).await.ended, [(3, SubscriptionEnd::Gone)]);
    sweep_all(store, on(31)).await;
    let told = news(&one).await;
    assert!(told.ended.contains(&(2, SubscriptionEnd::Gone)) || told.expired.contains(&2));
}

async fn news(reader: &ConnectedReader) -> News {
    tokio::time::timeout(Duration::from_secs(10), reader.hints.next()).await.expect("a hint")
}
