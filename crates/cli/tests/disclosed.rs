//! All that is left at a relay after a thousand messages between people with names: the answer of
//! `disclose`, and every byte of its directory.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{PATIENCE, Relay, deaddrop, run};
use deaddrop_client::{Client, Config, EventKind, Unlock};
use deaddrop_relay::data_dir::DataDir;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

const ROSALIND: &str = "Rosalind Kestrel";
const DMITRI: &str = "Dmitri Sandpiper";
/// Number of messages in each direction.
const EACH: usize = 500;
/// Words that are in each text.
const WORDS: &str = "the heron waits by the third weir";

async fn person(folder: &Path, name: &str, relay: &Relay) -> Client {
    let config = Config {
        receipt_delay: Duration::from_millis(20)..Duration::from_millis(100),
        backoff: Duration::from_millis(20)..Duration::from_millis(500),
        patience: Duration::from_secs(20),
        ..Config::default()
    };
    let relay = Some(relay.address.parse().unwrap());
    Client::create(folder.join(name), Unlock::KeyFile, relay, config).await.unwrap()
}

/// Takes messages until there are as many as were sent.
async fn take_all(client: &Client, from: &str) {
    let mut taken = 0;
    let all = async {
        let mut after = 0;
        while taken < EACH {
            let event = client.next_event(after).await.unwrap();
            after = event.number;
            let is_text =
                matches!(&event.kind, EventKind::MessageReceived { text, .. } if text.contains(WORDS));
            taken += usize::from(is_text && event.contact == from);
        }
    };
    timeout(PATIENCE * 2, all).await.unwrap_or_else(|_| panic!("{:?}", client.status()));
}

async fn settle(client: &Client) {
    let begin = Instant::now();
    while client.status().map(|status| (status.unsent, status.unreceipted)).unwrap() != (0, 0) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", client.status());
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the relay has no blob. Panics after [`PATIENCE`].
async fn wait_until_empty(relay: &Relay) {
    let begin = Instant::now();
    while relay.inspect()["blobs"] != 0 {
        assert!(begin.elapsed() < PATIENCE, "{}", relay.inspect());
        sleep(Duration::from_millis(100)).await;
    }
}

fn has(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|part| part == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_mailbox_says_nothing_about_people() {
    let folder = tempfile::tempdir().unwrap();
    let mut relay = Relay::start(&folder.path().join("relay"));
    relay.kill();
    relay.is_hasty = true;
    relay.serve();
    let (rosalind, dmitri) =
        (person(folder.path(), "rosalind", &relay).await, person(folder.path(), "dmitri", &relay).await);
    let link = rosalind.invite(DMITRI).await.unwrap();
    dmitri.accept(&link, ROSALIND).await.unwrap();
    for number in 0..EACH {
        dmitri.send(ROSALIND, &format!("{WORDS}, {number}")).await.unwrap();
    }
    take_all(&rosalind, DMITRI).await;
    for number in 0..EACH {
        rosalind.send(DMITRI, &format!("{WORDS}: {number}")).await.unwrap();
    }
    take_all(&dmitri, ROSALIND).await;
    for client in [&rosalind, &dmitri] {
        settle(client).await;
    }
    wait_until_empty(&relay).await;
    for client in [rosalind, dmitri] {
        client.close().await.unwrap();
    }
    wait_until_empty(&relay).await;
    relay.kill();

    let data = relay.folder.join("data");
    let ask = |json: &[&str]| {
        run(deaddrop().args(["relay", "disclose", "--all", "--data"]).arg(&data).args(json)).ok()
    };
    let (answer, text) = (ask(&["--json"]), ask(&[]).out);
    let told = answer.json();
    let mailboxes = told["mailboxes"].as_array().unwrap();
    // Of each mailbox this is all. The hashes and the handle are random or keyed.
    let mut shapes: Vec<Value> = mailboxes.clone();
    for mailbox in &mut shapes {
        assert!(mailbox["order"].take().is_u64());
        for random in ["handle", "owner", "reader"] {
            assert!(mailbox[random].take().is_string());
        }
        for door in mailbox["doors"].as_array_mut().unwrap() {
            assert!(door["sender"].take().is_string());
        }
    }
    let today = deaddrop_relay::clock::system_day();
    let shape = |lease_days: u32, is_fixed: bool, quota_blobs: u32, quota_bytes: u32| {
        json!({
            "matched": null, "handle": null, "order": null, "owner": null, "reader": null,
            "doors": [{ "number": 0, "sender": null }],
            "lease_days": lease_days, "lease_ends": today.plus(lease_days).to_string(), "fixed": is_fixed, "volatile": false,
            "used": true, "unused_until": null, "quota_blobs": quota_blobs, "quota_bytes": quota_bytes,
            "counts": { "small": 0, "medium": 0, "large": 0 }, "bytes": 0, "blobs": [],
        })
    };
    // The invite's mailbox; of each person one for the contact, and a sentinel, which gets nothing.
    let (contact, sentinel) = (shape(90, false, 256, 4_194_304), shape(90, false, 4, 65_536));
    let count = |shape: &Value| shapes.iter().filter(|found| *found == shape).count();
    let counts = [count(&shape(30, true, 1, 4_096)), count(&contact), count(&sentinel)];
    assert_eq!((counts, shapes.len()), ([1, 2, 2], 5), "{shapes:#?}");
    let keys: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let all = [
        "asked",
        "blobs_without_mailbox",
        "blobs_without_mailbox_count",
        "damaged_mailboxes",
        "day",
        "elsewhere",
        "expires_from",
        "fingerprint",
        "mailboxes",
        "moved",
        "not_there",
        "other_records",
        "statistics_days",
        "store",
        "while_running",
    ];
    assert_eq!(keys, all);
    assert_eq!((&told["other_records"], &told["damaged_mailboxes"]), (&0.into(), &0.into()));
    assert!(text.contains("0 of 4 KiB, 0 of 16 KiB, 0 of 64 KiB; 0 bytes\n"), "{text}");

    // Names, words, parts of invites and addresses are in no file, in no record and in no answer.
    let needles: [&[u8]; 7] = [
        ROSALIND.as_bytes(),
        DMITRI.as_bytes(),
        b"Kestrel",
        b"Sandpiper",
        WORDS.as_bytes(),
        b"heron",
        b"127.0.0.1",
    ];
    let mut places: Vec<(String, Vec<u8>)> = vec![
        ("the answer".to_owned(), answer.out.into_bytes()),
        ("the text".to_owned(), text.into_bytes()),
        ("the log".to_owned(), std::fs::read(relay.log()).unwrap()),
    ];
    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    let reader = DataDir::at(&data).look().unwrap();
    for entry in reader.entries() {
        places.push((format!("{entry:?}"), reader.read(&entry.key).unwrap()));
    }
    assert!(places.len() > 7, "{}", places.len());
    for (name, bytes) in &places {
        // The configuration is the operator's: its example of an address is a comment.
        let needles =
            needles.iter().filter(|needle| !name.ends_with("config.toml") || !needle.starts_with(b"127"));
        for needle in needles {
            assert!(!has(bytes, needle), "{} is in {name}", String::from_utf8_lossy(needle));
        }
    }
}
