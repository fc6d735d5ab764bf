//! A socket beside an independent implementation, and beside hostile peers that write and never
//! read.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use deaddrop_websocket::{BURST, End, FrameError, Progress, Role, Socket, accept, upgrade};
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_websockets::{ClientBuilder, Message, ServerBuilder};

const MAX: usize = 300_000;

async fn message<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(socket: &mut Socket<T>) -> Vec<u8> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return message,
            Progress::Sent | Progress::Partial => {}
            Progress::Over(end) => panic!("{end:?}"),
        }
    }
}

async fn read_request(stream: &mut DuplexStream) -> Vec<u8> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    request
}

#[tokio::test]
async fn it_talks_with_another_implementation_as_server() {
    let (mut ours, theirs) = duplex(10_000);
    let peer = async {
        let builder = ClientBuilder::new().uri("ws://relay:7700/v1").unwrap();
        let (mut theirs, _) = builder.connect_on(theirs).await.unwrap();
        for len in [1, 125, 126, 65_535, 65_536, 264_208] {
            theirs.send(Message::ping(vec![7; 10])).await.unwrap();
            theirs.send(Message::binary(vec![3; len])).await.unwrap();
            let mut pongs = 0;
            loop {
                let got = theirs.next().await.unwrap().unwrap();
                pongs += usize::from(got.is_pong());
                if got.is_binary() {
                    assert_eq!((got.into_payload().to_vec(), pongs), (vec![4; len], 1));
                    break;
                }
            }
        }
        assert!(theirs.next().await.unwrap().unwrap().is_close());
    };
    let here = async {
        let request = read_request(&mut ours).await;
        let mut ours = accept(ours, request, MAX).await.unwrap();
        for _ in 0..6 {
            let got = message(&mut ours).await;
            assert!(got.iter().all(|byte| *byte == 3));
            ours.send(vec![4; got.len()], 0);
            while ours.is_sending() {
                assert!(matches!(ours.progress(false).await, Progress::Sent));
            }
        }
        ours.close().await;
    };
    tokio::join!(peer, here);
}

#[tokio::test]
async fn it_talks_with_another_implementation_as_client() {
    let (ours, theirs) = duplex(10_000);
    let peer = async {
        let (_, mut theirs) = ServerBuilder::new().accept(theirs).await.unwrap();
        while let Some(Ok(message)) = theirs.next().await {
            if message.is_binary() {
                theirs.send(message).await.unwrap();
            }
        }
    };
    let here = async {
        let mut ours = upgrade(ours, "relay:7700", "/v1", MAX).await.unwrap();
        for len in [1, 125, 126, 65_535, 65_536, 264_208] {
            ours.send(vec![9; len], 0);
            assert_eq!(message(&mut ours).await, vec![9; len]);
        }
        ours.close().await;
    };
    tokio::join!(peer, here);
}

/// Returns a frame as a client sends it, with a mask of zeros. `first` is its first byte: flags and
/// opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

/// Plays a peer that sends `frame` again and again and never reads. Returns the reason for which
/// the connection ended, and the largest number of bytes of memory that the socket held.
async fn flood(frame: Vec<u8>) -> (End, usize) {
    let (ours, mut theirs) = duplex(1_000);
    let mut socket = Socket::new(ours, Role::Server, MAX, Vec::new());
    let peer = tokio::spawn(async move {
        let many = frame.repeat(100);
        while theirs.write_all(&many).await.is_ok() {}
        // It keeps its end open and reads nothing.
        std::future::pending::<()>().await;
    });
    let mut most = 0;
    let end = loop {
        match socket.progress(true).await {
            Progress::Over(end) => break end,
            _ => most = most.max(socket.unsent_bytes() + socket.partial_bytes()),
        }
        most = most.max(socket.unsent_bytes() + socket.partial_bytes());
    };
    most = most.max(socket.unsent_bytes() + socket.partial_bytes());
    peer.abort();
    (end, most)
}

#[tokio::test]
async fn a_flood_of_frames_without_content_ends_the_connection() {
    for (name, frame) in [
        ("ping", frame(0x89, &[1; 125])),
        ("empty ping", frame(0x89, &[])),
        ("pong", frame(0x8a, &[1; 125])),
        ("empty message", frame(0x82, &[])),
        ("text", frame(0x81, b"hello")),
    ] {
        let (end, most) = flood(frame).await;
        let expected = if name == "text" { End::Malformed(FrameError::Malformed) } else { End::Flood };
        assert_eq!(end, expected, "{name}");
        assert!(most < 40_000, "{name}: {most}");
    }
    // Fragments: a beginning, and then continuations that never end.
    for len in [0, 1, 125] {
        let (ours, mut theirs) = duplex(1_000);
        let mut socket = Socket::new(ours, Role::Server, MAX, Vec::new());
        let bytes = [frame(0x02, &[]), frame(0x00, &vec![0; len]).repeat(BURST as usize + 1)].concat();
        let peer = tokio::spawn(async move { theirs.write_all(&bytes).await });
        assert!(matches!(socket.progress(true).await, Progress::Over(End::Flood)), "{len}");
        peer.abort();
    }
}

#[tokio::test]
async fn a_close_ends_the_connection() {
    assert_eq!(flood(frame(0x88, &[3, 232])).await.0, End::Closed);
}

#[tokio::test]
async fn a_frame_that_is_partly_sent_is_held_as_a_whole() {
    let (ours, mut theirs) = duplex(4_000);
    let mut socket = Socket::new(ours, Role::Server, MAX, Vec::new());
    socket.send(vec![1; 10_000], 0);
    assert!(socket.progress(true).now_or_never().is_none(), "the rest waits");
    assert!(socket.unsent_bytes() < 10_000 && socket.held_bytes() >= 10_000);
    let mut taken = vec![0; 10_004];
    let (_, read) = tokio::join!(socket.progress(false), theirs.read_exact(&mut taken));
    assert_eq!((read.unwrap(), socket.held_bytes()), (10_004, 0));
}

#[tokio::test]
async fn one_pong_waits_while_the_peer_does_not_read() {
    let (ours, mut theirs) = duplex(10);
    let mut socket = Socket::new(ours, Role::Server, MAX, Vec::new());
    socket.send(vec![5; 1_000], 0);
    let before = socket.unsent_bytes();
    let peer = async {
        for n in 0..100 {
            theirs.write_all(&frame(0x89, &[n; 100])).await.unwrap();
        }
        // Only now it reads: the message that had begun, then the newest pong alone.
        let mut heard = vec![0; 4 + 1_000 + 2 + 100];
        theirs.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard[4 + 1_000..][..3], [0x8a, 100, 99]);
    };
    let here = async {
        loop {
            let _ = tokio::time::timeout(Duration::from_millis(20), socket.progress(true)).await;
            assert!(socket.unsent_bytes() <= before + 102);
        }
    };
    tokio::select! { () = peer => {} () = here => {} }
}
