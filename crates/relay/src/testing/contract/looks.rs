//! Checks of looks: order, room, blobs in flight.

use super::kit::*;
use crate::store::{Peek, Store};
use deaddrop_wire::SizeClass;

pub(super) async fn a_look_keeps_order_and_room(store: &impl Store) {
    create(store, 1).await;
    let classes = [SizeClass::Small, SizeClass::Large, SizeClass::Small, SizeClass::Medium];
    for (class, number) in classes.into_iter().zip(0..) {
        put_blob(store, 1, blob_of(class, number), now(0)).await;
    }
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
    let all = look(store, &claimed, now(0)).await.unwrap();
    assert_eq!(numbers(&all), [0, 1, 2, 3]);
    let records: Vec<_> = all.iter().map(|stored| stored.record).collect();
    let look_at = async |in_flight: &[usize], blobs, bytes, any_first| {
        let in_flight = in_flight.iter().map(|at| records[*at]).collect();
        let peeked =
            store.peek(Peek { in_flight, blobs, bytes, any_first, ..wide(&claimed) }, now(0)).await.unwrap();
        assert!(peeked.gone.is_empty() && !peeked.unread);
        (numbers(&peeked.blobs), peeked.more)
    };
    assert_eq!(look_at(&[], 2, 1 << 20, false).await, (vec![0, 1], true), "the number of blobs");
    assert_eq!(look_at(&[], 4, 1 << 20, false).await, (vec![0, 1, 2, 3], false));
    assert_eq!(look_at(&[0, 2], 4, 1 << 20, false).await, (vec![1, 3], false), "not those in flight");
    assert_eq!(look_at(&[0, 1, 2, 3], 4, 1 << 20, false).await, (vec![], false));
    assert_eq!(look_at(&[], 4, 8_192, false).await, (vec![0], true), "nothing overtakes the large blob");
    assert_eq!(look_at(&[0], 4, 8_192, false).await, (vec![], true));
    assert_eq!(look_at(&[0], 4, 8_192, true).await, (vec![1], true), "the first blob is always allowed");
    assert_eq!(look_at(&[], 4, 65_536 + 4_096, false).await, (vec![0, 1], true), "exactly as many bytes");
    assert_eq!(look_at(&[], 0, 0, false).await, (vec![], true), "no room, and there is more");
    assert_eq!(look_at(&[0, 1, 2, 3], 0, 0, false).await, (vec![], false), "no room, and there is no more");
    assert_eq!(counts(store).1, 4, "a look changes nothing");
}

pub(super) async fn a_look_tells_what_is_gone(store: &impl Store) {
    create(store, 1).await;
    for number in 0..4 {
        put(store, 1, number).await;
    }
    let reader = reader(1);
    let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
    let all: Vec<_> =
        look(store, &claimed, now(0)).await.unwrap().iter().map(|stored| stored.record).collect();
    assert_eq!(ack(store, &claimed, vec![all[0], all[2]]).await, Ok(()));
    let peeked = store.peek(Peek { in_flight: all.clone(), ..wide(&claimed) }, now(0)).await.unwrap();
    assert_eq!(peeked.gone, [all[0], all[2]]);
    assert!(peeked.blobs.is_empty() && !peeked.more);
    let check =
        Peek { in_flight: vec![all[0], all[1]], blobs: 0, bytes: 0, any_first: false, ..wide(&claimed) };
    let peeked = store.peek(check, now(0)).await.unwrap();
    assert_eq!((peeked.gone, peeked.more), (vec![all[0]], true));
}
