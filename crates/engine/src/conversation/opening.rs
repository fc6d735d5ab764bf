//! Opening a link: the handshake, and the Hellos of both sides.

use super::{
    line::LinkInfo,
    link::{Link, PING_S, sort},
    moment::Moment,
    states::ConnectError,
};
use crate::{engine::BlobLives, named};
use deaddrop_link::{ClientHandshake, ClientHandshakeError, ClientStep, UnprovenLink};
use deaddrop_wire::{
    ClientToken, Fingerprint, Item, Offer, RelayUrl,
    item::{Hello, RelayHello},
};
use rand_core::CryptoRng;
use std::{net::IpAddr, time::Duration};

/// Maximum number of blobs that the relay may have sent to this client without an Ack
/// (spec/14-client.md section 6).
const WINDOW_BLOBS: u16 = 64;
/// Maximum number of bytes of blobs that the relay may have sent to this client without an Ack
/// (spec/14-client.md section 6).
const WINDOW_BYTES: u32 = 1 << 20;
/// Maximum length in bytes of a message of the relay before [`OpeningStep::Send`]; later messages
/// are records. The longest one, the handshake message S1, has 2,382.
pub const MAX_HANDSHAKE_MESSAGE: usize = 4_096;

/// The state of a link that is being opened: the handshake, then the wait for the relay's Hello.
pub struct LinkOpening {
    hello: Hello,
    state: State,
    /// Whether the relay has asked for a cookie.
    has_cookie: bool,
}

enum State {
    Handshake(ClientHandshake),
    /// The handshake is done. Awaits the relay's first record, which proves that the relay is the
    /// pinned one.
    Unproven(UnprovenLink),
    Over,
}

/// The result of handling a message of the relay.
pub enum OpeningStep {
    /// The relay asks for a cookie: open another connection to the same address, and send this
    /// message first.
    Reconnect(Vec<u8>),
    /// Send this message, the last one of the handshake. All later messages in both directions are
    /// records.
    Send(Vec<u8>),
    /// The relay has proved its identity and sent its Hello: the link is open.
    Opened {
        /// The link.
        link: Box<Link>,
        /// Items that followed the relay's Hello in the same record.
        items: Vec<Item>,
        /// Answers to items of that record that concern the link alone, to be sent at once.
        replies: Vec<Item>,
    },
    /// The relay has proved its identity and said that it has moved to this URL: close the
    /// connection, and dial there ([`Following`](super::Following)). The opening is over.
    Moved(RelayUrl),
}

impl LinkOpening {
    /// Begins a handshake with a relay. Also returns the first message, which is to be sent.
    /// `token` lets the relay recognise an earlier link of this client, which the new one replaces;
    /// zeros show no token.
    pub fn begin(relay: &Fingerprint, token: ClientToken, rng: &mut impl CryptoRng) -> (Self, Vec<u8>) {
        let (handshake, first) = ClientHandshake::start(relay, Offer::v1(), rng);
        (Self { hello: hello(token), state: State::Handshake(handshake), has_cookie: false }, first)
    }

    /// Handles a message of the relay. `address` is the IP address at which the relay was reached,
    /// `bytes_read` the number of bytes that have come over its connection.
    ///
    /// # Errors
    /// Fails with [`ConnectError::WrongRelay`] if another relay answers, with
    /// [`ConnectError::NoCommonVersion`] if the two sides speak no version in common, and with
    /// [`ConnectError::Down`] if the message is not the one that must come. The opening is over
    /// then: later calls fail with [`ConnectError::Down`].
    pub fn on_message(
        &mut self,
        message: &[u8],
        address: IpAddr,
        bytes_read: u64,
        now: Moment,
        rng: &mut impl CryptoRng,
    ) -> Result<OpeningStep, ConnectError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Handshake(handshake) => {
                match handshake.on_message(message, &self.hello, rng).map_err(handshake_error)? {
                    // A relay under load asks once for a cookie.
                    ClientStep::Again(..) if self.has_cookie => Err(ConnectError::Down),
                    ClientStep::Again(again, first) => {
                        (self.state, self.has_cookie) = (State::Handshake(again), true);
                        Ok(OpeningStep::Reconnect(first))
                    }
                    ClientStep::Finished(finished) => {
                        self.state = State::Unproven(finished.link);
                        Ok(OpeningStep::Send(finished.c2))
                    }
                }
            }
            State::Unproven(unproven) => {
                let (link, mut first) = unproven.on_first_record(message).map_err(|_| ConnectError::Down)?;
                let (ping_s, hello) = take_relay_hello(&mut first.items).ok_or(ConnectError::Down)?;
                if let Some(Item::Moved(moved)) = first.items.first() {
                    return Ok(OpeningStep::Moved(moved.url.clone()));
                }
                let incoming = sort(first);
                let opened = LinkInfo {
                    address,
                    lives: BlobLives::from_hello(hello.blob_days, hello.large_blob_days),
                    needs_token: hello.token_needed,
                    day: hello.day,
                };
                let (seal, open) = link.split();
                let link = Link::new(seal, open, opened, ping_period(ping_s), bytes_read, now);
                let (items, replies) = (incoming.items, incoming.replies);
                Ok(OpeningStep::Opened { link: Box::new(link), items, replies })
            }
            State::Over => Err(ConnectError::Down),
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

/// Removes the relay's Hello, which must be the first item of the relay's first record, from
/// `items`. Returns the seconds between two pings, and the part that only a relay's Hello has.
/// Returns `None` and removes nothing if the first item is no Hello of a relay.
fn take_relay_hello(items: &mut Vec<Item>) -> Option<(u16, RelayHello)> {
    match items.first()? {
        Item::Hello(hello) => {
            let found = (hello.ping_s, hello.relay?);
            items.remove(0);
            Some(found)
        }
        _ => None,
    }
}

/// Returns the time between two pings to a relay whose Hello names `ping_s` seconds, limited to
/// [`named::PING_S`].
fn ping_period(ping_s: u16) -> Duration {
    let seconds = ping_s.clamp(*named::PING_S.start(), *named::PING_S.end());
    Duration::from_secs(seconds.into())
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

#[cfg(test)]
mod tests;
