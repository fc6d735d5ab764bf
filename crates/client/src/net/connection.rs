//! A link over a connection: its messages are moved here, and the progress of its line is watched.

use super::{
    clock::ClientClock,
    days::HeardDay,
    moved::Moved,
    shared::Shared,
    transport::{
        ConnectedStream, Consent, Destination, MessageStream, StreamEvent, next_event, next_message,
    },
};
use crate::{engine::Engine, random::SystemRandom};
use deaddrop_engine::conversation::{
    ConnectError, LineState, Link, LinkClosed, LinkInfo, LinkOpening, MAX_HANDSHAKE_MESSAGE, Moment,
    OpeningStep,
};
use deaddrop_link::MAX_RECORD_LEN;
use deaddrop_websocket::{Ahead, Pace, STALL_MS, WRITE_STALLS};
use deaddrop_wire::{ClientToken, Item, RelayAddress, RelayUrl};
use std::time::Duration;
use tokio::time::{sleep_until, timeout};

/// Time between two checks that a slow line still moves: short against the 10 s without progress
/// after which the link ends.
const LOOK: Duration = Duration::from_secs(1);
/// Maximum number of unsent bytes that answer the relay's own items (pings, unknown items), about
/// one record of the largest size. Above it the link is not read, so a relay that reads no answers
/// cannot fill the memory.
const MAX_UNSENT_REPLIES: usize = 262_144;

/// Maximum time for sending what is queued and a close frame when a link ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// A link with its connection and the watch on its progress.
pub(crate) struct Connection {
    stream: Box<dyn MessageStream>,
    link: Box<Link>,
    clock: ClientClock,
    /// The items that came in one record with the relay's Hello and are not returned yet.
    received: Vec<Item>,
    write_pace: Pace,
    read_pace: Pace,
    next_look: Moment,
    ahead: Ahead,
    /// The record in which the progress of long messages is noted.
    moved: Moved,
    /// Numbers of bytes written and read when [`note_moved`](Self::note_moved) was called last.
    passed: (u64, u64),
    /// The day in the relay's Hello, if the relay is an own one: it counts as long as this value
    /// lives.
    _heard_day: Option<HeardDay>,
}

impl Connection {
    /// Queues items in their order. They are sent while [`receive`](Self::receive),
    /// [`proceed`](Self::proceed) or [`close`](Self::close) is awaited.
    pub(crate) fn send(&mut self, items: &[Item]) -> Result<(), LinkClosed> {
        let now_ms = self.now_ms();
        for record in self.link.seal(items)? {
            self.ahead.note_queued(record.bytes.len(), now_ms);
            self.stream.send(record.bytes, record.reply_bytes);
        }
        Ok(())
    }

    /// Returns the position in the stream of sent bytes at which the queue ends now.
    pub(crate) fn end_of_queue(&self) -> u64 {
        self.stream.bytes_written().saturating_add(self.stream.unsent_bytes() as u64)
    }

    /// Returns the facts in the relay's Hello, and the address at which the relay was reached.
    pub(crate) fn opened(&self) -> LinkInfo {
        self.link.opened()
    }

    /// Returns the counts of bytes that the connection has moved and still holds.
    pub(crate) fn line(&self) -> LineState {
        LineState {
            is_sending: self.stream.is_sending(),
            taken: self.stream.bytes_written(),
            read: self.stream.bytes_read(),
            ahead: self.ahead.bytes(),
        }
    }

    /// Returns the items of the next record, without those that the link answers itself, such as
    /// pings. Sends the queued items meanwhile. Safe to cancel.
    pub(crate) async fn receive(&mut self) -> Result<Vec<Item>, LinkClosed> {
        loop {
            if let Some(items) = self.proceed().await? {
                return Ok(items);
            }
        }
    }

    /// Does the same as [`receive`](Self::receive), but returns `None` as soon as the line has
    /// taken everything that was queued.
    pub(crate) async fn proceed(&mut self) -> Result<Option<Vec<Item>>, LinkClosed> {
        if !self.received.is_empty() {
            return Ok(Some(std::mem::take(&mut self.received)));
        }
        loop {
            // A relay that makes us answer and does not read the answers is not heard any more.
            let read = self.stream.unsent_reply_bytes() < MAX_UNSENT_REPLIES;
            let was_sending = self.stream.is_sending();
            let is_busy = was_sending || self.stream.is_in_message();
            if !is_busy {
                self.next_look = self.clock.moment().plus(LOOK);
                self.check_pace(read)?;
            }
            let deadline = self.link.deadline();
            let deadline = if is_busy { deadline.min(self.next_look) } else { deadline };
            let deadline = self.clock.instant(deadline).ok_or(LinkClosed)?;
            // First what the system has: after a pause of this task the line is judged by what it did meanwhile.
            let event = tokio::select! {
                biased;
                event = next_event(&mut *self.stream, read) => Some(event),
                () = sleep_until(deadline) => None,
            };
            self.note_moved();
            let is_taken = was_sending && !self.stream.is_sending();
            if is_taken {
                self.ahead.note_taken(self.now_ms());
            }
            match event {
                Some(StreamEvent::Message(mut record)) => {
                    self.look(read)?;
                    let incoming = self.link.open(&mut record)?;
                    self.send(&incoming.replies)?;
                    return Ok(Some(incoming.items));
                }
                Some(StreamEvent::Over) => return Err(LinkClosed),
                Some(StreamEvent::Moved) | None => self.look(read)?,
            }
            if is_taken {
                return Ok(None);
            }
        }
    }

    /// Notes progress if bytes of a message that is not complete were sent or received since the
    /// last call.
    fn note_moved(&mut self) {
        let now = (self.stream.bytes_written(), self.stream.bytes_read());
        let (written, read) = std::mem::replace(&mut self.passed, now);
        if (self.stream.is_sending() && now.0 != written) || (self.stream.is_in_message() && now.1 != read) {
            self.moved.note();
        }
    }

    /// Fails if the line has stopped or the relay is silent for too long; queues a ping if one is
    /// due. `read` tells whether the link is being read.
    fn look(&mut self, read: bool) -> Result<(), LinkClosed> {
        let now = self.clock.moment();
        if now >= self.next_look {
            self.next_look = now.plus(LOOK);
            self.check_pace(read)?;
        }
        match self.link.look(&self.line(), now)? {
            Some(ping) => self.send(&[ping.into()]),
            None => Ok(()),
        }
    }

    /// Fails if bytes wait to be sent and too few were taken for 20 s, or a message has begun and
    /// too little of it came for 10 s. The latter counts only if the link is being read (`read`).
    fn check_pace(&mut self, read: bool) -> Result<(), LinkClosed> {
        let now_ms = self.now_ms();
        let (stream, waits) = (&self.stream, read && self.stream.is_in_message());
        let limit_ms = STALL_MS * WRITE_STALLS;
        let writes_stall =
            self.write_pace.is_stalled(stream.is_sending(), stream.bytes_written(), now_ms, limit_ms);
        let reads_stall = self.read_pace.is_stalled(waits, stream.bytes_read(), now_ms, STALL_MS);
        if writes_stall || reads_stall { Err(LinkClosed) } else { Ok(()) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.moment().since_start().as_millis()).unwrap_or(u64::MAX)
    }

    /// Sends what is queued and a close frame, and waits for that at most a second.
    pub(crate) async fn close(self) {
        let _ = timeout(GOODBYE, self.stream.close()).await;
    }
}

/// The properties of a link that is being opened, wherever its relay is.
pub(super) struct Opening<'a> {
    pub(super) shared: &'a Shared,
    /// The address for which the link is opened.
    pub(super) relay: &'a RelayAddress,
    /// The token that lets the relay know an earlier connection of this client; zeros name none.
    pub(super) token: &'a ClientToken,
    /// The exception from the rule about private addresses at the first place. Others have none: a
    /// relay has named them, not the user.
    pub(super) consent: Consent,
    /// The record in which progress is noted.
    pub(super) moved: &'a Moved,
}

/// The result of dialling one place of a relay.
pub(super) enum Dialled {
    /// The link is open.
    Open(Box<Connection>),
    /// The relay has proved its identity and has moved to this URL.
    Moved(RelayUrl),
}

/// Connects to one place of a relay, sends the link's Hello ([`Item::Hello`]), and awaits the
/// relay's.
pub(super) async fn dial(
    link: &Opening<'_>,
    place: &RelayAddress,
    consent: Consent,
) -> Result<Dialled, ConnectError> {
    let Opening { shared, relay, token, moved, .. } = *link;
    let clock = shared.clock;
    let token = ClientToken::from_bytes(*token.as_bytes());
    let (mut opening, mut first) = LinkOpening::begin(place.fingerprint(), token, &mut SystemRandom);
    let reach = || shared.look(Engine::reach).ok();
    // Once more when the relay asks for a cookie.
    loop {
        let target = Destination { relay: place, consent, reach: &reach };
        let connected = shared.transport.open_stream(target, MAX_HANDSHAKE_MESSAGE).await?;
        let ConnectedStream { mut stream, address } = connected;
        moved.note();
        stream.send(std::mem::take(&mut first), 0);
        loop {
            let message = next_message(&mut *stream).await?;
            moved.note();
            let (read, now) = (stream.bytes_read(), clock.moment());
            match opening.on_message(&message, address, read, now, &mut SystemRandom)? {
                OpeningStep::Reconnect(message) => {
                    first = message;
                    break;
                }
                OpeningStep::Send(message) => {
                    stream.send(message, 0);
                    stream.set_max_message(MAX_RECORD_LEN);
                }
                OpeningStep::Moved(url) => {
                    let _ = timeout(GOODBYE, stream.close()).await;
                    return Ok(Dialled::Moved(url));
                }
                OpeningStep::Opened { link, items, replies } => {
                    let is_own = shared.look(|engine| engine.is_own_relay(relay)).unwrap_or(false);
                    let heard_day = is_own.then(|| shared.hear_day(relay, link.opened().day));
                    let mut connection = Connection {
                        moved: moved.clone(),
                        passed: (stream.bytes_written(), stream.bytes_read()),
                        stream,
                        link,
                        clock,
                        received: items,
                        write_pace: Pace::default(),
                        read_pace: Pace::default(),
                        next_look: now.plus(LOOK),
                        ahead: Ahead::new(),
                        _heard_day: heard_day,
                    };
                    connection.send(&replies).map_err(|LinkClosed| ConnectError::Down)?;
                    return Ok(Dialled::Open(Box::new(connection)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
