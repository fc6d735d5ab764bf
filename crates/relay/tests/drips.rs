//! Peers that send or take a few bytes now and then, against the real relay: it ends a link whose
//! pace is below the minimum, and keeps one above it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{AnswerCode, Ping};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio_websockets::{ClientBuilder, MaybeTlsStream};

/// Starts a relay whose stall time is one second: a link on which fewer than 1,024 bytes move in a
/// second, while bytes wait, is ended.
fn relay(data: &std::path::Path) -> Relay {
    init(data);
    std::fs::write(data.join("config.toml"), format!("{HURRIED}stall_ms = 1000\n")).unwrap();
    Relay::serve(data, &[])
}

/// Begins a message of the maximum length and sends `bytes` bytes of it in each tenth of a second,
/// for five seconds. Returns whether the relay ended the link.
async fn is_left_while_sending(relay: &Relay, bytes: usize) -> bool {
    let mut client = Client::connect(&relay.address, 1).await;
    let mut head = vec![0x82, 0x80 | 127];
    head.extend_from_slice(&264_208_u64.to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    let stream = client.ws.get_mut();
    stream.write_all(&head).await.unwrap();
    for _ in 0..50 {
        if stream.write_all(&vec![0; bytes]).await.is_err() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The message is not whole, so nothing can come but the end.
    tokio::time::timeout(Duration::from_millis(500), client.try_next()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_drips_ends_the_link_and_one_that_crawls_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(dir.path());
    let (drips, crawls) = tokio::join!(is_left_while_sending(&relay, 50), is_left_while_sending(&relay, 250));
    assert!(drips, "500 bytes a second are below the pace");
    assert!(!crawls, "2,500 bytes a second are above it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(dir.path());
    let mailbox = Mailbox::new();
    let mut owner = Client::connect(&relay.address, 1).await;
    assert_eq!(owner.create(&mailbox).await, AnswerCode::Done);
    for _ in 0..8 {
        assert_eq!(owner.put(&mailbox.send, blob(SizeClass::Large)).await, AnswerCode::Done);
    }
    // What the reader's system takes for it does not hide the rest.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(relay.place().parse().unwrap()).await.unwrap();
    let builder = ClientBuilder::from_uri(relay.address.url().parse().unwrap());
    let (ws, _) = builder.connect_on(MaybeTlsStream::Plain(stream)).await.unwrap();
    let mut reader = Client::try_over(ws, &relay.address, 1).await.unwrap();
    let read = mailbox.read.present(&reader.relay);
    let mailboxes = vec![deaddrop_wire::item::Subscription { sub: 1, read }];
    reader.send(&[deaddrop_wire::item::Subscribe { req: 1, mailboxes }.into()]).await;
    // Twice the stall time, and what its looks at the line take.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let _ = reader.try_send(&[Ping { nonce: 1 }.into()]).await;
    while reader.try_next().await.is_some() {}
}
