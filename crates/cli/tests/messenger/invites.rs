//! Open invites: shown again, withdrawn; and what `contacts` and errors say.

use std::time::Instant;

use crate::common::{PATIENCE, Sandbox, run};

#[test]
fn an_open_invite_is_shown_again_and_withdrawn() {
    let sandbox = Sandbox::new();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    let link = sandbox.link();
    ada.run(&["invite", "ben"]).fails(&["invites ben", "withdraw ben"]);
    let listed = ada.json(&["invites"]).ok().lines();
    assert_eq!((listed.len(), &listed[0]["name"]), (1, &"ben".into()));
    assert_eq!(listed[0]["until"].as_str().unwrap().len(), 10, "a date: {}", listed[0]);
    let again = ada.json(&["invites", "ben"]).ok().json();
    assert_eq!(again["link"], link.as_str());
    assert!(ada.run(&["invites", "ben"]).ok().out.contains(&link));
    let before = sandbox.relay.inspect()["mailboxes"].as_u64().unwrap();
    ada.run(&["withdraw", "ben"]).ok();
    assert!(
        sandbox.relay.inspect()["mailboxes"].as_u64().unwrap() <= before - 2,
        "landing and invite are gone"
    );
    assert!(ada.json(&["invites"]).ok().lines().is_empty());
    ada.run(&["withdraw", "ben"]).fails(&["no open invite"]);
    ada.run(&["invites", "ben"]).fails(&["no open invite"]);
    assert!(ada.run(&["contacts"]).ok().out.contains("no open invite"));
    ben.run(&["accept", &link, "ada"]).fails(&["withdrawn"]);
    // The name is free for a new invite, and what was written meanwhile waits for it.
    ada.run(&["send", "ben", "welcome"]).ok();
    ben.run(&["accept", &sandbox.link(), "ada"]).ok();
    ada.run(&["receive"]).ok();
    assert_eq!(ben.texts(), ["welcome"]);
    ada.run(&["withdraw", "ben"]).fails(&["no open invite"]);
}

#[test]
fn an_invite_is_withdrawn_while_its_relay_is_down() {
    let mut sandbox = Sandbox::new();
    let link = sandbox.link();
    sandbox.relay.kill();
    let said = sandbox.ada.run(&["withdraw", "ben"]).ok();
    assert!(said.out.contains("connects to you no more") && said.out.contains("next commands"), "{said:?}");
    sandbox.relay.serve();
    let begin = Instant::now();
    while sandbox.relay.inspect()["mailboxes"] != 0 {
        assert!(begin.elapsed() < PATIENCE, "{}", sandbox.relay.inspect());
        sandbox.ada.run(&["receive"]).ok();
    }
    sandbox.ben.run(&["accept", &link, "ada"]).fails(&["withdrawn"]);
}

#[test]
fn an_error_is_an_object_for_programs() {
    let sandbox = Sandbox::connected();
    let error = |words: &[&str]| {
        let done = sandbox.ada.json(words);
        assert!(done.code != 0 && done.out.is_empty(), "{done:?}");
        let lines: Vec<_> = done.err.lines().collect();
        assert_eq!(lines.len(), 1, "{done:?}");
        let object: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
        assert!(!object["message"].as_str().unwrap().is_empty());
        object["error"].as_str().unwrap().to_owned()
    };
    for (words, code) in [
        (&["send", "stranger", "x"][..], "unknown_contact"),
        (&["accept", "hello", "x"], "not_a_link"),
        (&["accept", "deaddrop:ws://relay.example/i#AQ", "x"], "link_cut_short"),
        (&["invite", "a\u{200b}b"], "bad_name"),
        (&["invite", "Ben"], "name_looks_alike"),
        (&["withdraw", "stranger"], "unknown_contact"),
        (&["agree", "ben"], "nothing_asked"),
        (&["init", "--no-passphrase"], "vault_exists"),
        (&["--passphrase-file", "missing", "contacts"], "failed"),
        (&["no-such-command"], "usage"),
    ] {
        assert_eq!(error(words), code, "{words:?}");
    }
    let wrong = sandbox.person("cara");
    run(wrong.command(["init"]).env("DEADDROP_PASSPHRASE", "right")).ok();
    let said = run(wrong.command(["--json", "contacts"]).env("DEADDROP_PASSPHRASE", "wrong"));
    assert!(said.err.starts_with("{\"error\":\"wrong_passphrase\","), "{said:?}");
}

#[test]
fn a_lost_session_stays_visible_until_the_contact_has_answered() {
    let sandbox = Sandbox::connected();
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    for (from, to, name) in [(ben, ada, "ada"), (ada, ben, "ben"), (ben, ada, "ada")] {
        from.run(&["send", name, "hello"]).ok();
        to.run(&["receive"]).ok();
    }
    let of = |person: &crate::common::Person| person.json(&["contacts"]).ok().lines()[0].clone();
    assert_eq!((&of(ada)["asked"], &of(ada)["session_trouble"]), (&false.into(), &serde_json::Value::Null));
    assert_eq!(ada.json(&["status"]).ok().json()["damaged"], 0);
    ada.run(&["begin-again", "ben"]).ok();
    assert_eq!(of(ada)["asked"], true);
    let human = ada.run(&["contacts"]).ok().out;
    assert!(human.contains("\n    begins again with you: ben has not answered yet"), "{human}");
    ben.run(&["receive"]).ok();
    let asked = ben.run(&["contacts"]).ok().out;
    assert!(asked.contains("\n    WAITS FOR YOUR WORD: ada asks to begin again"), "{asked}");
    ben.run(&["agree", "ada"]).ok();
    ben.run(&["send", "ada", "it was you"]).ok();
    let begin = Instant::now();
    while of(ada)["asked"] != false {
        assert!(begin.elapsed() < PATIENCE);
        ben.run(&["receive"]).ok();
        ada.run(&["receive"]).ok();
    }
}

#[test]
fn a_text_leaves_with_the_command_that_learns_of_the_acceptance() {
    let sandbox = Sandbox::new();
    let link = sandbox.link();
    let queued = sandbox.ada.json(&["send", "ben", "first"]).ok().json();
    assert_eq!(queued["state"], "queued", "{queued}");
    sandbox.ben.run(&["accept", &link, "ada"]).ok();
    // Ada's vault does not know of it yet.
    let stored = sandbox.ada.json(&["send", "ben", "second"]).ok().json();
    assert_eq!(stored["state"], "stored", "{stored}");
    assert_eq!(sandbox.ben.texts(), ["first", "second"]);
}
