//! The pages of a relay for people, over its own port (spec/12-relay.md section 10.3).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Returns the head and the body of the answer to a request for a path.
async fn page(relay: &Relay, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(relay.place()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
    (head.to_lowercase(), body.to_owned())
}

fn configure(data: &Path, settings: &str, limits: &str) {
    init(data);
    std::fs::write(data.join("config.toml"), format!("{settings}\n{HURRIED}{limits}\n")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_and_the_json_say_the_policy_and_load_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    configure(&data, "contact = \"Ann <mailto:ann@relay.example>\"", "blob_days = 9\ndead_bytes_s = 77");
    let relay = Relay::serve(&data, &[]);
    let address = relay.address.to_string();
    for path in ["/", "/i", "/i?a=b"] {
        let (head, body) = page(&relay, path).await;
        for line in [
            "content-security-policy: default-src 'none'; style-src 'sha256-",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "content-type: text/html; charset=utf-8",
        ] {
            assert!(head.contains(line), "{path} lacks {line}: {head}");
        }
        assert!(!head.contains("set-cookie") && !body.contains("<script"), "{path}: {head}");
    }
    let (_, about) = page(&relay, "/").await;
    let key = if cfg!(unix) { "on the file system of the store: a person" } else { "" };
    for part in [
        &*address,
        "at most 9 days",
        "within 77 seconds",
        "Ann &lt;mailto:ann@relay.example&gt;",
        key,
        "<svg ",
    ] {
        assert!(about.contains(part), "{part}: {about}");
    }
    let (head, json) = page(&relay, "/about.json").await;
    // The link gives the same text, authenticated.
    let mut client = Client::connect(&relay.address, 1).await;
    client.send(&[deaddrop_wire::item::About { req: 7 }.into()]).await;
    let told = client.until(|item| matches!(item, deaddrop_wire::Item::AboutText(_))).await;
    let deaddrop_wire::Item::AboutText(told) = told else { unreachable!() };
    assert_eq!((told.req, &*told.json), (7, &*json));
    assert!(head.contains("content-type: application/json"), "{head}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["address"], &json["contact"]),
        (&address.into(), &"Ann <mailto:ann@relay.example>".into())
    );
    assert_eq!((&json["policy"]["blob_days"], &json["policy"]["store"]), (&9.into(), &"disk".into()));
    assert!(relay.stop());

    let relay = Relay::serve(&data, &["--volatile"]);
    let (_, json) = page(&relay, "/about.json").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["policy"]["store"], &json["policy"]["store_key"]),
        (&"memory".into(), &serde_json::Value::Null)
    );
    let (_, about) = page(&relay, "/").await;
    assert!(about.contains("all mailboxes and messages are gone"), "{about}");
}

/// A contact that is no single short line is a fault of the configuration, with its line.
#[test]
fn a_bad_contact_is_a_fault_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    configure(&data, &format!("listen = \"127.0.0.1:0\"\ncontact = \"{}\"", "x".repeat(257)), "");
    let run = program().args(["check", "--data"]).arg(&data).output().unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(!run.status.success() && said.contains("line 2: a contact has 1 to 256 bytes"), "{said}");
}
