//! The seam below the links: transports carry their messages to a relay.
//!
//! A link needs a connection that carries messages whole and in order. A [`Transport`] decides how a connection is made: this
//! build has WebSockets over TCP ([`TcpTransport`](super::tcp::TcpTransport)).

use deaddrop_engine::{Reach, conversation::ConnectError};
use deaddrop_wire::RelayAddress;
use std::{
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

/// An exception from the rule about addresses, for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// No exception: only the rule decides.
    Rule,
    /// The user has pasted this relay's address and has no other relay. An IP address in it is allowed.
    Shown,
    /// The user allows a private address for this connection.
    Given,
}

/// The destination of a connection.
pub(crate) struct Destination<'a> {
    /// The relay.
    pub(crate) relay: &'a RelayAddress,
    /// The exception that the caller makes.
    pub(crate) consent: Consent,
    /// A function that reads the addresses that the user has allowed. `None`: the vault cannot be read now.
    pub(crate) reach: &'a (dyn Fn() -> Option<Reach> + Send + Sync),
}

/// A connection, and the address to which it goes, in its canonical form.
pub(crate) struct ConnectedStream {
    pub(crate) stream: Box<dyn MessageStream>,
    pub(crate) address: IpAddr,
}

/// The future of a connection. Dropping it gives the connection up.
pub(crate) type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<ConnectedStream, ConnectError>> + Send + 'a>>;

/// A way to make connections to relays.
pub(crate) trait Transport: Send + Sync {
    /// Fails at once for an address to which this transport makes no connection.
    fn check(&self, relay: &RelayAddress) -> Result<(), ConnectError>;

    /// Connects. The caller bounds the time. Messages are not longer than `max_message`.
    fn open_stream<'a>(&'a self, target: Destination<'a>, max_message: usize) -> Connecting<'a>;
}

/// An event on a connection.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// A message came.
    Message(Vec<u8>),
    /// All queued bytes have been taken, or a message has begun to come.
    Moved,
    /// The connection has ended.
    Over,
}

/// A connection that carries messages, whole and in order.
pub(crate) trait MessageStream: Send {
    /// Sets the longest message that is received from here on.
    fn set_max_message(&mut self, max_message: usize);

    /// Queues a message, of which `reply_bytes` answer items of the relay.
    fn send(&mut self, message: Vec<u8>, reply_bytes: usize);

    /// Sends what is queued and, with `read`, waits for the next message.
    fn poll_event(&mut self, context: &mut Context<'_>, read: bool) -> Poll<StreamEvent>;

    /// Whether bytes wait for the relay.
    fn is_sending(&self) -> bool;

    /// Whether the relay has begun a message and not ended it.
    fn is_in_message(&self) -> bool;

    /// Returns the number of bytes that came.
    fn bytes_read(&self) -> u64;

    /// Returns the number of bytes that the line has taken.
    fn bytes_written(&self) -> u64;

    /// Returns the number of bytes that the line has not taken yet.
    fn unsent_bytes(&self) -> usize;

    /// Returns the part of [`unsent_bytes`](Self::unsent_bytes) that answers items of the relay.
    fn unsent_reply_bytes(&self) -> usize;

    /// Sends what is queued and a close frame. The caller bounds the time.
    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Waits for the next event. Safe to cancel.
pub(super) async fn next_event(stream: &mut dyn MessageStream, read: bool) -> StreamEvent {
    poll_fn(|context| stream.poll_event(context, read)).await
}

/// Waits for the next message, and sends what is queued meanwhile.
pub(super) async fn next_message(stream: &mut dyn MessageStream) -> Result<Vec<u8>, ConnectError> {
    loop {
        match next_event(stream, true).await {
            StreamEvent::Message(message) => return Ok(message),
            StreamEvent::Moved => {}
            StreamEvent::Over => return Err(ConnectError::Down),
        }
    }
}
