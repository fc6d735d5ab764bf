//! A link over a WebSocket.

use super::{
    days::HeardDay,
    dial::{Consent, dial},
    moved::Moved,
    shared::Shared,
    turns::{Haste, Turn},
};
use crate::{
    conversation::{Closed, ConnectError, Line},
    engine::BlobLives,
    error::ClientError,
    named,
};
use deaddrop_link::{ClientHandshake, ClientHandshakeError, ClientStep, MAX_RECORD_LEN, OpenHalf, SealHalf};
use deaddrop_websocket::{Ahead, Pace, Progress, STALL_MS, Socket, WRITE_STALLS};
use deaddrop_wire::{
    ClientToken, Day, Item, Offer, RelayAddress, Unsupported,
    item::{Hello, Ping, Pong, RelayHello},
};
use std::{collections::VecDeque, net::IpAddr, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout, timeout_at},
};

/// Blobs that may be in flight to this client.
const WINDOW_BLOBS: u16 = 64;
/// Bytes of blobs that may be in flight to this client.
const WINDOW_BYTES: u32 = 1 << 20;
/// Seconds between pings that this client asks for.
const PING_S: u16 = 45;

/// Time between two looks at the progress of a slow line.
const LOOK: Duration = Duration::from_secs(1);
/// Maximum time of an errand whose link is slow and moves.
pub(super) const LONGEST_ERRAND: Duration = Duration::from_secs(120);
/// Bytes of unsent answers to what the relay sent above which the link is not read.
const MAX_UNSENT_REPLIES: usize = 262_144;
/// Maximum number of bytes of a message until the handshake is over. S1 has 2,382.
const MAX_HANDSHAKE_MESSAGE: usize = 4_096;
/// A connected link.
pub(crate) struct Connection {
    socket: Socket<TcpStream>,
    seal: SealHalf,
    open: OpenHalf,
    received: VecDeque<Item>,
    begun: Instant,
    write_pace: Pace,
    read_pace: Pace,
    next_look: Instant,
    ahead: Ahead,
    /// Time between two pings.
    period: Duration,
    next_ping: Instant,
    /// The last time at which the relay was heard, or at which something still waited for it.
    heard: Instant,
    /// Bytes that had come by then.
    heard_bytes: u64,
    /// Records the progress of long messages.
    moved: Moved,
    /// Bytes written and read when that was last looked at.
    passed: (u64, u64),
    /// The address that it goes to.
    pub(crate) address: IpAddr,
    /// The relay makes mailboxes only for those who show its token.
    pub(crate) needs_token: bool,
    /// How long it keeps what is put.
    pub(crate) lives: BlobLives,
    /// The day that it says.
    pub(crate) day: Day,
    /// What an own relay says counts while the link stands.
    _heard_day: Option<HeardDay>,
}

impl Connection {
    /// Waits for a turn, connects, sends Hello, awaits the relay's. `token` names this client's own earlier connection, zeros name
    /// none. `moved` tells whether it gets on.
    pub(crate) async fn open(
        shared: &Shared,
        relay: &RelayAddress,
        token: ClientToken,
        moved: &Moved,
    ) -> Result<Self, ConnectError> {
        if relay.is_tls() {
            return Err(ConnectError::NoTls);
        }
        let turn = shared.turns.take(relay, Haste::Background, moved).await;
        Self::open_in(turn, shared, relay, token, Consent::Rule, moved).await
    }

    /// As [`open`](Self::open), in a turn that was taken, and with what the user has allowed for this connection. The time for it
    /// begins now, and with it the turn ends.
    pub(crate) async fn open_in(
        turn: Turn,
        shared: &Shared,
        relay: &RelayAddress,
        token: ClientToken,
        consent: Consent,
        moved: &Moved,
    ) -> Result<Self, ConnectError> {
        if relay.is_tls() {
            return Err(ConnectError::NoTls);
        }
        let connecting = Box::pin(connect(shared, relay, token, consent, moved));
        let connected = timeout(shared.config.patience, connecting).await.unwrap_or(Err(ConnectError::Down));
        if connected.is_ok() {
            turn.note_opened();
        }
        connected
    }

    /// Queues items in their order. They leave while [`receive`](Self::receive), [`proceed`](Self::proceed) or
    /// [`close`](Self::close) is awaited.
    pub(crate) fn send(&mut self, items: &[Item]) -> Result<(), Closed> {
        let records = self.seal.seal(items).map_err(|_| Closed)?;
        // What is not a blob that we put answers what the relay sent.
        let put: usize = items.iter().map(put_bytes).sum();
        let mut replies = records.iter().map(Vec::len).sum::<usize>().saturating_sub(put);
        for record in records {
            let of_record = replies.min(record.len());
            replies -= of_record;
            self.ahead.note_queued(record.len(), self.now_ms());
            self.socket.send(record, of_record);
        }
        Ok(())
    }

    /// Whether something waits for the relay.
    pub(crate) fn is_sending(&self) -> bool {
        self.socket.is_sending()
    }

    /// The end of what is queued, as a number of bytes of the line.
    pub(crate) const fn end_of_queue(&self) -> u64 {
        self.socket.bytes_written().saturating_add(self.socket.unsent_bytes() as u64)
    }

    /// The state of the line.
    pub(crate) fn line(&self) -> Line {
        Line {
            is_sending: self.is_sending(),
            taken: self.socket.bytes_written(),
            read: self.socket.bytes_read(),
            ahead: self.ahead.bytes(),
        }
    }

    /// The items of the next record. What is queued is sent meanwhile. Safe to cancel.
    pub(crate) async fn receive(&mut self) -> Result<Vec<Item>, Closed> {
        loop {
            if let Some(items) = self.proceed().await? {
                return Ok(items);
            }
        }
    }

    /// As [`receive`](Self::receive), but returns `None` when everything that waited for the relay has been taken.
    pub(crate) async fn proceed(&mut self) -> Result<Option<Vec<Item>>, Closed> {
        if !self.received.is_empty() {
            return Ok(Some(self.received.drain(..).collect()));
        }
        loop {
            // A relay that makes us answer and does not read the answers is not heard any more.
            let read = self.socket.unsent_reply_bytes() < MAX_UNSENT_REPLIES;
            let was_sending = self.is_sending();
            let is_busy = was_sending || self.socket.is_in_message();
            if !is_busy {
                self.next_look = Instant::now() + LOOK;
                self.check_pace(read)?;
            }
            let (next_look, next_deadline) = (self.next_look, self.next_deadline());
            // First what the system has: after a pause of this task the line is judged by what it did meanwhile.
            let progress = tokio::select! {
                biased;
                progress = self.socket.progress(read) => Some(progress),
                () = sleep_until(next_look), if is_busy => None,
                () = sleep_until(next_deadline) => None,
            };
            self.note_moved();
            let is_taken = was_sending && !self.is_sending();
            if is_taken {
                self.ahead.note_taken(self.now_ms());
            }
            match progress {
                Some(Progress::Message(mut record)) => {
                    self.look(read)?;
                    let received = self.open.open_in_place(&mut record).map_err(|_| Closed)?;
                    self.send(&errors_for(&received.unsupported))?;
                    return Ok(Some(received.items));
                }
                Some(Progress::Over(_)) => return Err(Closed),
                Some(Progress::Sent | Progress::Partial) | None => self.look(read)?,
            }
            if is_taken {
                return Ok(None);
            }
        }
    }

    /// Notes that a part of a message has passed that is not whole yet.
    fn note_moved(&mut self) {
        let now = (self.socket.bytes_written(), self.socket.bytes_read());
        let (written, read) = std::mem::replace(&mut self.passed, now);
        if (self.is_sending() && now.0 != written) || (self.socket.is_in_message() && now.1 != read) {
            self.moved.note();
        }
    }

    /// The time at which a ping is due, or the relay has been silent for too long.
    fn next_deadline(&self) -> Instant {
        self.next_ping.min(self.heard + self.silence())
    }

    /// Silence of the relay after which it is taken for lost. Pings that it wants more often do not shorten it: on a slow line an
    /// answer takes its time.
    fn silence(&self) -> Duration {
        self.period.max(Duration::from_secs(PING_S.into())) * 5 / 2
    }

    /// Judges whether the line still moves, and sends a ping that is due.
    fn look(&mut self, read: bool) -> Result<(), Closed> {
        let now = Instant::now();
        // While something waits the pace decides; a relay that is still taking it cannot answer what stands behind.
        if self.is_sending() || self.socket.bytes_read() != self.heard_bytes {
            (self.heard, self.heard_bytes) = (now, self.socket.bytes_read());
        }
        if now >= self.next_look {
            self.next_look = now + LOOK;
            self.check_pace(read)?;
        }
        if now >= self.heard + self.silence() {
            return Err(Closed);
        }
        if now >= self.next_ping {
            self.next_ping = now + self.period;
            // What waits is heard as well.
            if !self.is_sending() {
                self.send(&[Ping { nonce: 0 }.into()])?;
            }
        }
        Ok(())
    }

    /// Fails if something has waited too long without progress in either direction.
    fn check_pace(&mut self, read: bool) -> Result<(), Closed> {
        let now_ms = self.now_ms();
        let (socket, waits) = (&self.socket, read && self.socket.is_in_message());
        let limit_ms = STALL_MS * WRITE_STALLS;
        let writes_stall =
            self.write_pace.is_stalled(socket.is_sending(), socket.bytes_written(), now_ms, limit_ms);
        let reads_stall = self.read_pace.is_stalled(waits, socket.bytes_read(), now_ms, STALL_MS);
        if writes_stall || reads_stall { Err(Closed) } else { Ok(()) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
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

/// Bounds an errand that waits for so many connections and answers. Each may take [`Config::patience`](crate::Config::patience). As
/// long as it moves it goes on afterwards, to [`LONGEST_ERRAND`].
pub(super) async fn within<T>(
    shared: &Shared,
    waits: u32,
    moved: &Moved,
    errand: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let begun = Instant::now();
    let Some(mut until) = begun.checked_add(shared.config.patience.saturating_mul(waits)) else {
        return errand.await;
    };
    let longest = until.max(begun + LONGEST_ERRAND);
    let mut errand = Box::pin(errand);
    loop {
        if let Ok(done) = timeout_at(until, &mut errand).await {
            return done;
        }
        if until >= longest || !moved.is_moving() {
            return Err(ClientError::RelayDown);
        }
        until = (until + LOOK).min(longest);
    }
}

async fn connect(
    shared: &Shared,
    relay: &RelayAddress,
    token: ClientToken,
    consent: Consent,
    moved: &Moved,
) -> Result<Connection, ConnectError> {
    let (mut state, mut first) =
        ClientHandshake::start(relay.fingerprint(), Offer::v1(), &mut crate::random::SystemRandom);
    // A relay under load asks once for a cookie.
    for _ in 0..2 {
        let (stream, address) = dial(shared, relay, consent).await?;
        let mut socket = upgrade(stream, relay).await?;
        moved.note();
        socket.send(first, 0);
        let message = next_message(&mut socket).await?;
        moved.note();
        let step = state.on_message(&message, &hello(token), &mut crate::random::SystemRandom);
        match step.map_err(handshake_error)? {
            ClientStep::Again(again, c1) => (state, first) = (again, c1),
            ClientStep::Finished(finished) => {
                socket.send(finished.c2, 0);
                socket.set_max_message(MAX_RECORD_LEN);
                // The first record that opens proves that the relay is the pinned one.
                let record = next_message(&mut socket).await?;
                moved.note();
                let opened = finished.link.on_first_record(&record);
                let (link, first) = opened.map_err(|_| ConnectError::Down)?;
                let mut received = VecDeque::from(first.items);
                let (ping_s, hello) = take_relay_hello(&mut received).ok_or(ConnectError::Down)?;
                let (seal, open) = link.split();
                let is_own = shared.look(|engine| engine.is_own_relay(relay)).unwrap_or(false);
                let heard_day = is_own.then(|| shared.hear_day(relay, hello.day));
                let (now, period) = (Instant::now(), ping_period(ping_s));
                let mut connection = Connection {
                    heard_bytes: socket.bytes_read(),
                    moved: moved.clone(),
                    passed: (socket.bytes_written(), socket.bytes_read()),
                    socket,
                    seal,
                    open,
                    received,
                    begun: now,
                    write_pace: Pace::default(),
                    read_pace: Pace::default(),
                    next_look: now + LOOK,
                    ahead: Ahead::new(),
                    period,
                    next_ping: now + period,
                    heard: now,
                    address,
                    needs_token: hello.token_needed,
                    lives: BlobLives::from_hello(hello.blob_days, hello.large_blob_days),
                    day: hello.day,
                    _heard_day: heard_day,
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

/// Takes the first item of the relay's first record: its Hello. Returns its seconds between pings, and what only a relay says.
fn take_relay_hello(received: &mut VecDeque<Item>) -> Option<(u16, RelayHello)> {
    match received.pop_front()? {
        Item::Hello(hello) => Some((hello.ping_s, hello.relay?)),
        _ => None,
    }
}

/// The time between two pings to a relay whose Hello names this many seconds.
fn ping_period(ping_s: u16) -> Duration {
    let seconds = ping_s.clamp(*named::PING_S.start(), *named::PING_S.end());
    Duration::from_secs(seconds.into())
}

async fn upgrade(stream: TcpStream, relay: &RelayAddress) -> Result<Socket<TcpStream>, ConnectError> {
    // Bytes wait here, where they are counted, and not in the system: what a slow line takes is seen soon.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(deaddrop_websocket::UNSENT_IN_SYSTEM);
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
        ping_s: PING_S,
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
        // It is not authenticated either, but only the user can do something about it.
        ClientHandshakeError::NoCommonVersion => ConnectError::NoCommonVersion,
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
mod tests;
