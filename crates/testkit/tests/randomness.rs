//! Secrets are drawn from the operating system: a generator in memory comes back with a snapshot of that memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{files, text};

/// The files that may use a generator in memory, each with its purpose. No secret depends on one of
/// them.
const ALLOWED: [(&str, &str); 6] = [
    ("crates/client/src/net/drive.rs", "pauses before a relay is tried again"),
    ("crates/client/src/net/supervisor.rs", "pauses before receipts leave"),
    ("crates/relay/src/mailboxes.rs", "handles and pauses"),
    ("crates/relay/src/kept/kept_store.rs", "seeds the generator of handles and pauses"),
    ("crates/relay/src/testing/contract/history.rs", "random histories of a store under test"),
    ("crates/cli/src/demo/replay.rs", "the demonstration's invented talk"),
];

#[test]
fn no_secret_comes_from_a_generator_in_memory() {
    let generators = ["rand::rng()", "StdRng", "ThreadRng", "SmallRng", "ChaCha20Rng"];
    let mut found = Vec::new();
    for name in files("crates", &[".rs"]) {
        let shipped =
            ["e2ee", "shred", "link", "tls", "wire", "primitives", "engine", "client", "relay", "cli"]
                .iter()
                .any(|krate| name.starts_with(&format!("crates/{krate}/src/")));
        if !shipped || name.contains("/tests/") || name.ends_with("tests.rs") {
            continue;
        }
        let whole = text(&name);
        let code = whole.split("#[cfg(test)]").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<String>();
        if generators.iter().any(|generator| code.contains(generator)) {
            found.push(name);
        }
    }
    let unlisted: Vec<_> =
        found.iter().filter(|name| !ALLOWED.iter().any(|(allowed, _)| allowed == name)).collect();
    assert!(unlisted.is_empty(), "a generator in memory, for what? {unlisted:?}");
    for (name, what) in ALLOWED {
        assert!(found.iter().any(|found| found == name), "{name} draws no {what} any more");
    }
}
