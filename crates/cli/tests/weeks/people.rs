//! People: a vault in a folder, a client while they are there, and everything that was shown to them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use deaddrop_client::{Client, Event, OpenError, Unlock};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    api::{self, Counts},
    time::SimulatedTime,
};

/// A person, as the index in the list of people.
pub type Who = usize;

/// Maximum time for which an exchange waits for a relay that does not answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time without an event at any open client after which an exchange ends: longer than a receipt
/// takes.
const QUIET: Duration = Duration::from_millis(100);
/// Maximum time of an exchange without the waits for relays.
const LONGEST: Duration = Duration::from_secs(4);

/// An event, and the moment of the exchange in which the user saw it. A moment is a number that
/// orders what happens in the simulation.
#[derive(Clone)]
pub struct Entry {
    pub moment: u64,
    pub event: Event,
}

/// The events that a vault has forgotten because it was put back: those between the moments of the
/// copy and of its return.
pub struct Forgotten {
    pub copied: u64,
    pub restored: u64,
    pub log: Vec<Entry>,
}

struct Copied {
    folder: PathBuf,
    moment: u64,
    shown: usize,
    cursor: u64,
}

/// A person with a vault. `client` is open while the person is there; `counts` was seen last.
pub struct Person {
    pub name: &'static str,
    home: PathBuf,
    pub client: Option<Client>,
    /// The events that the present vault has shown, and has not forgotten.
    pub log: Vec<Entry>,
    cursor: u64,
    pub forgotten: Vec<Forgotten>,
    copied: Option<Copied>,
    pub counts: Counts,
    /// The moments of exchanges in which the person took part.
    pub present: Vec<u64>,
}

impl Person {
    pub fn new(name: &'static str, folder: &Path, client: Client) -> Self {
        Self {
            name,
            home: folder.join(name),
            client: Some(client),
            log: Vec::new(),
            cursor: 0,
            forgotten: Vec::new(),
            copied: None,
            counts: Counts::default(),
            present: Vec::new(),
        }
    }

    /// Adds the client's new events to the log. Returns whether there are any, or a count of the
    /// status has changed.
    fn look(&mut self, moment: u64) -> bool {
        let Some(client) = &self.client else { return false };
        let before = (self.cursor, self.counts);
        loop {
            let events = client.events_after(self.cursor).unwrap();
            let Some(last) = events.last() else { break };
            self.cursor = last.number;
            self.log.extend(events.into_iter().map(|event| Entry { moment, event }));
        }
        self.counts = api::counts(client);
        before != (self.cursor, self.counts)
    }

    /// Copies the person's folder. The client must be closed.
    pub fn copy(&mut self, moment: u64) {
        assert!(self.client.is_none());
        let folder = self.home.with_extension("copy");
        copy_folder(&self.home, &folder);
        self.copied = Some(Copied { folder, moment, shown: self.log.len(), cursor: self.cursor });
    }

    /// Replaces the person's folder by the copy, and moves the later part of the log to the
    /// forgotten. The client must be closed.
    pub fn put_back(&mut self, moment: u64) {
        assert!(self.client.is_none());
        let copied = self.copied.take().unwrap();
        fs::remove_dir_all(&self.home).unwrap();
        copy_folder(&copied.folder, &self.home);
        self.forgotten.push(Forgotten {
            copied: copied.moment,
            restored: moment,
            log: self.log.split_off(copied.shown),
        });
        self.cursor = copied.cursor;
    }

    /// Returns every event that the vault holds now. The client must be open.
    pub fn events_in_vault(&self) -> Vec<Event> {
        let client = self.client.as_ref().unwrap();
        let mut all: Vec<Event> = Vec::new();
        loop {
            let events = client.events_after(all.last().map_or(0, |event| event.number)).unwrap();
            if events.is_empty() {
                return all;
            }
            all.extend(events);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens the clients of these people, all at the same time. Does nothing for a client that is open.
pub async fn open(people: &mut [Person], time: &SimulatedTime, who: &[Who]) {
    let mut opening = JoinSet::new();
    for who in who.iter().copied().filter(|who| people[*who].client.is_none()) {
        let (home, config) = (people[who].home.clone(), api::config(time));
        opening.spawn(async move {
            loop {
                match Client::open(&home, Unlock::KeyFile, config.clone()).await {
                    // A client that was dropped may still hold the lock for a moment.
                    Err(OpenError::InUse) => sleep(Duration::from_millis(5)).await,
                    opened => return (who, opened),
                }
            }
        });
    }
    while let Some(opened) = opening.join_next().await {
        let (who, client) = opened.unwrap();
        let name = people[who].name;
        people[who].client = Some(client.unwrap_or_else(|error| panic!("{name}'s vault: {error}")));
    }
}

/// Drops the clients of these people without closing them, as if the power had failed.
pub fn pull_the_plug(people: &mut [Person], who: &[Who]) {
    for who in who {
        drop(people[*who].client.take());
    }
}

/// Closes the clients of these people, all at the same time.
pub async fn close(people: &mut [Person], who: &[Who]) {
    let mut closing = JoinSet::new();
    for who in who {
        if let Some(client) = people[*who].client.take() {
            closing.spawn(client.close());
        }
    }
    while let Some(closed) = closing.join_next().await {
        closed.unwrap().unwrap();
    }
}

/// Lets all open clients exchange their messages, until each has read what waited for it (at most
/// for [`PATIENCE`]), and then no event has come for [`QUIET`] (at most for [`LONGEST`]).
pub async fn exchange(people: &mut [Person], moment: u64) {
    // A relay that is down makes both fail, which is no matter here: what counts is what comes in the end.
    at_once(people, |client| async move {
        let _ = client.wait_caught_up(PATIENCE).await;
        client
    })
    .await;
    let begin = Instant::now();
    let mut last = begin;
    while last.elapsed() < QUIET && begin.elapsed() < LONGEST {
        sleep(Duration::from_millis(5)).await;
        for person in people.iter_mut() {
            if person.look(moment) {
                last = Instant::now();
            }
        }
    }
    at_once(people, |client| async move {
        let _ = client.flush(Duration::from_millis(20)).await;
        client
    })
    .await;
    for person in people.iter_mut().filter(|person| person.client.is_some()) {
        person.look(moment);
        person.present.push(moment);
    }
}

/// Runs `work` with each open client, all at the same time. `work` returns the client.
async fn at_once<F>(people: &mut [Person], work: impl Fn(Client) -> F)
where
    F: Future<Output = Client> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (who, person) in people.iter_mut().enumerate() {
        if let Some(client) = person.client.take() {
            let work = work(client);
            tasks.spawn(async move { (who, work.await) });
        }
    }
    while let Some(done) = tasks.join_next().await {
        let (who, client) = done.unwrap();
        people[who].client = Some(client);
    }
}
