//! A relay moves to another host: the real program, from the export to the end of the old store.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod moves;

use common::*;
use deaddrop_relay::clock::Now;
use deaddrop_relay::data_dir::{DataDir, DataDirError};
use deaddrop_relay::limits::Limits;
use deaddrop_relay::store::Store;
use deaddrop_wire::item::AnswerCode;
use deaddrop_wire::{Blob, Day, SizeClass};
use moves::*;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Puts blobs of all classes into a mailbox of a served relay, and acks the first one. Returns the
/// mailbox, and the blobs that are left, in order.
async fn fill(data: &Path) -> (Mailbox, Vec<Blob>) {
    let relay = Relay::serve(data, &[]);
    let mailbox = Mailbox::new();
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    let mut blobs = Vec::new();
    for class in [SizeClass::Small, SizeClass::Large, SizeClass::Medium].repeat(3) {
        let blob = blob(class);
        assert_eq!(client.put(&mailbox.send, blob.clone()).await, AnswerCode::Done);
        blobs.push(blob);
    }
    client.subscribe(1, &mailbox.read).await;
    client.delivery().await;
    client.ack(1, 1).await;
    assert!(relay.stop());
    blobs.remove(0);
    (mailbox, blobs)
}

/// Lets the relay record the statistics of yesterday.
async fn record_statistics(data: &Path) {
    const DAY_S: u64 = 86_400;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let today = u32::try_from(unix / DAY_S).unwrap();
    let store = DataDir::at(data).open(Limits::DEFAULT, &mut rand::rng()).unwrap();
    for (day, ms) in (today - 2..=today).zip([0, DAY_S * 1_000, 2 * DAY_S * 1_000]) {
        while store.sweep(Now::new(Day::from_number(day), ms), 1_000).await {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new, file) = (dir.path().join("old"), dir.path().join("new"), dir.path().join("file"));
    init(&old);
    std::fs::write(old.join("config.toml"), format!("create_token = \"a secret word\"\n{HURRIED}")).unwrap();
    let fingerprint = DataDir::at(&old).identity().unwrap().fingerprint().to_string();
    std::fs::write(old.join("config.toml"), HURRIED).unwrap();
    record_statistics(&old).await;
    let (mailbox, blobs) = fill(&old).await;
    std::fs::write(old.join("config.toml"), format!("create_token = \"a secret word\"\n{HURRIED}")).unwrap();

    let prepared = said(&["import", "--prepare", "--url", URL, "--json"], &new);
    let key = prepared["key"].as_str().unwrap();
    assert_eq!(key.parse::<deaddrop_relay::moving::TransferKey>().unwrap().url().as_str(), URL);
    let exported = said(&["export", "--to", key, "--out", file.to_str().unwrap(), "--json"], &old);
    assert_eq!((&exported["moved_to"], &exported["key_hash"]), (&URL.into(), &prepared["key_hash"]));
    assert_eq!((&exported["records"], &exported["damaged"]), (&11.into(), &0.into()));
    let sealed = std::fs::read(&file).unwrap();
    for part in [&std::fs::read(old.join("identity.key")).unwrap()[..], b"a secret word"] {
        assert!(!sealed.windows(part.len()).any(|window| window == part), "the file is sealed");
    }

    let imported = said(&["import", file.to_str().unwrap(), "--json"], &new);
    assert_eq!(imported["fingerprint"], fingerprint);
    assert_eq!((&imported["records"], &imported["bytes"]), (&exported["records"], &exported["bytes"]));
    assert_eq!((&imported["create_token_needed"], &imported["limits_taken"]), (&true.into(), &true.into()));
    let config = DataDir::at(&new).config(None).unwrap();
    assert_eq!((config.url.as_deref(), config.create_token.is_none()), (Some(URL), true));
    assert_eq!(config.limits, Limits { ..DataDir::at(&old).config(None).unwrap().limits });
    assert_eq!(records(&new), records(&old));
    let statistics = said(&["statistics", "--json"], &new);
    assert_eq!(statistics["days"].as_array().map(Vec::len), Some(1));
    assert_eq!(said(&["statistics", "--json"], &old)["moved_to"], URL, "the old host tells none");
    assert_eq!(names(&new), ["config.toml", "identity.key", "imported.key", "store.key", "store.shred"]);

    // The tests listen on any free port, which the URL cannot name.
    std::fs::write(new.join("config.toml"), HURRIED).unwrap();
    let relay = Relay::serve(&new, &["--listen", "127.0.0.1:0"]);
    let mut client = Client::connect(&relay.address, 2).await;
    client.subscribe(1, &mailbox.read).await;
    for (tag, blob) in (1..).zip(&blobs) {
        assert!(client.delivery().await.blob == *blob, "in order");
        client.ack(1, tag).await;
    }
    let again = self::blob(SizeClass::Small);
    assert_eq!(client.put(&mailbox.send, again.clone()).await, AnswerCode::Done);
    assert!(client.delivery().await.blob == again, "nothing comes twice, and the mailbox works");
    assert!(relay.stop());

    // Until the receipt is shown, the old store opens; afterwards it is gone.
    assert!(residue(&old) >= 9);
    let (worked, text) = run(&["check"], &old);
    assert!(worked && text.contains("its store is still here"), "{text}");
    let receipt = imported["receipt"].as_str().unwrap();
    assert_eq!(said(&["import", "--receipt", "--json"], &new)["receipt"], receipt);
    let (worked, text) = run(&["export", "--confirm", "0000-0000-0000-0000-0000"], &old);
    assert!(!worked && text.contains("nothing was destroyed") && old.join("store.shred").exists(), "{text}");
    let confirmed = said(&["export", "--confirm", receipt, "--json"], &old);
    assert_eq!(confirmed["store"], "destroyed");
    assert_eq!(names(&old), ["config.toml", "identity.key", "moved.json"]);
    let (worked, text) = run(&["check"], &old);
    assert!(worked && text.contains("its store here is destroyed") && text.contains(URL), "{text}");
    let (worked, text) = run(&["export", "--to", key, "--out", dir.path().join("x").to_str().unwrap()], &old);
    assert!(!worked && text.contains("there is nothing to export"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_serves_is_not_exported_and_one_that_has_moved_is_not_served() {
    let case = Case::new();
    let relay = Relay::serve(&case.old, &[]);
    let (worked, text) = case.export(&case.file);
    assert!(!worked && text.contains("in use by another process"), "{text}");
    assert_eq!(names(&case.old), ["config.toml", "identity.key", "store.key", "store.shred"]);
    assert!(!case.file.exists());
    assert!(relay.stop());
    let (worked, text) = case.export(&case.file);
    assert!(worked && text.contains("This relay has moved"), "{text}");
    let data = DataDir::at(&case.old);
    assert_eq!(data.open_store(&mut rand::rng()).err(), Some(DataDirError::Moved));
    let (out, other) = (case.dir.path().join("second"), case.other_key());
    let other = ["export", "--to", &other, "--out", out.to_str().unwrap()];
    for args in [&["day", "set", "2026-01-02"][..], &other] {
        let (worked, text) = run(args, &case.old);
        assert!(
            !worked && (text.contains("has moved to another host") || text.contains(&case.hash)),
            "{text}"
        );
    }
    for args in [
        &["check", "--json"][..],
        &["inspect", "--json"],
        &["day", "show", "--json"],
        &["statistics", "--json"],
    ] {
        let state = said(args, &case.old);
        assert_eq!((&state["moved_to"], &state["store"]), (&URL.into(), &"present".into()));
        assert_eq!(state["key_hash"], case.hash);
    }
    // A mark that cannot be read is a mark.
    std::fs::write(case.old.join("moved.json"), "{}").unwrap();
    for command in ["serve", "check", "inspect"] {
        let (worked, text) = run(&[command], &case.old);
        assert!(!worked && text.contains("moved.json is damaged"), "{text}");
    }
}

#[test]
fn another_target_needs_the_hash_of_the_abandoned_one() {
    let case = Case::new();
    assert!(case.export(&case.file).0);
    let other = case.other_key();
    let out = case.dir.path().join("second");
    let to_other = |more: &[&str]| {
        let args = ["export", "--to", &other, "--out", out.to_str().unwrap()];
        run(&[&args[..], more].concat(), &case.old)
    };
    let (worked, text) = to_other(&[]);
    assert!(!worked && text.contains(&format!("--abandon {}", case.hash)) && !out.exists(), "{text}");
    let (worked, text) = to_other(&["--abandon", "0000-0000-0000-0000-0000"]);
    assert!(!worked && text.contains("names another key") && !out.exists(), "{text}");
    assert_eq!(said(&["check", "--json"], &case.old)["moved_to"], URL);
    let (worked, text) = to_other(&["--abandon", &case.hash]);
    assert!(worked && out.exists(), "{text}");
    assert_eq!(said(&["check", "--json"], &case.old)["moved_to"], "ws://127.0.0.1:2/");
    // The first key is the abandoned one now.
    let (worked, text) = case.export(&case.dir.path().join("third"));
    assert!(!worked && text.contains("--abandon"), "{text}");
    // Without an earlier export there is nothing to abandon.
    let fresh = Case::new();
    let args = ["export", "--to", &other, "--out", fresh.file.to_str().unwrap(), "--abandon", &case.hash];
    let (worked, text) = run(&args, &fresh.old);
    assert!(
        !worked && text.contains("nothing was changed") && !fresh.old.join("moved.json").exists(),
        "{text}"
    );
}

#[test]
fn a_file_is_imported_once_whole_and_by_its_key_only() {
    let case = Case::new();
    assert!(case.export(&case.file).0);
    let good = std::fs::read(&case.file).unwrap();
    let (worked, text) = case.export(&case.file);
    assert!(!worked && text.contains("exists already"), "{text}");

    let other = case.dir.path().join("other");
    said(&["import", "--prepare", "--url", URL, "--json"], &other);
    let (worked, text) = run(&["import", case.file.to_str().unwrap()], &other);
    assert!(!worked && text.contains("sealed to another key"), "{text}");
    let (worked, text) = run(&["import", case.file.to_str().unwrap()], &case.old);
    assert!(!worked && text.contains("was not prepared"), "{text}");

    let chunk = 65_536 + 16;
    assert!(good.len() > 2 * chunk, "{}", good.len());
    let flipped = |at: usize| {
        let mut changed = good.clone();
        changed[at] ^= 1;
        changed
    };
    let mut swapped = good.clone();
    let (first, second) = swapped[1_156..1_156 + 2 * chunk].split_at_mut(chunk);
    first.swap_with_slice(second);
    let bad = case.dir.path().join("bad");
    for (what, bytes) in [
        ("cut off", good[..good.len() - 1].to_vec()),
        ("cut off between chunks", good[..1_156 + 2 * chunk].to_vec()),
        ("empty", Vec::new()),
        ("longer", [&good[..], &[0]].concat()),
        ("flipped at the end", flipped(good.len() - 1)),
        ("flipped in the middle", flipped(good.len() / 2)),
        ("flipped in the head", flipped(40)),
        ("reordered", swapped),
    ] {
        std::fs::write(&bad, bytes).unwrap();
        let (worked, text) = run(&["import", bad.to_str().unwrap()], &case.new);
        let is_told = ["damaged", "not a file that", "another key"].iter().any(|part| text.contains(part));
        assert!(!worked && is_told, "{what}: {text}");
        assert_eq!(names(&case.new), ["import.key"], "{what}: as before");
    }

    for command in ["serve", "check", "inspect"] {
        let (worked, text) = run(&[command], &case.new);
        assert!(!worked && text.contains("waits for an import"), "{text}");
    }
    let lock = std::fs::File::open(case.new.join("import.key")).unwrap();
    lock.lock().unwrap();
    let (worked, text) = run(&["import", case.file.to_str().unwrap()], &case.new);
    assert!(!worked && text.contains("another process is importing"), "{text}");
    drop(lock);
    let secret = std::fs::read(case.new.join("import.key")).unwrap();
    let (worked, text) = run(&["import", case.file.to_str().unwrap()], &case.new);
    assert!(worked, "{text}");
    assert_no_file_holds(&case.new, &secret);
    let (worked, text) = run(&["import", case.file.to_str().unwrap()], &case.new);
    assert!(!worked && text.contains("the import into this directory is done"), "{text}");
    let (worked, text) = run(&["import", "--prepare", "--url", URL], &case.new);
    assert!(!worked && text.contains("something in this directory"), "{text}");
}

#[test]
fn a_preparation_gives_the_same_key_again_for_the_same_url() {
    let case = Case::new();
    assert_eq!(said(&["import", "--prepare", "--url", URL, "--json"], &case.new)["key"], case.key);
    let (worked, text) = run(&["import", "--prepare", "--url", "ws://127.0.0.1:9/"], &case.new);
    assert!(!worked && text.contains("prepared for another URL"), "{text}");
    let (worked, text) = run(&["import", "--prepare", "--url", "https://a/"], &case.dir.path().join("x"));
    assert!(!worked && text.contains("wss://HOST/"), "{text}");
    // A key is taken from a file, from standard input, and refused if it was not copied whole.
    let path = case.dir.path().join("key");
    std::fs::write(&path, format!("{}\n", &case.key)).unwrap();
    let out = case.file.to_str().unwrap();
    let (worked, text) = run(&["export", "--to", &case.key[..1_000], "--out", out], &case.old);
    assert!(!worked && text.contains("not a whole transfer key"), "{text}");
    let (worked, text) = run(&["export", "--to", &format!("@{}", path.display()), "--out", out], &case.old);
    assert!(worked && text.contains(&case.hash), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for path in [&case.file, &case.new.join("import.key"), &case.old.join("moved.json")] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn a_store_of_many_commits_keeps_its_order() {
    let case = Case::with_mailboxes(60);
    assert!(records(&case.old).iter().map(|record| record.3.len()).sum::<usize>() > 4 << 20);
    assert!(case.export(&case.file).0);
    let (worked, text) = run(&["import", case.file.to_str().unwrap(), "--max-mib", "4"], &case.new);
    assert!(!worked && text.contains("--max-mib"), "too small: {text}");
    assert_eq!(names(&case.new), ["import.key"], "as before");
    said(&["import", case.file.to_str().unwrap(), "--max-mib", "16", "--json"], &case.new);
    assert_eq!(records(&case.new), records(&case.old));
    assert_eq!(said(&["check", "--json"], &case.new)["filled"]["max_segments"], 16);
}

#[test]
fn a_backup_is_refused_with_a_reason() {
    let case = Case::new();
    let (worked, text) = run(&["backup"], &case.old);
    assert!(!worked && text.contains("delivered again") && text.contains("identity.key"), "{text}");
    let output = program().args(["backup", "--json", "--data"]).arg(&case.old).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["backup"], "refused");
}

#[test]
fn an_export_of_damaged_records_counts_them() {
    let case = Case::new();
    let before = records(&case.old);
    // One byte in the middle of the bodies: one record does not open any more.
    let path = case.old.join("store.shred");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = first_large_body(&case.old);
    bytes[place] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let exported =
        said(&["export", "--to", &case.key, "--out", case.file.to_str().unwrap(), "--json"], &case.old);
    assert_eq!(
        (&exported["damaged"], exported["records"].as_u64()),
        (&1.into(), Some(before.len() as u64 - 1))
    );
    said(&["import", case.file.to_str().unwrap(), "--json"], &case.new);
    let after = records(&case.new);
    assert_eq!(after.len(), before.len() - 1);
    assert!(after.iter().all(|record| before.contains(record)), "the others are whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_begin_leaves_a_relay_that_serves() {
    let case = Case::new();
    let before = names(&case.old);
    let (worked, text) = case.export(&case.dir.path().join("absent/file"));
    assert!(!worked && text.contains("cannot be read or written"), "{text}");
    assert_eq!(names(&case.old), before, "there is no mark");
    let identity = std::fs::read(case.old.join("identity.key")).unwrap();
    std::fs::write(case.old.join("identity.key"), &identity[1..]).unwrap();
    let (worked, text) = case.export(&case.file);
    assert!(!worked && text.contains("damaged"), "{text}");
    assert_eq!(names(&case.old), before, "there is no mark");
    assert_eq!(names(case.dir.path()), ["new", "old"], "no part of a file is left");
    std::fs::write(case.old.join("identity.key"), identity).unwrap();
    let relay = Relay::serve(&case.old, &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&Mailbox::new()).await, AnswerCode::Done);
    drop(client);
    assert!(relay.stop());
}

#[test]
fn a_relay_without_mailboxes_can_be_exported_again_for_some_time() {
    let case = Case::with_mailboxes(0);
    assert!(case.export(&case.file).0);
    let mark = deaddrop_relay::moving::MovedMark::read(&DataDir::at(&case.old)).unwrap().unwrap();
    assert!(mark.last_day >= deaddrop_relay::clock::system_day().plus(30), "{}", mark.last_day);
}

#[test]
fn the_limits_of_the_configuration_that_was_served_move() {
    let case = Case::new();
    let other = case.dir.path().join("other.toml");
    std::fs::write(&other, "create_token = \"a secret word\"\n[limits]\nputs_per_s = 7\n").unwrap();
    let (out, other) = (case.file.to_str().unwrap(), other.to_str().unwrap());
    said(&["export", "--to", &case.key, "--out", out, "--config", other, "--json"], &case.old);
    let imported = said(&["import", out, "--json"], &case.new);
    assert_eq!(
        (&imported["limits"], &imported["create_token_needed"]),
        (&"puts_per_s = 7\n".into(), &true.into())
    );
    assert_eq!(imported["store_key_was_in_file"], true);
}

#[test]
fn a_store_key_that_was_in_no_file_is_told_when_it_becomes_one() {
    let case = Case::new();
    let key: String =
        std::fs::read(case.old.join("store.key")).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::remove_file(case.old.join("store.key")).unwrap();
    std::fs::write(case.old.join("config.toml"), "store_key = \"env:MOVED_KEY\"\n").unwrap();
    let args = ["export", "--to", &case.key, "--out", case.file.to_str().unwrap(), "--data"];
    let output = program().args(args).arg(&case.old).env("MOVED_KEY", key).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (worked, text) = run(&["import", case.file.to_str().unwrap()], &case.new);
    assert!(worked && text.contains("the store key came from a credential or the environment"), "{text}");
}
