//! The old host of a relay that has moved: it serves the new URL, and never a blob.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod moves;

use common::*;
use deaddrop_relay::clock::{Clock, Now, system_day};
use deaddrop_relay::data_dir::DataDir;
use deaddrop_relay::moving::{MovedMark, destroy_expired};
use deaddrop_wire::item::Subscribe;
use deaddrop_wire::{Day, Item};
use moves::*;
use std::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_the_new_url_and_nothing_else() {
    let case = Case::new();
    assert!(case.export(&case.file).0);
    let log = case.dir.path().join("log");
    for volatile in [&[][..], &["--volatile"]] {
        let relay = Relay::serve_with(&case.old, volatile, File::create(&log).unwrap().into());
        let said = told(&log, "its store is still here").await;
        assert!(said.contains("until ") && said.contains(URL), "{said}");
        let mut client = Client::connect(&relay.address, 1).await;
        let mailbox = Mailbox::new();
        // The link may end before the request is sent: then there is no answer either.
        let subscribe = Subscribe { req: 1, mailboxes: vec![] }.into();
        let _ = client.try_send(&[mailbox.create(&client.relay.clone(), 2), subscribe]).await;
        let mut told = Vec::new();
        while let Some(item) = client.try_next().await {
            told.push(item);
            // The relay leaves it to the client to close the link, so only one of the two waits for more.
            if told.len() == 2 && !volatile.is_empty() {
                break;
            }
        }
        assert!(
            matches!(&told[..], [Item::Moved(moved), Item::GoAway(_)] if moved.url.as_str() == URL),
            "{told:?}"
        );
        drop(client);
        assert!(relay.stop());
    }
    assert_eq!(said(&["check", "--json"], &case.old)["store"], "present", "serving destroyed nothing");
}

async fn page(relay: &Relay, path: &str) -> String {
    let mut stream = TcpStream::connect(relay.place()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_and_a_proxy_are_told_the_new_url() {
    let case = Case::new();
    assert!(case.export(&case.file).0);
    let relay = Relay::serve_with(&case.old, &[], std::process::Stdio::null());
    let ready = page(&relay, "/ready").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.ends_with(&format!("\r\n\r\nmoved to {URL}\n")),
        "{ready}"
    );
    assert!(page(&relay, "/health").await.ends_with("\r\n\r\nok\n"), "the process lives");
    let about = page(&relay, "/").await;
    assert!(about.contains(&format!("This relay has moved to <strong>{URL}</strong>")), "{about}");
    let json = page(&relay, "/about.json").await;
    let json: serde_json::Value = serde_json::from_str(json.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(json["moved_to"], URL);
    assert!(relay.stop());
}

/// The mark of a relay that has moved, with another value for a name.
fn with_value(mark: &str, name: &str, value: &str) -> String {
    let mut lines: Vec<String> = mark.lines().map(str::to_owned).collect();
    let line = lines.iter_mut().find(|line| line.contains(&format!("\"{name}\":"))).unwrap();
    *line = format!("\"{name}\": \"{value}\",");
    lines.join("\n")
}

#[test]
fn nothing_is_destroyed_before_all_of_it_has_expired() {
    let case = Case::new();
    assert!(case.export(&case.file).0);
    let data = DataDir::at(&case.old);
    let mark = MovedMark::read(&data).unwrap().unwrap();
    let today = system_day();
    assert_eq!((mark.last_day, mark.moved_on), (today.plus(30), today));
    let over = today.plus(31);
    for now in [Now::new(today.plus(30), 0), Now { expires_from: over.plus(1), ..Now::new(over, 0) }] {
        let mark = destroy_expired(&data, now, &mut |_| ()).unwrap();
        assert_eq!((mark.confirmed, mark.calendar), (false, now.calendar()), "the day is noted");
        assert!(case.old.join("store.shred").exists() && case.old.join("store.key").exists());
    }
    // A relay that starts does not believe a clock that is far from the noted day.
    let clock = Clock::start(Some(mark.calendar), false).unwrap();
    assert_eq!(clock.now().day, today);
    assert!(destroy_expired(&data, Now::new(over, 0), &mut |_| ()).unwrap().confirmed);
    assert_eq!(names(&case.old), ["config.toml", "identity.key", "moved.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_destroys_a_store_in_which_everything_has_expired() {
    let case = Case::new();
    assert!(case.export(&case.file).0);
    let path = case.old.join("moved.json");
    let mark = std::fs::read_to_string(&path).unwrap();
    let yesterday = Day::from_number(system_day().number() - 1).to_string();
    std::fs::write(&path, with_value(&mark, "last_day", &yesterday)).unwrap();
    let relay = Relay::serve(&case.old, &[]);
    for _ in 0..600 {
        if !case.old.join("store.key").exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(relay.stop());
    assert_eq!(names(&case.old), ["config.toml", "identity.key", "moved.json"]);
    // It still tells where the relay is.
    let relay = Relay::serve(&case.old, &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    assert!(matches!(client.next().await, Item::Moved(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_old_store_cannot_be_destroyed_serves_its_new_url() {
    let case = Case::new();
    assert!(case.export(&case.file).0);
    let path = case.old.join("moved.json");
    let mark = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, mark.replace("\"confirmed\": false", "\"confirmed\": true")).unwrap();
    std::fs::remove_file(case.old.join("store.shred")).unwrap();
    // A folder in the place of the store can be neither overwritten nor removed.
    std::fs::create_dir(case.old.join("store.shred")).unwrap();
    let log = case.dir.path().join("log");
    let relay = Relay::serve_with(&case.old, &[], File::create(&log).unwrap().into());
    told(&log, "the old store could not be destroyed").await;
    let mut client = Client::connect(&relay.address, 1).await;
    assert!(matches!(client.next().await, Item::Moved(_)));
    drop(client);
    assert!(relay.stop());
    // With the cause gone, the next start destroys what is left.
    std::fs::remove_dir(case.old.join("store.shred")).unwrap();
    assert!(Relay::serve(&case.old, &[]).stop());
    assert_eq!(names(&case.old), ["config.toml", "identity.key", "moved.json"]);
}
