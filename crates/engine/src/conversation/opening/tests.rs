//! Opening links to a relay that is made up, without a socket.

use super::*;
use deaddrop_link::{ClientHello, Cookie, LinkSession, RelayHandshake, RelayIdentity, RelaySeed, retry};
use deaddrop_wire::{Day, item::Ping};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
};

const RELAY: RelayHello = RelayHello {
    day: Day::from_number(20_000),
    max_subscriptions: 100,
    max_in_flight: 16,
    puts_per_s: 50,
    put_burst: 500,
    blob_days: 30,
    large_blob_days: 7,
    token_needed: true,
};
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn identity() -> RelayIdentity {
    RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32]))
}

/// Returns a generator with another seed at each call.
fn rng() -> StdRng {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    StdRng::seed_from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn begin() -> (LinkOpening, Vec<u8>) {
    LinkOpening::begin(identity().fingerprint(), ClientToken::from_bytes([0; 16]), &mut rng())
}

fn take(opening: &mut LinkOpening, message: &[u8]) -> Result<OpeningStep, ConnectError> {
    opening.on_message(message, ADDRESS, 77, Moment::default(), &mut rng())
}

/// Plays a relay that answers the client's handshake messages C1 and C2. Returns the relay's end of
/// the link, and the client's Hello.
fn answer(opening: &mut LinkOpening, c1: &[u8]) -> (LinkSession, Hello) {
    let c1 = ClientHello::parse(c1).unwrap();
    let answer = RelayHandshake::answer(&identity(), &Offer::v1(), &c1, &mut rng());
    let (handshake, s1) = answer.unwrap();
    assert!(s1.len() <= MAX_HANDSHAKE_MESSAGE);
    let Ok(OpeningStep::Send(c2)) = take(opening, &s1) else { panic!("C2 follows") };
    handshake.on_c2(&identity(), &c2).unwrap()
}

#[test]
fn a_link_stands_when_the_hello_of_the_relay_has_come() {
    let (mut opening, c1) = begin();
    let (mut relay, hello) = answer(&mut opening, &c1);
    assert_eq!((hello.ping_s, hello.window_blobs, hello.window_bytes), (45, 64, 1_048_576));
    let first = [Hello { relay: Some(RELAY), ..hello }.into(), Ping { nonce: 9 }.into()];
    let record = relay.seal(&first).unwrap().remove(0);
    let Ok(OpeningStep::Opened { mut link, items, replies }) = take(&mut opening, &record) else {
        panic!("the link stands");
    };
    assert_eq!((items.len(), replies.len()), (0, 1), "the ping is answered");
    let opened = link.opened();
    assert_eq!((opened.address, opened.day, opened.needs_token), (ADDRESS, RELAY.day, true));
    // Records of both sides open.
    let sealed = link.seal(&replies).unwrap();
    assert_eq!(sealed[0].reply_bytes, sealed[0].bytes.len());
    assert_eq!(relay.open(&sealed[0].bytes).unwrap().items, replies);
    assert!(take(&mut opening, &record).is_err(), "it is over");
}

#[test]
fn a_relay_asks_for_a_cookie_once() {
    let (mut opening, first) = begin();
    let cookie = retry(&Cookie::from_bytes([3; 32]));
    let Ok(OpeningStep::Reconnect(again)) = take(&mut opening, &cookie) else { panic!("it connects again") };
    assert_ne!(first, again);
    assert_eq!(take(&mut opening, &cookie).err(), Some(ConnectError::Down));
}

#[test]
fn a_link_begins_with_the_hello_of_a_relay() {
    let of_a_client = hello(ClientToken::from_bytes([0; 16]));
    let of_a_relay = Hello { relay: Some(RELAY), ..of_a_client };
    let ping = || Item::from(Ping { nonce: 1 });
    let take = |mut items: Vec<Item>| take_relay_hello(&mut items);
    assert_eq!(take(vec![of_a_relay.into(), ping()]), Some((PING_S, RELAY)));
    for refused in [vec![of_a_client.into()], vec![ping(), of_a_relay.into()], vec![]] {
        assert_eq!(take(refused), None);
    }
}

#[test]
fn no_relay_makes_a_client_ping_without_end_or_never() {
    for (named, seconds) in [(0, 2), (1, 2), (2, 2), (45, 45), (300, 300), (301, 300), (u16::MAX, 300)] {
        assert_eq!(ping_period(named), Duration::from_secs(seconds), "{named}");
    }
}
