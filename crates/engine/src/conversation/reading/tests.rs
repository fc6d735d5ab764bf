//! Reading beside a relay that follows a script, in virtual time and without a socket.

use super::*;
use crate::{
    conversation::line::LineState,
    engine::{BlobLives, MailboxName, OwnMailbox},
    error::VaultError,
    vault::{MailboxKind, MailboxState},
};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_wire::{
    Blob, Day, Fingerprint,
    item::{AckEntry, Acked, Answer, AnswerCode, CaughtUp, Deliver, Displaced, GoAway, Pong, Subscribed},
};
use rand::{SeedableRng, rngs::StdRng};
use zeroize::Zeroizing;

/// The own mailboxes of a client by number and state, and counts of the steps that the conversation
/// asked for.
#[derive(Default)]
struct FakeMailboxes {
    states: Vec<(u32, MailboxState)>,
    token: Vec<u8>,
    is_full: bool,
    stored: Vec<u32>,
    confirmed: usize,
    displaced: usize,
}

fn name(mailbox: u32) -> MailboxName {
    MailboxName { contact: 1, mailbox }
}

impl FakeMailboxes {
    fn set(&mut self, name: MailboxName, state: MailboxState) {
        self.states.iter_mut().filter(|(id, _)| *id == name.mailbox).for_each(|row| row.1 = state);
    }
}

impl OwnMailboxes for FakeMailboxes {
    fn is_read_at(&self, _: &str) -> bool {
        !self.states.is_empty()
    }

    fn mailboxes_at(&self, _: &str) -> Vec<OwnMailbox> {
        let mailbox = |(id, state): &(u32, MailboxState)| OwnMailbox {
            name: name(*id),
            kind: MailboxKind::Private,
            state: *state,
            own: OwnCapability::from_bytes([1; 32]),
            read: ReadCapability::from_bytes([2; 32]),
            send: SendCapability::from_bytes([3; 32]),
        };
        self.states.iter().map(mailbox).collect()
    }

    fn create_token(&self, _: &Fingerprint) -> Zeroizing<Vec<u8>> {
        self.token.clone().into()
    }

    fn is_full(&self) -> bool {
        self.is_full
    }
}

impl EngineStep<FakeMailboxes> for MailboxStep {
    fn run(self, engine: &mut FakeMailboxes, _: u64, _: Day) -> Result<(), VaultError> {
        match self {
            Self::Deliver(blobs) => engine.stored.extend(blobs.iter().map(|(name, _)| name.mailbox)),
            Self::Confirm(gone) => engine.confirmed += gone.len(),
            Self::Created(name) => engine.set(name, MailboxState::Live),
            Self::Deleted(name) => engine.states.retain(|(id, _)| *id != name.mailbox),
            Self::Lost(name) => engine.set(name, MailboxState::Lost),
            Self::Displaced => engine.displaced += 1,
            Self::SentinelLost { .. } | Self::SentinelFound => {}
        }
        Ok(())
    }
}

const LINK: LinkInfo = LinkInfo {
    lives: BlobLives::DEFAULT,
    address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
    needs_token: false,
    day: Day::from_number(20_000),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Open,
    Create,
    Delete,
    Subscribe,
    Ack,
    Ping,
    Close,
    Drop,
    End,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn answer(req: u32, code: AnswerCode, retry_s: u16) -> Item {
    Answer { req, code, retry_s }.into()
}

/// Returns the items that an honest relay with empty mailboxes answers to an item.
fn obey(item: &Item) -> Vec<Item> {
    match item {
        Item::Create(create) => vec![answer(create.req, AnswerCode::Done, 0)],
        Item::Delete(delete) => vec![answer(delete.req, AnswerCode::Done, 0)],
        Item::Subscribe(subscribe) => {
            let req = subscribe.req;
            vec![
                Subscribed { req, refused: Vec::new(), contended: Vec::new() }.into(),
                CaughtUp { req }.into(),
            ]
        }
        Item::Ping(ping) => vec![Pong { nonce: ping.nonce }.into()],
        _ => Vec::new(),
    }
}

fn deliver(sub: u32, tag: u32) -> Item {
    Deliver { sub, tag, via: 0, blob: Blob::new(vec![7; 4_096]).unwrap() }.into()
}

/// A conversation with a relay that answers each item at once, and a clock.
struct World {
    reading: ReadConversation,
    mailboxes: FakeMailboxes,
    at: Situation,
    rng: StdRng,
    events: Vec<(u64, Event)>,
    states: Vec<(Connectivity, u64)>,
    opens: Result<(), ConnectError>,
    relay: fn(&Item) -> Vec<Item>,
    step: Result<(), StepError>,
    is_over: bool,
}

impl World {
    fn new(states: impl IntoIterator<Item = MailboxState>) -> Self {
        let address = "ws://relay.example:1/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let times = ReadTimes { backoff: seconds(1)..seconds(300), patience: seconds(15) };
        Self {
            reading: ReadConversation::new(address.parse().unwrap(), address.into(), times),
            mailboxes: FakeMailboxes { states: (1..).zip(states).collect(), ..FakeMailboxes::default() },
            at: Situation { line: LineState::default(), ..Situation::default() },
            rng: StdRng::seed_from_u64(1),
            events: Vec::new(),
            states: Vec::new(),
            opens: Ok(()),
            relay: obey,
            step: Ok(()),
            is_over: false,
        }
    }

    fn talk(&mut self) -> &mut dyn LinkConversation<FakeMailboxes, Step = MailboxStep, State = Connectivity> {
        &mut self.reading
    }

    fn go_on(&mut self, time: Duration) {
        let end = self.at.now.plus(time);
        while !self.is_over {
            if let Some(action) = self.talk().next_action() {
                self.perform(action);
                continue;
            }
            LinkConversation::look(&mut self.reading, &self.mailboxes, &self.at, &mut self.rng);
            if let Some((state, round)) = self.talk().state() {
                self.show(state, round);
            }
            if !self.talk().has_actions() {
                let now = self.at.now;
                let deadline = self.talk().deadline(now).filter(|deadline| *deadline <= end);
                let Some(deadline) = deadline else { break };
                self.at.now = deadline;
            }
        }
        self.at.now = end;
    }

    fn hear(&mut self, items: Vec<Item>) {
        let at = self.at;
        self.at.line.read += 1;
        self.talk().on_items(items, &at);
        self.go_on(Duration::ZERO);
    }

    fn show(&mut self, state: Connectivity, round: u64) {
        if self.states.last() != Some(&(state, round)) {
            self.states.push((state, round));
        }
    }

    fn state(&self) -> Connectivity {
        self.states.last().unwrap().0
    }

    fn note(&mut self, event: Event) {
        self.events.push((self.at.now.since_start().as_secs(), event));
    }

    fn times(&self, wanted: Event) -> Vec<u64> {
        self.events.iter().filter(|(_, event)| *event == wanted).map(|(at, _)| *at).collect()
    }

    fn perform(&mut self, action: ReadAction) {
        let at = self.at;
        match action {
            Action::Open(_) => {
                self.note(Event::Open);
                let opened = self.opens.map(|()| LINK);
                self.talk().on_opened(opened, at.now);
            }
            Action::Send(items) => {
                self.talk().on_queued(0);
                let mut replies = Vec::new();
                for item in items {
                    self.note(match item {
                        Item::Create(_) => Event::Create,
                        Item::Delete(_) => Event::Delete,
                        Item::Subscribe(_) => Event::Subscribe,
                        Item::Ack(_) => Event::Ack,
                        Item::Ping(_) => Event::Ping,
                        _ => panic!("a reading link sends {item:?}"),
                    });
                    replies.extend((self.relay)(&item));
                }
                if !replies.is_empty() {
                    self.at.line.read += 1;
                    self.talk().on_items(replies, &at);
                }
            }
            Action::Step(step) => {
                if self.step.is_ok() {
                    step.run(&mut self.mailboxes, 0, Day::from_number(0)).unwrap();
                }
                let done = self.step;
                self.talk().on_step(done, at.now);
            }
            Action::Close => self.note(Event::Close),
            Action::Drop => self.note(Event::Drop),
            Action::Show(state, round) => self.show(state, round),
            Action::ShowConnecting(round) => self.show(Connectivity::Connecting, round),
            Action::End => {
                self.note(Event::End);
                self.is_over = true;
            }
        }
    }
}

use MailboxState::{Live, Retiring, Wanted};

#[test]
fn mailboxes_are_made_read_and_deleted_and_the_relay_is_caught_up() {
    let mut world = World::new([Wanted, Live, Retiring]);
    world.go_on(seconds(1));
    let kinds: Vec<Event> = world.events.iter().map(|(_, event)| *event).collect();
    use Event::{Create, Delete, Open, Subscribe};
    assert_eq!(kinds, [Open, Create, Delete, Subscribe, Subscribe]);
    assert_eq!(world.state(), Connectivity::CaughtUp);
    // The last mailbox goes, and with it the link.
    for row in &mut world.mailboxes.states {
        row.1 = Retiring;
    }
    world.go_on(seconds(1));
    assert_eq!(world.events[world.events.len() - 2..], [(1, Event::Close), (1, Event::End)]);
}

#[test]
fn what_comes_is_acked_once_it_is_stored() {
    let mut world = World::new([Live, Live]);
    world.go_on(seconds(1));
    world.hear(vec![deliver(1, 1), deliver(2, 1), deliver(1, 2)]);
    assert_eq!((&world.mailboxes.stored[..], world.times(Event::Ack)), (&[1, 2, 1][..], vec![1]));
    let acks = vec![AckEntry { sub: 1, upto: 2, also: Vec::new() }];
    world.hear(vec![Acked { acks }.into()]);
    assert_eq!(world.mailboxes.confirmed, 2);
    // A vault without room acks nothing, and the link ends.
    world.step = Err(StepError::NoRoom);
    world.mailboxes.is_full = true;
    world.hear(vec![deliver(1, 3)]);
    assert_eq!((world.times(Event::Ack), world.times(Event::Drop)), (vec![1], vec![1]));
    assert_eq!(world.state(), Connectivity::VaultFull);
    world.go_on(seconds(1_000));
    assert_eq!(world.times(Event::Open), [0], "nothing is fetched while there is no room");
    (world.mailboxes.is_full, world.step) = (false, Ok(()));
    world.go_on(seconds(1));
    assert_eq!((world.times(Event::Open).len(), world.state()), (2, Connectivity::CaughtUp));
}

#[test]
fn a_caller_that_begins_a_round_is_answered_by_a_ping_or_by_another_link() {
    let mut world = World::new([Live]);
    world.go_on(seconds(1));
    world.at.round = 1;
    world.go_on(seconds(1));
    assert_eq!(world.states.last(), Some(&(Connectivity::CaughtUp, 1)));
    assert_eq!(world.times(Event::Ping), [1]);
    // From now on nothing comes any more.
    world.relay = |_| Vec::new();
    world.at.round = 2;
    world.go_on(seconds(10));
    assert_eq!(world.states.last(), Some(&(Connectivity::CaughtUp, 1)));
    world.relay = obey;
    world.go_on(seconds(10));
    assert_eq!((world.times(Event::Drop), world.times(Event::Open).len()), (vec![17], 2));
    assert_eq!(world.states.last(), Some(&(Connectivity::CaughtUp, 2)));
}

#[test]
fn a_mailbox_that_another_reader_takes_is_left_to_it_longer_each_time() {
    let mut world = World::new([Live]);
    world.go_on(Duration::ZERO);
    let mut sub = 1;
    for wait in [60, 120, 240] {
        world.hear(vec![Displaced { sub }.into()]);
        assert_eq!(world.state(), Connectivity::Displaced);
        let before = world.times(Event::Subscribe).len();
        world.go_on(seconds(wait - 1));
        assert_eq!(world.times(Event::Subscribe).len(), before);
        world.go_on(seconds(1));
        assert_eq!(world.times(Event::Subscribe).len(), before + 1);
        // Requests and subscriptions share one count.
        sub += 2;
    }
    assert_eq!(world.mailboxes.displaced, 3);
}

#[test]
fn a_contended_mailbox_is_asked_for_again_after_six_seconds() {
    let mut world = World::new([Live]);
    world.relay = |item| match item {
        Item::Subscribe(subscribe) => {
            let contended = subscribe.mailboxes.iter().map(|mailbox| mailbox.sub).collect();
            let req = subscribe.req;
            vec![Subscribed { req, refused: Vec::new(), contended }.into(), CaughtUp { req }.into()]
        }
        item => obey(item),
    };
    world.go_on(seconds(13));
    assert_eq!((world.times(Event::Subscribe), world.state()), (vec![0, 6, 12], Connectivity::Fetching));
}

#[test]
fn a_relay_that_wants_a_token_is_asked_again_once_another_token_is_set() {
    let mut world = World::new([Wanted]);
    world.relay = |item| match item {
        Item::Create(create) if create.token.as_ref() as &[u8] != b"right" => {
            vec![answer(create.req, AnswerCode::NeedToken, 0)]
        }
        item => obey(item),
    };
    world.go_on(seconds(10));
    assert_eq!((world.times(Event::Create), world.state()), (vec![0], Connectivity::NeedsToken));
    world.mailboxes.token = b"right".to_vec();
    world.go_on(seconds(1));
    assert_eq!((world.times(Event::Create), world.state()), (vec![0, 10], Connectivity::CaughtUp));
}

#[test]
fn a_relay_that_asks_to_wait_is_asked_again_then_or_when_the_user_acts() {
    let mut world = World::new([Wanted]);
    world.relay = |item| match item {
        Item::Create(create) => vec![answer(create.req, AnswerCode::Busy, 900)],
        item => obey(item),
    };
    world.go_on(seconds(950));
    assert_eq!((world.times(Event::Create), world.state()), (vec![0, 900], Connectivity::Waiting));
    let now = world.at.now;
    assert!(world.talk().can_retry(now));
    world.talk().retry_now(now);
    world.go_on(seconds(1));
    assert_eq!(world.times(Event::Create), [0, 900, 950]);
}

#[test]
fn a_relay_that_refuses_every_subscription_is_asked_less_and_less_often() {
    let mut world = World::new([Live]);
    world.relay = |item| match item {
        Item::Subscribe(subscribe) => {
            let refused = subscribe.mailboxes.iter().map(|mailbox| mailbox.sub).collect();
            let req = subscribe.req;
            vec![Subscribed { req, refused, contended: Vec::new() }.into(), CaughtUp { req }.into()]
        }
        item => obey(item),
    };
    world.go_on(seconds(3_600));
    let count = world.times(Event::Subscribe).len();
    assert!((5..60).contains(&count), "{count} subscriptions in an hour");
}

#[test]
fn another_relay_at_the_address_is_looked_at_again_after_minutes() {
    let mut world = World::new([Live]);
    world.opens = Err(ConnectError::WrongRelay);
    world.go_on(seconds(140));
    assert_eq!((world.times(Event::Open), world.state()), (vec![0], Connectivity::WrongRelay));
    world.go_on(seconds(170));
    assert_eq!(world.times(Event::Open).len(), 2);
}

#[test]
fn a_relay_that_closes_every_link_is_left_alone_longer_and_longer() {
    let mut world = World::new([Live]);
    world.relay = |_| vec![GoAway { within_s: 1 }.into()];
    world.go_on(seconds(3_600));
    let count = world.times(Event::Open).len();
    assert!((12..40).contains(&count), "{count} links in an hour");
}

#[test]
fn deliveries_that_were_not_asked_for_or_are_never_confirmed_end_the_link() {
    for (count, is_left) in [(128, false), (129, true)] {
        let mut world = World::new([Live]);
        world.go_on(Duration::ZERO);
        world.hear((1..=count).map(|tag| deliver(4_000_000, tag)).collect());
        assert_eq!(!world.times(Event::Drop).is_empty(), is_left, "{count}");
    }
    let mut world = World::new([Live]);
    world.go_on(Duration::ZERO);
    for tag in 1..=1_025 {
        assert!(world.times(Event::Drop).is_empty(), "{tag}");
        world.hear(vec![deliver(1, tag)]);
    }
    assert_eq!(world.times(Event::Drop), [0]);
}

/// An Ack confirms all tags below its own: a blob that the relay has left out would be destroyed
/// unread.
#[test]
fn a_delivery_whose_tag_does_not_follow_ends_the_link_before_it_is_acked() {
    for tags in [&[2][..], &[1, 3], &[1, 1], &[1, 2, 0], &[0]] {
        let mut world = World::new([Live]);
        world.go_on(Duration::ZERO);
        for tag in tags {
            assert!(world.times(Event::Drop).is_empty(), "{tags:?}");
            world.hear(vec![deliver(1, *tag)]);
        }
        assert_eq!(world.times(Event::Drop), [0], "{tags:?}");
        assert_eq!(world.times(Event::Ack).len(), tags.len() - 1, "{tags:?}");
    }
}
