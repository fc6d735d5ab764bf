//! Time of a handshake, and of 16 KiB through a connection: both sides on one thread.
//! `cargo bench -p deaddrop-tls --bench work [--features fast]`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing
)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{NAME, pair, server, trusting};
use deaddrop_tls::{accept, connect};
use std::{sync::Arc, time::Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("graviola: {}", deaddrop_tls::is_fast());
    let client = trusting("root.pem");
    for (certificate, key) in [("p256.pem", "p256.key"), ("p384.pem", "p384.key")] {
        let server = server(certificate, key);
        let mut times: Vec<u128> = Vec::new();
        for _ in 0..300 {
            let begin = Instant::now();
            drop(pair(Arc::clone(&client), Arc::clone(&server)).await);
            times.push(begin.elapsed().as_micros());
        }
        times.sort_unstable();
        println!("handshake, {certificate}: {} us (median of {})", times[times.len() / 2], times.len());
    }
    let (near, far) = tokio::io::duplex(32 << 10);
    let server = server("p256.pem", "p256.key");
    let (near, far) = tokio::join!(connect(near, client, NAME), accept(far, server));
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    for len in [1_024, 16_384] {
        let (sent, mut got) = (vec![7; len], vec![0; len]);
        let begin = Instant::now();
        for _ in 0..2_000 {
            let (wrote, read) = tokio::join!(near.write_all(&sent), far.read_exact(&mut got));
            wrote.unwrap();
            read.unwrap();
        }
        println!("{len} bytes, {:?}: {} us", near.suite().unwrap(), begin.elapsed().as_micros() / 2_000);
    }
}
