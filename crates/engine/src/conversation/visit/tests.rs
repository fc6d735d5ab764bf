//! Visits beside relays that follow a script, in virtual time and without a socket.

use super::*;
use crate::engine::BlobLives;
use deaddrop_wire::{
    Blob, Day,
    item::{Acked, Answer, AnswerCode, CaughtUp, Displaced, Gone, Subscribed},
};

const LINK: LinkInfo = LinkInfo {
    lives: BlobLives::DEFAULT,
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    needs_token: false,
    day: Day::from_number(20_000),
};

/// The result of a visit, the time that it took, the number of links that it opened, and the number
/// of Subscribes that it sent.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    result: Result<Option<Vec<u8>>, ErrandError>,
    after: Duration,
    links: u32,
    asks: u32,
}

/// Runs a visit at a relay. `relay` gets each item of the client with its position, counted from 1,
/// and returns the items that the relay answers at once.
fn visit(purpose: Purpose, mut relay: impl FnMut(u32, Item) -> Vec<Item>) -> Outcome {
    let patience = Duration::from_secs(15);
    let read = ReadCapability::from_bytes([5; 32]);
    let mut visit = Visit::new(purpose, Fingerprint::from_bytes([1; 32]), read, patience);
    let (mut now, mut sent) = (Moment::default(), 0);
    let (mut links, mut asks) = (0, 0);
    loop {
        match visit.next_action() {
            Some(ErrandAction::Open) => {
                links += 1;
                visit.on_turn(now);
                visit.on_opened(Ok(LINK));
            }
            Some(ErrandAction::Send(items)) => {
                for item in items {
                    sent += 1;
                    asks += u32::from(matches!(item, Item::Subscribe(_)));
                    let replies = relay(sent, item);
                    visit.on_items(replies, now);
                }
            }
            Some(ErrandAction::Close) => {}
            Some(ErrandAction::Finish(result)) => {
                let result = result.map(|found| found.bundle);
                return Outcome { result, after: now.since_start(), links, asks };
            }
            None => {
                now = visit.deadline().unwrap();
                visit.on_time(now, false);
            }
        }
    }
}

fn subscribed(req: u32, contended: Vec<u32>) -> Item {
    Subscribed { req, refused: Vec::new(), contended }.into()
}

fn deliver(sub: u32) -> Item {
    Deliver { sub, tag: 1, via: 0, blob: Blob::new(vec![1; 4_096]).unwrap() }.into()
}

fn seconds(tenths: u64) -> Duration {
    Duration::from_millis(100 * tenths)
}

#[test]
fn what_lies_there_is_read_and_stays() {
    let outcome = visit(Purpose::Read, |_, item| match item {
        Item::Subscribe(subscribe) => {
            vec![subscribed(subscribe.req, Vec::new()), deliver(subscribe.mailboxes[0].sub)]
        }
        item => panic!("nothing is acked: {item:?}"),
    });
    let result = Ok(Some(vec![1; 4_096]));
    assert_eq!(outcome, Outcome { result, after: Duration::ZERO, links: 1, asks: 1 });
}

#[test]
fn a_mailbox_that_another_reader_has_is_asked_for_again_until_the_time_is_over() {
    let outcome = visit(Purpose::Read, |number, item| match item {
        Item::Subscribe(subscribe) if number < 4 => {
            vec![subscribed(subscribe.req, vec![subscribe.mailboxes[0].sub])]
        }
        Item::Subscribe(subscribe) => {
            vec![subscribed(subscribe.req, Vec::new()), CaughtUp { req: subscribe.req }.into()]
        }
        _ => Vec::new(),
    });
    assert_eq!(outcome, Outcome { result: Ok(None), after: seconds(45), links: 1, asks: 4 });
    let outcome = visit(Purpose::Read, |_, item| match item {
        Item::Subscribe(subscribe) => {
            vec![subscribed(subscribe.req, vec![subscribe.mailboxes[0].sub])]
        }
        _ => Vec::new(),
    });
    let result = Err(ErrandError::DOWN);
    assert_eq!(outcome, Outcome { result, after: seconds(300), links: 1, asks: 20 });
}

#[test]
fn emptying_waits_for_the_ack_and_begins_again_when_another_reader_comes_first() {
    let mut taken = true;
    let outcome = visit(Purpose::Empty, |_, item| match item {
        Item::Subscribe(subscribe) => {
            vec![subscribed(subscribe.req, Vec::new()), deliver(subscribe.mailboxes[0].sub)]
        }
        Item::Ack(ack) if std::mem::take(&mut taken) => vec![Displaced { sub: ack.acks[0].sub }.into()],
        Item::Ack(ack) => vec![Acked { acks: ack.acks }.into()],
        _ => Vec::new(),
    });
    assert_eq!(outcome, Outcome { result: Ok(None), after: seconds(15), links: 2, asks: 2 });
    // No answer to the ack.
    let outcome = visit(Purpose::Empty, |_, item| match item {
        Item::Subscribe(subscribe) => vec![deliver(subscribe.mailboxes[0].sub)],
        _ => Vec::new(),
    });
    assert_eq!((outcome.result, outcome.after), (Err(ErrandError::DOWN), seconds(450)));
}

#[test]
fn a_missing_mailbox_is_empty_and_other_answers_say_nothing() {
    type Script = fn(u32, u32) -> Vec<Item>;
    type Found = Result<Option<Vec<u8>>, ErrandError>;
    let scripts: [(Script, Found); 6] = [
        (|req, sub| vec![Subscribed { req, refused: vec![sub], contended: Vec::new() }.into()], Ok(None)),
        (|req, sub| vec![subscribed(req, Vec::new()), Gone { sub }.into()], Ok(None)),
        (|req, _| vec![Answer { req, code: AnswerCode::Done, retry_s: 1 }.into()], Err(ErrandError::Busy)),
        (|req, _| vec![CaughtUp { req }.into()], Err(ErrandError::DOWN)),
        (|req, sub| vec![subscribed(req + 7, vec![sub]), deliver(sub + 7)], Err(ErrandError::DOWN)),
        (|_, _| (0..129).map(|_| deliver(4_000_000)).collect(), Err(ErrandError::DOWN)),
    ];
    for (script, result) in scripts {
        let outcome = visit(Purpose::Read, |_, item| match item {
            Item::Subscribe(subscribe) => script(subscribe.req, subscribe.mailboxes[0].sub),
            _ => Vec::new(),
        });
        assert_eq!(outcome.result, result);
    }
}
