//! A link over a WebSocket.

use super::{
    days::HeardDay,
    dial::{Consent, dial},
    shared::Shared,
};
use crate::{engine::BlobLives, error::ClientError};
use deaddrop_link::{ClientHandshake, ClientHandshakeError, ClientStep, MAX_RECORD_LEN, OpenHalf, SealHalf};
use deaddrop_websocket::{Pace, Progress, Socket};
use deaddrop_wire::{
    ClientToken, Day, Item, Offer, RelayAddress, Unsupported,
    item::{Hello, Pong, RelayHello},
};
use std::{collections::VecDeque, net::IpAddr, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// Blobs that may be in flight to this client.
const WINDOW_BLOBS: u16 = 64;
/// Bytes of blobs that may be in flight to this client.
const WINDOW_BYTES: u32 = 1 << 20;
/// Seconds between pings.
pub(crate) const PING: u16 = 45;

/// Milliseconds within which the relay must take 1,024 bytes of what waits for it, and send 1,024 bytes of a message that it has
/// begun.
const STALL_MS: u64 = 30_000;
/// Time between two looks at the progress of a slow line.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of unsent answers to what the relay sent above which the link is not read.
const MAX_UNSENT_REPLIES: usize = 262_144;
/// Maximum number of bytes of a message until the handshake is over. S1 has 2,382.
const MAX_HANDSHAKE_MESSAGE: usize = 4_096;
/// Bytes that wait in the system before the network takes them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_IN_SYSTEM: u32 = 16_384;

/// A connected link.
pub(crate) struct Connection {
    socket: Socket<TcpStream>,
    seal: SealHalf,
    open: OpenHalf,
    received: VecDeque<Item>,
    begun: Instant,
    write_pace: Pace,
    read_pace: Pace,
    /// The address that it goes to.
    pub(crate) address: IpAddr,
    /// The relay makes mailboxes only for those who show its token.
    pub(crate) needs_token: bool,
    /// How long it keeps what is put.
    pub(crate) lives: BlobLives,
    /// The day that it says.
    pub(crate) day: Day,
    /// What an own relay says counts while the link stands.
    _heard: Option<HeardDay>,
}

/// No link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectError {
    /// Nobody answers, or not as a relay does.
    Down,
    /// Another relay answers.
    WrongRelay,
    /// The address needs TLS.
    NoTls,
    /// The relay's name leads to this address, which is not public and not allowed.
    Private(IpAddr),
}

impl From<ConnectError> for ClientError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Down => Self::RelayDown,
            ConnectError::WrongRelay => Self::WrongRelay,
            ConnectError::NoTls => Self::NoTls,
            ConnectError::Private(_) => Self::PrivateAddress,
        }
    }
}

/// The link has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Connection {
    /// Connects, sends Hello, awaits the relay's. `token` names this client's own earlier connection, zeros name none.
    pub(crate) async fn open(
        shared: &Shared,
        relay: &RelayAddress,
        token: ClientToken,
    ) -> Result<Self, ConnectError> {
        Self::open_with(shared, relay, token, Consent::Rule).await
    }

    /// As [`open`](Self::open), with what the user has allowed for this connection.
    pub(crate) async fn open_with(
        shared: &Shared,
        relay: &RelayAddress,
        token: ClientToken,
        consent: Consent,
    ) -> Result<Self, ConnectError> {
        if relay.is_tls() {
            return Err(ConnectError::NoTls);
        }
        let connected =
            timeout(shared.config.patience, Box::pin(connect(shared, relay, token, consent))).await;
        connected.unwrap_or(Err(ConnectError::Down))
    }

    /// Queues items in their order. They leave while [`receive`](Self::receive) or [`close`](Self::close) is awaited.
    pub(crate) fn send(&mut self, items: &[Item]) -> Result<(), Closed> {
        let records = self.seal.seal(items).map_err(|_| Closed)?;
        // What is not a blob that we put answers what the relay sent.
        let put: usize = items.iter().map(put_bytes).sum();
        let mut replies = records.iter().map(Vec::len).sum::<usize>().saturating_sub(put);
        for record in records {
            let of_record = replies.min(record.len());
            replies -= of_record;
            self.socket.send(record, of_record);
        }
        Ok(())
    }

    /// Whether something waits for the relay.
    pub(crate) fn is_sending(&self) -> bool {
        self.socket.is_sending()
    }

    /// Bytes that came from the relay so far.
    pub(crate) const fn bytes_read(&self) -> u64 {
        self.socket.bytes_read()
    }

    /// The items of the next record. What is queued is sent meanwhile. Safe to cancel.
    pub(crate) async fn receive(&mut self) -> Result<Vec<Item>, Closed> {
        if !self.received.is_empty() {
            return Ok(self.received.drain(..).collect());
        }
        loop {
            // A relay that makes us answer and does not read the answers is not heard any more.
            let read = self.socket.unsent_reply_bytes() < MAX_UNSENT_REPLIES;
            self.check_pace(read)?;
            let is_busy = self.is_sending() || self.socket.is_in_message();
            let progress = tokio::select! {
                progress = self.socket.progress(read) => progress,
                () = sleep(LOOK), if is_busy => continue,
            };
            match progress {
                Progress::Message(mut record) => {
                    let received = self.open.open_in_place(&mut record).map_err(|_| Closed)?;
                    self.send(&errors_for(&received.unsupported))?;
                    return Ok(received.items);
                }
                Progress::Sent | Progress::Partial => {}
                Progress::Over(_) => return Err(Closed),
            }
        }
    }

    /// Fails if something has waited too long without progress in either direction.
    fn check_pace(&mut self, read: bool) -> Result<(), Closed> {
        let now_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (socket, waits) = (&self.socket, read && self.socket.is_in_message());
        let writes_stall =
            self.write_pace.is_stalled(socket.is_sending(), socket.bytes_written(), now_ms, STALL_MS);
        let reads_stall = self.read_pace.is_stalled(waits, socket.bytes_read(), now_ms, STALL_MS);
        if writes_stall || reads_stall { Err(Closed) } else { Ok(()) }
    }

    /// Answers what concerns the link alone; gives the rest.
    pub(crate) fn answer(&mut self, items: Vec<Item>) -> Result<Vec<Item>, Closed> {
        let mut rest = Vec::with_capacity(items.len());
        let mut pongs = Vec::new();
        for item in items {
            match item {
                Item::Ping(ping) => pongs.push(Pong { nonce: ping.nonce }.into()),
                other => rest.push(other),
            }
        }
        self.send(&pongs)?;
        Ok(rest)
    }

    /// Sends what is queued and closes. A relay that does not take it in time is left.
    pub(crate) async fn close(self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close()).await;
    }
}

async fn connect(
    shared: &Shared,
    relay: &RelayAddress,
    token: ClientToken,
    consent: Consent,
) -> Result<Connection, ConnectError> {
    let (mut state, mut first) =
        ClientHandshake::start(relay.fingerprint(), Offer::v1(), &mut crate::random::SystemRandom);
    // A relay under load asks once for a cookie.
    for _ in 0..2 {
        let (stream, address) = dial(shared, relay, consent).await?;
        let mut socket = upgrade(stream, relay).await?;
        socket.send(first, 0);
        let message = next_message(&mut socket).await?;
        let step = state.on_message(&message, &hello(token), &mut crate::random::SystemRandom);
        match step.map_err(handshake_error)? {
            ClientStep::Again(again, c1) => (state, first) = (again, c1),
            ClientStep::Finished(finished) => {
                socket.send(finished.c2, 0);
                socket.set_max_message(MAX_RECORD_LEN);
                // The first record that opens proves that the relay is the pinned one.
                let record = next_message(&mut socket).await?;
                let opened = finished.link.on_first_record(&record);
                let (link, first) = opened.map_err(|_| ConnectError::Down)?;
                let mut received = VecDeque::from(first.items);
                let hello = take_relay_hello(&mut received).ok_or(ConnectError::Down)?;
                let (seal, open) = link.split();
                let is_own = shared.look(|engine| engine.is_own_relay(relay)).unwrap_or(false);
                let heard = is_own.then(|| shared.hear_day(relay, hello.day));
                let mut connection = Connection {
                    socket,
                    seal,
                    open,
                    received,
                    begun: Instant::now(),
                    write_pace: Pace::default(),
                    read_pace: Pace::default(),
                    address,
                    needs_token: hello.token_needed,
                    lives: BlobLives::from_hello(hello.blob_days, hello.large_blob_days),
                    day: hello.day,
                    _heard: heard,
                };
                connection.send(&errors_for(&first.unsupported)).map_err(|Closed| ConnectError::Down)?;
                return Ok(connection);
            }
        }
    }
    Err(ConnectError::Down)
}

/// The answers to critical items that this version does not know.
fn errors_for(unsupported: &[Unsupported]) -> Vec<Item> {
    // Only a relay answers a Put, so one that came here gets no answer.
    let is_unknown = |unsupported: &&Unsupported| matches!(unsupported, Unsupported::Kind(_));
    unsupported.iter().filter(is_unknown).map(|unsupported| unsupported.answer()).collect()
}

/// Takes the first item of the relay's first record: its Hello, with what only a relay says in it.
fn take_relay_hello(received: &mut VecDeque<Item>) -> Option<RelayHello> {
    match received.pop_front()? {
        Item::Hello(hello) => hello.relay,
        _ => None,
    }
}

async fn upgrade(stream: TcpStream, relay: &RelayAddress) -> Result<Socket<TcpStream>, ConnectError> {
    // Bytes wait here, where they are counted, and not in the system: what a slow line takes is seen soon.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_IN_SYSTEM);
    let host = host_header(relay);
    let socket = deaddrop_websocket::upgrade(stream, &host, relay.path(), MAX_HANDSHAKE_MESSAGE).await;
    socket.map_err(|_| ConnectError::Down)
}

/// The value of the Host header (RFC 9110 section 7.2).
fn host_header(relay: &RelayAddress) -> String {
    let host = relay.host();
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    format!("{open}{host}{close}:{}", relay.port())
}

async fn next_message(socket: &mut Socket<TcpStream>) -> Result<Vec<u8>, ConnectError> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Ok(message),
            Progress::Sent | Progress::Partial => {}
            Progress::Over(_) => return Err(ConnectError::Down),
        }
    }
}

fn hello(client: ClientToken) -> Hello {
    Hello {
        features: 0,
        ping_s: PING,
        window_blobs: WINDOW_BLOBS,
        window_bytes: WINDOW_BYTES,
        client,
        relay: None,
    }
}

fn handshake_error(error: ClientHandshakeError) -> ConnectError {
    match error {
        // An answer that was changed on its way says nothing about who answers.
        ClientHandshakeError::WrongRelay => ConnectError::WrongRelay,
        _ => ConnectError::Down,
    }
}

/// Bytes of a blob that this client puts.
fn put_bytes(item: &Item) -> usize {
    match item {
        Item::Put(put) => put.blob.as_bytes().len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deaddrop_wire::{Day, item::Ping};

    #[test]
    fn a_link_begins_with_the_hello_of_a_relay() {
        let relay = RelayHello {
            day: Day::from_number(20_000),
            max_subscriptions: 100,
            max_in_flight: 16,
            puts_per_s: 50,
            put_burst: 500,
            blob_days: 30,
            large_blob_days: 7,
            token_needed: true,
        };
        let of_a_client = hello(ClientToken::from_bytes([0; 16]));
        let of_a_relay = Hello { relay: Some(relay), ..of_a_client };
        let ping = || Item::from(Ping { nonce: 1 });
        let take = |items: Vec<Item>| take_relay_hello(&mut items.into()).map(|relay| relay.token_needed);
        assert_eq!(take(vec![of_a_relay.into(), ping()]), Some(true));
        for refused in [vec![of_a_client.into()], vec![ping(), of_a_relay.into()], vec![]] {
            assert_eq!(take(refused), None);
        }
    }
}
