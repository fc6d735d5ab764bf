//! A person moves to another relay, and the old relay is no longer needed.

use std::{fs, time::Instant};

use crate::common::{PATIENCE, Person, Relay, Sandbox};

/// Returns the addresses of the relays through which a person receives.
fn relays(person: &Person) -> Vec<String> {
    let lines = person.json(&["relays"]).ok().lines();
    lines.iter().map(|line| line["relay"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn texts_flow_while_a_relay_is_changed_and_without_the_old_one() {
    let mut sandbox = Sandbox::connected();
    fs::create_dir(sandbox.folder.path().join("other")).unwrap();
    let other = Relay::start(&sandbox.folder.path().join("other"));
    let (ada, ben, old) = (sandbox.ada.clone(), sandbox.ben.clone(), sandbox.relay.address.clone());
    ben.run(&["send", "ada", "before"]).ok();
    assert_eq!(ada.texts(), ["before"]);
    ada.run(&["leave-relay", &old]).fails(&["set another one first"]);
    ada.run(&["set-relay", &sandbox.link_for("cara")]).fails(&["invite link"]);
    let said = ada.json(&["set-relay", &format!("<{}>", other.address)]).ok().json();
    assert_eq!((&said["state"], &said["not_moved"][0]), (&"told".into(), &"ben".into()), "{said}");
    // What Ben sends before he knows is found at the old relay.
    ben.run(&["send", "ada", "on the way"]).ok();
    ada.run(&["send", "ben", "have you heard?"]).ok();
    let (mut got, mut heard) = (ada.texts(), Vec::new());
    let begin = Instant::now();
    while relays(&ada).iter().any(|relay| *relay == old && ada_waits_only_for_cara(&ada, &old)) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", ada.json(&["relays"]).ok().lines());
        heard.extend(ben.texts());
        got.extend(ada.texts());
    }
    heard.extend(ben.texts());
    got.extend(ada.texts());
    assert_eq!((got, heard), (vec!["on the way".to_owned()], vec!["have you heard?".to_owned()]));
    // An open invite stays where its link leads to.
    let human = ada.run(&["relays"]).ok().out;
    assert!(
        human.contains("who may still write here: cara") && human.contains("mailboxes here are for: ben"),
        "{human}"
    );
    ada.run(&["withdraw", "cara"]).ok();
    while relays(&ada).contains(&old) {
        assert!(begin.elapsed() < PATIENCE);
    }
    // Ben reads at the old relay; Ada does not need it any more.
    ben.run(&["set-relay", &other.address]).ok();
    while relays(&ben).contains(&old) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", ben.json(&["relays"]).ok().lines());
        ada.run(&["receive"]).ok();
        ben.run(&["receive"]).ok();
    }
    sandbox.relay.kill();
    ada.run(&["send", "ben", "without the old one"]).ok();
    ben.run(&["send", "ada", "me too"]).ok();
    assert_eq!(
        (ben.texts(), ada.texts()),
        (vec!["without the old one".to_owned()], vec!["me too".to_owned()])
    );
}

/// Whether Ben may still write to Ada at the relay with the address `old`, as `relays` shows; so
/// Ada does not wait for Cara alone.
fn ada_waits_only_for_cara(ada: &Person, old: &str) -> bool {
    let lines = ada.json(&["relays"]).ok().lines();
    lines
        .iter()
        .any(|line| line["relay"] == old && line["contacts"].as_array().unwrap().contains(&"ben".into()))
}

#[test]
fn a_relay_that_does_not_come_back_is_left() {
    let mut sandbox = Sandbox::connected();
    fs::create_dir(sandbox.folder.path().join("other")).unwrap();
    let other = Relay::start(&sandbox.folder.path().join("other"));
    let (ada, ben) = (sandbox.ada.clone(), sandbox.ben.clone());
    // Ben reads elsewhere, so that Ada can tell him when hers is gone.
    ben.run(&["send", "ada", "hello"]).ok();
    assert_eq!(ada.texts(), ["hello"]);
    let begin = Instant::now();
    ben.run(&["set-relay", &other.address]).ok();
    while relays(&ben).contains(&sandbox.relay.address) {
        assert!(begin.elapsed() < PATIENCE);
        ada.run(&["receive"]).ok();
        ben.run(&["receive"]).ok();
    }
    sandbox.relay.kill();
    ada.run(&["set-relay", "--wait", "1", &other.address]).ok();
    ada.run(&["leave-relay", &sandbox.relay.address]).ok();
    assert_eq!(relays(&ada), std::slice::from_ref(&other.address));
    let mut got = Vec::new();
    ada.run(&["send", "ben", "I have moved"]).ok();
    assert_eq!(ben.texts(), ["I have moved"]);
    ben.run(&["send", "ada", "I see"]).ok();
    while got.is_empty() {
        assert!(begin.elapsed() < PATIENCE);
        got = ada.texts();
    }
    assert_eq!(got, ["I see"]);
}

#[test]
fn a_relay_that_is_down_is_left_once_its_open_invites_are_withdrawn() {
    let mut sandbox = Sandbox::new();
    sandbox.link();
    fs::create_dir(sandbox.folder.path().join("other")).unwrap();
    let other = Relay::start(&sandbox.folder.path().join("other"));
    let (ada, old) = (sandbox.ada.clone(), sandbox.relay.address.clone());
    sandbox.relay.kill();
    ada.run(&["set-relay", "--wait", "1", &other.address]).ok();
    // A relay that was not read is no success for a program that looks at the exit status.
    let synced = ada.json(&["sync", "--wait", "1"]);
    assert_eq!((synced.code, synced.err.contains("not every relay was read")), (1, true), "{synced:?}");
    ada.run(&["leave-relay", &old]).fails(&["withdraw the open invites"]);
    ada.run(&["withdraw", "ben"]).ok();
    ada.run(&["leave-relay", &old]).ok();
    assert_eq!(relays(&ada), std::slice::from_ref(&other.address));
    ada.run(&["receive"]).ok();
    ada.run(&["sync"]).ok();
}

/// The line `version` is the whole description of a relay whose operator has said nothing.
#[test]
fn a_relay_says_what_it_is() {
    let sandbox = Sandbox::connected();
    let human = sandbox.ada.run(&["relay-about"]).ok().out;
    assert!(human.contains("version: "), "{human}");
    let named = sandbox.ada.json(&["relay-about", &sandbox.relay.address]).ok().lines();
    assert_eq!(named[0]["relay"], sandbox.relay.address.as_str());
    assert!(named[0]["about"]["version"].is_string(), "{named:?}");
}
