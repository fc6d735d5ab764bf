//! Relays that want a token, and relays at addresses that are not public: the SDK and the command line over real relay processes.
// Relays listen at two addresses of this machine, which has them on Linux alone.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{fs, net::IpAddr, path::PathBuf, time::Duration};

use common::{Done, PATIENCE, Person, Relay, run};
use deaddrop_client::{
    Client, ClientError, Config, Connectivity, EventKind, RelayAddress, Unlock, UnreachableReason,
};
use tokio::time::{Instant, sleep};

const TOKEN: &str = "only for friends";

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn relay(&self, name: &str, ip: &str, token: Option<&str>) -> Relay {
        Relay::start_at(&self.folder.path().join(name), ip, token)
    }

    fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config() -> Config {
        Config {
            receipt_delay: Duration::from_millis(20)..Duration::from_millis(100),
            backoff: Duration::from_millis(20)..Duration::from_millis(500),
            ..Config::default()
        }
    }

    async fn person(&self, name: &str, relay: Option<&Relay>) -> Client {
        let relay = relay.map(address);
        Client::create(self.home(name), Unlock::KeyFile, relay, Self::config()).await.unwrap()
    }

    async fn open(&self, name: &str) -> Client {
        Client::open(self.home(name), Unlock::KeyFile, Self::config()).await.unwrap()
    }

    /// Returns the person of this name for the command line, with the same folder as the client of
    /// the SDK.
    fn shell(&self, name: &str) -> Person {
        Person { home: self.home(name) }
    }

    fn file(&self, text: &str) -> String {
        let path = self.folder.path().join("token");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn address(relay: &Relay) -> RelayAddress {
    relay.address.parse().unwrap()
}

fn token(text: &str) -> Option<zeroize::Zeroizing<String>> {
    Some(text.to_owned().into())
}

async fn wait_for(client: &Client, is_wanted: impl Fn(&EventKind) -> bool) -> EventKind {
    let mut after = 0;
    let found = async {
        loop {
            let event = client.next_event(after).await.unwrap();
            after = event.number;
            if is_wanted(&event.kind) {
                return event.kind;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| {
        panic!("{:?} {:?}", client.events_after(0), client.status());
    })
}

async fn text(client: &Client, wanted: &str) {
    wait_for(client, |kind| matches!(kind, EventKind::MessageReceived { text, .. } if text == wanted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_in_another_network_is_used_with_consent_on_both_sides() {
    let world = World::new();
    let (near, far) = (world.relay("near", "127.0.0.2", None), world.relay("far", "127.0.0.1", None));
    let near_ip: IpAddr = "127.0.0.2".parse().unwrap();
    let (ada, ben) = (world.person("ada", Some(&far)).await, world.person("ben", Some(&near)).await);
    let link = ada.invite("Ben").await.unwrap();
    // A stranger's link does not lead Ben's program to any address but his relay's.
    assert_eq!(ben.accept(&link, "Ada").await, Err(ClientError::PrivateAddress));
    assert!(ben.contacts().unwrap().is_empty());
    ben.accept_at_private_address(&link, "Ada").await.unwrap();
    ben.send("Ada", "hello").await.unwrap();
    text(&ada, "hello").await;
    // Nor does Ben lead Ada's; she is told, and what she sends waits.
    ada.send("Ben", "and back").await.unwrap();
    let told = wait_for(&ada, |kind| matches!(kind, EventKind::PrivateAddress { .. })).await;
    assert_eq!(told, EventKind::PrivateAddress { address: near_ip });
    let reason = |client: &Client| client.contacts().unwrap()[0].unreachable;
    assert_eq!(reason(&ada), Some(UnreachableReason::PrivateAddress(near_ip)));
    let begin = Instant::now();
    assert_eq!(ada.flush(PATIENCE).await, Err(ClientError::PrivateAddress));
    assert!(begin.elapsed() < PATIENCE, "nothing else was left to wait for");
    ada.close().await.unwrap();
    let ada = world.open("ada").await;
    assert_eq!(
        reason(&ada),
        Some(UnreachableReason::PrivateAddress(near_ip)),
        "known before it is tried again"
    );
    ada.allow_private_address(near_ip).await.unwrap();
    text(&ben, "and back").await;
    // The relay's answer is stored a moment after Ben has the text.
    let begin = Instant::now();
    while reason(&ada).is_some() {
        assert!(begin.elapsed() < PATIENCE);
        sleep(Duration::from_millis(10)).await;
    }
    // What was allowed while accepting stays allowed.
    ben.close().await.unwrap();
    let ben = world.open("ben").await;
    ben.send("Ada", "again").await.unwrap();
    text(&ada, "again").await;
    assert_eq!(reason(&ben), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_a_token_makes_mailboxes_for_those_who_show_it() {
    let world = World::new();
    let relay = world.relay("closed", "127.0.0.1", Some(TOKEN));
    let ada = world.person("ada", Some(&relay)).await;
    assert_eq!(ada.invite("Ben").await, Err(ClientError::NeedsToken));
    for bad in ["", &"x".repeat(257)] {
        assert_eq!(ada.set_create_token(&address(&relay), token(bad)).await, Err(ClientError::BadToken));
    }
    ada.set_create_token(&address(&relay), token("a guess")).await.unwrap();
    assert_eq!(ada.invite("Ben").await, Err(ClientError::NeedsToken));
    ada.set_create_token(&address(&relay), token(TOKEN)).await.unwrap();
    let link = ada.invite("Ben").await.unwrap();
    // It is kept.
    ada.close().await.unwrap();
    let ada = world.open("ada").await;
    let another = ada.invite("Cara").await.unwrap();

    // Ben would read there, and learns that he cannot before anything is stored or used up.
    let ben = world.person("ben", None).await;
    assert_eq!(ben.accept(&link, "Ada").await, Err(ClientError::NeedsToken));
    assert!(ben.contacts().unwrap().is_empty());
    assert_eq!(ben.relay(), Ok(None));
    ben.set_create_token(&address(&relay), token(TOKEN)).await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    ben.send("Ada", "hello from Ben").await.unwrap();
    text(&ada, "hello from Ben").await;

    // Cara reads elsewhere and needs none.
    let open = world.relay("open", "127.0.0.1", None);
    let cara = world.person("cara", Some(&open)).await;
    cara.accept(&another, "Ada").await.unwrap();
    cara.send("Ada", "hello from Cara").await.unwrap();
    text(&ada, "hello from Cara").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_waits_for_a_token_is_shown_and_made_once_there_is_one() {
    let world = World::new();
    let (open, closed) =
        (world.relay("open", "127.0.0.1", None), world.relay("closed", "127.0.0.1", Some(TOKEN)));
    let ada = world.person("ada", Some(&open)).await;
    let ben = world.person("ben", Some(&closed)).await;
    let link = ada.invite("Ben").await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    ben.send("Ada", "patience").await.unwrap();
    let begin = Instant::now();
    assert_eq!(ben.flush(PATIENCE).await, Err(ClientError::NeedsToken));
    assert!(begin.elapsed() < PATIENCE, "nothing else was left to wait for");
    assert_eq!(ben.status().unwrap().relays[&closed.address], Connectivity::NeedsToken);
    assert_eq!(ben.wait_caught_up(PATIENCE).await, Ok(()), "there is nothing to read");
    ben.set_create_token(&address(&closed), token("a guess")).await.unwrap();
    assert_eq!(ben.flush(PATIENCE).await, Err(ClientError::NeedsToken));
    let begin = Instant::now();
    // An answer to the token before may come after the right one is set.
    for text in ["another guess", "and another", TOKEN] {
        ben.set_create_token(&address(&closed), token(text)).await.unwrap();
    }
    ben.flush(PATIENCE).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(60), "it does not wait for the next look");
    text(&ada, "patience").await;
    assert_eq!(ben.status().unwrap().relays[&closed.address], Connectivity::CaughtUp);
}

#[test]
fn the_command_line_says_who_wants_a_token_and_takes_it_without_showing_it() {
    let world = World::new();
    let relay = world.relay("closed", "127.0.0.1", Some(TOKEN));
    let (ada, ben, cara) = (world.shell("ada"), world.shell("ben"), world.shell("cara"));
    ada.run(&["init", "--no-passphrase", "--relay", &relay.address]).ok();
    ada.run(&["invite", "ben"]).fails(&[&relay.address, "relay-token", "operator"]);
    let file = world.file(&format!("{TOKEN}\n"));
    let set = ada.run(&["relay-token", "--file", &file]).ok();
    assert!(set.out.contains(&relay.address) && !set.out.contains(TOKEN), "{set:?}");
    let link = |done: Done| done.ok().json()["link"].as_str().unwrap().to_owned();
    let link_for_ben = link(ada.json(&["invite", "ben"]));

    ben.run(&["init", "--no-passphrase"]).ok();
    let refused = ben.run(&["accept", &link_for_ben, "ada"]);
    refused.fails(&[&relay.address, "--relay-token-file", "not used up"]);
    ben.run(&["accept", &link_for_ben, "ada", "--relay-token-file", &file]).ok();
    ben.run(&["send", "ada", "hello"]).ok();
    assert_eq!(ada.texts(), ["hello"]);

    // With the first command, and from the environment.
    cara.run(&["init", "--no-passphrase", "--relay", &relay.address, "--relay-token-file", &file]).ok();
    cara.run(&["invite", "dan"]).ok();
    cara.run(&["relay-token", "--forget"]).ok();
    cara.run(&["invite", "eve"]).fails(&["relay-token"]);
    cara.run(&["relay-token"]).fails(&["DEADDROP_RELAY_TOKEN", "--file"]);
    run(cara.command(["relay-token"]).env("DEADDROP_RELAY_TOKEN", TOKEN)).ok();
    cara.run(&["invite", "eve"]).ok();
    // Forgetting shows in the status of who waits for a mailbox.
    let open = world.relay("open", "127.0.0.1", None);
    let (dan, fay) = (world.shell("dan"), world.shell("fay"));
    dan.run(&["init", "--no-passphrase", "--relay", &open.address]).ok();
    fay.run(&["init", "--no-passphrase", "--relay", &relay.address]).ok();
    let link_for_fay = link(dan.json(&["invite", "fay"]));
    let accepted = fay.run(&["accept", &link_for_fay, "dan"]).ok().out;
    for text in ["is accepted", &relay.address, "relay-token", "your next command"] {
        assert!(accepted.contains(text), "{accepted}");
    }
    let status = fay.json(&["status"]).ok().json();
    assert_eq!(status["relays"][0]["state"], "needs_token", "{status}");
    fay.run(&["status"]).ok().out.find("MAKES NO MAILBOX").unwrap();
    fay.run(&["relay-token", "--file", &file]).ok();
    fay.run(&["send", "dan", "at last"]).ok();
    assert_eq!(dan.texts(), ["at last"]);
}

#[test]
fn the_command_line_says_why_it_does_not_connect_and_what_to_do() {
    let world = World::new();
    let (near, far) = (world.relay("near", "127.0.0.2", None), world.relay("far", "127.0.0.1", None));
    let (ada, ben) = (world.shell("ada"), world.shell("ben"));
    ada.run(&["init", "--no-passphrase", "--relay", &far.address]).ok();
    ben.run(&["init", "--no-passphrase", "--relay", &near.address]).ok();
    let link = ada.json(&["invite", "ben"]).ok().json()["link"].as_str().unwrap().to_owned();
    ben.run(&["accept", &link, "ada"]).fails(&["private network", &far.address, "--allow-private"]);
    ben.run(&["accept", &link, "ada", "--allow-private"]).ok();
    ben.run(&["send", "ada", "hello"]).ok();
    assert_eq!(ada.texts(), ["hello"]);
    let sent = ada.run(&["send", "ben", "and back", "--wait", "60"]).ok();
    assert!(sent.out.contains("not sent yet") && sent.out.contains("private network"), "{sent:?}");
    let contacts = ada.run(&["contacts"]).ok().out;
    assert!(contacts.contains("MESSAGES WAIT") && contacts.contains("127.0.0.2"), "{contacts}");
    let contact = ada.json(&["contacts"]).ok().json();
    assert_eq!(
        (&contact["unreachable"], &contact["address"]),
        (&"private_address".into(), &"127.0.0.2".into())
    );
    let events = ada.json(&["receive", "--after", "0"]).ok().lines();
    assert!(events.iter().any(|event| event["kind"] == "private_address" && event["address"] == "127.0.0.2"));
    ada.run(&["allow-private", "nonsense"]).fails(&["IP"]);
    ada.run(&["allow-private", "127.0.0.2"]).ok();
    ada.run(&["send", "ben", "third"]).ok();
    assert_eq!(ben.texts(), ["and back", "third"]);
    assert_eq!(ada.json(&["contacts"]).ok().json()["unreachable"], serde_json::Value::Null);
}
