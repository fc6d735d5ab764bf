//! Received blobs cannot be decrypted any more: the test takes the relay's directory, with the
//! store's key in it, and tries every position of the store.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::Sandbox;
use deaddrop_relay::data_dir::DataDir;
use deaddrop_shred::{FileDisk, residue};

const TEXTS: u64 = 30;

/// Returns the number of records that can be decrypted by somebody who has seized the relay's disk,
/// with the key of its store.
fn opens(sandbox: &Sandbox) -> u64 {
    let dir = DataDir::at(sandbox.relay.folder.join("data"));
    let disk = FileDisk::open_read_only(dir.store_path()).unwrap();
    let found = residue::scan(&disk, &dir.store_key().unwrap().unlock()).unwrap();
    assert!(found.positions > found.bodies, "the scan looks at more than what is live");
    found.bodies
}

#[test]
fn a_seized_relay_opens_nothing_that_was_received() {
    let mut sandbox = Sandbox::connected();
    sandbox.ada.run(&["receive"]).ok();
    sandbox.ben.run(&["receive"]).ok();
    for number in 0..TEXTS {
        sandbox.ben.run(&["send", "ada", &format!("text {number}")]).ok();
    }
    // Seized while Ada is away, without warning: what waits for her is there, sealed for her.
    sandbox.relay.kill();
    let before = opens(&sandbox);
    assert!(before >= TEXTS, "{before}");
    sandbox.relay.serve();
    assert_eq!(sandbox.ada.texts().len() as u64, TEXTS);
    for _ in 0..20 {
        // Receipts, and what the receipts lead to.
        sandbox.ben.run(&["receive"]).ok();
        sandbox.ada.run(&["receive"]).ok();
        if sandbox.relay.inspect()["blobs"] == 0 {
            break;
        }
    }
    let seen = sandbox.relay.inspect();
    assert_eq!(seen["blobs"], 0, "{seen}");
    // Seized again, at once after the last ack was confirmed: the mailboxes' own records and the day are all that opens.
    sandbox.relay.kill();
    assert_eq!(opens(&sandbox), seen["mailboxes"].as_u64().unwrap() + 1, "{seen}");
}
