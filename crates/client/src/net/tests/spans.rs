//! The spans after which a client connects again to the relay of a contact.

use super::*;

/// Answers an item, and closes the link if the item was a Put.
fn answer_and_close(item: &Item) -> Reply {
    match item {
        Item::Put(_) => Reply { closes: true, ..obey(item) },
        item => obey(item),
    }
}

/// Sends texts for a minute, with `pause` between two. Returns the number of connections to the
/// contact's relay, which closes each link after the first Put.
async fn connections_in_a_minute(pause: Duration) -> usize {
    let own = Scripted::start(|_, item| obey(item)).await;
    let relay = Scripted::start(|_, item| answer_and_close(item)).await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.until(&own.address, Connectivity::CaughtUp).await;
    let begin = Instant::now();
    while begin.elapsed() < seconds(60) {
        world.send("one of many").await;
        sleep(pause).await;
    }
    relay.connections()
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_answers_and_closes_is_connected_to_about_once_a_second() {
    for (pause_ms, wanted) in [(125, 30..70), (700, 30..70), (1_300, 30..70)] {
        let count = connections_in_a_minute(Duration::from_millis(pause_ms)).await;
        assert!(wanted.contains(&count), "{count} connections, a text every {pause_ms} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_after_a_link_that_broke_leaves_at_once() {
    let own = Scripted::start(|_, item| obey(item)).await;
    let relay = Scripted::start(|_, item| answer_and_close(item)).await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.until(&own.address, Connectivity::CaughtUp).await;
    for _ in 0..5 {
        sleep(seconds(11)).await;
        let before = relay.heard("put").len();
        world.send("one").await;
        while relay.heard("put").len() == before {
            sleep(Duration::from_millis(10)).await;
        }
        // The client sees that the link has ended.
        sleep(Duration::from_millis(100)).await;
        world.send("and one more").await;
        let begin = Instant::now();
        while relay.heard("put").len() < before + 2 {
            assert!(begin.elapsed() < Duration::from_millis(400), "a user waits {:?}", begin.elapsed());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_that_was_of_no_use_does_not_shorten_the_waits() {
    let own = Scripted::start(|_, item| obey(item)).await;
    // It cannot be used for some minutes, and then asks to wait.
    let relay = Scripted::start(|connection, item| match item {
        _ if connection < 8 => close(),
        Item::Put(put) => say(vec![answer(put.req, AnswerCode::Busy, 900)]),
        item => obey(item),
    })
    .await;
    let newer = Scripted::start(|_, _| close()).await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.send("hello").await;
    sleep(seconds(300)).await;
    assert_eq!((relay.connections(), relay.heard("put").is_empty()), (9, false));
    let address = MailboxAddress { relay: newer.address.clone(), send: SendCapability::from_bytes([2; 32]) };
    let address = address.encode();
    let learned = world.shared.step(move |engine: &mut Engine<_>, _| {
        let id = engine.contact_id("Eve").unwrap();
        engine.learn_address(id, &address);
        Ok::<_, VaultError>(())
    });
    learned.await.unwrap();
    sleep(seconds(60)).await;
    assert_eq!(newer.connections(), 1, "the span was two minutes and more");
}
