//! A link over a WebSocket.

use super::shared::Shared;
use crate::error::ClientError;
use deaddrop_link::{ClientHandshake, ClientHandshakeError, ClientStep, MAX_RECORD_LEN, OpenHalf, SealHalf};
use deaddrop_wire::{
    ClientToken, Item, Offer, RelayAddress,
    item::{Hello, Pong},
};
use futures_util::{SinkExt, StreamExt};
use std::{collections::VecDeque, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_websockets::{ClientBuilder, Limits, Message, WebSocketStream};

/// Blobs that may be in flight to this client.
const WINDOW_BLOBS: u16 = 64;
/// Bytes of blobs that may be in flight to this client.
const WINDOW_BYTES: u32 = 1 << 20;
/// Seconds between pings.
pub(crate) const PING: u16 = 45;

/// How long one write may wait for the relay.
const WRITE_STALL: Duration = Duration::from_secs(30);

/// A connected link.
pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
    seal: SealHalf,
    open: OpenHalf,
    received: VecDeque<Item>,
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
}

impl From<ConnectError> for ClientError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Down => Self::RelayDown,
            ConnectError::WrongRelay => Self::WrongRelay,
            ConnectError::NoTls => Self::NoTls,
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
        if relay.is_tls() {
            return Err(ConnectError::NoTls);
        }
        let connected = timeout(shared.config.patience, Box::pin(connect(relay, token))).await;
        connected.unwrap_or(Err(ConnectError::Down))
    }

    /// Sends items in order.
    pub(crate) async fn send(&mut self, items: &[Item]) -> Result<(), Closed> {
        let records = self.seal.seal(items).map_err(|_| Closed)?;
        let sent = async {
            for record in records {
                self.socket.feed(Message::binary(record)).await?;
            }
            self.socket.flush().await
        };
        match timeout(WRITE_STALL, sent).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Closed),
        }
    }

    /// The items of the next record; safe to cancel.
    pub(crate) async fn receive(&mut self) -> Result<Vec<Item>, Closed> {
        if !self.received.is_empty() {
            return Ok(self.received.drain(..).collect());
        }
        loop {
            let message = self.socket.next().await.ok_or(Closed)?.map_err(|_| Closed)?;
            if message.is_binary() {
                let mut record = message.into_payload().to_vec();
                let received = self.open.open_in_place(&mut record).map_err(|_| Closed)?;
                return Ok(received.items);
            }
            if message.is_close() {
                return Err(Closed);
            }
        }
    }

    /// Answers what concerns the link alone; gives the rest.
    pub(crate) async fn answer(&mut self, items: Vec<Item>) -> Result<Vec<Item>, Closed> {
        let mut rest = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Ping(ping) => self.send(&[Pong { nonce: ping.nonce }.into()]).await?,
                other => rest.push(other),
            }
        }
        Ok(rest)
    }

    /// Says goodbye; whoever does not listen is left.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close()).await;
    }
}

async fn connect(relay: &RelayAddress, token: ClientToken) -> Result<Connection, ConnectError> {
    let (mut state, mut first) =
        ClientHandshake::start(relay.fingerprint(), Offer::v1(), &mut crate::random::SystemRandom);
    // A relay under load asks once for a cookie.
    for _ in 0..2 {
        let mut socket = upgrade(relay).await?;
        socket.send(Message::binary(first)).await.map_err(|_| ConnectError::Down)?;
        let message = next_binary(&mut socket).await?;
        let step = state.on_message(&message, &[hello(token)], &mut crate::random::SystemRandom);
        match step.map_err(handshake_error)? {
            ClientStep::Again(again, c1) => (state, first) = (again, c1),
            ClientStep::Finished(finished) => {
                for record in finished.messages {
                    socket.send(Message::binary(record)).await.map_err(|_| ConnectError::Down)?;
                }
                let (seal, open) = finished.session.split();
                let mut connection = Connection { socket, seal, open, received: VecDeque::new() };
                // The first record that opens proves that the relay is the pinned one.
                let mut items: VecDeque<Item> =
                    connection.receive().await.map_err(|_| ConnectError::Down)?.into();
                let Some(Item::Hello(_)) = items.pop_front() else { return Err(ConnectError::Down) };
                connection.received = items;
                return Ok(connection);
            }
        }
    }
    Err(ConnectError::Down)
}

async fn upgrade(relay: &RelayAddress) -> Result<WebSocketStream<TcpStream>, ConnectError> {
    let stream = TcpStream::connect((relay.host(), relay.port())).await.map_err(|_| ConnectError::Down)?;
    let _ = stream.set_nodelay(true);
    // Room for C2, which carries a record behind its ciphertext.
    let limits = Limits::default().max_payload_len(Some(2 * MAX_RECORD_LEN));
    let builder = ClientBuilder::new().uri(relay.url()).map_err(|_| ConnectError::Down)?.limits(limits);
    let (socket, _) = builder.connect_on(stream).await.map_err(|_| ConnectError::Down)?;
    Ok(socket)
}

async fn next_binary(socket: &mut WebSocketStream<TcpStream>) -> Result<Vec<u8>, ConnectError> {
    loop {
        let message = socket.next().await.ok_or(ConnectError::Down)?.map_err(|_| ConnectError::Down)?;
        if message.is_binary() {
            return Ok(message.into_payload().to_vec());
        }
        if message.is_close() {
            return Err(ConnectError::Down);
        }
    }
}

fn hello(client: ClientToken) -> Item {
    Hello {
        features: 0,
        ping_s: PING,
        window_blobs: WINDOW_BLOBS,
        window_bytes: WINDOW_BYTES,
        client,
        relay: None,
    }
    .into()
}

fn handshake_error(error: ClientHandshakeError) -> ConnectError {
    match error {
        ClientHandshakeError::WrongRelay | ClientHandshakeError::Unauthentic => ConnectError::WrongRelay,
        _ => ConnectError::Down,
    }
}
