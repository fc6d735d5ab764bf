//! The people, the relays, and the events of a day.

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
/// The person whose relay is dead from the second day on, and who is not there from then on.
pub const FINN: Who = 5;
const NAMES: [&str; 6] = ["ada", "ben", "cara", "dan", "eve", "finn"];

const NORTH: usize = 0;
pub const SOUTH: usize = 1;
const WEST: usize = 2;
/// The relay of each person.
const RELAY_OF: [usize; 6] = [NORTH, SOUTH, NORTH, SOUTH, NORTH, WEST];

/// Pairs of people who know each other; the first of each invites.
const PAIRS: [(Who, Who); 8] =
    [(ADA, BEN), (ADA, CARA), (DAN, ADA), (ADA, EVE), (ADA, FINN), (BEN, CARA), (BEN, DAN), (EVE, BEN)];

/// The hours at which people write.
const HOURS: [u64; 2] = [8, 18];
/// Number of bytes of a long text: its envelope is of the largest class, which a relay keeps for a week.
const LONG_TEXT: usize = 20_000;
/// Number of days in which both are there and a text is not delivered, after which two people meet again by a new invite.
const PATIENCE_DAYS: u32 = 2;

/// The whole simulated world.
pub struct World {
    time: SimulatedTime,
    relays: Vec<Relay>,
    people: Vec<Person>,
    ledger: Ledger,
    rng: StdRng,
    /// The order of sends, exchanges, copies and restores: a thousand times the day, and a count.
    moment: u64,
    /// Actions of the simulated users in response to events, and failures.
    pub notes: Vec<String>,
    /// The day since which each person has been there; `None` for those who are away.
    there_since: [Option<u32>; 6],
    /// The day on which each vault was put back.
    put_back_on: [Option<u32>; 6],
    /// The moment up to which each person has done what events asked for.
    answered: [u64; 6],
    /// Pairs that have met again, each with the day.
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

    /// Plays the first day: all meet and talk, then the relay of one of them dies.
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

    /// Lets a relay lose its disk.
    pub async fn lose_relay(&mut self, relay: usize) {
        self.relays[relay].lose_everything().await;
    }

    /// Copies the folder of a person.
    pub fn copy(&mut self, who: Who) {
        let moment = self.next_moment();
        self.people[who].copy(moment);
    }

    /// Puts the folder of a person back.
    pub fn put_back(&mut self, who: Who, day: u32) {
        let moment = self.next_moment();
        self.put_back_on[who] = Some(day);
        self.people[who].put_back(moment);
    }

    /// Lets people open, talk in the morning and in the evening, and close. Some of those who may stay connected over
    /// night do so, and some clients are dropped as if the power had failed. Those who are cut short close with texts
    /// in the outbox.
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

    /// Plays a day on which all are there and write nothing new. Returns whether nothing is left that another such day
    /// could mend; if so, all stay open.
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

    /// Looks once more at what all vaults hold.
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

    /// Moves the time, and lets the relays do the work that is due.
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

    /// Lets the users do what events have asked them to do. If a vault of two people was put back, and texts between
    /// them still wait after days in which both were there, they meet again: the one whose vault it was invites, the
    /// other accepts.
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

    /// Whether a vault of the two was put back days ago, both have been there since, and a text has not been delivered all the time.
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
