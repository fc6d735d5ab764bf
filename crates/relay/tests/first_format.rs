//! A relay's directory of the first format of the store is opened and converted in place: blobs
//! that wait are delivered, and the bytes of blobs that were acked before leave the disk. The
//! fixture was made by a relay of that format; `DEADDROP_OLD_RELAY=PROGRAM cargo test --test
//! first_format` makes another.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_wire::item::AnswerCode;
use deaddrop_wire::{Blob, SizeClass};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const SECTOR: usize = 512;
/// Offset in the store's file of the bodies of the first segment: behind superblocks and cells
/// (40,960 bytes), a segment header (4,096) and 256 slots of 128 bytes.
const BODIES: usize = 40_960 + 4_096 + 256 * 128;
const FILES: [&str; 2] = ["identity.key", "store.key"];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/first-format.bin")
}

fn mailbox() -> Mailbox {
    Mailbox {
        own: OwnCapability::from_bytes([1; 32]),
        read: ReadCapability::from_bytes([2; 32]),
        send: SendCapability::from_bytes([3; 32]),
    }
}

fn numbered(number: u8, class: SizeClass) -> Blob {
    Blob::new(vec![number; class.bytes()]).unwrap()
}

/// Packs a data directory into bytes: both key files, the length of the store, and each sector of
/// the store that is not all zeros, with its number in front.
fn pack(data: &Path) -> Vec<u8> {
    let mut packed: Vec<u8> = FILES.iter().flat_map(|name| std::fs::read(data.join(name)).unwrap()).collect();
    let store = std::fs::read(data.join("store.shred")).unwrap();
    packed.extend((store.len() as u64).to_le_bytes());
    for (number, sector) in (0_u32..).zip(store.chunks(SECTOR)) {
        if sector.iter().any(|byte| *byte != 0) {
            packed.extend(number.to_le_bytes());
            packed.extend(sector);
        }
    }
    packed
}

/// Makes the data directory from the packed bytes of the fixture. Returns the bytes of the store.
fn unpack(data: &Path) -> Vec<u8> {
    let packed = std::fs::read(fixture()).unwrap();
    std::fs::create_dir(data).unwrap();
    for (name, key) in FILES.iter().zip(packed.chunks(32)) {
        std::fs::write(data.join(name), key).unwrap();
    }
    let mut store = vec![0; u64::from_le_bytes(*packed[64..].first_chunk().unwrap()).try_into().unwrap()];
    for sector in packed[72..].chunks(4 + SECTOR) {
        let number: usize = u32::from_le_bytes(*sector.first_chunk().unwrap()).try_into().unwrap();
        store[number * SECTOR..][..SECTOR].copy_from_slice(&sector[4..]);
    }
    std::fs::write(data.join("store.shred"), &store).unwrap();
    std::fs::write(data.join("config.toml"), HURRIED).unwrap();
    store
}

/// Returns the number of sectors, in the area of bodies, of the store in `data` that are not zero
/// and unchanged since `fixture`.
fn left(data: &Path, fixture: &[u8]) -> usize {
    let store = std::fs::read(data.join("store.shred")).unwrap();
    let sectors = fixture.chunks(SECTOR).zip(store.chunks(SECTOR)).skip(BODIES / SECTOR);
    sectors.filter(|(before, now)| before == now && before.iter().any(|byte| *byte != 0)).count()
}

async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_of_the_first_format_is_improved_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let before = unpack(&data);
    assert_eq!((before[16], before[4_096 + 16]), (1, 1), "the version");
    // Eight for each small blob, 32 for the medium one, one for the mailbox's record of each time.
    let (dead, live) = (3 * 8, 2 * 8 + 32);
    assert!(left(&data, &before) >= dead + live);
    let relay = Relay::serve(&data, &[]);
    wait_until("the acked blobs leave the disk", || left(&data, &before) <= live + 1).await;
    assert!(left(&data, &before) > live, "what waits does not");
    let after = std::fs::read(data.join("store.shred")).unwrap();
    assert_eq!((after[16], after[4_096 + 16]), (2, 2));
    assert_eq!(residue(&data), 3 + 1 + 1, "blobs, their mailbox, the day");

    let mailbox = mailbox();
    let mut reader = Client::connect(&relay.address, 1).await;
    assert_eq!(reader.put(&mailbox.send, numbered(9, SizeClass::Small)).await, AnswerCode::Done);
    reader.subscribe(1, &mailbox.read).await;
    let expected =
        [(4, SizeClass::Small), (5, SizeClass::Medium), (6, SizeClass::Small), (9, SizeClass::Small)];
    for (tag, (number, class)) in (1..).zip(expected) {
        let delivered = reader.delivery().await;
        assert_eq!((delivered.tag, delivered.via, delivered.blob), (tag, 7, numbered(number, class)));
    }
    reader.ack(1, 4).await;
    wait_until("these leave it, too", || left(&data, &before) <= 1).await;
    assert!(relay.stop());
    let relay = Relay::serve(&data, &[]);
    let mut reader = Client::connect(&relay.address, 1).await;
    assert_eq!(reader.put(&mailbox.send, numbered(10, SizeClass::Small)).await, AnswerCode::Done);
    assert!(relay.stop());
}

/// Makes the fixture with the program that `DEADDROP_OLD_RELAY` names, and tests that it is usable.
/// Ends at once if the variable is not set.
#[tokio::test(flavor = "multi_thread")]
async fn the_fixture_can_be_made_again() {
    let Some(program) = std::env::var_os("DEADDROP_OLD_RELAY") else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut init = Command::new(&program);
    init.args(["init", "--segment-mib", "1", "--max-mib", "8", "--data"]).arg(&data);
    assert!(init.stdout(std::process::Stdio::null()).status().unwrap().success());
    std::fs::write(data.join("config.toml"), HURRIED).unwrap();
    let mut serve = Command::new(&program);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let relay = Relay::start(serve);
    let mut client = Client::connect(&relay.address, 1).await;
    let mailbox = mailbox();
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    for number in [1, 2, 3, 4] {
        assert_eq!(client.put(&mailbox.send, numbered(number, SizeClass::Small)).await, AnswerCode::Done);
    }
    assert_eq!(client.put(&mailbox.send, numbered(5, SizeClass::Medium)).await, AnswerCode::Done);
    assert_eq!(client.put(&mailbox.send, numbered(6, SizeClass::Small)).await, AnswerCode::Done);
    client.subscribe(1, &mailbox.read).await;
    for _ in 0..3 {
        client.delivery().await;
    }
    client.ack(1, 3).await;
    drop(client);
    relay.kill();
    std::fs::create_dir_all(fixture().parent().unwrap()).unwrap();
    std::fs::write(fixture(), pack(&data)).unwrap();
}
