//! The whole path over a real socket, against the real program.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, SizeClass};
use std::process::Stdio;

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_put_delivered_acked_and_gone() {
    for more in [&[][..], &["--volatile"]] {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path());
        let relay = Relay::serve(dir.path(), more);
        let mailbox = Mailbox::new();
        let mut reader = Client::connect(&relay.address, 1).await;
        assert_eq!(reader.create(&mailbox).await, AnswerCode::Done);
        assert_eq!(reader.create(&mailbox).await, AnswerCode::Done, "the same create again");
        let mut sender = Client::connect(&relay.address, 0).await;
        let blobs = [SizeClass::Small, SizeClass::Large, SizeClass::Medium].map(blob);
        assert_eq!(sender.put(&mailbox.send, blobs[0].clone()).await, AnswerCode::Done);
        assert_eq!(sender.put(&mailbox.send, blobs[0].clone()).await, AnswerCode::Done, "the same put again");
        assert_eq!(sender.put(&mailbox.send, blobs[1].clone()).await, AnswerCode::Done);
        let subscribed = reader.subscribe(5, &mailbox.read).await;
        assert!(subscribed.refused.is_empty() && subscribed.contended.is_empty());
        for (at, expected) in blobs[..2].iter().enumerate() {
            let Deliver { sub, tag, via, blob } = reader.delivery().await;
            assert_eq!((sub, via, &blob), (5, 7, expected));
            assert_eq!(usize::try_from(tag).unwrap(), at + 1);
        }
        // One more while the reader listens.
        assert_eq!(sender.put(&mailbox.send, blobs[2].clone()).await, AnswerCode::Done);
        assert_eq!(reader.delivery().await.blob, blobs[2]);
        reader.ack(5, 1).await;
        assert!(!reader.inbox.iter().any(|item| matches!(item, Item::CaughtUp(_))), "one is open");
        reader.ack(5, 3).await;
        reader.until(|item| matches!(item, Item::CaughtUp(_))).await;

        // Everything about a mailbox that is not there looks alike.
        let other = Mailbox::new();
        assert_eq!(sender.put(&other.send, blob(SizeClass::Small)).await, AnswerCode::Refused);
        assert_eq!(reader.subscribe(6, &other.read).await.refused, [6]);
        let req = reader.next_req();
        reader.send(&[Delete { req, own: mailbox.own.present(&reader.relay) }.into()]).await;
        assert_eq!(reader.answer(req).await, AnswerCode::Done);
        reader.until(|item| matches!(item, Item::Gone(gone) if gone.sub == 5)).await;
        assert_eq!(sender.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Refused);
        let req = reader.next_req();
        reader.send(&[Delete { req, own: mailbox.own.present(&reader.relay) }.into()]).await;
        assert_eq!(reader.answer(req).await, AnswerCode::Refused);
        assert!(relay.stop());
        // The remembered day has no content, and is all there is.
        assert!(residue(dir.path()) <= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_reader_wins_and_the_first_is_told() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &[]);
    let mailbox = Mailbox::new();
    let mut one = Client::connect(&relay.address, 1).await;
    one.create(&mailbox).await;
    one.put(&mailbox.send, blob(SizeClass::Small)).await;
    one.subscribe(1, &mailbox.read).await;
    let first = one.delivery().await;
    let mut two = Client::connect(&relay.address, 2).await;
    assert!(two.subscribe(9, &mailbox.read).await.refused.is_empty());
    one.until(|item| matches!(item, Item::Displaced(displaced) if displaced.sub == 1)).await;
    // The first reader's ack comes too late and destroys nothing.
    one.send(&[Ack { acks: vec![AckEntry { sub: 1, upto: 1, also: vec![] }] }.into()]).await;
    one.send(&[Ping { nonce: 3 }.into()]).await;
    one.until(|item| matches!(item, Item::Pong(pong) if pong.nonce == 3)).await;
    assert_eq!(two.delivery().await.blob, first.blob);
    two.ack(9, 1).await;
    two.until(|item| matches!(item, Item::CaughtUp(_))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_by_a_restart_with_acks_in_flight() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &[]);
    let mailbox = Mailbox::new();
    let mut reader = Client::connect(&relay.address, 1).await;
    reader.create(&mailbox).await;
    let blobs: Vec<_> = (0..8).map(|_| blob(SizeClass::Small)).collect();
    for blob in &blobs {
        assert_eq!(reader.put(&mailbox.send, blob.clone()).await, AnswerCode::Done);
    }
    reader.subscribe(1, &mailbox.read).await;
    for blob in &blobs {
        assert_eq!(&reader.delivery().await.blob, blob);
    }
    reader.ack(1, 3).await;
    // Sent, not confirmed.
    reader.send(&[Ack { acks: vec![AckEntry { sub: 1, upto: 5, also: vec![] }] }.into()]).await;
    relay.kill();

    let relay = Relay::serve(dir.path(), &[]);
    let mut reader = Client::connect(&relay.address, 1).await;
    reader.subscribe(1, &mailbox.read).await;
    let first = reader.delivery().await;
    let at = blobs.iter().position(|blob| *blob == first.blob).unwrap();
    assert!((3..=5).contains(&at), "acked blobs stay gone, others stay");
    for blob in &blobs[at + 1..] {
        assert_eq!(&reader.delivery().await.blob, blob);
    }
    reader.ack(1, u32::try_from(blobs.len() - at).unwrap()).await;
    reader.until(|item| matches!(item, Item::CaughtUp(_))).await;
    relay.kill();
    // The mailbox and the day.
    assert!(residue(dir.path()) <= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_leaves_says_so() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    let stopping = tokio::task::spawn_blocking(|| relay.stop());
    client.until(|item| matches!(item, Item::GoAway(_))).await;
    assert!(client.try_next().await.is_none());
    assert!(stopping.await.unwrap());
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("relay");
    let complaint = |args: &[&str]| {
        let output = program().args(args).arg("--data").arg(&data).output().unwrap();
        assert!(!output.status.success());
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(complaint(&["serve"]).contains("init"));
    assert!(complaint(&["inspect"]).contains("init"));
    init(&data);
    assert!(complaint(&["init"]).contains("empty"));
    let relay = Relay::serve(&data, &[]);
    assert!(complaint(&["serve"]).contains("in use by another process"));
    let inspected = program().args(["inspect", "--json", "--data"]).arg(&data).output().unwrap();
    assert!(inspected.status.success(), "while it serves");
    assert!(serde_json::from_slice::<serde_json::Value>(&inspected.stdout).unwrap()["blobs"] == 0);
    drop(relay);
    assert!(program().args(["check", "--data"]).arg(&data).stdout(Stdio::null()).status().unwrap().success());
    std::fs::write(data.join("config.toml"), "[limits]\nconections = 5\n").unwrap();
    for command in ["serve", "check", "inspect", "day show"] {
        let told = complaint(&command.split(' ').collect::<Vec<_>>());
        assert!(
            told.contains("config.toml, line 2: `conections` is no setting; did you mean `connections`?"),
            "{told}"
        );
    }
    std::fs::write(data.join("config.toml"), "listen = \"nowhere:0\"").unwrap();
    assert!(complaint(&["serve"]).contains("listen"));
    std::fs::write(data.join("config.toml"), "").unwrap();
    std::fs::write(data.join("store.key"), [0; 31]).unwrap();
    assert!(complaint(&["serve"]).contains("key file"));
    std::fs::write(data.join("store.key"), [0; 32]).unwrap();
    assert!(complaint(&["serve"]).contains("wrong key"));
    std::fs::remove_file(data.join("store.key")).unwrap();
    assert!(complaint(&["serve"]).contains("missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_mailbox_are_no_faster_than_creates_and_deleting_always_works() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    std::fs::write(dir.path().join("config.toml"), "").unwrap();
    let relay = Relay::serve(dir.path(), &[]);
    let mut owner = Client::connect(&relay.address, 1).await;
    let mailbox = Mailbox::new();
    assert_eq!(owner.create(&mailbox).await, AnswerCode::Done);
    let own = || mailbox.own.present(relay.address.fingerprint());
    let (mut done, mut busy) = (0, 0);
    for req in 100..300 {
        // Each of them is written again.
        owner.send(&[Renew { req, own: own() }.into()]).await;
        match owner.answer(req).await {
            AnswerCode::Done => done += 1,
            AnswerCode::Busy => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((60..120).contains(&done) && busy > 80, "{done} done, {busy} busy");
    owner.send(&[Delete { req: 300, own: own() }.into()]).await;
    assert_eq!(owner.answer(300).await, AnswerCode::Done);
    assert!(relay.stop());
}
