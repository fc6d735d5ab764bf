//! Relays that waste links: they close them, or deliver what was not asked for.

use super::*;
use deaddrop_wire::{Blob, item::Deliver};

/// Asks for a retry as an impatient user does, four times a second for ten minutes.
async fn act(world: &World) {
    let begin = Instant::now();
    while begin.elapsed() < seconds(600) {
        world.shared.wake_all();
        sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_closes_after_the_handshake_is_left_alone_longer_and_longer() {
    let relay = Scripted::start(|_, _| close()).await;
    let (_peer, world) = World::at(&relay.address).await;
    world.supervise();
    sleep(seconds(3_600)).await;
    // Nothing is put yet: the only links are the reading ones. The span doubles from 1 to 300 s.
    let quiet = relay.connections();
    assert!((12..40).contains(&quiet), "{quiet} connections in a quiet hour");
    act(&world).await;
    let more = relay.connections() - quiet;
    assert!((10..60).contains(&more), "{more} connections while the user acts");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_a_little_and_closes_is_not_connected_to_again_and_again() {
    let own = Scripted::start(|_, item| match item {
        Item::Subscribe(_) => Reply { closes: true, ..obey(item) },
        item => obey(item),
    })
    .await;
    let (_peer, world) = World::at(&own.address).await;
    world.supervise();
    act(&world).await;
    let count = own.connections();
    assert!((10..120).contains(&count), "{count} connections in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_contacts_relay_that_closes_every_link_gets_no_more_of_them_the_more_is_sent() {
    let own = Scripted::start(|_, item| obey(item)).await;
    let relay = Scripted::start(|_, _| close()).await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.until(&own.address, Connectivity::CaughtUp).await;
    let begin = Instant::now();
    while begin.elapsed() < seconds(60) {
        world.send("one of many").await;
        sleep(Duration::from_millis(250)).await;
    }
    let count = relay.connections();
    assert!((4..15).contains(&count), "{count} connections for 240 texts in a minute");
    assert_eq!(own.connections(), 1, "the own relay is none the worse");
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_were_not_asked_for_end_the_link_and_cost_no_step() {
    let stray = |tag| {
        let blob = Blob::new(vec![1; 4_096]).unwrap();
        Deliver { sub: 4_000_000, tag, via: 0, blob }.into()
    };
    let relay = Scripted::start(move |_, item| match item {
        Item::Subscribe(_) => {
            let mut reply = obey(item);
            reply.items.extend((1..=200).map(stray));
            reply
        }
        item => obey(item),
    })
    .await;
    let (_peer, world) = World::at(&relay.address).await;
    let steps = world.shared.changed.subscribe();
    let before = *steps.borrow();
    world.supervise();
    sleep(seconds(600)).await;
    let count = relay.connections();
    assert!((5..60).contains(&count), "{count} connections in ten minutes");
    let steps = *steps.borrow() - before;
    assert!(steps < 60 * u64::try_from(count).unwrap(), "{steps} steps for {count} links of 200 deliveries");
}

#[tokio::test(start_paused = true)]
async fn deliveries_end_a_putting_link_too() {
    let own = Scripted::start(|_, item| obey(item)).await;
    let relay = Scripted::start(move |connection, item| {
        let stray = |tag| Deliver { sub: 1, tag, via: 0, blob: Blob::new(vec![1; 4_096]).unwrap() }.into();
        match item {
            Item::Hello(_) => say((0..if connection == 0 { 129 } else { 128 }).map(stray).collect()),
            item => obey(item),
        }
    })
    .await;
    let world = World::new(&own.address, &relay.address).await;
    world.supervise();
    world.send("hello").await;
    sleep(seconds(30)).await;
    assert_eq!(relay.connections(), 2, "the first one ends, the second one stands");
    assert_eq!(world.shared.look(Engine::waiting).unwrap().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_refuses_every_subscription_is_asked_less_and_less_often() {
    let relay = Scripted::start(|_, item| match item {
        Item::Subscribe(subscribe) => {
            let refused = subscribe.mailboxes.iter().map(|mailbox| mailbox.sub).collect();
            let req = subscribe.req;
            say(vec![Subscribed { req, refused, contended: Vec::new() }.into(), CaughtUp { req }.into()])
        }
        item => obey(item),
    })
    .await;
    let (_peer, world) = World::at(&relay.address).await;
    world.supervise();
    sleep(seconds(3_600)).await;
    let count = relay.heard("subscribe").len();
    assert!((5..60).contains(&count), "{count} subscriptions in an hour");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_does_not_wait_for_links_that_are_being_opened() {
    // It takes connections and says nothing.
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", hole.local_addr().unwrap());
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([7; 32]));
    let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
    let world = World::new(&address, &address).await;
    let supervisor = tokio::spawn(supervise(Arc::clone(&world.shared)));
    world.until(&address, Connectivity::Connecting).await;
    sleep(seconds(1)).await;
    let begin = Instant::now();
    world.shared.closing.send_replace(true);
    supervisor.await.unwrap();
    assert!(begin.elapsed() < seconds(1), "{:?}", begin.elapsed());
}
