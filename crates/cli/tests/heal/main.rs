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

/// Maximum number of times that each person looks before something has to be there.
const ROUNDS: usize = 12;

/// Time after which a vault has noted at its relay that its sessions have moved on; it notes this at most every ten
/// seconds. A younger copy is not told from the original.
const NOTED: Duration = Duration::from_secs(11);

/// The events that one person was shown, in their order.
#[derive(Default, Debug)]
struct Shown(Vec<Value>);

impl Shown {
    /// Shows the new events. If a relay does not answer, shows those that are in the vault.
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

    /// Returns the ids of messages that were told to be delivered.
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

/// Sends a text. Returns the message's id.
#[track_caller]
fn send(from: &Person, to: &str, text: &str) -> String {
    let done = from.json(&["send", "--wait", "5", to, text]).ok().json();
    done["message"].as_str().unwrap().to_owned()
}

/// Lets both people look in turn until `is_done` holds.
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

/// Makes Ada and Ben, who have heard each other, and have nothing on its way.
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

/// Plays scenarios side by side: most of their time they wait.
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

/// Copies a person's folder. No process has it open.
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

/// Makes a link of a person.
#[track_caller]
fn link(from: &Person, name: &str) -> String {
    from.json(&["invite", name]).ok().json()["link"].as_str().unwrap().to_owned()
}
