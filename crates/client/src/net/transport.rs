//! The interface below the links: a transport carries their messages to a relay.

use deaddrop_engine::{Reach, conversation::ConnectError};
use deaddrop_wire::RelayAddress;
use std::{
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
};

/// An exception from the rule about addresses that are not public (see `net/dial.rs`), for one
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// No exception: only the rule decides.
    Rule,
    /// The user has pasted the address of this relay and has no other relay: an IP address, or
    /// `localhost`, in it is allowed.
    Shown,
    /// The user allows any address to which this relay's name leads, for this connection.
    Given,
}

/// The destination of a connection, and the means to check its IP address.
pub(crate) struct Destination<'a> {
    /// Address of the relay.
    pub(crate) relay: &'a RelayAddress,
    /// The exception that the caller makes.
    pub(crate) consent: Consent,
    /// A function that returns the relays that the user has named and the addresses that the user
    /// has allowed; `None` if the vault cannot be read now.
    pub(crate) reach: &'a (dyn Fn() -> Option<Reach> + Send + Sync),
}

/// A connection to a relay, and the IP address to which it goes, in its canonical form (an
/// IPv4-mapped one as IPv4).
pub(crate) struct ConnectedStream {
    pub(crate) stream: Box<dyn MessageStream>,
    pub(crate) address: IpAddr,
}

/// The future of a connection to a relay. Dropping it ends the attempt.
pub(crate) type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<ConnectedStream, ConnectError>> + Send + 'a>>;

/// A way to make connections to relays.
pub(crate) trait Transport: Send + Sync {
    /// Fails if this transport never connects to such an address. Does not connect.
    fn check(&self, relay: &RelayAddress) -> Result<(), ConnectError>;

    /// Connects to a relay. The caller limits the time. A message of more than `max_message` bytes
    /// from the relay ends the connection.
    fn open_stream<'a>(&'a self, target: Destination<'a>, max_message: usize) -> Connecting<'a>;
}

/// An event on a connection.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    /// A message came.
    Message(Vec<u8>),
    /// All queued bytes were handed to the line, the relay has begun a message, or more of a large
    /// message came.
    Moved,
    /// The connection has ended.
    Over,
}

/// A connection that carries messages, whole and in order.
pub(crate) trait MessageStream: Send {
    /// Sets the maximum length in bytes of messages that are received from now on.
    fn set_max_message(&mut self, max_message: usize);

    /// Queues a message. `reply_bytes` of its bytes answer items of the relay, see
    /// [`unsent_reply_bytes`](Self::unsent_reply_bytes).
    fn send(&mut self, message: Vec<u8>, reply_bytes: usize);

    /// Sends what is queued and, if `read`, receives. Ready with the next event.
    fn poll_event(&mut self, context: &mut Context<'_>, read: bool) -> Poll<StreamEvent>;

    /// Whether queued bytes were not handed to the line yet.
    fn is_sending(&self) -> bool;

    /// Whether a part of a message of the relay has come, and not its end.
    fn is_in_message(&self) -> bool;

    /// Returns the number of bytes that came since the connection was opened.
    fn bytes_read(&self) -> u64;

    /// Returns the number of bytes that were handed to the line since the connection was opened.
    fn bytes_written(&self) -> u64;

    /// Returns the number of queued bytes that were not handed to the line yet.
    fn unsent_bytes(&self) -> usize;

    /// Returns the number of bytes in [`unsent_bytes`](Self::unsent_bytes) that answer items of the
    /// relay.
    fn unsent_reply_bytes(&self) -> usize;

    /// Sends what is queued and a close frame. The caller limits the time.
    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Sends what is queued and waits for the next event; receives only if `read`. Safe to cancel.
pub(super) async fn next_event(stream: &mut dyn MessageStream, read: bool) -> StreamEvent {
    poll_fn(|context| stream.poll_event(context, read)).await
}

/// Waits for the next message, and sends what is queued meanwhile. Fails with
/// [`ConnectError::Down`] at the end of the connection.
pub(super) async fn next_message(stream: &mut dyn MessageStream) -> Result<Vec<u8>, ConnectError> {
    loop {
        match next_event(stream, true).await {
            StreamEvent::Message(message) => return Ok(message),
            StreamEvent::Moved => {}
            StreamEvent::Over => return Err(ConnectError::Down),
        }
    }
}
