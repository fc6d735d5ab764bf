//! Random histories of one reader: each delivery fits the window, and all blobs arrive in the end
//! (spec/12-relay.md section 5). The link is a value (`value/mod.rs`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::store::Store;
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, SizeClass};
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};
use value::*;

const IN_FLIGHT_PER_MAILBOX: usize = 3;

/// A link, with its state as the client knows it.
struct Reader {
    link: Link,
    /// Maximum number of blobs in flight, and of their bytes.
    window: (usize, usize),
    /// The blobs in flight: for the subscription and tag of each, its number of bytes and the last
    /// day of its life.
    in_flight: BTreeMap<(u32, u32), (usize, u32)>,
    /// Numbers of the subscribed mailboxes, by the numbers of their subscriptions.
    live: BTreeMap<u32, u8>,
    open_requests: BTreeSet<u32>,
    next: u32,
    /// Maximum number of calls that the store runs after each item of the client.
    calls: usize,
}

impl Reader {
    fn new(world: &World, window: (u16, u32)) -> Self {
        Self {
            link: world.link(hello(1, window.0, window.1)),
            window: (window.0.into(), window.1.try_into().unwrap()),
            in_flight: BTreeMap::new(),
            live: BTreeMap::new(),
            open_requests: BTreeSet::new(),
            next: 1,
            calls: usize::MAX,
        }
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn say(&mut self, world: &World, item: Item) {
        self.link.hear(world, vec![item]).unwrap();
        for _ in 0..self.calls {
            if !self.link.run_call(world) {
                break;
            }
        }
        self.hear(world);
    }

    /// Takes the items that the relay has sent, and panics if one of them may not be sent now.
    fn hear(&mut self, world: &World) {
        // What has expired is destroyed by now, and holds no place.
        self.in_flight.retain(|_, (_, last)| *last >= world.now.day.number());
        for item in self.link.heard() {
            match item {
                Item::Deliver(Deliver { sub, tag, blob, .. }) => {
                    assert!(self.live.contains_key(&sub), "a delivery of a subscription that has ended");
                    let bytes = blob.as_bytes().len();
                    let is_alone = self.in_flight.is_empty();
                    let put_on = u32::from_le_bytes(*blob.as_bytes().first_chunk().unwrap()) / 1_000;
                    let days = if blob.class() == SizeClass::Large { 7 } else { 30 };
                    let flight = (bytes, TODAY.number() + put_on + days);
                    assert!(self.in_flight.insert((sub, tag), flight).is_none());
                    let sum: usize = self.in_flight.values().map(|(bytes, _)| bytes).sum();
                    let of_mailbox = self.in_flight.range((sub, 0)..=(sub, u32::MAX)).count();
                    let fits = self.in_flight.len() <= self.window.0
                        && sum <= self.window.1
                        && of_mailbox <= IN_FLIGHT_PER_MAILBOX;
                    assert!(fits || is_alone, "{:?} in {:?}", self.in_flight, self.window);
                }
                Item::CaughtUp(caught_up) => assert!(self.open_requests.remove(&caught_up.req)),
                Item::Displaced(Displaced { sub }) | Item::Gone(Gone { sub }) => self.end(sub),
                Item::Subscribed(answer) => {
                    answer.refused.iter().chain(&answer.contended).for_each(|sub| self.end(*sub));
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, sub: u32) {
        assert!(self.live.remove(&sub).is_some(), "the end of a subscription is told once");
        self.in_flight.retain(|(of, _), _| *of != sub);
    }

    fn subscribe(&mut self, world: &World, mailboxes: &[u8]) {
        let req = self.number();
        let mailboxes: Vec<Subscription> = mailboxes
            .iter()
            .map(|mailbox| {
                let sub = self.number();
                self.live.insert(sub, *mailbox);
                Subscription { sub, read: read(*mailbox) }
            })
            .collect();
        self.open_requests.insert(req);
        self.say(world, Subscribe { req, mailboxes }.into());
    }

    fn ack(&mut self, world: &World, sub: u32, also: Vec<u32>) {
        for tag in &also {
            self.in_flight.remove(&(sub, *tag));
        }
        self.say(world, Ack { acks: vec![AckEntry { sub, upto: 0, also }] }.into());
    }

    /// Acks all blobs in flight, until no more are delivered.
    fn finish(&mut self, world: &World) {
        self.calls = usize::MAX;
        self.link.settle(world);
        self.hear(world);
        while let Some(((sub, tag), _)) = self.in_flight.first_key_value() {
            self.ack(world, *sub, vec![*tag]);
        }
    }
}

/// Runs the history `seed`. With `days`, days pass, so that blobs expire while they are in flight.
fn history(seed: u64, days: bool) {
    let random = &mut deaddrop_testkit::rng(seed);
    let limits = Limits {
        in_flight_per_mailbox: IN_FLIGHT_PER_MAILBOX.try_into().unwrap(),
        takeover_ms: 0,
        full_pause_ms: 0,
        ..limits()
    };
    let mut world = World::new(limits);
    world.make(&[1, 2, 3], QuotaClass::Many);
    let windows = [(0, 0), (1, 4_096), (2, 70_000), (4, 16_384), (64, 1 << 20), (5, 30_000)];
    let mut reader = Reader::new(&world, windows[random.random_range(0..windows.len())]);
    // A mailbox that is not used in its first days goes.
    reader.subscribe(&world, &[1, 2, 3]);
    for number in 0..120 {
        let mailbox = random.random_range(1..4_u8);
        reader.calls = [0, 1, 2, usize::MAX][random.random_range(0..4)];
        match random.random_range(0..12) {
            0..4 => {
                let class = SizeClass::ALL[random.random_range(0..3)];
                let today = world.now.day.since(TODAY);
                world.put(mailbox, blob(class, today * 1_000 + number));
            }
            4..7 => {
                let tags: Vec<_> = reader.in_flight.keys().copied().collect();
                if !tags.is_empty() {
                    let (sub, _) = tags[random.random_range(0..tags.len())];
                    let of_sub = tags.iter().filter(|(of, _)| *of == sub).map(|(_, tag)| *tag);
                    let some = of_sub.filter(|_| random.random_range(0..2) == 0).collect();
                    reader.ack(&world, sub, some);
                }
            }
            7 => {
                let free: Vec<u8> =
                    (1..4).filter(|mailbox| !reader.live.values().any(|live| live == mailbox)).collect();
                reader.subscribe(&world, &free);
            }
            8 => {
                if let Some(sub) = reader.live.keys().next().copied() {
                    reader.end(sub);
                    let req = reader.number();
                    reader.say(&world, Unsubscribe { req, subs: vec![sub] }.into());
                }
            }
            9 => {
                // A look that is under way may still use the old window.
                reader.link.settle(&world);
                reader.hear(&world);
                let (blobs, bytes) = windows[random.random_range(0..windows.len())];
                reader.window = (blobs.into(), bytes.try_into().unwrap());
                reader.say(&world, Window { blobs, bytes }.into());
            }
            10 if days => {
                world.days_pass(random.random_range(1..9));
                reader.link.settle(&world);
                reader.hear(&world);
            }
            _ => {
                let mut other = world.link(hello(2, 1, 1));
                other.say(&world, vec![subscribe(1, &[mailbox])]);
            }
        }
        world.now = Now::new(world.now.day, world.now.ms + 1_000);
        // News may wait while the client goes on.
        if random.random_range(0..3) > 0 {
            reader.link.settle(&world);
            reader.hear(&world);
        }
    }
    reader.finish(&world);
    let free: Vec<u8> = (1..4).filter(|mailbox| !reader.live.values().any(|live| live == mailbox)).collect();
    reader.subscribe(&world, &free);
    reader.finish(&world);
    assert!(reader.open_requests.is_empty(), "CaughtUp comes for each Subscribe");
    assert_eq!(reader.live.len(), 3);
    world.days_pass(0);
    assert_eq!(world.store.census().blobs, 0, "all was delivered, acked, or has expired");
}

#[test]
fn the_window_holds_and_all_is_delivered() {
    for seed in 0..150 {
        history(seed, false);
    }
}

#[test]
fn nothing_stalls_behind_what_expires() {
    for seed in 1_000..1_150 {
        history(seed, true);
    }
}
