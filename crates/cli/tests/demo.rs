//! The demonstration and the replay, as a user runs them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{fmt::Write as _, fs, path::Path};

use common::{deaddrop, run};

#[test]
fn the_demo_tells_the_whole_story_and_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let done = run(deaddrop().arg("demo").env("TMPDIR", temp.path())).ok();
    for word in ["invite", "offline", "lands", "delivered", "inspect", "holds 0 blobs"] {
        assert!(done.out.contains(word), "{word}: {}", done.out);
    }
    assert!(!done.out.contains('\u{1b}'), "no colours without a terminal");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "everything is cleaned up");
}

#[test]
fn a_replay_with_flights_and_crashes_delivers_every_line_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.tsv");
    fs::write(&talk, conversation(90)).unwrap();
    let replay = |more: &[&str]| {
        run(deaddrop()
            .args(["demo", "--flights", "3", "--crashes", "3", "--transcript"])
            .arg(&talk)
            .args(more))
    };
    let text = replay(&["--me", "Lily"]).ok();
    let last = text.out.lines().last().unwrap();
    assert_eq!(last, "90 of 90 delivered, 0 lost, 0 duplicated, 0 out of order; relay holds 0 blobs");
    let json = replay(&["--json"]).ok().json();
    for (name, figure) in
        [("sent", 90), ("delivered", 90), ("lost", 0), ("duplicated", 0), ("out_of_order", 0)]
    {
        assert_eq!(json[name], figure, "{name}: {json}");
    }
    for (name, figure) in [("relay_blobs", 0), ("flights", 3), ("crashes", 3)] {
        assert_eq!(json[name], figure, "{name}: {json}");
    }
    assert!(json["seconds"].is_number(), "{json}");
}

#[test]
fn a_monologue_is_a_conversation_too() {
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.tsv");
    fs::write(&talk, "Ada\tone\nAda\tone\nAda\t\u{1f980}").unwrap();
    let done =
        run(deaddrop().args(["demo", "--flights", "2", "--crashes", "1", "--transcript"]).arg(&talk)).ok();
    assert!(
        done.out.ends_with("\n3 of 3 delivered, 0 lost, 0 duplicated, 0 out of order; relay holds 0 blobs\n"),
        "{done:?}"
    );
}

#[test]
fn log_and_inspect_of_a_whole_run_name_no_person() {
    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk.tsv");
    fs::write(&talk, conversation(60)).unwrap();
    let kept = folder.path().join("kept");
    let mut command = deaddrop();
    command
        .args(["demo", "--flights", "2", "--crashes", "1", "--transcript"])
        .arg(&talk)
        .arg("--keep")
        .arg(&kept);
    run(command.env("RUST_LOG", "trace")).ok();
    let log = fs::read_to_string(kept.join("relay").join("relay.log")).unwrap();
    assert!(log.lines().count() > 3, "the relay was not talkative: {log}");
    let inspected =
        run(deaddrop().args(["relay", "inspect", "--json", "--data"]).arg(kept.join("relay/data"))).ok().out;
    for (name, text) in [("log", &log), ("inspect", &inspected)] {
        names_no_person(name, text);
    }
    assert!(kept_files(&kept) > 3);
}

/// Checks that a log or report of the relay (called `name`) holds no text of the conversation, no
/// network address but the one that the relay listens on, and nothing that could be a key, a hash,
/// a capability or a part of a blob.
fn names_no_person(name: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains("line ") && !line.contains("Lily"), "{name} holds a text: {line}");
        let listens = line.contains("listen") || line.contains("ws://");
        let address = line.split(|c: char| !(c.is_ascii_digit() || c == '.')).any(|word| {
            word.split('.').count() == 4 && word.split('.').all(|part| part.parse::<u8>().is_ok())
        });
        assert!(
            listens || !(address || line.contains("::1") || line.contains("localhost")),
            "{name} holds an address: {line}"
        );
        // 16 bytes in hexadecimal, or 15 and more in base 64, are no accident.
        for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')) {
            let hex = word.len() >= 24 && word.chars().all(|c| c.is_ascii_hexdigit());
            let mixed = word.chars().any(|c| c.is_ascii_digit())
                && word.chars().any(|c| c.is_ascii_uppercase())
                && word.chars().any(|c| c.is_ascii_lowercase());
            assert!(listens || !(hex || (mixed && word.len() >= 20)), "{name} holds an identifier: {line}");
        }
        // A list of numbers is how bytes look when they are debug-printed.
        let numbers = line.split([',', '[', ']']).filter(|word| word.trim().parse::<u8>().is_ok()).count();
        assert!(numbers < 12, "{name} holds bytes: {line}");
    }
}

fn kept_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { kept_files(&path) } else { 1 }).sum()
}

fn conversation(lines: usize) -> String {
    let speakers = ["Lily", "Roper", "Lily", "Jeyes", "Roper", "Roper", "Lily"];
    let mut text = String::new();
    for n in 0..lines {
        // Every seventh line is the same text: equal lines are still lines of their own.
        let tail = if n % 7 == 0 {
            String::from("Yes.")
        } else {
            format!("line {n} {}", "\u{e9}\u{1f980} ".repeat(n % 40))
        };
        let _ = writeln!(text, "{}\t{tail}", speakers[n % speakers.len()]);
    }
    text
}
