//! A relay that has lost a text: what follows is shown, and the lost one comes late.

use super::*;
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Time for which a client holds a text back behind a missing one, by default.
const GAP_WAIT: Duration = Duration::from_secs(30);
/// Maximum time to wait for a missing text: more than it takes until the sender sends it again.
const PATIENCE: Duration = Duration::from_secs(240);

#[test]
fn what_follows_a_lost_text_is_shown_and_the_lost_one_comes_late() {
    let mut sandbox = Sandbox::new();
    sandbox.relay.kill();
    sandbox.relay.is_volatile = true;
    sandbox.relay.serve();
    let link = sandbox.link();
    sandbox.ben.run(&["accept", &link, "ada"]).ok();
    settle(&sandbox);
    let lost = send(&sandbox.ben, "ada", "lost with the relay");
    sandbox.relay.kill();
    sandbox.relay.serve();
    let held = send(&sandbox.ben, "ada", "came after it");
    let (ada, ben) = (&sandbox.ada, &sandbox.ben);
    let mut shown = [Shown::default(), Shown::default()];
    let begin = Instant::now();
    loop {
        shown[0].look(ada);
        shown[1].look(ben);
        let status = ada.json(&["status"]).ok().json();
        if status["held"].as_u64() >= Some(1) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{status} {shown:#?}");
        sleep(Duration::from_millis(100));
    }
    let human = ada.run(&["status"]).ok().out;
    assert!(human.contains("came before an earlier one that is missing"), "{human}");
    // Ben's program learns of it meanwhile.
    for _ in 0..2 {
        shown[0].look(ada);
        shown[1].look(ben);
    }
    assert!(!shown[0].has("messages_missing") && !shown[0].has_text("came after it"), "{shown:#?}");

    // One look after the wait is enough.
    sleep(GAP_WAIT + Duration::from_secs(5));
    shown[0].look(ada);
    let kinds: Vec<&str> = shown[0].0.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    let place = |kind: &str| kinds.iter().position(|shown| *shown == kind);
    assert!(place("messages_missing").is_some(), "{shown:#?}");
    assert!(place("messages_missing") < place("text"), "{shown:#?}");
    let event = |kind: &str| shown[0].0.iter().find(|event| event["kind"] == kind).unwrap();
    let ranges = event("messages_missing")["missing"].as_array().unwrap();
    assert!(ranges.len() == 1 && ranges[0]["first"] == ranges[0]["last"], "{ranges:?}");
    let text = event("text");
    assert_eq!((&text["text"], &text["late"]), (&"came after it".into(), &false.into()), "{text}");

    // Ben's program sends it again a minute after it has learnt of it.
    let begin = Instant::now();
    while !(shown[0].has_text("lost with the relay")
        && [&lost, &held].iter().all(|message| shown[1].delivered().contains(*message)))
    {
        assert!(begin.elapsed() < PATIENCE, "{} {shown:#?}", ben.json(&["status"]).out);
        shown[1].look(ben);
        shown[0].look(ada);
        sleep(Duration::from_millis(500));
    }
    let late = shown[0].0.iter().find(|event| event["text"] == "lost with the relay").unwrap();
    assert_eq!(late["late"], true, "{late}");
    shown[0].check_once();
    let human = ada.run(&["receive", "--after", "0"]).ok().out;
    assert!(human.contains("ben (late): lost with the relay"), "{human}");
    assert!(human.contains("1 message of ben has not come"), "{human}");
    for person in [ada, ben] {
        let status = person.json(&["status"]).ok().json();
        assert_eq!((&status["held"], &status["missing"]), (&0.into(), &0.into()), "{status}");
    }
}
