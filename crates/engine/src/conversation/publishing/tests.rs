//! Publishing beside relays that follow a script, in virtual time and without a socket.

use super::*;
use crate::engine::BlobLives;
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_wire::{Day, item::Deliver};

const LINK: LinkInfo = LinkInfo {
    lives: BlobLives::DEFAULT,
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    needs_token: false,
    day: Day::from_number(20_000),
};

fn publication() -> Publication {
    let capabilities = |byte| {
        let send = SendCapability::from_bytes([byte; 32]);
        (OwnCapability::from_bytes([byte; 32]), ReadCapability::from_bytes([byte; 32]), send)
    };
    let relay = "ws://relay.example:1/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    Publication {
        contact: 1,
        relay: relay.parse().unwrap(),
        landing: capabilities(1),
        invite: capabilities(2),
        bundle: vec![7; 4_096],
    }
}

/// Publishes at a relay that answers each item with the items that `relay` returns. Returns the
/// result, the second at which it came, and the names of the actions in their order.
fn publish(relay: impl Fn(&Item) -> Vec<Item>) -> (Result<(), ErrandError>, u64, String) {
    let mut now = Moment::default();
    let mut publishing = Publishing::begin(&publication(), b"", Duration::from_secs(15), now).unwrap();
    let mut done = String::new();
    loop {
        match publishing.next_action() {
            Some(ErrandAction::Open) => {
                done += "open ";
                publishing.on_turn(now);
                publishing.on_opened(Ok(LINK));
            }
            Some(ErrandAction::Send(items)) => {
                for item in items {
                    done += match item {
                        Item::Create(_) => "create ",
                        Item::Put(_) => "put ",
                        _ => "other ",
                    };
                    publishing.on_items(relay(&item), now);
                }
            }
            Some(ErrandAction::Close) => done += "close ",
            Some(ErrandAction::Finish(result)) => return (result, now.since_start().as_secs(), done),
            None => {
                now = publishing.deadline().unwrap();
                publishing.on_time(now, false);
            }
        }
    }
}

fn answer(item: &Item, code: AnswerCode) -> Vec<Item> {
    let req = match item {
        Item::Create(create) => create.req,
        Item::Put(put) => put.req,
        item => panic!("{item:?}"),
    };
    vec![Answer { req, code, retry_s: 0 }.into()]
}

#[test]
fn the_mailboxes_are_made_over_one_link_and_the_bundle_is_put_over_another() {
    let all = "create create close open put close ";
    assert_eq!(publish(|item| answer(item, AnswerCode::Done)), (Ok(()), 0, all.into()));
    // Both were made before.
    let again = publish(|item| match item {
        Item::Create(_) => answer(item, AnswerCode::Refused),
        item => answer(item, AnswerCode::Done),
    });
    assert_eq!(again, (Ok(()), 0, all.into()));
}

#[test]
fn a_relay_that_does_not_do_it_fails_it() {
    let wants = publish(|item| answer(item, AnswerCode::NeedToken));
    assert_eq!((wants.0, wants.1), (Err(ErrandError::NeedsToken), 0));
    let refuses = publish(|item| match item {
        Item::Put(_) => answer(item, AnswerCode::Refused),
        item => answer(item, AnswerCode::Done),
    });
    assert_eq!((refuses.0, refuses.1), (Err(ErrandError::Busy), 0));
}

#[test]
fn a_relay_that_answers_something_else_has_its_time() {
    let other = |req| vec![Answer { req, code: AnswerCode::Busy, retry_s: 0 }.into()];
    assert_eq!(publish(|_| other(77)).1, 30, "two answers to the Creates");
    let silent = publish(|item| match item {
        Item::Put(_) => other(77),
        item => answer(item, AnswerCode::Done),
    });
    assert_eq!((silent.0, silent.1), (Err(ErrandError::DOWN), 30));
    let stray = || Deliver { sub: 1, tag: 1, via: 0, blob: Blob::new(vec![1; 4_096]).unwrap() }.into();
    let strays = publish(|item| match item {
        Item::Create(_) => (0..129).map(|_| stray()).collect(),
        _ => Vec::new(),
    });
    assert_eq!((strays.0, strays.1), (Err(ErrandError::DOWN), 0));
}
