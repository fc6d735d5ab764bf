//! Links as values over a store in memory: a test gives the items, the moments and the order of
//! everything. A link answers items with *calls* to the store (a call of `peek`, which finds the
//! next blobs to deliver, is a *look*), and takes *news*: hints of the store that a mailbox has
//! changed or a subscription has ended.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use deaddrop_link::capability::{mailbox_id, own_id, send_id};
use deaddrop_relay::clock::Now;
use deaddrop_relay::kept::{KeptStore, MemoryBacking};
use deaddrop_relay::session::{Call, Close, Output, RelaySession, SessionContext};
use deaddrop_relay::store::Store;
use deaddrop_relay::{Limits, Prefix};
use deaddrop_wire::item::*;
use deaddrop_wire::{
    Blob, ClientToken, Day, Item, PresentedOwn, PresentedRead, PresentedSend, Received, SizeClass,
};
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::sync::Arc;

pub const TODAY: Day = Day::from_number(20_000);

/// A relay without sockets: its store, the context of its links, and its clock.
pub struct World {
    pub store: KeptStore<MemoryBacking>,
    pub shared: Arc<SessionContext>,
    pub now: Now,
}

/// One link, with its calls that the store has not run yet and the items that it has sent to the
/// client.
pub struct Link {
    pub session: RelaySession,
    pub calls: VecDeque<Call>,
    pub said: Vec<Item>,
}

pub fn limits() -> Limits {
    Limits { mailbox_put_burst: 100_000, put_burst: 60_000, ..Limits::DEFAULT }
}

pub fn hello(token: u8, window_blobs: u16, window_bytes: u32) -> Hello {
    let client = ClientToken::from_bytes([token; 16]);
    Hello { features: 0, ping_s: 60, window_blobs, window_bytes, client, relay: None }
}

pub fn create(number: u8, quota: QuotaClass) -> Create {
    Create {
        req: 1,
        own: own_id(&own(number)),
        read: mailbox_id(&read(number)),
        sends: vec![SendGrant { send: send_id(&send(number)), via: number }],
        lease: LeaseClass::Quarter,
        quota,
        flags: CreateFlags::NONE,
        token: vec![].into(),
    }
}

pub fn own(number: u8) -> PresentedOwn {
    PresentedOwn::from_bytes([number; 32])
}

pub fn read(number: u8) -> PresentedRead {
    PresentedRead::from_bytes([number; 32])
}

pub fn send(number: u8) -> PresentedSend {
    PresentedSend::from_bytes([number; 32])
}

pub fn blob(class: SizeClass, number: u32) -> Blob {
    let mut bytes = vec![0; class.bytes()];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Blob::new(bytes).unwrap()
}

/// Returns a Subscribe to the mailboxes `numbers`. Each subscription has the number of its mailbox.
pub fn subscribe(req: u32, numbers: &[u8]) -> Item {
    let mailboxes =
        numbers.iter().map(|number| Subscription { sub: (*number).into(), read: read(*number) }).collect();
    Subscribe { req, mailboxes }.into()
}

pub fn ack(sub: u32, upto: u32) -> Item {
    Ack { acks: vec![AckEntry { sub, upto, also: vec![] }] }.into()
}

impl World {
    pub fn new(limits: Limits) -> Self {
        let store = KeptStore::in_memory(limits.clone(), &mut deaddrop_testkit::rng(1));
        Self { store, shared: Arc::new(SessionContext::new(limits, None)), now: Now::new(TODAY, 1_000) }
    }

    /// Begins a link whose client sends `hello`, and takes the Hello of the relay.
    pub fn link(&self, hello: Hello) -> Link {
        let session = RelaySession::new(Arc::clone(&self.shared), Prefix::SHARED, self.now);
        let mut link = Link { session, calls: VecDeque::new(), said: Vec::new() };
        link.hear(self, vec![hello.into()]).unwrap();
        assert!(matches!(link.said.remove(0), Item::Hello(hello) if hello.relay.is_some()));
        link
    }

    /// Makes the mailboxes `numbers`. All rights of a mailbox are made of its number.
    pub fn make(&self, numbers: &[u8], quota: QuotaClass) {
        let mut owner = self.link(hello(0, 1, 1));
        for number in numbers {
            owner.say(self, vec![create(*number, quota).into()]);
            assert_eq!(owner.answers(), [AnswerCode::Done]);
        }
    }

    /// Puts a blob into a mailbox over a link of its own, and returns the answer.
    pub fn put(&self, mailbox: u8, blob: Blob) -> AnswerCode {
        let mut sender = self.link(hello(0, 1, 1));
        sender.say(self, vec![Put { req: 1, send: send(mailbox), blob }.into()]);
        sender.answers().remove(0)
    }

    /// Puts `blobs` blobs of the smallest class into a mailbox, numbered from 0.
    pub fn fill(&self, mailbox: u8, blobs: u32) {
        for number in 0..blobs {
            assert_eq!(self.put(mailbox, self::blob(SizeClass::Small, number)), AnswerCode::Done);
        }
    }

    /// Lets days pass, and lets the store destroy everything that has expired.
    pub fn days_pass(&mut self, days: u32) {
        self.now = Now::new(self.now.day.plus(days), self.now.ms + 86_400_000 * u64::from(days));
        while self.store.sweep(self.now, 1_000).now_or_never().unwrap() {}
    }
}

impl Link {
    /// Hands the link a record of the client. The calls that it makes wait in `calls`; fails if the
    /// link must be closed.
    pub fn hear(&mut self, world: &World, items: Vec<Item>) -> Result<(), Close> {
        let mut out = Output::default();
        let taken = self.session.on_received(Received { items, ..Received::default() }, world.now, &mut out);
        self.keep(out);
        taken
    }

    /// Hands the link a record of the client, and runs all calls and takes all news that follow.
    pub fn say(&mut self, world: &World, items: Vec<Item>) {
        self.hear(world, items).unwrap();
        self.settle(world);
    }

    /// Runs the oldest call that waits, and hands its outcome to the link. Returns `false` if no
    /// call waits.
    pub fn run_call(&mut self, world: &World) -> bool {
        let Some(call) = self.calls.pop_front() else { return false };
        let outcome = call.run(&world.store, self.session.reader(), world.now).now_or_never().unwrap();
        let mut out = Output::default();
        self.session.on_outcome(outcome, world.now, &mut out).unwrap();
        self.keep(out);
        true
    }

    /// Hands the news of the store to the link. Returns `false` if there are none.
    pub fn take_news(&mut self, world: &World) -> bool {
        let hints = self.session.hints();
        let Some(news) = hints.next().now_or_never() else { return false };
        let mut out = Output::default();
        self.session.on_news(news, world.now, &mut out);
        self.keep(out);
        true
    }

    /// Runs calls and takes news until there are no more of either.
    pub fn settle(&mut self, world: &World) {
        while self.run_call(world) || self.take_news(world) {}
    }

    /// Lets the link look into all its mailboxes again, as it does after `peek_again_ms` without a
    /// hint, and settles it.
    pub fn look_again(&mut self, world: &World) {
        let mut out = Output::default();
        self.session.look_again(&mut out);
        self.keep(out);
        self.settle(world);
    }

    /// Takes the items that the link has sent since the last call.
    pub fn heard(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.said)
    }

    /// Takes the items that the link has sent since the last call, as words: `deliver 1 7` for tag
    /// 7 of subscription 1.
    pub fn words(&mut self) -> Vec<String> {
        self.heard().iter().map(word).collect()
    }

    /// Takes the items that the link has sent since the last call, and returns the codes of the
    /// answers among them.
    pub fn answers(&mut self) -> Vec<AnswerCode> {
        let said = self.heard();
        said.iter()
            .filter_map(|item| if let Item::Answer(answer) = item { Some(answer.code) } else { None })
            .collect()
    }

    fn keep(&mut self, out: Output) {
        self.said.extend(out.items);
        self.calls.extend(out.calls);
    }
}

fn word(item: &Item) -> String {
    match item {
        Item::Deliver(deliver) => format!("deliver {} {}", deliver.sub, deliver.tag),
        Item::Subscribed(answer) => {
            format!("subscribed {} refused {:?} contended {:?}", answer.req, answer.refused, answer.contended)
        }
        Item::CaughtUp(answer) => format!("caught up {}", answer.req),
        Item::Displaced(lost) => format!("displaced {}", lost.sub),
        Item::Gone(gone) => format!("gone {}", gone.sub),
        Item::Acked(acked) => {
            let entries: Vec<_> = acked.acks.iter().map(|ack| (ack.sub, ack.upto)).collect();
            format!("acked {entries:?}")
        }
        Item::Answer(answer) => format!("answer {} {:?} {}", answer.req, answer.code, answer.retry_s),
        other => format!("{other:?}"),
    }
}
