//! The people and the relays of the simulation, and what they do on each day.

use std::path::{Path, PathBuf};

use deaddrop_client::{Client, ContactState, Unlock};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    api::{self, Told, told},
    ledger::{Ledger, Text},
    people::{self, Person, Who},
    relays::Relay,
    time::SimulatedTime,
    verdict::Verdict,
};

pub const ADA: Who = 0;
pub const BEN: Who = 1;
pub const CARA: Who = 2;
pub const DAN: Who = 3;
pub const EVE: Who = 4;
/// The person whose relay does not answer from the second day on, and who is away from then on.
pub const FINN: Who = 5;
const NAMES: [&str; 6] = ["ada", "ben", "cara", "dan", "eve", "finn"];

const NORTH: usize = 0;
pub const SOUTH: usize = 1;
const WEST: usize = 2;
/// The index of the relay of each person.
const RELAY_OF: [usize; 6] = [NORTH, SOUTH, NORTH, SOUTH, NORTH, WEST];

/// Pairs of people who know each other. The first person of a pair invites the second.
const PAIRS: [(Who, Who); 8] =
    [(ADA, BEN), (ADA, CARA), (DAN, ADA), (ADA, EVE), (ADA, FINN), (BEN, CARA), (BEN, DAN), (EVE, BEN)];

/// The hours of the day, from 0 to 23, at which people write and exchange.
const HOURS: [u64; 2] = [8, 18];
/// Number of bytes of a long text: its envelope is of the largest class, which a relay keeps for 7
/// days.
const LONG_TEXT: usize = 20_000;
/// Number of days that a text between two people may stay undelivered, while both are there, before
/// they meet again by a new invite.
const PATIENCE_DAYS: u32 = 2;

/// The simulated world: the time, the relays, the people, and all texts.
pub struct World {
    time: SimulatedTime,
    relays: Vec<Relay>,
    people: Vec<Person>,
    ledger: Ledger,
    rng: StdRng,
    /// The number of the last action (a send, exchange, copy or restore), which orders the actions:
    /// a thousand times the day, and a count.
    moment: u64,
    /// Notes for the report: the seed, and what the simulated users did in response to events.
    pub notes: Vec<String>,
    /// For each person the day since which it has been there without a break; `None` while it is
    /// away.
    there_since: [Option<u32>; 6],
    /// For each person the day on which its vault was put back last; `None` if it never was.
    put_back_on: [Option<u32>; 6],
    /// For each person the moment up to which it has done what events asked for.
    answered: [u64; 6],
    /// Pairs that have met again by a new invite: the index in [`PAIRS`], and the day.
    met_again: Vec<(usize, u32)>,
}

impl World {
    pub async fn begin(folder: &Path, seed: u64) -> Self {
        let time = SimulatedTime::begin();
        let mut relays = Vec::new();
        for name in ["north", "south", "west"] {
            relays.push(Relay::start(folder.join(name), &time).await);
        }
        let mut people = Vec::new();
        for (who, name) in NAMES.into_iter().enumerate() {
            let home: PathBuf = folder.join(name);
            let relay = Some(relays[RELAY_OF[who]].address.clone());
            let client = Client::create(home, Unlock::KeyFile, relay, api::config(&time)).await.unwrap();
            people.push(Person::new(name, folder, client));
        }
        Self {
            time,
            relays,
            people,
            ledger: Ledger::default(),
            rng: StdRng::seed_from_u64(seed),
            moment: 0,
            notes: vec![format!("seed {seed}")],
            there_since: [Some(0); 6],
            put_back_on: [None; 6],
            answered: [0; 6],
            met_again: Vec::new(),
        }
    }

    /// Plays the first day: all people meet and talk, then the relay of [`FINN`] ends.
    pub async fn meet(&mut self) {
        for (inviter, guest) in PAIRS {
            let [inviter, guest] = [inviter, guest].map(|who| &self.people[who]);
            let link = inviter.client.as_ref().unwrap().invite(guest.name).await.unwrap();
            guest.client.as_ref().unwrap().accept(&link, inviter.name).await.unwrap();
        }
        self.exchange().await;
        for _ in 0..5 {
            for (a, b) in PAIRS {
                self.send(a, b, 0, false).await;
                self.send(b, a, 0, false).await;
            }
            self.exchange().await;
            if self.people.iter().all(is_connected) {
                break;
            }
        }
        assert!(self.people.iter().all(is_connected), "they do not come together");
        let all: Vec<Who> = (ADA..=FINN).collect();
        people::close(&mut self.people, &all).await;
        self.relays[WEST].end().await;
    }

    /// Lets the relay with this index lose its disk; it goes on with an empty store.
    pub async fn lose_relay(&mut self, relay: usize) {
        self.relays[relay].lose_everything().await;
    }

    /// Copies the folder of a person, whose client must be closed.
    pub fn copy(&mut self, who: Who) {
        let moment = self.next_moment();
        self.people[who].copy(moment);
    }

    /// Puts the copy of a person's folder back on the morning of `day`. The client must be closed.
    pub fn put_back(&mut self, who: Who, day: u32) {
        let moment = self.next_moment();
        self.put_back_on[who] = Some(day);
        self.people[who].put_back(moment);
    }

    /// Lets the people in `present` open their clients, talk in the morning and in the evening, and
    /// close. Some of those for whom `may_stay` is true stay connected over night, and some clients
    /// are dropped as if the power had failed. The people in `cut_short` close with texts in the
    /// outbox.
    pub async fn live_a_day(
        &mut self,
        day: u32,
        present: &[Who],
        cut_short: &[Who],
        may_stay: impl Fn(Who) -> bool,
    ) {
        self.begin_day(day, present).await;
        for hour in HOURS {
            self.reach(day, hour).await;
            for (a, b) in PAIRS.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
                // A person who is away is written to once a day at most; every second day with a long text, if it is Cara.
                let is_away = !present.contains(&b);
                let is_long = is_away && b == CARA && day.is_multiple_of(2);
                let is_time = !(is_away && hour == HOURS[1]);
                let is_in_the_mood = self.rng.random_bool(0.6);
                if present.contains(&a) && is_time && (is_in_the_mood || is_long) {
                    self.send(a, b, day, is_long).await;
                }
            }
            self.exchange().await;
        }
        self.do_as_told(day).await;
        for (a, b) in PAIRS.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]) {
            if cut_short.contains(&a) {
                self.send(a, b, day, false).await;
            }
        }
        let (mut leaving, mut dropped) = (Vec::new(), Vec::new());
        for who in present.iter().copied() {
            match self.rng.random_range(0..10) {
                0..=3 if may_stay(who) => {}
                4 if !cut_short.contains(&who) => dropped.push(who),
                _ => leaving.push(who),
            }
        }
        people::pull_the_plug(&mut self.people, &dropped);
        people::close(&mut self.people, &leaving).await;
    }

    /// Plays a day on which all but [`FINN`] are there and write nothing new. Returns whether no
    /// fault is left that another such day could mend; their clients stay open then.
    pub async fn settle_a_day(&mut self, day: u32) -> bool {
        let present: Vec<Who> = (ADA..FINN).collect();
        self.begin_day(day, &present).await;
        for hour in HOURS {
            self.reach(day, hour).await;
            self.exchange().await;
        }
        self.do_as_told(day).await;
        if self.verdict().is_settled() {
            return true;
        }
        // Clients look at some things only when they are opened, or after minutes of real time.
        people::close(&mut self.people, &present).await;
        false
    }

    /// Opens all clients but that of [`FINN`], and lets them exchange once more.
    pub async fn look_at_all(&mut self) {
        let present: Vec<Who> = (ADA..FINN).collect();
        people::open(&mut self.people, &self.time, &present).await;
        self.exchange().await;
    }

    pub fn verdict(&self) -> Verdict<'_> {
        Verdict::new(&self.people, &self.ledger, FINN)
    }

    async fn begin_day(&mut self, day: u32, present: &[Who]) {
        self.reach(day, HOURS[0]).await;
        people::open(&mut self.people, &self.time, present).await;
        for (who, since) in self.there_since.iter_mut().enumerate() {
            *since = present.contains(&who).then(|| since.unwrap_or(day));
        }
    }

    /// Moves the time to an hour of a day, and waits until the relays have destroyed what expired.
    async fn reach(&mut self, day: u32, hour: u64) {
        self.time.move_to(day, hour);
        for relay in &self.relays {
            relay.reach_today().await;
        }
    }

    async fn exchange(&mut self) {
        let moment = self.next_moment();
        people::exchange(&mut self.people, moment).await;
    }

    async fn send(&mut self, from: Who, to: Who, day: u32, is_long: bool) {
        let moment = self.next_moment();
        let [sender, receiver] = [from, to].map(|who| self.people[who].name);
        let name = format!("{sender} to {receiver}, day {day}, text {}", self.ledger.texts.len());
        let mut text = name.clone();
        if is_long {
            text += &format!("\n{}", "long ".repeat(LONG_TEXT / 5));
        }
        match api::send(self.people[from].client.as_ref().unwrap(), receiver, &text).await {
            Ok(key) => self.ledger.texts.push(Text { name, from, to, day, moment, key }),
            Err(error) => panic!("{name} was not accepted: {error}"),
        }
    }

    /// Lets the users agree to what events have asked for. If the vault of one of two people was
    /// put back, and texts between them stay undelivered for days while both are there, they meet
    /// again: the person whose vault it was invites the other.
    async fn do_as_told(&mut self, day: u32) {
        let mut is_done = false;
        for who in ADA..FINN {
            let person = &self.people[who];
            let Some(client) = &person.client else { continue };
            let answered = std::mem::replace(&mut self.answered[who], self.moment);
            let new = person.log.iter().filter(|entry| entry.moment > answered);
            for entry in new.filter(|entry| matches!(told(&entry.event), Told::Asked)) {
                is_done = true;
                let agreed = api::agree(client, &entry.event.contact).await;
                let note = format!("{} agrees with {}: {agreed:?}", person.name, entry.event.contact);
                self.notes.push(format!("day {day}: {note}"));
            }
        }
        for (pair, (a, b)) in PAIRS.into_iter().enumerate().filter(|(_, (_, b))| *b != FINN) {
            let (a, b) = if self.people[a].forgotten.is_empty() { (b, a) } else { (a, b) };
            let is_recent = |(met, on): &(usize, u32)| *met == pair && day < on + 2 * PATIENCE_DAYS;
            if self.is_stuck(a, b, day) && !self.met_again.iter().any(is_recent) {
                is_done = true;
                self.met_again.push((pair, day));
                self.meet_again(a, b, day).await;
            }
        }
        if is_done {
            self.exchange().await;
        }
    }

    /// Whether a vault of `a` or `b` was put back days ago, both have been there since, and a text
    /// between them that is as old is still not delivered.
    fn is_stuck(&self, a: Who, b: Who, day: u32) -> bool {
        let is_long_ago = |since: u32| since + PATIENCE_DAYS <= day;
        let is_there = |who: Who| self.there_since[who].is_some_and(is_long_ago);
        let restored = [a, b].into_iter().filter_map(|who| self.put_back_on[who]).max();
        let is_between = |text: &Text| (text.from, text.to) == (a, b) || (text.from, text.to) == (b, a);
        let mut fates = self.ledger.texts.iter().zip(self.ledger.fates(&self.people));
        restored.is_some_and(is_long_ago)
            && is_there(a)
            && is_there(b)
            && fates.any(|(text, fate)| {
                is_between(text) && is_long_ago(text.day) && !fate.is_undone && fate.delivered.is_empty()
            })
    }

    async fn meet_again(&mut self, inviter: Who, guest: Who, day: u32) {
        let [inviter, guest] = [inviter, guest].map(|who| &self.people[who]);
        let [a, b] = [inviter, guest].map(|person| person.client.as_ref().unwrap());
        let note = match a.invite(guest.name).await {
            Ok(link) => format!("{} accepts: {:?}", guest.name, b.accept(&link, inviter.name).await),
            Err(error) => format!("refused: {error:?}"),
        };
        self.notes.push(format!("day {day}: {} invites {} again; {note}", inviter.name, guest.name));
    }

    fn next_moment(&mut self) -> u64 {
        self.moment = (self.moment + 1).max(u64::from(self.time.day()) * 1_000);
        self.moment
    }
}

fn is_connected(person: &Person) -> bool {
    let contacts = person.client.as_ref().unwrap().contacts().unwrap();
    contacts.iter().all(|contact| contact.state == ContactState::Established)
}
