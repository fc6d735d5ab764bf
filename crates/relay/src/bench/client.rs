//! One link of a client of the load, and the secrets of a mailbox.

use super::error::BenchError;
use super::traffic::Traffic;
use crate::random::SystemRandom;
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_link::{ClientHandshake, ClientStep, LinkSession, MAX_RECORD_LEN};
use deaddrop_websocket::{Progress, Socket, upgrade};
use deaddrop_wire::item::{
    AnswerCode, Create, CreateFlags, Hello, LeaseClass, QuotaClass, SendGrant, Subscribe, Subscription,
};
use deaddrop_wire::{ClientToken, Fingerprint, Item, Offer, RelayAddress};
use std::collections::VecDeque;
use tokio::net::TcpStream;

/// The secrets of a mailbox: those of its owner, its reader and its sender.
pub(super) struct MailboxSecrets {
    own: OwnCapability,
    read: ReadCapability,
    pub(super) send: SendCapability,
}

impl MailboxSecrets {
    pub(super) fn generate() -> Self {
        let mut rng = SystemRandom;
        Self {
            own: OwnCapability::generate(&mut rng),
            read: ReadCapability::generate(&mut rng),
            send: SendCapability::generate(&mut rng),
        }
    }
}

/// A client of the load with one link to the relay.
pub(super) struct LoadClient {
    socket: Socket<TcpStream>,
    link: LinkSession,
    inbox: VecDeque<Item>,
    pub(super) relay: Fingerprint,
    pub(super) traffic: Traffic,
}

impl LoadClient {
    /// Connects and makes the handshake. `token` is the client token of the `Hello`; zeros for
    /// none.
    pub(super) async fn connect(address: &RelayAddress, token: [u8; 16]) -> Result<Self, BenchError> {
        Self::try_connect(address, token).await.ok_or(BenchError::Connect)
    }

    async fn try_connect(address: &RelayAddress, token: [u8; 16]) -> Option<Self> {
        let stream = TcpStream::connect((address.host(), address.port())).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let host = format!("{}:{}", address.host(), address.port());
        let mut socket = upgrade(stream, &host, address.path(), MAX_RECORD_LEN).await.ok()?;
        let hello = Hello {
            features: 0,
            ping_s: 60,
            window_blobs: 64,
            window_bytes: 1 << 20,
            client: ClientToken::from_bytes(token),
            relay: None,
        };
        let (mut state, c1) = ClientHandshake::start(address.fingerprint(), Offer::v1(), &mut SystemRandom);
        socket.send(c1, 0);
        let finished = loop {
            let answer = message(&mut socket).await?;
            match state.on_message(&answer, &hello, &mut SystemRandom).ok()? {
                ClientStep::Finished(finished) => break finished,
                ClientStep::Again(again, c1) => {
                    state = again;
                    socket.send(c1, 0);
                }
            }
        };
        socket.send(finished.c2, 0);
        let record = message(&mut socket).await?;
        let (link, received) = finished.link.on_first_record(&record).ok()?;
        let mut inbox = VecDeque::from(received.items);
        inbox.pop_front_if(|item| matches!(item, Item::Hello(_)))?;
        Some(Self { socket, link, inbox, relay: *address.fingerprint(), traffic: Traffic::default() })
    }

    /// Seals items and queues the records. They are written only while [`next`](Self::next) waits.
    /// Fails when the link cannot seal them.
    pub(super) fn send(&mut self, items: &[Item]) -> Result<(), BenchError> {
        for record in self.link.seal(items).map_err(|_| BenchError::LinkEnded)? {
            self.traffic.records_to_relay += 1;
            self.traffic.bytes_to_relay += record.len() as u64;
            self.socket.send(record, 0);
        }
        Ok(())
    }

    /// Waits for the next item, and writes what is queued meanwhile. The future may be dropped and
    /// the method called again.
    pub(super) async fn next(&mut self) -> Result<Item, BenchError> {
        loop {
            if let Some(item) = self.inbox.pop_front() {
                return Ok(item);
            }
            let record = message(&mut self.socket).await.ok_or(BenchError::LinkEnded)?;
            self.traffic.records_from_relay += 1;
            self.traffic.bytes_from_relay += record.len() as u64;
            let received = self.link.open(&record).map_err(|_| BenchError::LinkEnded)?;
            self.inbox.extend(received.items);
        }
    }

    /// Returns the next item that was received already, without waiting for another record; `None`
    /// if none is left.
    pub(super) fn take_received(&mut self) -> Option<Item> {
        self.inbox.pop_front()
    }

    /// Creates the mailbox and subscribes to it under the number 1.
    pub(super) async fn open_mailbox(&mut self, mailbox: &MailboxSecrets) -> Result<(), BenchError> {
        let relay = self.relay;
        let create = Create {
            req: 1,
            own: mailbox.own.id(&relay),
            read: mailbox.read.id(&relay),
            sends: vec![SendGrant { send: mailbox.send.id(&relay), via: 7 }],
            lease: LeaseClass::Month,
            quota: QuotaClass::Many,
            flags: CreateFlags::NONE,
            token: vec![].into(),
        };
        self.send(&[create.into()])?;
        loop {
            match self.next().await? {
                Item::Answer(answer) if answer.code == AnswerCode::Done => break,
                Item::Answer(answer) => return Err(BenchError::Refused(answer.code)),
                _ => {}
            }
        }
        let read = mailbox.read.present(&relay);
        self.send(&[Subscribe { req: 2, mailboxes: vec![Subscription { sub: 1, read }] }.into()])?;
        while !matches!(self.next().await?, Item::Subscribed(_)) {}
        Ok(())
    }
}

/// Waits for the next message of the WebSocket; `None` if the connection is over.
async fn message(socket: &mut Socket<TcpStream>) -> Option<Vec<u8>> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Some(message),
            Progress::Sent | Progress::Partial => {}
            Progress::Over(_) => return None,
        }
    }
}
