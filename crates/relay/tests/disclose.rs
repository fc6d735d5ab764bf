//! The answer to a lawful request: all that is stored about a mailbox, found by its rights, exact.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_relay::clock::system_day;
use deaddrop_relay::disclose::{ABSENT, ELSEWHERE, WHILE_RUNNING};
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::AnswerCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// Runs `disclose` with `input` on its standard input.
fn ask(data: &Path, args: &[&str], input: &str) -> (bool, String) {
    let mut command = program();
    command.args(["disclose", "--data"]).arg(data).args(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn ask_json(data: &Path, args: &[&str], input: &str) -> Value {
    let (worked, said) = ask(data, &[args, &["--json"]].concat(), input);
    assert!(worked, "{said}");
    serde_json::from_str(&said).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the hashes and the handle out of a mailbox, whose values are random. Asserts their lengths.
fn take_hashes(mailbox: &mut Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut take = |place: &mut Value, digits: usize| {
        let hash = place.take();
        let hash = hash.as_str().unwrap().to_owned();
        assert!(hash.len() == digits && hash.bytes().all(|digit| digit.is_ascii_hexdigit()), "{hash}");
        all.insert(hash);
    };
    assert!(mailbox["order"].take().is_u64());
    take(&mut mailbox["handle"], 12);
    take(&mut mailbox["owner"], 32);
    take(&mut mailbox["reader"], 32);
    mailbox["doors"].as_array_mut().unwrap().iter_mut().for_each(|door| take(&mut door["sender"], 32));
    mailbox["blobs"].as_array_mut().unwrap().iter_mut().for_each(|blob| take(&mut blob["hash"], 32));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_holds_exactly_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let relay = Relay::serve(&data, &[]);
    let fingerprint = *relay.address.fingerprint();
    let (mailbox, other) = (Mailbox::new(), Mailbox::new());
    let mut client = Client::connect(&relay.address, 1).await;
    let today = system_day();
    for mailbox in [&mailbox, &other] {
        assert_eq!(client.create(mailbox).await, AnswerCode::Done);
    }
    let blobs: Vec<_> = [SizeClass::Small, SizeClass::Small, SizeClass::Large].map(blob).into();
    for blob in &blobs {
        assert_eq!(client.put(&mailbox.send, blob.clone()).await, AnswerCode::Done);
    }
    let (worked, said) = ask(&data, &["--all"], "");
    assert!(!worked && said.contains("stop it, then ask again"), "{said}");
    client.subscribe(1, &mailbox.read).await;
    client.delivery().await;
    client.ack(1, 1).await;
    assert!(relay.stop());
    let before = std::fs::read(data.join("store.shred")).unwrap();

    let expected = |matched: Value| {
        let blob = |bytes: usize, kept: u32, order: &Value| {
            json!({
                "order": order, "bytes": bytes, "door": 7, "last_day": today.plus(kept).to_string(),
                "put_on": today.to_string(), "hash": null,
            })
        };
        move |answer: &Value| {
            json!({
                "fingerprint": fingerprint.to_string(),
                "asked": answer["asked"],
                "day": today.to_string(),
                "mailboxes": [{
                    "matched": matched,
                    "handle": null, "order": null, "owner": null, "reader": null,
                    "doors": [{ "number": 7, "sender": null }],
                    "lease_days": 30, "lease_ends": today.plus(30).to_string(), "fixed": false, "volatile": false,
                    "used": true, "unused_until": null, "quota_blobs": 256, "quota_bytes": 4_194_304,
                    "counts": { "small": 1, "medium": 0, "large": 1 },
                    "bytes": 4_096 + 65_536,
                    "blobs": [
                        blob(4_096, 30, &answer["mailboxes"][0]["blobs"][0]["order"]),
                        blob(65_536, 7, &answer["mailboxes"][0]["blobs"][1]["order"]),
                    ],
                }],
                "expires_from": null,
                "moved": null,
                "blobs_without_mailbox_count": 0,
                "blobs_without_mailbox": [],
                "statistics_days": 0,
                "other_records": 0,
                "damaged_mailboxes": 0,
                "store": answer["store"],
                "not_there": ABSENT, "while_running": WHILE_RUNNING, "elsewhere": ELSEWHERE,
            })
        }
    };
    let (own, read, send) = (
        mailbox.own.present(&fingerprint),
        mailbox.read.present(&fingerprint),
        mailbox.send.present(&fingerprint),
    );
    let mut hashes = BTreeSet::new();
    for (argument, bytes, right, form) in [
        ("--mailbox", *mailbox.own.id(&fingerprint).as_bytes(), "owner", "id"),
        ("--mailbox", *mailbox.read.id(&fingerprint).as_bytes(), "reader", "id"),
        ("--mailbox", *mailbox.send.id(&fingerprint).as_bytes(), "sender", "id"),
        ("--capability", *own.expose(), "owner", "presented"),
        ("--capability", *read.expose(), "reader", "presented"),
        ("--capability", *send.expose(), "sender", "presented"),
        ("--capability", *mailbox.own.expose(), "owner", "secret"),
        ("--capability", *mailbox.read.expose(), "reader", "secret"),
        ("--capability", *mailbox.send.expose(), "sender", "secret"),
    ] {
        let mut answer = ask_json(&data, &[argument, "-"], &format!("{}\n", hex(&bytes)));
        let matched = json!({ "right": right, "form": form, "door": (right == "sender").then_some(7) });
        hashes.insert(take_hashes(&mut answer["mailboxes"][0]));
        assert_eq!(answer, expected(matched)(&answer), "{argument} {right} {form}");
        let (worked, said) = ask(&data, &[argument, "-"], &hex(&bytes).to_uppercase());
        assert!(worked && said.contains("All that is stored about this mailbox"), "{said}");
        assert!(said.contains("1 of 4 KiB, 0 of 16 KiB, 1 of 64 KiB"), "{said}");
        assert!(!said.contains(&hex(&bytes)), "what was asked for is not repeated");
    }
    assert_eq!(hashes.len(), 1, "all rights lead to the same mailbox");
    assert_eq!(std::fs::read(data.join("store.shred")).unwrap(), before, "nothing is written");

    let all = ask_json(&data, &["--all"], "");
    assert_eq!((all["mailboxes"].as_array().unwrap().len(), &all["asked"]), (2, &"all".into()));
    // The sealed bytes, as their sender put them.
    let folder = dir.path().join("blobs");
    let given = ask_json(&data, &["--all", "--blobs", folder.to_str().unwrap()], "");
    let full = given["mailboxes"].as_array().unwrap().iter().find(|mailbox| mailbox["bytes"] != 0).unwrap();
    let files: Vec<_> =
        full["blobs"].as_array().unwrap().iter().map(|blob| blob["file"].as_str().unwrap()).collect();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    for (file, blob) in files.iter().zip(&blobs[1..]) {
        assert!(std::fs::read(folder.join(file)).unwrap() == blob.as_bytes());
    }
    let (worked, said) = ask(&data, &["--all", "--blobs", folder.to_str().unwrap()], "");
    assert!(!worked && said.contains("exists already"), "{said}");
}

#[test]
fn a_move_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let mark = json!({
        "version": 1, "url": "wss://new.example/", "key": "07".repeat(32), "moved_on": "2026-11-29", "day": "2026-11-29",
        "expires_from": "1970-01-01", "last_day": "2027-03-23", "confirmed": false,
    });
    std::fs::write(data.join("moved.json"), mark.to_string()).unwrap();
    let answer = ask_json(&data, &["--all"], "");
    let told = json!({
        "url": "wss://new.example/", "moved_on": "2026-11-29", "key_hash": "0707-0707-0707-0707-0707",
    });
    assert_eq!(answer["moved"], told);
    let (worked, said) = ask(&data, &["--all"], "");
    assert!(worked && said.contains("moved to wss://new.example/ on 2026-11-29"), "{said}");
}

#[test]
fn a_question_is_read_from_standard_input_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let digits = "5a".repeat(32);
    for argument in ["--mailbox", "--capability"] {
        let (worked, said) = ask(&data, &[argument, &digits], "");
        assert!(!worked && said.contains("give `-`") && !said.contains(&digits), "{said}");
        for input in
            ["", "5a", &digits[1..], &format!("{digits}00"), &"5a".repeat(4_000), "z".repeat(64).as_str()]
        {
            let (worked, said) = ask(&data, &[argument, "-"], input);
            assert!(!worked && said.contains("64 hexadecimal digits") && !said.contains("5a5a"), "{said}");
        }
        let answer = ask_json(&data, &[argument, "-"], &digits);
        assert_eq!(answer["mailboxes"], json!([]));
        let (worked, said) = ask(&data, &[argument, "-"], &digits);
        assert!(worked && said.contains("No mailbox "), "{said}");
        assert!(said.contains("or may never have existed"), "{said}");
    }
    let (worked, said) = ask(&data, &[], "");
    assert!(!worked && said.contains("--all"), "{said}");
    assert!(!ask(&data, &["--all", "--mailbox", "-"], &digits).0);
}
