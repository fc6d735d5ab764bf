//! Events that were shown are not shown again, and no file grows with their number.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::common::{Person, Sandbox, run_with_input, texts};

/// Returns the names of the files in a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn chat(person: &Person, name: &str) -> Vec<Value> {
    run_with_input(&mut person.command(["chat", name, "--json"]), Some(b"")).ok().lines()
}

/// Makes a third person and connects her with Ada, who calls her cara.
fn with_cara(sandbox: &Sandbox) -> Person {
    let cara = sandbox.person("cara");
    cara.run(&["init", "--no-passphrase", "--relay", &sandbox.relay.address]).ok();
    cara.run(&["accept", &sandbox.link_for("cara"), "ada"]).ok();
    cara
}

#[test]
fn chats_remember_what_they_showed_in_the_vault_alone() {
    let sandbox = Sandbox::connected();
    let cara = with_cara(&sandbox);
    let ada = &sandbox.ada;
    for (person, text) in [(&sandbox.ben, "b1"), (&cara, "c1"), (&sandbox.ben, "b2")] {
        person.run(&["send", "ada", text]).ok();
    }
    assert_eq!(texts(&chat(ada, "ben")), ["b1", "b2"]);
    let only_the_vault = BTreeSet::from(["vault".to_owned(), "vault.key".to_owned()]);
    assert_eq!(files(&ada.home), only_the_vault, "nothing beside the vault grows with what is shown");
    assert!(texts(&chat(ada, "ben")).is_empty(), "shown before");
    sandbox.ben.run(&["send", "ada", "b3"]).ok();
    assert_eq!(texts(&ada.json(&["receive", "--from", "ben"]).ok().lines()), ["b3"]);
    assert_eq!(files(&ada.home), only_the_vault);
    // What one chat showed does not hide what others sent before it.
    assert_eq!(texts(&chat(ada, "cara")), ["c1"]);
    cara.run(&["send", "ada", "c2"]).ok();
    assert_eq!(ada.texts(), ["c2"]);
    assert!(ada.texts().is_empty() && texts(&chat(ada, "ben")).is_empty());
    assert_eq!(texts(&ada.json(&["receive", "--after", "0"]).ok().lines()).len(), 5, "nothing was forgotten");
}

#[test]
fn the_file_of_an_earlier_version_is_taken_over_once() {
    let sandbox = Sandbox::connected();
    let cara = with_cara(&sandbox);
    let ada = &sandbox.ada;
    for (person, text) in [(&sandbox.ben, "b1"), (&cara, "c1"), (&sandbox.ben, "b2"), (&cara, "c2")] {
        person.run(&["send", "ada", text]).ok();
    }
    let all = ada.json(&["receive", "--after", "0"]).ok().lines();
    let number = |text: &str| all.iter().find(|event| event["text"] == text).unwrap()["event"].to_string();
    // An earlier chat with Ben showed all that concerned him, but for the last; something else is in the file, too.
    let shown: Vec<_> = all.iter().filter(|event| event["from"] == "ben" && event["text"] != "b2").collect();
    let lines: Vec<_> = shown.iter().map(|event| event["event"].to_string()).collect();
    let file = format!("{}\n{}\n4000000\nnot a number\n", lines.join("\n"), number("c2"));
    fs::write(ada.home.join("shown"), file).unwrap();
    fs::write(ada.home.join("shown.new"), "1\n").unwrap();
    ada.run(&["contacts"]).ok();
    assert_eq!(files(&ada.home).len(), 2, "{:?}", files(&ada.home));
    assert_eq!(texts(&chat(ada, "ben")), ["b2"]);
    // An event behind one that was not shown is shown once more rather than one before it never.
    assert_eq!(ada.texts(), ["c1", "c2"]);
}

#[test]
fn events_are_erased_when_that_is_asked_for() {
    let sandbox = Sandbox::connected();
    let ada = &sandbox.ada;
    let kept = || texts(&ada.json(&["receive", "--after", "0"]).ok().lines());
    for text in ["one", "two"] {
        sandbox.ben.run(&["send", "ada", text]).ok();
        assert_eq!(texts(&ada.json(&["receive", "--after", "0"]).ok().lines()).last().unwrap(), text);
    }
    let all = ada.json(&["receive", "--after", "0"]).ok().lines();
    let first = all.iter().find(|event| event["text"] == "one").unwrap()["event"].to_string();
    // An app says which events it has.
    let after = ada.json(&["receive", "--after", &first, "--forget"]).ok().lines();
    assert_eq!((texts(&after), kept()), (vec!["two".to_owned()], vec!["two".to_owned()]));
    // Or all that this command has printed.
    assert_eq!(texts(&ada.json(&["receive", "--forget"]).ok().lines()), ["two"]);
    assert!(kept().is_empty());
    ada.run(&["receive", "--forget", "--from", "ben"]).fails(&["--from"]);
}
