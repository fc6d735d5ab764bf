//! Floods over real sockets against the real program: the flooder loses its own places, and an honest client gets in.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_wire::RelayAddress;
use deaddrop_wire::item::AnswerCode;
use std::time::Instant;
use tokio::net::TcpStream;

/// Opens connections that say nothing.
async fn silent(address: &RelayAddress, count: usize) -> Vec<TcpStream> {
    let place = address.url().trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        streams.push(TcpStream::connect(&place).await.unwrap());
    }
    streams
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_no_honest_client_out() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &[]);
    let flood = silent(&relay.address, 300).await;
    let begun = Instant::now();
    let mut honest = Client::try_connect(&relay.address, 1).await.expect("an honest client gets in");
    println!("an honest client waited {:?} beside 300 silent connections", begun.elapsed());
    assert_eq!(honest.create(&Mailbox::new()).await, AnswerCode::Done);
    drop(flood);
    assert!(relay.stop());
}
