//! Names and texts that are not what they look like.

use crate::common::Sandbox;

#[test]
fn a_name_has_one_spelling_and_no_double() {
    let sandbox = Sandbox::new();
    let (ada, ben, link) = (&sandbox.ada, &sandbox.ben, sandbox.link_for(" Ju\u{308}rgen "));
    assert_eq!(ada.json(&["contacts"]).ok().lines()[0]["name"], "J\u{fc}rgen");
    ben.run(&["accept", &link, "Ame\u{301}lie"]).ok();
    ben.run(&["send", "Am\u{e9}lie", "hello"]).ok();
    let got = ada.json(&["receive", "--from", "Ju\u{308}rgen"]).ok().lines();
    assert!(got.iter().any(|event| event["text"] == "hello" && event["from"] == "J\u{fc}rgen"), "{got:?}");
    for hidden in ["b\u{200b}en", "ben\u{202e}", "\u{feff}ben", "ben\u{e0041}", "b\u{ad}en"] {
        ada.run(&["invite", hidden]).fails(&["invisible"]);
    }
    // Cyrillic, full width, another case.
    for double in ["Am\u{e9}l\u{456}e", "\u{ff21}m\u{e9}lie", "am\u{e9}lie"] {
        ben.run(&["invite", double]).fails(&["looks like"]);
        ben.run(&["accept", &sandbox.link_for(&format!("x{}", double.len())), double]).fails(&["looks like"]);
    }
    assert_eq!(ben.json(&["contacts"]).ok().lines().len(), 1);
}

#[test]
fn what_is_not_seen_in_a_text_is_shown() {
    let sandbox = Sandbox::connected();
    let text = "pay\u{202e}001\u{200e}\u{2028}\u{e0041}\u{9b}2J\u{feff} \u{1f468}\u{200d}\u{1f680}";
    sandbox.ben.run(&["send", "ada", text]).ok();
    let human = sandbox.ada.run(&["receive"]).ok().out;
    let shown = "pay\\u{202e}001\\u{200e}\\u{2028}\\u{e0041}\\u{9b}2J\\u{feff} \u{1f468}\u{200d}\u{1f680}";
    assert!(human.contains(&format!("ben: {shown}\n")), "{human}");
    let json = sandbox.ada.json(&["receive", "--after", "0"]).ok();
    assert!(json.out.contains("pay\\u202e001\\u200e\\u2028\\udb40\\udc41\\u009b2J\\ufeff"), "{}", json.out);
    assert!(json.lines().iter().any(|event| event["text"] == text), "a program gets the text as it is");
}
