//! Random histories of several links over one store in memory, compared with a model of the rules
//! after each step. `value/mod.rs` explains calls, looks and news.
#![allow(unreachable_pub)]

mod acts;
mod asked;
mod chance;
mod heard;
mod link;
mod pause;
mod rate;
mod relay;

use super::value::{self, Link, World};
use asked::{Asked, Said};
pub use chance::Chance;
use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::session::{Call, Outcome, Output};
use deaddrop_relay::store::{Store, Verdict};
use deaddrop_wire::item::*;
use deaddrop_wire::{ClientToken, Received, SizeClass};
use futures_util::FutureExt;
use link::{CallHead, Expected, LinkModel};
use relay::RelayModel;
use std::collections::BTreeMap;

/// The client tokens of the five links: two belong to the same reader. Token 0 names no client, so
/// the last two are never the same.
const TOKENS: [u8; 5] = [1, 1, 2, 0, 0];
/// Highest number of an owner. There are few owners, readers and senders, so that links often use
/// the same mailbox.
const OWNERS: u8 = 5;
const READERS: u8 = 6;
const SENDERS: u8 = 9;
/// Number of rounds over all links after which a relay that still has something to do is taken to
/// run without end.
const MOST_TURNS: u32 = 10_000;

/// A history that is being run: the relay, its model, and the links.
pub struct History {
    world: World,
    relay: RelayModel,
    links: Vec<Actor>,
    numbers: u32,
    blobs: u32,
    /// The events so far, in words, for the message of a fault.
    pub trace: Vec<String>,
}

/// A link with its model.
struct Actor {
    link: Link,
    /// Outcomes of calls that the link has not taken yet, oldest first, each with the effect that
    /// the model expects.
    outcomes: Vec<(Outcome, Expected)>,
    model: LinkModel,
}

impl History {
    /// Begins the history `seed`: draws the limits, begins the links and makes the first mailboxes.
    /// Fails with the difference from the model.
    pub fn begin(seed: u64) -> Result<Self, String> {
        let mut chance = Chance::new(seed, 0);
        let limits = draw_limits(&mut chance);
        let world = World::new(limits.clone());
        let relay = RelayModel::new(limits, world.now);
        let mut history = Self { world, relay, links: Vec::new(), numbers: 0, blobs: 0, trace: Vec::new() };
        for token in TOKENS {
            let window = chance.window();
            history.connect(token, window)?;
        }
        for number in 1..OWNERS {
            let quotas = [QuotaClass::Usual, QuotaClass::Usual, QuotaClass::Few, QuotaClass::Single];
            let create =
                chance.create(number, number, vec![(number, number)], &quotas[..4 - usize::from(number % 4)]);
            let said = history.asked(create);
            history.say(0, vec![said])?;
            history.settle()?;
        }
        Ok(history)
    }

    /// Takes one step that `chance` chooses. Fails with the difference between relay and model.
    pub fn step(&mut self, chance: &mut Chance) -> Result<(), String> {
        let at = chance.below(self.links.len());
        match chance.below(36) {
            0..9 => {
                let said = self.items(at, chance);
                self.say(at, said)?;
            }
            9 => self.flood(at, chance)?,
            10..15 => self.ack_some(at, chance)?,
            15..22 => {
                for _ in 0..chance.below(6) {
                    let at = chance.below(self.links.len());
                    self.advance(at, chance.below(4))?;
                }
            }
            22..26 => self.settle()?,
            26..30 => self.pass_time(chance)?,
            30 => {
                self.look_again(at)?;
            }
            31 => {
                let paused = !self.links[at].model.is_paused;
                self.pause(at, paused)?;
            }
            32 => {
                let window = chance.window();
                self.replace(at, window)?;
            }
            33 => self.breach(at, chance)?,
            _ => {
                let said = Said::Ack(vec![self.late_ack(at, chance)]);
                self.say(at, vec![said])?;
            }
        }
        self.check_idle()
    }

    /// Ends the history: the readers read everything, another reader reads the rest, and all that
    /// is left expires. Fails if something is left.
    pub fn finish(&mut self) -> Result<(), String> {
        self.trace.push("the end".to_owned());
        for at in 0..self.links.len() {
            self.pause(at, false)?;
        }
        self.settle()?;
        for at in 0..self.links.len() {
            self.read_all(at)?;
        }
        for at in (0..self.links.len()).rev() {
            self.disconnect(at);
        }
        self.connect(9, (3, 100_000))?;
        let reads: Vec<u8> = self.relay.mailboxes.iter().map(|mailbox| mailbox.read).collect();
        let subs = reads.into_iter().map(|read| (self.number(), read)).collect();
        let req = self.number();
        self.say(0, vec![Said::Subscribe(req, subs)])?;
        self.settle()?;
        self.read_all(0)?;
        let left = self.relay.mailboxes.iter().flat_map(|mailbox| &mailbox.blobs);
        if let Some(blob) = left.clone().find(|blob| !self.relay.has_expired(blob)) {
            return Err(format!("{blob:?} was not delivered at the end"));
        }
        self.pass_days(500, 0)?;
        self.sweep()?;
        self.settle()?;
        if self.relay.counts() != (0, 0, 0) {
            return Err("something never expires".to_owned());
        }
        Ok(())
    }

    /// Returns how often each rule was applied, by the name of the rule.
    pub fn met(&self) -> &BTreeMap<&'static str, u32> {
        &self.relay.met
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    fn asked(&mut self, asked: Asked) -> Said {
        Said::Asked(self.number(), asked)
    }

    fn note(&mut self, at: usize, what: &str) {
        self.trace.push(format!("link {} {what}", self.links[at].model.id));
    }

    fn connect(&mut self, token: u8, window: (u16, u32)) -> Result<(), String> {
        let id = u64::from(self.number());
        self.trace.push(format!("link {id} begins with token {token} and window {window:?}"));
        let link = self.world.link(Hello {
            client: ClientToken::from_bytes([token; 16]),
            ..value::hello(token, window.0, window.1)
        });
        self.relay.links.insert(id);
        let model = LinkModel::new(id, token, window, &self.relay);
        self.links.push(Actor { link, outcomes: Vec::new(), model });
        self.check_counts()
    }

    /// Ends the link `at` as a broken connection does. Its calls that the store has not run are
    /// dropped.
    fn disconnect(&mut self, at: usize) {
        self.note(at, "ends");
        self.relay.links.remove(&self.links[at].model.id);
        self.links.remove(at);
    }

    /// Ends the link `at`, and begins another one with the same token.
    fn replace(&mut self, at: usize, window: (u16, u32)) -> Result<(), String> {
        let token = self.links[at].model.token;
        self.disconnect(at);
        self.connect(token, window)
    }

    /// Hands the link `at` one record of its client. If the record breaks a rule, the link must
    /// end, and another one replaces it.
    fn say(&mut self, at: usize, said: Vec<Said>) -> Result<(), String> {
        self.note(at, &format!("hears {said:?}"));
        let Actor { link, model, .. } = &mut self.links[at];
        let items = said.iter().map(Said::item).collect();
        let mut out = Output::default();
        let received = Received { items, ..Received::default() };
        let heard = link.session.on_received(received, self.world.now, &mut out);
        let expected = said.iter().try_for_each(|said| model.hear(said, &mut self.relay));
        if heard.is_err() != expected.is_err() {
            return Err(format!("a breach: {}, expected: {}", heard.is_err(), expected.is_err()));
        }
        if expected.is_ok() {
            return self.take(at, out);
        }
        self.relay.note("a client breaks a rule");
        self.replace(at, (2, 70_000))
    }

    /// Compares the items that a link has sent with the model, and keeps its calls until a later
    /// step runs them.
    fn take(&mut self, at: usize, out: Output) -> Result<(), String> {
        let Actor { link, model, .. } = &mut self.links[at];
        for item in &out.items {
            let taken = model.take(item, &mut self.relay);
            taken.map_err(|why| format!("link {}: {why}; it said {}", model.id, brief(item)))?;
        }
        // A look that has brought everything is over before the next one begins.
        for call in out.calls {
            if let Call::Peek { sub, .. } = &call {
                let begun = model.begin_look(*sub, &self.relay);
                begun.map_err(|why| format!("link {}: {why}", model.id))?;
            }
            link.calls.push_back(call);
        }
        Ok(())
    }

    /// Does one thing for the link `at`, by `kind`: 0 hands it news, 1 its oldest outcome, 2 its
    /// newest outcome, others run a call. Returns `false` if there is nothing of the kind.
    fn advance(&mut self, at: usize, kind: usize) -> Result<bool, String> {
        match kind {
            0 => self.take_news(at),
            1 => self.take_outcome(at, 0),
            2 => self.take_outcome(at, self.links[at].outcomes.len().saturating_sub(1)),
            _ => self.run_call(at),
        }
    }

    fn run_call(&mut self, at: usize) -> Result<bool, String> {
        let Actor { link, outcomes, model } = &mut self.links[at];
        let Some(call) = link.calls.pop_front() else { return Ok(false) };
        self.trace.push(format!("link {}: the store runs {}", model.id, brief(&call)));
        let head = CallHead::of(&call);
        let outcome =
            call.run(&self.world.store, link.session.reader(), self.world.now).now_or_never().unwrap();
        let verdicts: Vec<Verdict> = match &outcome {
            Outcome::Put { answers, .. } => answers.iter().map(|(_, verdict)| *verdict).collect(),
            _ => Vec::new(),
        };
        let decided = model.decide(&head, &verdicts, &mut self.relay);
        let expected = decided.map_err(|why| format!("link {}: {why}", model.id))?;
        outcomes.push((outcome, expected));
        self.check_counts()?;
        Ok(true)
    }

    fn take_outcome(&mut self, at: usize, place: usize) -> Result<bool, String> {
        let Actor { link, outcomes, model } = &mut self.links[at];
        if outcomes.is_empty() {
            return Ok(false);
        }
        let (outcome, expected) = outcomes.remove(place);
        self.trace.push(format!("link {} takes {}", model.id, brief(&outcome)));
        let mut out = Output::default();
        link.session.on_outcome(outcome, self.world.now, &mut out).map_err(|_| "the link ends")?;
        let is_look = matches!(expected, Expected::Looked);
        if let Expected::Acked(entries) = expected {
            model.acked = (!entries.is_empty()).then_some(entries);
        }
        let calls = std::mem::take(&mut out.calls);
        self.take(at, out)?;
        let model = &mut self.links[at].model;
        if model.acked.take().is_some_and(|due| due.iter().any(|due| due.is_certain)) {
            return Err("an Acked is missing".to_owned());
        }
        if is_look {
            let ended = model.end_look(&mut self.relay);
            ended.map_err(|why| format!("link {}: {why}", model.id))?;
        }
        self.take(at, Output { calls, ..Output::default() })?;
        Ok(true)
    }

    fn take_news(&mut self, at: usize) -> Result<bool, String> {
        let Actor { link, model, .. } = &mut self.links[at];
        let hints = link.session.hints();
        let Some(news) = hints.next().now_or_never() else {
            model.note_known(&self.relay);
            return Ok(false);
        };
        self.trace.push(format!("link {} takes {}", model.id, brief(&news)));
        let mut out = Output::default();
        link.session.on_news(news, self.world.now, &mut out);
        self.take(at, out)?;
        self.links[at].model.note_known(&self.relay);
        Ok(true)
    }

    /// Runs all calls and hands over all outcomes and news, and checks that every link is then at
    /// rest.
    fn settle(&mut self) -> Result<(), String> {
        self.trace.push("all rest".to_owned());
        for _ in 0..MOST_TURNS {
            let mut has_moved = false;
            for at in 0..self.links.len() {
                for kind in [3, 1, 0] {
                    has_moved |= self.advance(at, kind)?;
                }
            }
            if !has_moved {
                return self.check_rest();
            }
        }
        Err("the relay does not come to rest".to_owned())
    }

    fn check_rest(&mut self) -> Result<(), String> {
        for Actor { link, model, .. } in &self.links {
            let rest = model.check_rest(&mut self.relay);
            rest.map_err(|why| format!("link {} at rest: {why}", model.id))?;
            let session = &link.session;
            let held = (session.open_calls(), session.held_bytes(), session.peeked_bytes());
            if held != (0, 0, 0) {
                return Err(format!("link {} at rest: it holds {held:?}", model.id));
            }
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), String> {
        let census = self.world.store.census();
        let (found, expected) = ((census.mailboxes, census.blobs, census.bytes), self.relay.counts());
        if found != expected {
            return Err(format!("mailboxes, blobs and bytes: {found:?}, expected {expected:?}"));
        }
        Ok(())
    }

    fn check_idle(&self) -> Result<(), String> {
        for Actor { link, model, .. } in &self.links {
            let (found, expected) = (link.session.is_idle(self.world.now), model.is_idle(&self.relay));
            if found != expected {
                return Err(format!("link {} is idle: {found}, expected {expected}", model.id));
            }
        }
        Ok(())
    }

    fn set_now(&mut self, now: Now) {
        self.world.now = now;
        self.relay.begin_day(now);
    }

    fn pass_time(&mut self, chance: &mut Chance) -> Result<(), String> {
        if chance.below(3) > 0 {
            let ms = chance.pick(&[1, 200, 999, 1_000, 2_500, 4_999, 5_000, 20_000]);
            self.trace.push(format!("{ms} ms pass"));
            self.set_now(Now { ms: self.world.now.ms + ms, ..self.world.now });
            return Ok(());
        }
        if chance.below(4) > 0 {
            let days = chance.pick(&[1, 1, 1, 1, 2, 2, 3, 9]);
            self.pass_days(days, if days == 9 { 7 } else { 0 })?;
        }
        if chance.below(3) > 0 { self.sweep() } else { Ok(()) }
    }

    /// Lets days pass. If `pause` is not 0, nothing expires before further `pause` days have
    /// passed, as after a correction of the clock.
    fn pass_days(&mut self, days: u32, pause: u32) -> Result<(), String> {
        self.trace.push(format!("{days} days pass"));
        let Now { day, expires_from, ms } = self.world.now;
        let day = day.plus(days);
        let expires_from = if pause > 0 { day.plus(pause) } else { expires_from };
        self.set_now(Now { day, expires_from, ms: ms + u64::from(days) * 86_400_000 });
        // No hint tells that a blob is delivered once more: after `peek_again_ms` every link looks again.
        let last = if pause > 0 { self.links.len() } else { 0 };
        (0..last).try_for_each(|at| self.look_again(at))
    }

    fn look_again(&mut self, at: usize) -> Result<(), String> {
        self.note(at, "looks again");
        let mut out = Output::default();
        self.links[at].link.session.look_again(&mut out);
        self.take(at, out)
    }

    fn sweep(&mut self) -> Result<(), String> {
        self.trace.push("expiry".to_owned());
        while self.world.store.sweep(self.world.now, 3).now_or_never().unwrap() {}
        self.relay.sweep();
        self.check_counts()
    }

    fn pause(&mut self, at: usize, paused: bool) -> Result<(), String> {
        self.note(at, if paused { "takes no deliveries" } else { "takes deliveries" });
        let Actor { link, model, .. } = &mut self.links[at];
        model.is_paused = paused;
        let mut out = Output::default();
        link.session.set_paused(paused, &mut out);
        self.take(at, out)
    }

    /// Acks everything that is delivered to the link `at`, until nothing is in flight.
    fn read_all(&mut self, at: usize) -> Result<(), String> {
        for _ in 0..MOST_TURNS {
            let unacked = self.links[at].model.live().filter(|(_, sub)| !sub.unacked.is_empty());
            let entries: Vec<AckEntry> = unacked
                .map(|(sub, of)| AckEntry {
                    sub,
                    upto: 0,
                    also: of.unacked.iter().take(64).copied().collect(),
                })
                .collect();
            if entries.is_empty() {
                return Ok(());
            }
            self.say(at, vec![Said::Ack(entries)])?;
            self.settle()?;
        }
        Err("blobs come without end".to_owned())
    }
}

/// Draws the limits of a history: low ones, so that they are reached.
fn draw_limits(chance: &mut Chance) -> Limits {
    Limits {
        in_flight_per_mailbox: chance.pick(&[1, 2, 3, 4]),
        window_blobs: chance.pick(&[3, 6, 64]),
        window_bytes: chance.pick(&[80_000, 150_000, 1 << 20]),
        subscriptions: 8,
        takeover_ms: chance.pick(&[0, 5_000]),
        full_pause_ms: chance.pick(&[0, 3_000, 20_000]),
        puts_per_s: 3,
        put_burst: 12,
        put_bytes_per_s: 20_000,
        put_bytes_burst: chance.pick(&[200_000, 200_000, 50_000]),
        mailbox_puts_per_s: 1,
        mailbox_put_burst: chance.pick(&[5, 40]),
        creates_per_s: 1,
        create_burst: 12,
        all_creates_per_s: 1_000_000,
        all_create_burst: 100_000_000,
        sends_per_mailbox: 4,
        mailboxes: chance.pick(&[5, 6]),
        blobs: chance.pick(&[16, 40, 400]),
        store_bytes: chance.pick(&[300_000, 1 << 24]),
        create_percent: 80,
        put_percent: 95,
        unused_days: 2,
        blob_days: 5,
        large_blob_days: 2,
        idle_ms: 20_000,
        ..value::limits()
    }
}

/// Returns the first 160 characters of the debug form of a value, because blobs are long.
fn brief(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take(160).collect()
}

impl Chance {
    fn window(&mut self) -> (u16, u32) {
        self.pick(&[(0, 0), (1, 4_096), (2, 70_000), (4, 16_384), (64, 1 << 20), (5, 30_000)])
    }

    fn class(&mut self) -> SizeClass {
        self.pick(&[
            SizeClass::Small,
            SizeClass::Small,
            SizeClass::Small,
            SizeClass::Medium,
            SizeClass::Large,
        ])
    }

    fn create(&mut self, own: u8, read: u8, sends: Vec<(u8, u8)>, quotas: &[QuotaClass]) -> Asked {
        let leases = [LeaseClass::Week, LeaseClass::Month, LeaseClass::Quarter];
        let flags = [CreateFlags::NONE, CreateFlags::NONE, CreateFlags::FIXED, CreateFlags::VOLATILE];
        let (lease, quota, flags) = (self.pick(&leases), self.pick(quotas), self.pick(&flags));
        Asked::Create { own, read, sends, lease, quota, flags }
    }
}
