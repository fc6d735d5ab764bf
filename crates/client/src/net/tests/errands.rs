//! Links for invites: only answers to the client's own requests count.

use super::*;
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::{
    Blob,
    item::{AckEntry, Acked, Create, Deliver, Gone, Put, Subscribe},
};

/// Makes an invite at a relay that follows a script, and publishes it. Returns the result of
/// publishing, and the relay.
async fn published(
    script: impl Fn(usize, &Item) -> Reply + Send + Sync + 'static,
) -> (Result<(), ClientError>, Scripted) {
    let relay = Scripted::start(script).await;
    let world = World::new(&relay.address, &relay.address).await;
    let publication = world.shared.step(|engine, today| {
        let id = engine.begin_invite("Dan", today, 7).unwrap();
        Ok::<_, VaultError>(engine.publication(id).unwrap())
    });
    let publication = publication.await.unwrap();
    let moved = Moved::default();
    let link = open_link(&world.shared, &relay.address, &moved).await.unwrap();
    (publish(&world.shared, link, &publication, &moved).await, relay)
}

/// Starts a relay that answers by `script`, and a client of it. The caller visits an invite mailbox
/// at the relay.
async fn visited(script: impl Fn(&Item) -> Reply + Send + Sync + 'static) -> (Scripted, World) {
    let relay = Scripted::start(move |_, item| script(item)).await;
    let world = World::new(&relay.address, &relay.address).await;
    (relay, world)
}

const READ: [u8; 32] = [5; 32];

/// Reads an invite mailbox at a relay that answers by `script`. Returns the bundle in it, if there
/// is one.
async fn fetched(
    script: impl Fn(&Item) -> Reply + Send + Sync + 'static,
) -> Result<Option<Vec<u8>>, ClientError> {
    let (relay, world) = visited(script).await;
    let read = ReadCapability::from_bytes(READ);
    fetch_bundle(&world.shared, &relay.address, &read, Consent::Rule).await.map(|found| found.bundle)
}

async fn emptied(script: impl Fn(&Item) -> Reply + Send + Sync + 'static) -> Result<(), ClientError> {
    let (relay, world) = visited(script).await;
    fetch::empty(&world.shared, &relay.address, &ReadCapability::from_bytes(READ)).await
}

/// Returns a script that answers a Subscribe with this reply and obeys everything else.
fn to_subscribe(reply: impl Fn(&Subscribe) -> Vec<Item>) -> impl Fn(&Item) -> Reply {
    move |item| match item {
        Item::Subscribe(subscribe) => say(reply(subscribe)),
        item => obey(item),
    }
}

fn sub(subscribe: &Subscribe) -> u32 {
    subscribe.mailboxes[0].sub
}

fn subscribed(req: u32, refused: Vec<u32>) -> Item {
    Subscribed { req, refused, contended: Vec::new() }.into()
}

fn deliver(sub: u32, tag: u32) -> Item {
    Deliver { sub, tag, via: 0, blob: Blob::new(vec![1; 4_096]).unwrap() }.into()
}

#[tokio::test(start_paused = true)]
async fn answers_to_other_requests_do_not_make_the_mailboxes_of_an_invite() {
    let (result, relay) = published(|_, item| match item {
        Item::Create(create) => say(vec![done(create.req + 76), done(0)]),
        item => obey(item),
    })
    .await;
    assert_eq!(result, Err(ClientError::RelayDown));
    assert_eq!(relay.heard("put").len(), 0);
    // The first Create is answered twice, the second never.
    let (result, relay) = published(|_, item| match item {
        Item::Create(create) if create.req == 1 => say(vec![done(1), done(1)]),
        Item::Create(_) => say(Vec::new()),
        item => obey(item),
    })
    .await;
    assert_eq!((result, relay.heard("put").len()), (Err(ClientError::RelayDown), 0));
}

#[tokio::test(start_paused = true)]
async fn answers_to_other_requests_do_not_store_a_bundle() {
    let (result, _relay) = published(|_, item| match item {
        Item::Put(put) => say(vec![done(put.req + 98)]),
        item => obey(item),
    })
    .await;
    assert_eq!(result, Err(ClientError::RelayDown));
}

#[tokio::test(start_paused = true)]
async fn answers_to_other_requests_do_not_end_an_invite() {
    let (result, _relay) = published(|_, item| match item {
        Item::Create(Create { req, .. }) | Item::Put(Put { req, .. }) => {
            say(vec![answer(77, AnswerCode::Busy, 1), answer(78, AnswerCode::NeedToken, 0), done(*req)])
        }
        item => obey(item),
    })
    .await;
    assert_eq!(result, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_invite_mailbox_is_missing_only_if_the_answer_to_the_request_says_so() {
    let other = fetched(to_subscribe(|subscribe| vec![subscribed(subscribe.req + 76, vec![sub(subscribe)])]));
    assert_eq!(other.await, Err(ClientError::RelayDown));
    let other = fetched(to_subscribe(|subscribe| vec![subscribed(subscribe.req, vec![sub(subscribe) + 8])]));
    assert_eq!(other.await, Err(ClientError::RelayDown));
    let right = fetched(to_subscribe(|subscribe| vec![subscribed(subscribe.req, vec![sub(subscribe)])]));
    assert_eq!(right.await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_never_subscribed_an_invite_mailbox_has_not_read_it_to_its_end() {
    let early = fetched(to_subscribe(|subscribe| vec![CaughtUp { req: subscribe.req }.into()]));
    assert_eq!(early.await, Err(ClientError::RelayDown));
    let behind = fetched(to_subscribe(|subscribe| {
        let req = subscribe.req;
        vec![CaughtUp { req }.into(), subscribed(req, Vec::new()), deliver(sub(subscribe), 1)]
    }));
    assert_eq!(behind.await, Ok(Some(vec![1; 4_096])));
}

#[tokio::test(start_paused = true)]
async fn an_invite_mailbox_is_empty_only_if_its_own_delivery_is_confirmed() {
    let confirming = |entry: fn(u32, u32) -> AckEntry| {
        emptied(move |item| match item {
            Item::Subscribe(subscribe) => {
                say(vec![subscribed(subscribe.req, Vec::new()), deliver(sub(subscribe), 1)])
            }
            Item::Ack(ack) => {
                say(vec![Acked { acks: vec![entry(ack.acks[0].sub, ack.acks[0].upto)] }.into()])
            }
            item => obey(item),
        })
    };
    let other = confirming(|_, upto| AckEntry { sub: 4_242, upto, also: Vec::new() });
    assert_eq!(other.await, Err(ClientError::RelayDown));
    let nothing = confirming(|sub, _| AckEntry { sub, upto: 0, also: Vec::new() });
    assert_eq!(nothing.await, Err(ClientError::RelayDown));
    let right = confirming(|sub, upto| AckEntry { sub, upto, also: Vec::new() });
    assert_eq!(right.await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_answered_like_a_create_fails_at_once() {
    for code in [AnswerCode::Busy, AnswerCode::Done, AnswerCode::Refused, AnswerCode::NeedToken] {
        let begin = Instant::now();
        let result = fetched(to_subscribe(move |subscribe| vec![answer(subscribe.req, code, 1)])).await;
        assert_eq!(result, Err(ClientError::RelayBusy), "{code:?}");
        assert!(begin.elapsed() < seconds(5), "{:?}", begin.elapsed());
    }
    // Another request's.
    let other = fetched(to_subscribe(|subscribe| {
        let req = subscribe.req;
        vec![answer(req + 1, AnswerCode::Busy, 1), subscribed(req, Vec::new()), CaughtUp { req }.into()]
    }));
    assert_eq!(other.await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_goes_while_it_is_read_is_missing() {
    let gone = fetched(to_subscribe(|subscribe| {
        vec![subscribed(subscribe.req, Vec::new()), Gone { sub: sub(subscribe) }.into()]
    }));
    assert_eq!(gone.await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_about_to_go_away_may_still_answer() {
    let (result, relay) = published(|_, item| match item {
        Item::Hello(_) => say(vec![GoAway { within_s: 30 }.into()]),
        item => obey(item),
    })
    .await;
    assert_eq!((result, relay.connections()), (Ok(()), 2), "the Creates and the Put");
    let read = fetched(|item| match item {
        Item::Hello(_) => say(vec![GoAway { within_s: 30 }.into()]),
        Item::Subscribe(subscribe) => {
            say(vec![subscribed(subscribe.req, Vec::new()), deliver(sub(subscribe), 1)])
        }
        item => obey(item),
    });
    assert_eq!(read.await, Ok(Some(vec![1; 4_096])));
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_were_not_asked_for_end_an_errand_too() {
    let strays = |count| (0..count).map(|tag| deliver(4_000_000, tag));
    let read = |count| {
        fetched(to_subscribe(move |subscribe| {
            let own = [subscribed(subscribe.req, Vec::new()), deliver(sub(subscribe), 1)];
            strays(count).chain(own).collect()
        }))
    };
    assert_eq!(read(128).await, Ok(Some(vec![1; 4_096])));
    assert_eq!(read(129).await, Err(ClientError::RelayDown));
    for (count, wanted) in [(128, Ok(())), (129, Err(ClientError::RelayDown))] {
        let (result, _relay) = published(move |_, item| match item {
            Item::Put(put) => say(strays(count).chain([done(put.req)]).collect()),
            item => obey(item),
        })
        .await;
        assert_eq!(result, wanted, "{count}");
    }
}
