//! The engine's rows about relays: by whom each was set, for how long it is kept, how much is kept.

use super::*;
use crate::{
    engine::{Acceptance, UnreachableReason, tests::TestEngine},
    testing::{MemoryVault, random},
};
use deaddrop_e2ee::invite::InviteLink;
use std::collections::BTreeSet;

const RELAY: &str = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const OTHER: &str = "ws://relay.lan/#ICECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const TODAY: Day = Day::from_number(20_000);

struct Person {
    disk: MemoryVault,
    engine: TestEngine,
}

impl Person {
    fn new(relay: Option<&str>) -> Self {
        let disk = MemoryVault::new();
        let relay = relay.map(|relay| relay.parse().unwrap());
        let engine = Engine::create(disk.clone(), random(), relay.as_ref(), 0).unwrap();
        Self { disk, engine }
    }

    /// Opens a copy of the vault as after a crash: changes that were not committed are lost.
    fn reopen(self) -> Self {
        let disk = self.disk.copy();
        let engine = Engine::open_on_day(disk.clone(), random(), TODAY).unwrap();
        Self { disk, engine }
    }

    /// Accepts an invite of another person, whose relay is [`RELAY`]. Returns the number of the
    /// contact.
    fn accept(&mut self, allowed: Option<IpAddr>) -> u32 {
        let mut inviter = Self::new(Some(RELAY));
        let id = inviter.engine.begin_invite("guest", TODAY, 7).unwrap();
        let bundle = inviter.engine.publication(id).unwrap().bundle;
        inviter.engine.published(id).unwrap();
        let link: InviteLink = inviter.engine.link_text(id).unwrap().parse().unwrap();
        self.engine
            .begin_accept(&Acceptance { allowed, ..Acceptance::of("host", &link, &bundle) }, TODAY)
            .unwrap()
    }

    fn named(&self) -> Vec<String> {
        self.engine.reach().named.iter().map(ToString::to_string).collect()
    }

    fn events(&self) -> usize {
        let events = self.engine.events_after(0, usize::MAX).unwrap().into_iter();
        events.filter(|event| matches!(event.kind, EventKind::PrivateAddress { .. })).count()
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_token_is_kept_for_its_relay_alone() {
    let relay = |number: u8| Fingerprint::from_bytes([number; 32]);
    let mut ada = Person::new(None);
    assert!(ada.engine.create_token(&relay(1)).is_empty());
    ada.engine.set_create_token(&relay(1), Some(b"one")).unwrap();
    ada.engine.set_create_token(&relay(2), Some(b"two")).unwrap();
    ada.engine.set_create_token(&relay(1), Some(b"one again")).unwrap();
    let mut ada = ada.reopen();
    assert_eq!(*ada.engine.create_token(&relay(1)), b"one again");
    assert_eq!(*ada.engine.create_token(&relay(2)), b"two");
    assert!(ada.engine.create_token(&relay(3)).is_empty());
    for bad in [&b""[..], &[b'x'; MAX_TOKEN + 1]] {
        assert_eq!(ada.engine.set_create_token(&relay(1), Some(bad)), Err(EngineError::BadToken));
    }
    assert_eq!(*ada.engine.create_token(&relay(1)), b"one again");
    ada.engine.set_create_token(&relay(1), None).unwrap();
    let mut ada = ada.reopen();
    assert!(ada.engine.create_token(&relay(1)).is_empty());
    for number in 3..=65 {
        ada.engine.set_create_token(&relay(number), Some(&[b'x'; MAX_TOKEN])).unwrap();
    }
    assert_eq!(ada.engine.set_create_token(&relay(66), Some(b"x")), Err(EngineError::BadToken));
    ada.engine.set_create_token(&relay(65), Some(b"in the place of the old one")).unwrap();
    assert_eq!(ada.reopen().engine.relays.tokens.len(), MAX_TOKENS);
}

#[test]
fn an_adopted_relay_is_none_that_the_user_has_named() {
    let mut ben = Person::new(None);
    ben.accept(Some(ip("::ffff:10.0.0.1")));
    let mut ben = ben.reopen();
    assert_eq!(ben.engine.relay().unwrap().to_string(), RELAY);
    assert!(ben.named().is_empty());
    assert_eq!(ben.engine.reach().allowed, [ip("10.0.0.1")]);
    // Another relay is named; the adopted one, on which mailboxes lie, is still none.
    ben.engine.set_relay(&OTHER.parse().unwrap()).unwrap();
    assert_eq!(ben.named(), [OTHER]);
    // The user names it.
    ben.engine.set_relay(&RELAY.parse().unwrap()).unwrap();
    let mut ben = ben.reopen();
    assert!(ben.named().contains(&RELAY.to_owned()));
    // And it stays named as long as mailboxes lie there.
    ben.engine.set_relay(&OTHER.parse().unwrap()).unwrap();
    let mut named = ben.named();
    named.sort();
    assert_eq!(named, [RELAY, OTHER]);
}

#[test]
fn a_client_with_a_relay_adopts_none() {
    let mut ben = Person::new(Some(OTHER));
    ben.accept(None);
    let ben = ben.reopen();
    assert_eq!(ben.named().first().map(String::as_str), Some(OTHER));
    assert!(ben.engine.relays.adopted.is_none() && ben.engine.reach().allowed.is_empty());
}

#[test]
fn allowed_addresses_are_bounded() {
    let mut ada = Person::new(None);
    for number in 0..=u8::try_from(MAX_ALLOWED).unwrap() {
        ada.engine.allow_private(IpAddr::from([10, 0, 0, number])).unwrap();
    }
    ada.engine.allow_private(ip("::ffff:10.0.0.5")).unwrap();
    let allowed = ada.reopen().engine.reach().allowed;
    assert_eq!(allowed.len(), MAX_ALLOWED);
    assert!(!allowed.contains(&ip("10.0.0.0")));
    assert_eq!(allowed.last(), Some(&ip("10.0.0.5")));
}

#[test]
fn a_blocked_address_is_told_once_until_a_relay_has_taken_something() {
    let mut ben = Person::new(Some(OTHER));
    let id = ben.accept(None);
    let mailbox = ben.engine.mailboxes_at(OTHER).remove(0).name;
    ben.engine.mailbox_created(mailbox).unwrap();
    for address in ["10.0.0.1", "10.0.0.1", "10.0.0.2"] {
        ben.engine.address_blocked(id, ip(address), TODAY).unwrap();
    }
    let mut ben = ben.reopen();
    assert_eq!(ben.events(), 1);
    let reason = |ben: &Person| ben.engine.contact_list()[0].unreachable;
    assert_eq!(reason(&ben), Some(UnreachableReason::PrivateAddress(ip("10.0.0.2"))));
    // What waits is still there, for the address for which it was sealed.
    let job = ben.engine.take_puts(id, &BTreeSet::new(), 1).remove(0);
    assert_eq!(job.address.relay.to_string(), RELAY);
    ben.engine.mark_stored_at_relay(id, &[job.sent()], crate::engine::BlobLives::DEFAULT, TODAY).unwrap();
    let mut ben = ben.reopen();
    assert_eq!(reason(&ben), None);
    ben.engine.address_blocked(id, ip("10.0.0.1"), TODAY).unwrap();
    assert_eq!(ben.events(), 2);
}
