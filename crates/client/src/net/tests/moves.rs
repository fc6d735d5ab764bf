//! Relays that say that they have moved.

use super::*;
use deaddrop_wire::{RelayUrl, item::Moved as MovedItem};

fn moved_to(relay: &RelayAddress) -> Reply {
    say(vec![MovedItem { url: RelayUrl::new(relay.url()).unwrap() }.into()])
}

fn is_reading(hello: &Hello) -> bool {
    hello.client.as_bytes() != &[0; 16]
}

/// A relay that names another URL to each link would find out which links belong to one client if a
/// link used what another one was told.
#[tokio::test(start_paused = true)]
async fn what_a_reading_link_is_told_is_not_used_by_a_putting_link() {
    let readers = Scripted::start(|_, item| obey(item)).await;
    let putters = Scripted::start(|_, item| obey(item)).await;
    let (to_readers, to_putters) = (readers.address.clone(), putters.address.clone());
    let relay = Scripted::start(move |_, item| match item {
        Item::Hello(hello) => moved_to(if is_reading(hello) { &to_readers } else { &to_putters }),
        _ => close(),
    })
    .await;
    let world = World::new(&relay.address, &relay.address).await;
    world.supervise();
    world.until(&readers.address, Connectivity::CaughtUp).await;
    for _ in 0..3 {
        let puts = putters.heard("put").len();
        world.send("hello").await;
        let begin = Instant::now();
        while putters.heard("put").len() == puts {
            assert!(begin.elapsed() < seconds(60), "the text leaves by the putting link's place");
            sleep(Duration::from_millis(10)).await;
        }
        // The putting link ends, and the next one is a new one.
        sleep(seconds(100)).await;
    }
    assert!(readers.heard("put").is_empty());
    assert!(putters.heard("subscribe").is_empty() && putters.heard("create").is_empty());
    // One link of each purpose has asked at the old place: the others knew the new one.
    assert_eq!(relay.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_move_to_a_place_that_does_not_answer_makes_no_storm() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("ws://{}/", listener.local_addr().unwrap())
    };
    let relay = Scripted::start(move |_, item| match item {
        Item::Hello(_) => say(vec![MovedItem { url: RelayUrl::new(&gone).unwrap() }.into()]),
        _ => close(),
    })
    .await;
    let (_peer, world) = World::at(&relay.address).await;
    world.supervise();
    sleep(seconds(3_600)).await;
    assert_eq!(world.link(&relay.address), Some(Connectivity::Down));
    // The usual waits: 1 s that doubles to 300 s.
    let count = relay.connections();
    assert!((15..40).contains(&count), "{count} connections in an hour");
}

/// The putting link goes to the old place if the new one fails, and the other way round.
#[tokio::test(start_paused = true)]
async fn a_relay_that_goes_back_is_found_at_its_old_place() {
    let new = Scripted::start(|_, item| obey(item)).await;
    let own = Scripted::start(|_, item| obey(item)).await;
    let (to, is_back) = (new.address.clone(), Arc::new(Mutex::new(false)));
    let back = Arc::clone(&is_back);
    let relay = Scripted::start(move |_, item| match item {
        Item::Hello(_) if !*back.lock().unwrap() => moved_to(&to),
        item => obey(item),
    })
    .await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.send("one").await;
    let begin = Instant::now();
    while new.heard("put").is_empty() {
        assert!(begin.elapsed() < seconds(60));
        sleep(Duration::from_millis(10)).await;
    }
    sleep(seconds(100)).await;
    drop(new);
    *is_back.lock().unwrap() = true;
    world.send("two").await;
    let begin = Instant::now();
    while relay.heard("put").is_empty() {
        assert!(begin.elapsed() < seconds(60));
        sleep(Duration::from_millis(10)).await;
    }
    sleep(seconds(100)).await;
    let place =
        world.shared.look(|engine| engine.place_of(deaddrop_engine::LinkPurpose::Putting(1), &relay.address));
    assert_eq!(place.unwrap(), None, "the move is forgotten");
}
