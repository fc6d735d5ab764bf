//! Memory of an idle connection, in bytes of resident memory: after the handshake, and after 16 KiB
//! each way. Linux alone.
//!
//! The ends are in one process, joined by a pipe that holds no buffer while it is idle. One side is
//! dropped before the other is measured. `cargo bench -p deaddrop-tls --bench idle [--
//! CONNECTIONS]`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing
)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{NAME, send, server, trusting};
use deaddrop_tls::{TlsStream, accept, connect};
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One direction of a pipe: the bytes under way, and the task that waits for them.
#[derive(Default)]
struct Queue {
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
}

/// One end of a pipe: it reads from one direction and writes to the other.
struct End {
    from: Arc<Mutex<Queue>>,
    to: Arc<Mutex<Queue>>,
}

fn pipe() -> (End, End) {
    let (there, back) = (Arc::default(), Arc::default());
    (End { from: Arc::clone(&there), to: Arc::clone(&back) }, End { from: back, to: there })
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.from.lock().unwrap();
        if queue.bytes.is_empty() {
            queue.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = buf.remaining().min(queue.bytes.len());
        let part: Vec<u8> = queue.bytes.drain(..n).collect();
        buf.put_slice(&part);
        if queue.bytes.is_empty() {
            *queue = Queue::default();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut queue = self.to.lock().unwrap();
        queue.bytes.extend(buf);
        if let Some(reader) = queue.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Returns the number of bytes of resident memory of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1_024
}

/// Makes `count` connections and returns one side of each, the server's with `keep_server`, else
/// the client's; the other side is dropped at once. With `exchange`, 16 KiB go each way before.
async fn make(count: usize, keep_server: bool, exchange: bool) -> Vec<TlsStream<End>> {
    let (client, server) = (trusting("root.pem"), server("p256.pem", "p256.key"));
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        let (near, far) = pipe();
        let (near, far) =
            tokio::join!(connect(near, Arc::clone(&client), NAME), accept(far, Arc::clone(&server)));
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        if exchange {
            send(&mut near, &mut far, 16_384).await;
            send(&mut far, &mut near, 16_384).await;
        }
        kept.push(if keep_server { far } else { near });
    }
    kept
}

/// The cases: a name, whether the server's side is measured, and whether data went through the
/// connection before.
const CASES: [(&str, bool, bool); 4] = [
    ("server, after the handshake", true, false),
    ("server, after 16 KiB each way", true, true),
    ("client, after the handshake", false, false),
    ("client, after 16 KiB each way", false, true),
];

/// The environment variable that tells a process its index in [`CASES`]. Each case has a process of
/// its own, because freed memory may stay resident.
const CASE: &str = "IDLE_CASE";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let case = std::env::var(CASE).ok().and_then(|case| case.parse::<usize>().ok());
    let Some(&(name, keep_server, exchange)) = case.and_then(|case| CASES.get(case)) else {
        println!("{count} connections, graviola: {}", deaddrop_tls::is_fast());
        for case in 0..CASES.len() {
            let program = std::env::current_exe().unwrap();
            let mut run = std::process::Command::new(program);
            run.arg(count.to_string()).env(CASE, case.to_string()).status().unwrap();
        }
        return;
    };
    // The memory that is allocated once per process is allocated before the measurement.
    drop(make(20, keep_server, exchange).await);
    let before = resident();
    let kept = make(count, keep_server, exchange).await;
    println!("{name}: {} bytes", (resident() - before) / kept.len());
}
