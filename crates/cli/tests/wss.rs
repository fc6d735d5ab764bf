//! Clients and a relay that speaks TLS: messages come through, and a certificate that the user's rule refuses is told with the remedy.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Person, Relay};
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/tests/fixtures").join(name)
}

fn relay(folder: &Path, ip: &str, certificate: &str) -> Relay {
    let (certificate, key) = (fixture(certificate), fixture("p256.key"));
    Relay::start_with(folder, ip, &format!("tls_cert = {certificate:?}\ntls_key = {key:?}\n"))
}

fn person(folder: &Path, name: &str) -> Person {
    Person { home: folder.join(name) }
}

#[test]
fn texts_pass_over_tls_by_a_trusted_authority_and_by_the_pinned_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay(&folder.path().join("relay"), "127.0.0.1", "p256.pem");
    assert!(relay.address.starts_with("wss://"), "{}", relay.address);
    let (ada, ben) = (person(folder.path(), "ada"), person(folder.path(), "ben"));
    let roots = fixture("root.pem");
    let by_roots = ["--tls-roots", roots.to_str().unwrap()];
    let pinned = ["--tls-verify", "pinned-only"];
    let ada = |words: &[&str]| ada.json(&[words, &by_roots].concat()).ok();
    let ben = |words: &[&str]| ben.json(&[words, &pinned].concat()).ok();
    ada(&["init", "--no-passphrase", "--relay", &relay.address]);
    ben(&["init", "--no-passphrase", "--relay", &relay.address]);
    let link = ada(&["invite", "ben"]).json()["link"].as_str().unwrap().to_owned();
    ben(&["accept", &link, "ada"]);
    ben(&["send", "ada", "over TLS"]);
    assert_eq!(common::texts(&ada(&["receive"]).lines()), ["over TLS"]);
    ada(&["send", "ben", "and back"]);
    assert_eq!(common::texts(&ben(&["receive"]).lines()), ["and back"]);
}

#[test]
fn a_certificate_that_is_refused_is_told_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let roots = fixture("root.pem");
    for (number, (ip, certificate, more, word)) in [
        // The authorities of the system do not know ours.
        ("127.0.0.1", "p256.pem", None, "authority"),
        ("127.0.0.2", "p256.pem", Some(&roots), "another host name"),
        ("127.0.0.1", "expired.pem", Some(&roots), "expired"),
        ("127.0.0.1", "early.pem", Some(&roots), "not valid yet"),
    ]
    .into_iter()
    .enumerate()
    {
        let relay = relay(&folder.path().join(format!("relay-{number}")), ip, certificate);
        let ada = person(folder.path(), &format!("ada-{number}"));
        ada.run(&["init", "--no-passphrase", "--relay", &relay.address]).ok();
        let mut words = vec!["invite", "ben"];
        if let Some(roots) = more {
            words.extend(["--tls-roots", roots.to_str().unwrap()]);
        }
        ada.run(&words).fails(&["TLS certificate", word]);
    }
}
