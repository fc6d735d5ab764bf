//! The moment at which a relay counts as caught up: never while a mailbox at it is not read.

use super::*;
use deaddrop_wire::item::Displaced;
use std::sync::atomic::{AtomicBool, Ordering};

/// Waits until the relay is in the state `wanted`. Then checks for 50 s that its state is never
/// [`CaughtUp`](Connectivity::CaughtUp) or [`NeedsToken`](Connectivity::NeedsToken), and that it is
/// `wanted` at the end.
async fn stays_unread(world: &World, relay: &RelayAddress, wanted: Connectivity) {
    world.until(relay, wanted).await;
    let begin = Instant::now();
    while begin.elapsed() < seconds(50) {
        let state = world.link(relay);
        assert!(!matches!(state, Some(Connectivity::CaughtUp | Connectivity::NeedsToken)), "{state:?}");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.link(relay), Some(wanted));
}

/// A function that makes a relay's reply to a Subscribe.
type OnSubscribe = fn(&deaddrop_wire::item::Subscribe) -> Vec<Item>;

async fn subscribing(on_subscribe: OnSubscribe) -> (Scripted, Scripted, World) {
    let relay = Scripted::start(move |_, item| match item {
        Item::Subscribe(subscribe) => say(on_subscribe(subscribe)),
        item => obey(item),
    })
    .await;
    let (peer, world) = World::at(&relay.address).await;
    world.supervise();
    (relay, peer, world)
}

fn subscribed(req: u32, contended: Vec<u32>) -> Item {
    Subscribed { req, refused: Vec::new(), contended }.into()
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_never_says_so_is_not_caught_up() {
    let (relay, _peer, world) = subscribing(|subscribe| vec![subscribed(subscribe.req, Vec::new())]).await;
    stays_unread(&world, &relay.address, Connectivity::Fetching).await;
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_says_so_without_an_answer_is_not_caught_up() {
    let (relay, _peer, world) = subscribing(|subscribe| vec![CaughtUp { req: subscribe.req }.into()]).await;
    stays_unread(&world, &relay.address, Connectivity::Fetching).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_answered_like_a_create_is_not_caught_up() {
    let (relay, _peer, world) =
        subscribing(|subscribe| vec![answer(subscribe.req, AnswerCode::Busy, u16::MAX)]).await;
    stays_unread(&world, &relay.address, Connectivity::Fetching).await;
    let before = relay.heard("subscribe").len();
    sleep(seconds(900)).await;
    assert!((1..4).contains(&(relay.heard("subscribe").len() - before)), "it is asked again");
}

#[tokio::test(start_paused = true)]
async fn a_contended_mailbox_is_not_caught_up() {
    let (relay, _peer, world) = subscribing(|subscribe| {
        let all = subscribe.mailboxes.iter().map(|mailbox| mailbox.sub).collect();
        vec![subscribed(subscribe.req, all), CaughtUp { req: subscribe.req }.into()]
    })
    .await;
    stays_unread(&world, &relay.address, Connectivity::Fetching).await;
}

#[tokio::test(start_paused = true)]
async fn a_displaced_mailbox_is_not_caught_up_until_it_is_read_again() {
    let is_taken = Arc::new(AtomicBool::new(true));
    let taken = Arc::clone(&is_taken);
    let relay = Scripted::start(move |_, item| match item {
        Item::Subscribe(subscribe) if taken.load(Ordering::SeqCst) => {
            let mut reply = obey(item);
            reply
                .items
                .extend(subscribe.mailboxes.iter().map(|mailbox| Displaced { sub: mailbox.sub }.into()));
            reply
        }
        item => obey(item),
    })
    .await;
    let (_peer, world) = World::at(&relay.address).await;
    world.supervise();
    stays_unread(&world, &relay.address, Connectivity::Displaced).await;
    is_taken.store(false, Ordering::SeqCst);
    world.until(&relay.address, Connectivity::CaughtUp).await;
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_not_made_is_not_caught_up() {
    let relay = Scripted::start(|_, item| match item {
        Item::Create(create) => say(vec![answer(create.req, AnswerCode::Busy, 60)]),
        item => obey(item),
    })
    .await;
    let (_peer, world) = World::at(&relay.address).await;
    world.supervise();
    stays_unread(&world, &relay.address, Connectivity::Waiting).await;
    let silent = Scripted::start(|_, item| match item {
        Item::Create(_) => say(Vec::new()),
        item => obey(item),
    })
    .await;
    let (_peer, world) = World::at(&silent.address).await;
    world.supervise();
    stays_unread(&world, &silent.address, Connectivity::Fetching).await;
}

#[tokio::test(start_paused = true)]
async fn a_link_over_which_nothing_comes_any_more_does_not_count_and_is_replaced() {
    // From some moment on the first link is a black hole.
    let is_hole = Arc::new(AtomicBool::new(false));
    let hole = Arc::clone(&is_hole);
    let relay = Scripted::start(move |connection, item| {
        if connection == 0 && hole.load(Ordering::SeqCst) { say(Vec::new()) } else { obey(item) }
    })
    .await;
    let (_peer, world) = World::at(&relay.address).await;
    world.supervise();
    world.until(&relay.address, Connectivity::CaughtUp).await;
    sleep(seconds(1)).await;
    let dated = |world: &World| world.shared.progress.links()[&relay.address.to_string()];
    // A relay that answers is caught up in this round.
    let round = world.shared.begin_round();
    sleep(Duration::from_millis(500)).await;
    assert_eq!((dated(&world).state, dated(&world).round), (Connectivity::CaughtUp, round));
    is_hole.store(true, Ordering::SeqCst);
    let round = world.shared.begin_round();
    sleep(seconds(10)).await;
    assert!(dated(&world).round < round, "nothing was heard in this round");
    sleep(seconds(10)).await;
    assert_eq!(relay.connections(), 2, "the link that is silent for 15 s is replaced");
    assert_eq!((dated(&world).state, dated(&world).round), (Connectivity::CaughtUp, round));
}
