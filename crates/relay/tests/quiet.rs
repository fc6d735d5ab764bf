//! A relay says nothing about its users. A whole run at the most talkative level, and what
//! `inspect` and `check` print, are searched for addresses, identifiers, capabilities and bytes of
//! blobs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_wire::item::*;
use deaddrop_wire::{Blob, Fingerprint, Item, SizeClass};
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PLACES: [&str; 4] = ["127.0.0.1", "::1", "localhost", "ws://"];

/// The texts that are searched for, each with the name of its secret: the first 8 bytes of the
/// secret in each form in which a program prints bytes. A print of the whole secret begins in the
/// same way.
#[derive(Default)]
struct Secrets(Vec<(&'static str, Vec<u8>)>);

impl Secrets {
    fn add(&mut self, what: &'static str, bytes: &[u8; 32]) {
        let head = &bytes[..8];
        let hex: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
        // 10 characters of base64 hold 60 bits.
        let url = Fingerprint::from_bytes(*bytes).to_string()[..10].to_owned();
        let plain = url.replace('-', "+").replace('_', "/");
        let list = format!("{head:?}");
        let lines = format!("{head:#?}");
        let escaped = head.escape_ascii().to_string();
        let texts = [hex.to_uppercase(), hex, url, plain, inner(&list), inner(&lines), escaped]
            .map(String::into_bytes);
        self.0.extend(texts.into_iter().chain([head.to_vec()]).map(|form| (what, form)));
    }

    fn mailbox(&mut self, mailbox: &Mailbox, relay: &Fingerprint) {
        let Mailbox { own, read, send } = mailbox;
        self.add("own capability", own.expose());
        self.add("read capability", read.expose());
        self.add("send capability", send.expose());
        self.add("what an owner shows", own.present(relay).expose());
        self.add("what a reader shows", read.present(relay).expose());
        self.add("what a sender shows", send.present(relay).expose());
        self.add("own id", own.id(relay).as_bytes());
        self.add("mailbox id", read.id(relay).as_bytes());
        self.add("send id", send.id(relay).as_bytes());
    }

    fn blob(&mut self, blob: &Blob) {
        for part in blob.as_bytes().chunks_exact(512) {
            self.add("blob", part.first_chunk().unwrap());
        }
    }

    fn found(&self, said: &[u8]) -> Option<&'static str> {
        self.0.iter().find(|(_, form)| contains(said, form)).map(|(what, _)| *what)
    }
}

/// Returns the text of a list without its brackets, because it may be part of a longer list.
fn inner(list: &str) -> String {
    list.trim_matches(['[', ']', '\n', ' ', ',']).to_owned()
}

fn contains(said: &[u8], form: &[u8]) -> bool {
    said.windows(form.len()).any(|window| window == form)
}

fn printed(command: &str, data: &Path, more: &[&str]) -> Vec<u8> {
    let output = program().args(["--log", "trace", command, "--data"]).arg(data).args(more).output().unwrap();
    assert!(output.status.success(), "{command}");
    [output.stdout, output.stderr].concat()
}

#[test]
fn the_search_finds_every_form() {
    let mut secrets = Secrets::default();
    let bytes: [u8; 32] = std::array::from_fn(|at| (at * 37 + 200).to_le_bytes()[0]);
    secrets.add("it", &bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let forms = [
        hex.to_uppercase(),
        hex,
        Fingerprint::from_bytes(bytes).to_string(),
        format!("Blob({bytes:?})"),
        format!("{bytes:#?}"),
        format!("b\"{}\"", bytes.escape_ascii()),
    ];
    for form in forms {
        assert_eq!(secrets.found(format!("a line\nwith {form} in it").as_bytes()), Some("it"), "{form}");
    }
    assert_eq!(secrets.found(&bytes), Some("it"));
    assert_eq!(secrets.found(b"a link ended: the link was idle"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_no_level_a_relay_tells_who_or_what() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let log = dir.path().join("log");
    let stderr = Stdio::from(File::create(&log).unwrap());
    // It reads what a proxy says about addresses, and says nothing about it either.
    let more = ["--log", "trace,tokio=trace,hyper=trace", "--proxy", "127.0.0.1"];
    let relay = Relay::serve_with(&data, &more, stderr);
    let fingerprint = *relay.address.fingerprint();
    let mut secrets = Secrets::default();
    let mut inspected = Vec::new();

    let mut owner = Client::connect(&relay.address, 0xA7).await;
    let mut sender = Client::connect(&relay.address, 0).await;
    secrets.add("client token", &[0xA7; 32]);
    let mailboxes: [Mailbox; 4] = std::array::from_fn(|_| Mailbox::new());
    for mailbox in &mailboxes {
        secrets.mailbox(mailbox, &fingerprint);
        assert_eq!(owner.create(mailbox).await, AnswerCode::Done);
        for class in [SizeClass::Small, SizeClass::Medium, SizeClass::Large] {
            let blob = blob(class);
            secrets.blob(&blob);
            assert_eq!(sender.put(&mailbox.send, blob.clone()).await, AnswerCode::Done);
            assert_eq!(sender.put(&mailbox.send, blob).await, AnswerCode::Done);
        }
    }
    // Some is refused: mailboxes that are not there, and other people's.
    let absent = Mailbox::new();
    secrets.mailbox(&absent, &fingerprint);
    let unwanted = blob(SizeClass::Small);
    secrets.blob(&unwanted);
    assert_eq!(sender.put(&absent.send, unwanted).await, AnswerCode::Refused);
    assert_eq!(sender.subscribe(90, &absent.read).await.refused, [90]);
    inspected.push(printed("inspect", &data, &["--json"]));
    inspected.push(printed("inspect", &data, &[]));

    // Read, displaced, acked, regranted, deleted.
    owner.subscribe(1, &mailboxes[0].read).await;
    owner.delivery().await;
    sender.subscribe(1, &mailboxes[0].read).await;
    owner.until(|item| matches!(item, Item::Displaced(_))).await;
    for (sub, mailbox) in (2..).zip(&mailboxes[1..]) {
        owner.subscribe(sub, &mailbox.read).await;
        owner
            .until(|item| matches!(item, Item::Deliver(deliver) if (deliver.sub, deliver.tag) == (sub, 2)))
            .await;
        owner.ack(sub, 2).await;
    }
    let granted = Mailbox::new();
    secrets.mailbox(&granted, &fingerprint);
    let own = || mailboxes[3].own.present(&fingerprint);
    let changes: [Item; 4] = [
        Grant { req: 101, own: own(), send: granted.send.id(&fingerprint), via: 2 }.into(),
        Revoke { req: 102, own: own(), send: mailboxes[3].send.id(&fingerprint) }.into(),
        Rekey { req: 103, own: own(), read: granted.read.id(&fingerprint) }.into(),
        Delete { req: 104, own: own() }.into(),
    ];
    for (req, change) in (101..).zip(changes) {
        owner.send(&[change]).await;
        assert_eq!(owner.answer(req).await, AnswerCode::Done);
    }

    // Broken rules, broken links, broken requests, and secrets in places where they do not belong.
    let mut breaker = Client::connect(&relay.address, 3).await;
    breaker.send(&[hello(3).into()]).await;
    assert!(breaker.try_next().await.is_none(), "a second greeting");
    let secret = Fingerprint::from_bytes(*mailboxes[1].read.expose()).to_string();
    let port = relay.address.url().rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
    for request in [
        format!(
            "GET /i?{secret} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.77\r\nConnection: close\r\n\r\n"
        ),
        format!("GET /{secret} HTTP/1.1\r\nHost: {secret}\r\nCookie: {secret}\r\nConnection: close\r\n\r\n"),
        format!(
            "POST /v1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nX: {secret}\r\nConnection: close\r\n\r\n"
        ),
        format!("{secret}\r\n\r\n"),
    ] {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut page = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut page)).await.expect("it ends");
        assert_eq!(secrets.found(&page), None, "a page repeats nothing");
    }
    inspected.push(printed("inspect", &data, &["--json"]));

    // Everything that it says only in trouble.
    let flood: Vec<_> =
        (0..540).map(|_| std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap()).collect();
    told(&log, "half-open connections gave").await;
    drop(flood);
    relay.signal("-USR1");
    relay.signal("-HUP");
    told(&log, "counters: ").await;
    assert!(relay.stop());
    let said = std::fs::read(&log).unwrap();
    inspected.push(printed("check", &data, &[]));
    inspected.push(printed("inspect", &data, &["--json"]));
    let text = String::from_utf8_lossy(&said).into_owned();
    assert!(text.contains("a link began") && text.contains("stopping"), "the log is empty: {text}");
    for said in inspected.iter().chain([&said]) {
        let text = String::from_utf8_lossy(said);
        assert_eq!(secrets.found(said), None, "{text}");
        for place in PLACES.iter().chain(&["203.0.113.77"]) {
            assert!(!text.contains(place), "{place} in {text}");
        }
    }
}
