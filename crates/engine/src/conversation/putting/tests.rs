//! Putting beside relays that follow a script, in virtual time and without a socket.

use super::*;
use crate::{
    conversation::{TlsFault, line::LineState},
    engine::{BlobLives, PutJob},
    error::VaultError,
};
use deaddrop_link::{MailboxAddress, capability::SendCapability};
use deaddrop_wire::{
    Blob, Day,
    item::{Answer, AnswerCode, Deliver, GoAway},
};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;

/// Envelopes that wait, by their numbers, each with the relay to which it goes.
#[derive(Default)]
struct FakeOutbox {
    waiting: Vec<(u64, RelayAddress)>,
    has_newer: bool,
}

impl Outbox for FakeOutbox {
    fn next_put(&self, contact: u32) -> Option<PutJob> {
        self.take_puts(contact, &BTreeSet::new(), 1, usize::MAX).pop()
    }

    fn take_puts(&self, _: u32, under_way: &BTreeSet<u64>, most: usize, bytes: usize) -> Vec<PutJob> {
        let waiting = self.waiting.iter().filter(|(number, _)| !under_way.contains(number));
        let most = most.min((bytes / ENVELOPE).max(1));
        let job = |(number, relay): &(u64, RelayAddress)| PutJob {
            number: *number,
            learnt: 0,
            address: MailboxAddress { relay: relay.clone(), send: SendCapability::from_bytes([1; 32]) },
            envelope: vec![7; ENVELOPE],
        };
        waiting.take(most).map(job).collect()
    }

    fn has_newer_address(&self, _: u32) -> bool {
        self.has_newer
    }
}

impl EngineStep<FakeOutbox> for OutboxStep {
    fn run(self, engine: &mut FakeOutbox, _: u64, _: Day) -> Result<(), VaultError> {
        match self.change {
            OutboxChange::Accept(puts, _) => {
                engine.waiting.retain(|(number, _)| puts.iter().all(|put| put.number != *number));
            }
            OutboxChange::SealForNewest => engine.has_newer = false,
            OutboxChange::Refuse(_) | OutboxChange::BlockAddress(_) => {}
        }
        Ok(())
    }
}

const ENVELOPE: usize = 4_096;
const LINK: LinkInfo = LinkInfo {
    lives: BlobLives::DEFAULT,
    address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    needs_token: false,
    day: Day::from_number(20_000),
};

fn relay(port: u16) -> RelayAddress {
    let fingerprint = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    format!("ws://relay.example:{port}/#{fingerprint}").parse().unwrap()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// An action of the conversation, as the tests note it.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Open(u16),
    Puts(usize),
    Close,
    Drop,
    Seal,
    Block,
    Show(PutState),
    End,
}

/// A conversation with relays that answer each put at once.
struct World {
    putting: PutConversation,
    outbox: FakeOutbox,
    at: Situation,
    rng: StdRng,
    events: Vec<(u64, Event)>,
    /// The outcome of each attempt to open a link.
    opens: Result<(), ConnectError>,
    /// The answer of the relays to each put, with its `retry_s`; `None`: no put is answered.
    answer: Option<(AnswerCode, u16)>,
    /// The outcome of each step of the engine.
    step: Result<(), StepError>,
    is_over: bool,
}

impl World {
    fn new(numbers: impl IntoIterator<Item = u64>) -> Self {
        let times = PutTimes { backoff: seconds(1)..seconds(300), idle: seconds(60) };
        let waiting = numbers.into_iter().map(|number| (number, relay(1))).collect();
        let line = LineState { ahead: 1 << 20, ..LineState::default() };
        Self {
            putting: PutConversation::new(1, times, Arc::default()),
            outbox: FakeOutbox { waiting, has_newer: false },
            at: Situation { line, ..Situation::default() },
            rng: StdRng::seed_from_u64(1),
            events: Vec::new(),
            opens: Ok(()),
            answer: Some((AnswerCode::Done, 0)),
            step: Ok(()),
            is_over: false,
        }
    }

    fn talk(&mut self) -> &mut dyn LinkConversation<FakeOutbox, Step = OutboxStep, State = PutState> {
        &mut self.putting
    }

    fn note(&mut self, event: Event) {
        self.events.push((self.at.now.since_start().as_secs(), event));
    }

    /// Lets this much time pass.
    fn go_on(&mut self, time: Duration) {
        let end = self.at.now.plus(time);
        while !self.is_over {
            if let Some(action) = self.talk().next_action() {
                self.perform(action);
                continue;
            }
            LinkConversation::look(&mut self.putting, &self.outbox, &self.at, &mut self.rng);
            if !self.talk().has_actions() {
                let now = self.at.now;
                let deadline = self.talk().deadline(now).unwrap_or(end);
                if deadline > end {
                    break;
                }
                self.at.now = deadline;
            }
        }
        self.at.now = end;
    }

    fn perform(&mut self, action: PutAction) {
        let at = self.at;
        match action {
            Action::Open(relay) => {
                self.note(Event::Open(relay.port()));
                let opened = self.opens.map(|()| LINK);
                self.talk().on_opened(opened, at.now);
            }
            Action::Send(items) => {
                self.note(Event::Puts(items.len()));
                self.at.line.taken += 1;
                let end = self.at.line.taken;
                self.talk().on_queued(end);
                let answer = |item: &Item| {
                    let Item::Put(put) = item else { panic!("only puts are sent") };
                    self.answer.map(|(code, retry_s)| Answer { req: put.req, code, retry_s }.into())
                };
                let answers: Vec<Item> = items.iter().filter_map(answer).collect();
                if !answers.is_empty() {
                    self.talk().on_items(answers, &at);
                }
            }
            Action::Step(step) => {
                match step.change {
                    OutboxChange::SealForNewest => self.note(Event::Seal),
                    OutboxChange::BlockAddress(_) => self.note(Event::Block),
                    _ => {}
                }
                if self.step.is_ok() {
                    step.run(&mut self.outbox, 0, Day::from_number(0)).unwrap();
                }
                let done = self.step;
                self.talk().on_step(done, at.now);
            }
            Action::Close => self.note(Event::Close),
            Action::Drop => self.note(Event::Drop),
            Action::Show(state, _) => self.note(Event::Show(state)),
            Action::ShowConnecting(_) => {}
            Action::End => {
                self.note(Event::End);
                self.is_over = true;
            }
        }
    }

    /// Returns the seconds at which an event was noted.
    fn times(&self, wanted: &Event) -> Vec<u64> {
        self.events.iter().filter(|(_, event)| event == wanted).map(|(at, _)| *at).collect()
    }
}

#[test]
fn everything_is_put_sixteen_at_once_and_the_idle_link_closes() {
    let mut world = World::new(1..=40);
    world.go_on(seconds(100));
    let puts: Vec<_> = world.events.iter().filter(|(_, event)| matches!(event, Event::Puts(_))).collect();
    assert_eq!(puts, [&(0, Event::Puts(16)), &(0, Event::Puts(16)), &(0, Event::Puts(8))]);
    let end = &world.events[world.events.len() - 2..];
    assert_eq!(end, [(60, Event::Close), (60, Event::End)]);
}

#[test]
fn no_more_is_queued_than_the_line_takes_and_nothing_while_it_takes() {
    let mut world = World::new(1..=9);
    world.at.line.ahead = 2 * ENVELOPE;
    world.answer = None;
    world.go_on(seconds(1));
    assert_eq!(world.times(&Event::Puts(2)), [0, 0, 0, 0]);
    let mut world = World::new(1..=9);
    world.at.line.is_sending = true;
    world.go_on(seconds(1));
    assert!(world.events.iter().all(|(_, event)| !matches!(event, Event::Puts(_))));
}

#[test]
fn a_relay_that_answers_no_put_is_left_after_a_minute_and_tried_again() {
    let mut world = World::new([1]);
    world.answer = None;
    world.go_on(seconds(100));
    assert_eq!(world.times(&Event::Drop), [60]);
    assert_eq!(world.times(&Event::Show(PutState::Down)), [60]);
    let opened = world.times(&Event::Open(1));
    assert!(opened.len() == 2 && opened[1] <= 61, "{opened:?}");
}

#[test]
fn what_is_for_another_relay_leaves_over_another_link() {
    let mut world = World::new([1]);
    world.outbox.waiting.push((2, relay(2)));
    world.go_on(seconds(10));
    assert_eq!((world.times(&Event::Open(1)), world.times(&Event::Open(2))), (vec![0], vec![1]));
    assert_eq!(world.times(&Event::Close), [0]);
    assert!(world.outbox.waiting.is_empty());
}

#[test]
fn a_relay_that_is_down_is_tried_less_and_less_often_and_a_user_ends_the_wait() {
    let mut world = World::new([1]);
    world.opens = Err(ConnectError::Down);
    world.go_on(seconds(3_600));
    let quiet = world.times(&Event::Open(1)).len();
    assert!((12..40).contains(&quiet), "{quiet} tries in a quiet hour");
    for _ in 0..600 {
        let now = world.at.now;
        world.talk().retry_now(now);
        world.go_on(seconds(1));
    }
    let more = world.times(&Event::Open(1)).len() - quiet;
    assert!((10..60).contains(&more), "{more} tries while the user acts");
}

#[test]
fn a_relay_that_asks_to_wait_gets_no_put_meanwhile_and_keeps_the_link() {
    let mut world = World::new([1]);
    world.answer = Some((AnswerCode::Full, u16::MAX));
    world.go_on(seconds(2_000));
    assert_eq!(world.times(&Event::Puts(1)), [0, 900, 1_800]);
    assert_eq!(world.times(&Event::Open(1)), [0]);
    let until = Moment::after_start(seconds(900));
    assert_eq!(world.times(&Event::Show(PutState::Asked { is_full: true, until })), [0]);
    // A user's action ends the wait, but not at once.
    let now = world.at.now;
    assert!(world.talk().can_retry(now));
    world.talk().retry_now(now);
    world.answer = Some((AnswerCode::Done, 0));
    world.go_on(seconds(10));
    assert_eq!(world.times(&Event::Puts(1))[3..], [2_000]);
    assert!(world.outbox.waiting.is_empty());
}

#[test]
fn a_newer_address_ends_a_wait_for_the_older_one() {
    let mut world = World::new([1]);
    world.answer = Some((AnswerCode::Busy, 900));
    world.go_on(seconds(5));
    world.outbox.has_newer = true;
    world.answer = Some((AnswerCode::Done, 0));
    world.go_on(seconds(5));
    assert_eq!((world.times(&Event::Seal), world.times(&Event::Puts(1))), (vec![5], vec![0, 5]));
}

/// A full vault must not be asked again and again without a pause.
#[test]
fn a_vault_without_room_is_asked_to_seal_again_only_after_a_pause() {
    for is_linked in [true, false] {
        let mut world = World::new([1]);
        world.answer = Some((AnswerCode::Busy, 900));
        world.opens = if is_linked { Ok(()) } else { Err(ConnectError::Tls(TlsFault::Expired)) };
        world.step = Err(StepError::NoRoom);
        world.outbox.has_newer = true;
        world.go_on(seconds(100));
        let seals = world.times(&Event::Seal).len();
        assert!((2..=21).contains(&seals), "{seals} in 100 s");
    }
}

#[test]
fn an_address_that_is_not_allowed_is_noted_and_tried_again() {
    let mut world = World::new([1]);
    let address = IpAddr::from([10, 0, 0, 1]);
    world.opens = Err(ConnectError::Private(address));
    world.go_on(Duration::from_millis(500));
    assert_eq!(world.times(&Event::Block), [0]);
    assert_eq!(world.times(&Event::Show(PutState::Private(address))), [0]);
    world.opens = Ok(());
    world.go_on(seconds(3));
    assert!(world.outbox.waiting.is_empty());
}

#[test]
fn a_failed_step_ends_the_link_and_a_failed_vault_everything() {
    let mut world = World::new([1]);
    world.step = Err(StepError::NoRoom);
    world.go_on(Duration::ZERO);
    assert_eq!(world.times(&Event::Drop), [0]);
    let mut world = World::new([1]);
    (world.step, world.opens) = (Err(StepError::Stopped), Err(ConnectError::Private([10, 0, 0, 1].into())));
    world.go_on(seconds(1));
    assert_eq!(world.times(&Event::End), [0]);
}

#[test]
fn a_relay_that_goes_away_or_delivers_too_much_is_left() {
    let stray = |tag| Deliver { sub: 1, tag, via: 0, blob: Blob::new(vec![1; 4_096]).unwrap() }.into();
    let records: [(Vec<Item>, bool); 3] = [
        (vec![GoAway { within_s: 9 }.into()], true),
        ((0..128).map(stray).collect(), false),
        ((0..129).map(stray).collect(), true),
    ];
    for (items, is_left) in records {
        let mut world = World::new([1]);
        world.answer = None;
        world.go_on(Duration::ZERO);
        let at = world.at;
        world.talk().on_items(items, &at);
        world.go_on(Duration::ZERO);
        assert_eq!(!world.times(&Event::Drop).is_empty(), is_left);
    }
}
