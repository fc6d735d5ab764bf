//! A slow line in this process: a TCP proxy that lets bytes through at a given rate in each direction.
//!
//! All connections through one line share its rate and take turns, piece by piece. The buffers of its sockets are small, and it
//! reads a piece only when it may pass it on, so the systems at both ends cannot hide the rate behind their own buffers.

use socket2::{Domain, SockRef, Socket, Type};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    task::JoinSet,
    time::sleep,
};

/// Number of bytes of each buffer of the line's sockets. A system may make them larger.
const BUFFER: usize = 4_096;
/// Number of pieces that pass in a second in one direction: enough to look like a steady flow.
const PIECES_PER_S: u32 = 20;

/// The rates of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Number of bytes in a second towards the server.
    pub up: u32,
    /// Number of bytes in a second towards the side that connects.
    pub down: u32,
}

/// A running line. It ends, with all its connections, when it is dropped. Must be made within a
/// tokio runtime.
#[derive(Debug)]
pub struct Line {
    /// The address to which clients connect instead of the server's.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Line {
    /// Starts a line: listens at `listen`, and passes on each connection to `server`. Panics if it
    /// cannot listen there.
    pub fn start(listen: SocketAddr, server: SocketAddr, rates: Rates) -> Self {
        let socket = Socket::new(Domain::for_address(listen), Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.set_reuse_address(true).unwrap();
        set_small_buffers(&SockRef::from(&socket));
        socket.bind(&listen.into()).unwrap();
        socket.listen(64).unwrap();
        let listener = TcpListener::from_std(socket.into()).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (up, down) = (Arc::new(Direction::new(rates.up)), Arc::new(Direction::new(rates.down)));
            let mut pairs = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                pairs.spawn(carry(near, server, Arc::clone(&up), Arc::clone(&down)));
                while pairs.try_join_next().is_some() {}
            }
        });
        Self { address, connections, _tasks: tasks }
    }

    /// Returns the number of connections that the line has accepted so far, also of those that have
    /// ended or that the server refused.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One direction of the line, shared by all connections: the largest number of bytes of a piece,
/// the time that such a piece takes, and the lock with which connections take turns.
#[derive(Debug)]
struct Direction {
    piece: usize,
    time: Duration,
    turn: Mutex<()>,
}

impl Direction {
    fn new(bytes_per_s: u32) -> Self {
        let piece = (bytes_per_s / PIECES_PER_S).max(1);
        let time = Duration::from_secs(1) * piece / bytes_per_s;
        Self { piece: usize::try_from(piece).unwrap(), time, turn: Mutex::new(()) }
    }

    /// Passes on the bytes of a connection in one direction, until it ends.
    async fn pass(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut piece = vec![0; self.piece];
        loop {
            if from.readable().await.is_err() {
                break;
            }
            // Turns are taken in the order in which they are asked for.
            let turn = self.turn.lock().await;
            let Ok(count @ 1..) = from.read(&mut piece).await else { break };
            let part = u32::try_from(count).unwrap();
            sleep(self.time * part / u32::try_from(self.piece).unwrap()).await;
            drop(turn);
            if to.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    }
}

async fn carry(near: TcpStream, server: SocketAddr, up: Arc<Direction>, down: Arc<Direction>) {
    let socket = if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    set_small_buffers(&SockRef::from(&socket));
    let Ok(far) = socket.connect(server).await else { return };
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    tokio::join!(up.pass(near_read, far_write), down.pass(far_read, near_write));
}

fn set_small_buffers(socket: &SockRef<'_>) {
    socket.set_recv_buffer_size(BUFFER).unwrap();
    socket.set_send_buffer_size(BUFFER).unwrap();
}
