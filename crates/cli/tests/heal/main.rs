//! Vaults that are put back, copied or lost, and relays that lose messages, as users see them: each command a process of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod begin_again;
#[path = "../common/mod.rs"]
mod common;
mod copies;
mod gaps;
mod restored;

use std::{collections::BTreeSet, fs, path::Path, thread, time::Duration};

use common::{Person, Sandbox};
use serde_json::Value;

/// Maximum number of times that each person runs `receive` before a test fails: more than any
/// healing takes.
const ROUNDS: usize = 12;

/// Time after which a vault has noted at its relay how far its sessions are; it does so at most
/// once in ten seconds. A copy of the vault that is put back sooner cannot be recognised as one.
const NOTED: Duration = Duration::from_secs(11);

/// The events that one person was shown, in their order.
#[derive(Default, Debug)]
struct Shown(Vec<Value>);

impl Shown {
    /// Runs `receive` for the person, and adds the new events. A relay that does not answer is no
    /// failure.
    fn look(&mut self, person: &Person) {
        self.0.extend(person.json(&["receive"]).lines());
    }

    fn texts(&self) -> Vec<String> {
        common::texts(&self.0)
    }

    fn has_text(&self, text: &str) -> bool {
        self.texts().iter().any(|shown| shown == text)
    }

    fn has(&self, kind: &str) -> bool {
        self.0.iter().any(|event| event["kind"] == kind)
    }

    /// Returns the ids of the messages that events have reported as delivered.
    fn delivered(&self) -> BTreeSet<String> {
        let events = self.0.iter().filter(|event| event["kind"] == "delivered");
        events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Checks that no text was shown twice.
    #[track_caller]
    fn check_once(&self) {
        let texts = self.texts();
        let different: BTreeSet<&String> = texts.iter().collect();
        assert_eq!(different.len(), texts.len(), "{texts:?}");
    }
}

/// Sends a text to the contact `to`, with a wait of 5 s. Returns the message's id.
#[track_caller]
fn send(from: &Person, to: &str, text: &str) -> String {
    let done = from.json(&["send", "--wait", "5", to, text]).ok().json();
    done["message"].as_str().unwrap().to_owned()
}

/// Lets both people run `receive` in turn until `is_done` holds for what they were shown. Panics
/// after [`ROUNDS`] turns.
#[track_caller]
fn look_until(people: [&Person; 2], shown: &mut [Shown; 2], is_done: impl Fn(&[Shown; 2]) -> bool) {
    for _ in 0..ROUNDS {
        for (person, shown) in people.iter().zip(shown.iter_mut()) {
            shown.look(person);
        }
        if is_done(shown) {
            return;
        }
    }
    let status = people.map(|person| person.json(&["status"]).out);
    let contacts = people.map(|person| person.json(&["contacts"]).out);
    panic!("not after {ROUNDS} rounds: {shown:#?} {status:#?} {contacts:#?}");
}

/// Makes Ada and Ben, who have had texts and receipts from each other; nothing of them is under
/// way.
fn acquainted() -> Sandbox {
    let sandbox = Sandbox::connected();
    settle(&sandbox);
    sandbox
}

/// Sends two texts in each direction, and waits for their receipts.
fn settle(sandbox: &Sandbox) {
    let people = [&sandbox.ada, &sandbox.ben];
    let mut shown = [Shown::default(), Shown::default()];
    for round in 0..2 {
        let to_ben = send(&sandbox.ada, "ben", &format!("early {round} to ben"));
        let to_ada = send(&sandbox.ben, "ada", &format!("early {round} to ada"));
        look_until(people, &mut shown, |[ada, ben]| {
            ada.delivered().contains(&to_ben) && ben.delivered().contains(&to_ada)
        });
    }
}

/// Runs scenarios on threads of their own, because most of their time they wait. Panics with the
/// names of those that failed.
#[track_caller]
fn at_once<const N: usize>(scenarios: [(&str, fn()); N]) {
    thread::scope(|scope| {
        let running = scenarios.map(|(name, scenario)| {
            thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, scenario).unwrap()
        });
        // All of them end before the first failure is told.
        let ended = running.map(|scenario| (scenario.thread().name().unwrap().to_owned(), scenario.join()));
        let failed: Vec<_> =
            ended.into_iter().filter(|(_, ended)| ended.is_err()).map(|(name, _)| name).collect();
        assert!(failed.is_empty(), "{failed:?}");
    });
}

/// Copies a person's folder, which no process may have open. An older copy at `to` is replaced.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Makes an invite of `from` for the contact `name`, and returns its link.
#[track_caller]
fn link(from: &Person, name: &str) -> String {
    from.json(&["invite", name]).ok().json()["link"].as_str().unwrap().to_owned()
}
