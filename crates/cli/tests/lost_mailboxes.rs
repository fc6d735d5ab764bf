//! A relay that has lost all mailboxes: commands that run for a moment are enough for the two
//! people to hear from each other again.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::Sandbox;

/// Lets each person run `receive` once. Returns the texts that were shown to Ada and to Ben.
fn round(sandbox: &Sandbox) -> [Vec<String>; 2] {
    [&sandbox.ada, &sandbox.ben].map(|person| common::texts(&person.json(&["receive"]).lines()))
}

/// Lets both run `receive` until each was shown a text, at most `rounds` times. Checks that these
/// are the wanted texts, for Ada and for Ben.
#[track_caller]
fn look(sandbox: &Sandbox, rounds: usize, wanted: [&str; 2]) {
    let mut shown = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (all, new) in shown.iter_mut().zip(round(sandbox)) {
            all.extend(new);
        }
        if shown.iter().all(|texts| !texts.is_empty()) {
            break;
        }
    }
    assert_eq!(shown, wanted.map(|text| vec![text.to_owned()]));
}

/// Makes Ada and Ben, who have talked, at a relay that keeps everything in memory and so loses it
/// with its process.
fn connected() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.relay.kill();
    sandbox.relay.is_volatile = true;
    sandbox.relay.serve();
    let link = sandbox.link();
    sandbox.ben.run(&["accept", &link, "ada"]).ok();
    round(&sandbox);
    sandbox.ada.run(&["send", "ben", "to ben"]).ok();
    sandbox.ben.run(&["send", "ada", "to ada"]).ok();
    look(&sandbox, 4, ["to ada", "to ben"]);
    sandbox
}

#[test]
fn status_counts_what_is_missing_on_both_sides() {
    let mut sandbox = connected();
    round(&sandbox);
    sandbox.ben.run(&["send", "ada", "lost with the relay"]).ok();
    sandbox.relay.kill();
    sandbox.relay.serve();
    sandbox.ben.run(&["send", "--wait", "1", "ada", "held"]);
    for _ in 0..4 {
        round(&sandbox);
    }
    let [ada, ben] = [&sandbox.ada, &sandbox.ben].map(|person| person.json(&["status"]).ok().json());
    assert!(ada["held"].as_u64() >= Some(1) && ada["missing"] == 0, "{ada}");
    assert!(ben["missing"].as_u64() >= Some(1) && ben["held"] == 0, "{ben}");
}

#[test]
fn commands_make_lost_mailboxes_again_and_tell_them_in_the_same_run() {
    let mut sandbox = connected();
    for lost in 1..3 {
        sandbox.relay.kill();
        sandbox.relay.serve();
        let texts = [format!("to ada after loss {lost}"), format!("to ben after loss {lost}")];
        // They are queued: the relay has no mailbox to put them into.
        sandbox.ada.run(&["send", "--wait", "1", "ben", &texts[1]]);
        sandbox.ben.run(&["send", "--wait", "1", "ada", &texts[0]]);
        look(&sandbox, 4, [&texts[0], &texts[1]]);
    }
}
