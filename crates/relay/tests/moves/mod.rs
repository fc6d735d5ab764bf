//! Directories of relays that move, and what is in them.
#![allow(dead_code, unreachable_pub, missing_docs)]

use crate::common::program;
use deaddrop_relay::clock::system_day;
use deaddrop_relay::data_dir::DataDir;
use deaddrop_relay::kept::{KeptStore, ShredBacking};
use deaddrop_relay::limits::Limits;
use deaddrop_relay::store::{NewMailbox, Store, Verdict};
use deaddrop_shred::{FileDisk, residue::places};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{MailboxId, OwnId, SendId, SizeClass};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The URL of the new host.
pub const URL: &str = "ws://127.0.0.1:1/";

/// A relay with mailboxes and some blobs, and a new host that is prepared for it.
pub struct Case {
    pub dir: TempDir,
    pub old: PathBuf,
    pub new: PathBuf,
    /// Path of the file of the export; nothing is there yet.
    pub file: PathBuf,
    pub key: String,
    /// Hash of the key, as it is printed.
    pub hash: String,
}

impl Case {
    pub fn new() -> Self {
        Self::with_mailboxes(2)
    }

    pub fn with_mailboxes(mailboxes: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (old, new, file) = (dir.path().join("old"), dir.path().join("new"), dir.path().join("file"));
        crate::common::init(&old);
        put_blobs(&old, mailboxes);
        let prepared = said(&["import", "--prepare", "--url", URL, "--json"], &new);
        let text = |name: &str| prepared[name].as_str().unwrap().to_owned();
        Self { old, new, file, key: text("key"), hash: text("key_hash"), dir }
    }

    pub fn export(&self, file: &Path) -> (bool, String) {
        run(&["export", "--to", &self.key, "--out", file.to_str().unwrap()], &self.old)
    }

    /// Prepares a third host. Returns its key.
    pub fn other_key(&self) -> String {
        let args = ["import", "--prepare", "--url", "ws://127.0.0.1:2/", "--json"];
        said(&args, &self.dir.path().join("third-host"))["key"].as_str().unwrap().to_owned()
    }

    /// Copies this case into folders of its own.
    pub fn copy(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (old, new, file) = (dir.path().join("old"), dir.path().join("new"), dir.path().join("file"));
        copy_folder(&self.old, &old);
        copy_folder(&self.new, &new);
        if self.file.exists() {
            std::fs::copy(&self.file, &file).unwrap();
        }
        Self { dir, old, new, file, key: self.key.clone(), hash: self.hash.clone() }
    }
}

/// Makes mailboxes with a blob of each size in the store of a relay that does not serve.
fn put_blobs(data: &Path, mailboxes: u8) {
    let filling = async {
        let store: KeptStore<ShredBacking> =
            DataDir::at(data).open(Limits::DEFAULT, &mut rand::rng()).unwrap();
        let now = deaddrop_relay::clock::Now::new(system_day(), 1);
        for number in 0..mailboxes {
            let (own, read) = (OwnId::from_bytes([number; 32]), MailboxId::from_bytes([number; 32]));
            let send = SendId::from_bytes([number; 32]);
            let sends = vec![SendGrant { send, via: 3 }];
            let (lease, quota, flags) = (LeaseClass::Month, QuotaClass::Many, CreateFlags::NONE);
            let new = NewMailbox { own, read, sends, lease, quota, flags };
            assert_eq!(store.create(vec![new], now).await, [Verdict::Done]);
            for class in [SizeClass::Small, SizeClass::Large, SizeClass::Medium] {
                let blob = crate::common::blob(class);
                assert_eq!(store.put(vec![(send, blob)], now).await, [Verdict::Done]);
            }
        }
    };
    // A thread of its own, because the test may run in a runtime already.
    std::thread::scope(|scope| {
        scope.spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(filling)).join().unwrap();
    });
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for name in names(from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

/// Returns the names of the files in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs a command of the program. Returns whether it succeeded, and all that it printed.
pub fn run(args: &[&str], data: &Path) -> (bool, String) {
    let output = program().args(args).arg("--data").arg(data).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

/// Runs a command that succeeds and prints one JSON object.
pub fn said(args: &[&str], data: &Path) -> serde_json::Value {
    let output = program().args(args).arg("--data").arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Everything that a record holds, but for its order number.
pub type Content = ([u8; 16], [u8; 8], u32, Vec<u8>);

/// Returns all records of the store of a relay, in their order.
pub fn records(data: &Path) -> Vec<Content> {
    let reader = DataDir::at(data).look().unwrap();
    let content = |entry: deaddrop_shred::Entry| {
        (entry.key.0, entry.meta, entry.expiry_day, reader.read(&entry.key).unwrap())
    };
    reader.entries().map(content).collect()
}

/// Asserts that no file of a folder holds 16 consecutive bytes of the secrets in `secret`, the file
/// of a one-time key.
pub fn assert_no_file_holds(folder: &Path, secret: &[u8]) {
    for name in names(folder) {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        // Version 1, X25519 key 32, ML-KEM seed 64.
        for part in secret[1..97].chunks_exact(16) {
            assert!(!bytes.windows(16).any(|window| window == part), "{name} holds the one-time key");
        }
    }
}

/// Returns a position within the sealed body of a large blob in the store's file.
pub fn first_large_body(data: &Path) -> usize {
    let data = DataDir::at(data);
    let disk = FileDisk::open_read_only(data.store_path()).unwrap();
    let all = places(&disk, &data.store_key().unwrap().unlock()).unwrap();
    let large = all.iter().find(|place| place.body.end - place.body.start >= 65_536).unwrap();
    usize::try_from(large.body.start).unwrap() + 1_000
}
