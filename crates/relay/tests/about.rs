//! The relay's word about itself: its description, and the URL to which it has moved
//! (spec/12-relay.md section 5).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod value;

use common::{Client, Mailbox, websocket};
use deaddrop_link::{RelayIdentity, RelaySeed};
use deaddrop_relay::clock::Clock;
use deaddrop_relay::kept::KeptStore;
use deaddrop_relay::proxy::Proxies;
use deaddrop_relay::server::Server;
use deaddrop_relay::session::{AboutTooLong, RelaySession, SessionContext};
use deaddrop_relay::store::Store;
use deaddrop_relay::{Limits, Prefix};
use deaddrop_wire::item::*;
use deaddrop_wire::limits::MAX_ABOUT;
use deaddrop_wire::{Item, Received, RelayAddress, RelayUrl};
use std::sync::Arc;
use tokio::net::TcpListener;
use value::World;

const NEW_URL: &str = "wss://new.example/drop/";

fn moved() -> SessionContext {
    SessionContext::new(Limits::DEFAULT, None).with_moved_to(RelayUrl::new(NEW_URL).unwrap())
}

#[test]
fn a_link_gets_the_description_once() {
    let mut world = World::new(Limits::DEFAULT);
    let json = format!("{:<1$}", "{}", MAX_ABOUT);
    assert_eq!(
        SessionContext::new(Limits::DEFAULT, None).with_about(&format!("{json} ")).unwrap_err(),
        AboutTooLong
    );
    world.shared = Arc::new(SessionContext::new(Limits::DEFAULT, None).with_about(&json).unwrap());
    let busy = |req| Item::from(Answer { req, code: AnswerCode::Busy, retry_s: 0 });
    for _ in 0..2 {
        let mut link = world.link(value::hello(0, 1, 1));
        link.say(&world, vec![About { req: 3 }.into(), About { req: 4 }.into()]);
        assert_eq!(link.heard(), [AboutText { req: 3, json: json.as_str().into() }.into(), busy(4)]);
        link.say(&world, vec![About { req: 5 }.into()]);
        assert_eq!(link.heard(), [busy(5)]);
    }
}

#[test]
fn a_moved_relay_says_so_and_answers_nothing() {
    let world = World::new(Limits::DEFAULT);
    let mut session = RelaySession::new(Arc::new(moved()), Prefix::SHARED, world.now);
    let mut out = deaddrop_relay::session::Output::default();
    let all = vec![value::hello(0, 1, 1).into(), Ping { nonce: 1 }.into(), About { req: 1 }.into()];
    let unsupported = vec![deaddrop_wire::Unsupported::Kind(0x77)];
    assert!(!session.is_over());
    let mut received = Received::default();
    (received.items, received.unsupported) = (all, unsupported);
    session.on_received(received, world.now, &mut out).unwrap();
    assert!(session.is_over());
    let [Item::Hello(hello), Item::Moved(moved), Item::GoAway(_)] = &out.items[..] else {
        panic!("{:?}", out.items)
    };
    assert!(hello.relay.is_some());
    assert_eq!(moved.url.as_str(), NEW_URL);
    out.items.clear();
    let more = vec![value::create(1, QuotaClass::Few).into(), value::subscribe(2, &[1])];
    session.on_received(Received { items: more, ..Received::default() }, world.now, &mut out).unwrap();
    assert!(out.items.is_empty() && out.calls.is_empty());
}

/// A client that sends requests at once still gets the whole word of the relay, and no answer.
#[tokio::test]
async fn a_moved_relay_on_a_socket() {
    let rng = &mut rand::rng();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = KeptStore::in_memory(Limits::DEFAULT, rng);
    let clock = Clock::start(store.census().calendar, false).unwrap();
    let identity = RelayIdentity::from_seed(&RelaySeed::generate(rng));
    let url = format!("ws://{}/", socket.local_addr().unwrap());
    let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
    let server = Server::new(socket, store, identity, moved(), clock, Proxies::default(), rng);
    let (orders, ordered) = tokio::sync::mpsc::channel(1);
    let relay = tokio::spawn(server.run(ordered));
    let mailbox = Mailbox::new();
    for round in 0..20 {
        let mut client = Client::try_over(websocket(&address).await.unwrap(), &address, 1).await.unwrap();
        client.try_send(&[mailbox.create(address.fingerprint(), 1)]).await;
        let Some(Item::Moved(moved)) = client.try_next().await else { panic!("no word of the move") };
        assert_eq!(moved.url.as_str(), NEW_URL);
        assert!(matches!(client.try_next().await, Some(Item::GoAway(_))));
        // The relay closes the link if the client does not.
        if round == 0 {
            assert_eq!(client.try_next().await, None);
        }
    }
    drop(orders);
    relay.await.unwrap();
}
