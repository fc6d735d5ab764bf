//! The memory of a running relay holds no blob that is acked, no right that was presented and no
//! address of a client that has left. The tests search the memory of the real program, as its
//! administrator can read it; without that right they are skipped.
#![cfg(target_os = "linux")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod common;

use common::*;
use deaddrop_wire::{Blob, SizeClass};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use tokio::net::TcpStream;

/// Number of bytes of a blob that are searched for at each place: so many random bytes are nowhere
/// by chance.
const PIECE: usize = 24;

/// Bytes that must not be in memory, with a name for messages.
struct Wanted {
    name: String,
    bytes: Vec<u8>,
}

fn wanted(name: impl Into<String>, bytes: &[u8]) -> Wanted {
    Wanted { name: name.into(), bytes: bytes.to_vec() }
}

/// Returns pieces of [`PIECE`] bytes near the beginning, in the middle and at the end of a blob.
fn pieces(name: &str, blob: &Blob) -> Vec<Wanted> {
    let bytes = blob.as_bytes();
    let last = bytes.len() - PIECE;
    [40, bytes.len() / 2, last].map(|at| wanted(format!("{name} at {at}"), &bytes[at..at + PIECE])).into()
}

/// Searches the writable memory of the relay for all values. Returns a text for each place where
/// one was found; `None` if this process may not read the memory.
fn search(relay: &Relay, all: &[Wanted]) -> Option<Vec<String>> {
    let id = relay.child.id();
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
    let memory = File::open(format!("/proc/{id}/mem")).ok()?;
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
    {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
        let mut image = vec![0; usize::try_from(to - from).unwrap()];
        // A region may end meanwhile.
        if memory.read_exact_at(&mut image, from).is_err() {
            continue;
        }
        let place = line.split_whitespace().nth(5).unwrap_or("memory without a name");
        for Wanted { name, bytes } in all {
            let count = image.windows(bytes.len()).filter(|window| window == bytes).count();
            if count > 0 {
                found.push(format!("{name}: {count} times in {place}"));
            }
        }
    }
    Some(found)
}

/// Panics if one of the values is still in memory after two seconds. Prints that the test is
/// skipped if this process may not read the memory.
async fn expect_gone(relay: &Relay, all: &[Wanted]) {
    let mut found = Vec::new();
    for _ in 0..20 {
        match search(relay, all) {
            None => return eprintln!("SKIPPED: only the administrator may look into the memory of a relay"),
            Some(none) if none.is_empty() => return,
            Some(some) => found = some,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("still in memory: {found:#?}");
}

async fn check(more: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), more);
    let mailbox = Mailbox::new();
    let mut reader = Client::connect(&relay.address, 1).await;
    let mut sender = Client::connect(&relay.address, 0).await;
    reader.create(&mailbox).await;
    let classes = [SizeClass::Small, SizeClass::Medium, SizeClass::Large];
    // Some blobs wait for the reader, and some are put while it reads.
    let blobs: Vec<Blob> = (0..12).map(|number| blob(classes[number % 3])).collect();
    for blob in &blobs[..6] {
        sender.put(&mailbox.send, blob.clone()).await;
    }
    let held = search(&relay, &pieces("a blob that waits", &blobs[0]));
    if more.contains(&"--volatile") {
        assert!(held.is_none_or(|held| !held.is_empty()), "the search finds what is there");
    }
    reader.subscribe(1, &mailbox.read).await;
    for (number, blob) in blobs.iter().enumerate() {
        if number >= 6 {
            sender.put(&mailbox.send, blob.clone()).await;
        }
        let delivery = reader.delivery().await;
        assert!(delivery.blob == *blob);
        reader.ack(1, delivery.tag).await;
    }
    let mut all: Vec<Wanted> = blobs.iter().flat_map(|blob| pieces("an acked blob", blob)).collect();
    expect_gone(&relay, &all).await;

    all.push(wanted("the right to send", mailbox.send.present(&reader.relay).expose()));
    all.push(wanted("the right to read", mailbox.read.present(&reader.relay).expose()));
    drop((reader, sender));
    expect_gone(&relay, &all).await;
}

#[tokio::test]
async fn acked_blobs_and_presented_rights_are_not_in_memory() {
    check(&[]).await;
}

#[tokio::test]
async fn acked_blobs_of_a_volatile_relay_are_not_in_memory() {
    check(&["--volatile"]).await;
}

#[tokio::test]
async fn the_address_of_a_client_that_has_left_is_not_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &["--proxy", "127.0.0.1"]);
    let client: [u8; 4] = [203, 0, 113, 197];
    let text = client.map(|part| part.to_string()).join(".");
    for _ in 0..3 {
        let mut stream = TcpStream::connect(relay.place()).await.unwrap();
        let head = format!("GET /health HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {text}\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.unwrap();
    }
    expect_gone(&relay, &[wanted("the address as text", text.as_bytes())]).await;
}

/// An aborted relay leaves no core dump in its folder. The test shows little on systems that write
/// core dumps elsewhere.
#[test]
fn a_relay_that_is_aborted_leaves_no_core_dump() {
    let dir = tempfile::tempdir().unwrap();
    let (data, place) = (dir.path().join("data"), dir.path().join("place"));
    std::fs::create_dir(&place).unwrap();
    init(&data);
    let mut command = std::process::Command::new("sh");
    let program = program().get_program().to_owned();
    command.args([
        "-c",
        "ulimit -c unlimited 2>/dev/null; exec \"$0\" serve --listen 127.0.0.1:0 --data \"$1\"",
    ]);
    let mut relay = Relay::start({
        command.arg(program).arg(&data).current_dir(&place);
        command
    });
    relay.signal("-ABRT");
    assert!(!relay.child.wait().unwrap().success());
    let left: Vec<_> = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
