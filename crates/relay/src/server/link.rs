//! The link of one client: the handshake, then the conversation. C1, S1 and C2 are the messages of
//! the handshake (spec/10-link.md).

use super::close_reason::CloseReason;
use super::connection::Connection;
use super::opened::Opened;
use super::relay::Relay;
use crate::admission::{Connected, Handshake, Signal};
use crate::memory::Held;
use crate::random::SystemRandom;
use crate::session::{Close, Output, RelaySession};
use crate::store::Store;
use deaddrop_link::{
    ClientHello, LinkSession, MAX_RECORD_LEN, OpenHalf, RelayHandshake, RelayHandshakeError, SealHalf,
    no_common_version, retry,
};
use deaddrop_websocket::{Ahead, End, LARGE_PARTIAL, Pace, Progress, Socket, WRITE_STALLS};
use deaddrop_wire::item::{GoAway, Hello};
use deaddrop_wire::{Item, Received};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// Maximum number of further outcomes that are handled with a first one before the answers are
/// sealed, so that small items share a record. Any number above 0 does this.
const TAKEN_TOGETHER: usize = 64;
/// Number of bytes that wait to be sent to a client above which no more blobs are delivered to it,
/// even if its line is fast (spec/12-relay.md section 5).
const DELIVER_BELOW: usize = 65_536;

/// Maximum time that a link stays open after the client was told that the relay has moved
/// (spec/12-relay.md section 5). The client closes it sooner.
const MOVED_LINGER: Duration = Duration::from_secs(2);

/// Makes the handshake on a WebSocket before `deadline`, and begins the conversation. Closes the
/// WebSocket and returns `None` if that fails.
pub(super) async fn begin<S: Store>(
    relay: Arc<Relay<S>>,
    opened: Opened,
    deadline: Instant,
) -> Option<Box<Conversation<S>>> {
    let Opened { mut socket, connected, held } = opened;
    let shaking = shake_hands(&relay, &mut socket, &connected);
    let shaken = tokio::time::timeout_at(deadline, shaking).await;
    let Ok(Some((link, hello))) = shaken else {
        tracing::debug!("a handshake failed");
        // Tells a client that still listens that the relay meant to close.
        say_goodbye(socket).await;
        return None;
    };
    connected.established(&relay.shared.limits);
    if relay.shared.moved_to().is_none() {
        // A link that is sent away has nothing long to say, and what it sends is counted nowhere.
        socket.set_max_message(MAX_RECORD_LEN);
    }
    relay.counters.links.fetch_add(1, Ordering::Relaxed);
    tracing::debug!("a link began");
    let mut conversation = Box::new(Conversation::new(relay, socket, link, connected, held));
    match conversation.greet(hello) {
        Ok(()) if conversation.session.is_over() => {
            tracing::debug!("a link ended: the relay has moved");
            conversation.send_away().await;
            None
        }
        Ok(()) => Some(conversation),
        Err(close) => {
            tracing::debug!("a link ended: {}", conversation.note_close(close));
            say_goodbye(conversation.socket).await;
            None
        }
    }
}

/// Closes a WebSocket. A client that does not take the goodbye within half a second gets none.
pub(super) async fn say_goodbye(socket: Box<Socket<Connection>>) {
    let _ = tokio::time::timeout(Duration::from_millis(500), socket.close()).await;
}

/// Makes the handshake. Returns the link and the client's `Hello`, or `None` if the connection is
/// to be closed. A last message may then be queued in `socket`.
async fn shake_hands<S: Store>(
    relay: &Relay<S>,
    socket: &mut Socket<Connection>,
    connected: &Connected,
) -> Option<(LinkSession, Hello)> {
    // A client sends C1 at most twice.
    for _ in 0..2 {
        let message = next_message(socket).await?;
        match first_step(relay, &message, connected)? {
            FirstAnswer::S1(handshake, answer) => {
                socket.send(answer, 0);
                let message = next_message(socket).await?;
                return handshake.on_c2(&relay.identity, &message).ok();
            }
            FirstAnswer::Retry(answer) => socket.send(answer, 0),
            FirstAnswer::NoCommonVersion(answer) => {
                socket.send(answer, 0);
                return None;
            }
        }
    }
    None
}

/// The relay's answer to C1, with the bytes to send.
enum FirstAnswer {
    /// S1: the handshake continues with C2.
    S1(RelayHandshake, Vec<u8>),
    /// Retry: the client may send C1 again, with the cookie in this message.
    Retry(Vec<u8>),
    /// The two sides have no common version. The connection is closed after this message.
    NoCommonVersion(Vec<u8>),
}

/// Answers the client's message C1. Returns `None` if the connection is to be closed without an
/// answer.
fn first_step<S: Store>(relay: &Relay<S>, message: &[u8], connected: &Connected) -> Option<FirstAnswer> {
    let hello = ClientHello::parse(message).ok()?;
    connected.began_handshake(&relay.shared.limits);
    let (now, prefix) = (relay.clock.now(), connected.prefix());
    let cookie =
        hello.cookie().is_some_and(|cookie| relay.cookies.verify(cookie, prefix.bytes(), now.ms / 1_000));
    match relay.admission.handshake(prefix, cookie, &relay.shared.limits, now.ms) {
        Handshake::Answer => {}
        // A refusal is told by the same answer: the client tries again once, and later if it hears it again.
        Handshake::AskForCookie | Handshake::Refuse => {
            let cookie = relay.cookies.issue(prefix.bytes(), now.ms / 1_000);
            return Some(FirstAnswer::Retry(retry(&cookie)));
        }
    }
    match RelayHandshake::answer(&relay.identity, &relay.offer, &hello, &mut SystemRandom) {
        Ok((handshake, s1)) => Some(FirstAnswer::S1(handshake, s1)),
        Err(RelayHandshakeError::NoCommonVersion) => {
            Some(FirstAnswer::NoCommonVersion(no_common_version(&relay.offer)))
        }
        Err(_) => None,
    }
}

async fn next_message(socket: &mut Socket<Connection>) -> Option<Vec<u8>> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Some(message),
            Progress::Sent | Progress::Partial => {}
            Progress::Over(_) => return None,
        }
    }
}

/// The conversation on one link after its handshake, with the connection that it owns: all that is
/// held while the link is idle.
pub(super) struct Conversation<S> {
    relay: Arc<Relay<S>>,
    connected: Connected,
    socket: Box<Socket<Connection>>,
    seal: SealHalf,
    open: OpenHalf,
    session: RelaySession,
    out: Output,
    held: Held,
    /// Time in milliseconds from which silence is counted: the last record, or the last check at
    /// which bytes waited to be sent or a message of the client was incomplete.
    heard_ms: u64,
    /// Finds out whether the client takes enough of the bytes that wait for it.
    write_pace: Pace,
    /// Finds out whether the client sends enough bytes of a message that it has begun.
    read_pace: Pace,
    /// Measures the number of bytes that the client's line takes in 4 s.
    ahead: Ahead,
    /// Time in milliseconds at which the client's incomplete message was first seen; `None` while
    /// there is none.
    partial_since_ms: Option<u64>,
    /// Time in milliseconds of the last call of [`RelaySession::look_again`], at first the start.
    looked_ms: u64,
    /// Time in milliseconds at which the relay ends the link because it stops; `None` until it is
    /// ordered to stop.
    leave_by_ms: Option<u64>,
    /// Whether the client's records so far are paid for ([`RelaySession::pay`]).
    is_paid: bool,
    /// A record that is handled when it is paid for, and the number of bytes that it counts for;
    /// `None` if there is none. Nothing is read meanwhile.
    waiting: Option<Box<(Received, u64)>>,
}

impl<S: Store> Conversation<S> {
    fn new(
        relay: Arc<Relay<S>>,
        socket: Box<Socket<Connection>>,
        link: LinkSession,
        connected: Connected,
        held: Held,
    ) -> Self {
        let now = relay.clock.now();
        let (seal, open) = link.split();
        let session = RelaySession::new(Arc::clone(&relay.shared), connected.prefix(), now);
        Self {
            relay,
            socket,
            seal,
            open,
            session,
            connected,
            out: Output::default(),
            held,
            heard_ms: now.ms,
            write_pace: Pace::default(),
            read_pace: Pace::default(),
            ahead: Ahead::new(),
            partial_since_ms: None,
            looked_ms: now.ms,
            leave_by_ms: None,
            is_paid: true,
            waiting: None,
        }
    }

    /// Handles the client's `Hello`, which came with the handshake.
    fn greet(&mut self, hello: Hello) -> Result<(), Close> {
        let first = Received { items: vec![hello.into()], ..Received::default() };
        self.session.on_received(first, self.relay.clock.now(), &mut self.out)
    }

    /// Sends what is due and ends the link. What the client sends meanwhile is read and ignored:
    /// a connection that closes with unread bytes may lose what was sent on it.
    async fn send_away(mut self: Box<Self>) {
        if self.send().is_ok() {
            let ended = async { while !matches!(self.socket.progress(true).await, Progress::Over(_)) {} };
            let _ = tokio::time::timeout(MOVED_LINGER, ended).await;
        }
        say_goodbye(self.socket).await;
    }

    /// Runs the conversation to its end. Returns the WebSocket, which is open still.
    pub(super) async fn run(mut self: Box<Self>) -> Box<Socket<Connection>> {
        let ended = self.converse().await;
        tracing::debug!("a link ended: {ended}");
        self.socket
    }

    /// Runs the conversation and returns the reason for its end.
    async fn converse(&mut self) -> CloseReason {
        let relay = Arc::clone(&self.relay);
        let hints = self.session.hints();
        // There is none while no call is under way: an idle link holds no room for calls.
        let mut calls: Option<FuturesUnordered<_>> = None;
        let mut tick = tokio::time::interval(self.tick());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.send().is_err() {
                return CloseReason::KeysExhausted;
            }
            self.account();
            if self.waiting.is_some() && self.is_over_share() {
                return CloseReason::OverMemoryShare;
            }
            self.session.set_look_bytes(self.ahead.bytes());
            self.session.set_paused(!self.may_deliver(), &mut self.out);
            for call in std::mem::take(&mut self.out.calls) {
                let (store, reader, now) = (&relay.store, self.session.reader().clone(), relay.clock.now());
                let calls = calls.get_or_insert_default();
                calls.push(Box::pin(async move { call.run(store, &reader, now).await }));
            }
            calls = calls.filter(|calls| !calls.is_empty());
            self.is_paid = !self.session.owes() || self.session.pay(relay.clock.now());
            if self.is_paid
                && let Some(waiting) = self.waiting.take()
            {
                if let Err(close) = self.session.on_received(waiting.0, relay.clock.now(), &mut self.out) {
                    return self.note_close(close);
                }
                continue;
            }
            let (read, was_sending) = (self.may_read(), self.socket.is_sending());
            self.connected.note_use(self.session.is_reading(), self.session.used_ms(), &relay.shared.limits);
            let step = tokio::select! {
                progress = self.socket.progress(read) => match progress {
                    Progress::Message(mut message) => self.on_message(&mut message),
                    Progress::Sent | Progress::Partial => Ok(()),
                    Progress::Over(End::Closed) => return CloseReason::ClientLeft,
                    Progress::Over(_) => return self.note_close(Close::Breach),
                },
                Some(outcome) = poll_fn(|context| poll_calls(&mut calls, context)), if calls.is_some() => {
                    let now = relay.clock.now();
                    if self.ahead.bytes() <= DELIVER_BELOW {
                        // A slow line gets what one look finds, and no more until that has left.
                        self.session.set_paused(true, &mut self.out);
                    }
                    let mut step = self.session.on_outcome(outcome, now, &mut self.out);
                    for _ in 0..TAKEN_TOGETHER {
                        let next = poll_fn(|context| poll_calls(&mut calls, context));
                        let Some(Some(outcome)) = next.now_or_never() else { break };
                        step = step.and(self.session.on_outcome(outcome, now, &mut self.out));
                    }
                    step
                }
                news = hints.next() => { self.session.on_news(news, relay.clock.now(), &mut self.out); Ok(()) }
                signal = self.connected.signal() => match signal {
                    Signal::Evicted => return CloseReason::Evicted,
                    Signal::Leave => {
                        let limits = &relay.shared.limits;
                        // The clock is read here because the link may have slept since the last tick.
                        self.leave_by_ms = Some(relay.clock.now().ms.saturating_add(limits.drain_ms));
                        self.out.items.push(GoAway { within_s: limits.go_away_s }.into());
                        Ok(())
                    }
                },
                _ = tick.tick() => match self.on_tick() {
                    Some(reason) => return reason,
                    None => Ok(()),
                },
            };
            if let Err(close) = step {
                return self.note_close(close);
            }
            if was_sending && !self.socket.is_sending() {
                self.ahead.note_taken(relay.clock.now().ms);
            }
        }
    }

    fn on_message(&mut self, message: &mut [u8]) -> Result<(), Close> {
        let now = self.relay.clock.now();
        self.heard_ms = now.ms;
        self.relay.counters.records_in.fetch_add(1, Ordering::Relaxed);
        // a record that does not open ends the link.
        let received = self.open.open_in_place(message).map_err(|_| Close::Breach)?;
        self.session.charge(&received, message.len());
        if self.session.pay(now) {
            return self.session.on_received(received, now, &mut self.out);
        }
        // Twice its length is more than the items take.
        self.waiting = Some(Box::new((received, 2 * message.len() as u64)));
        Ok(())
    }

    fn on_tick(&mut self) -> Option<CloseReason> {
        let limits = &self.relay.shared.limits;
        let now = self.relay.clock.now();
        let since = |ms: u64| now.ms.saturating_sub(ms);
        if self.leave_by_ms.is_some_and(|by| now.ms >= by) {
            return Some(CloseReason::RelayStops);
        }
        let is_partial = self.socket.is_in_message();
        // A message on a slow line takes its time; its pace is checked below.
        if !is_partial && self.session.is_idle(now) {
            return Some(CloseReason::Idle);
        }
        // A client that is not read is not silent.
        if is_partial || self.socket.is_sending() || !self.is_paid {
            self.heard_ms = now.ms;
        } else if since(self.heard_ms) >= self.session.silence_ms() {
            return Some(CloseReason::Silent);
        }
        let socket = &self.socket;
        let write_stall_ms = limits.stall_ms.saturating_mul(WRITE_STALLS);
        if self.write_pace.is_stalled(socket.is_sending(), socket.bytes_written(), now.ms, write_stall_ms) {
            return Some(CloseReason::SendingStalled);
        }
        if self.read_pace.is_stalled(
            is_partial && self.may_read(),
            socket.bytes_read(),
            now.ms,
            limits.stall_ms,
        ) {
            return Some(CloseReason::ReceivingStalled);
        }
        let partial_since = self.partial_since_ms.filter(|_| is_partial).unwrap_or(now.ms);
        self.partial_since_ms = is_partial.then_some(partial_since);
        if self.is_partial_large() && self.is_over_share() && since(partial_since) >= limits.stall_ms {
            return Some(CloseReason::OverMemoryShare);
        }
        if since(self.looked_ms) >= limits.peek_again_ms {
            self.looked_ms = now.ms;
            self.session.look_again(&mut self.out);
        }
        None
    }

    fn send(&mut self) -> Result<(), ()> {
        if self.out.items.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.out.items);
        let records = self.seal.seal(&items).map_err(|_| ())?;
        self.relay.counters.records_out.fetch_add(records.len() as u64, Ordering::Relaxed);
        // All bytes but those of delivered blobs answer requests of the client.
        let pushed: usize = items.iter().map(delivered_bytes).sum();
        let mut replies = records.iter().map(Vec::len).sum::<usize>().saturating_sub(pushed);
        for record in records {
            let of_record = replies.min(record.len());
            replies -= of_record;
            self.ahead.note_queued(record.len(), self.relay.clock.now().ms);
            self.socket.send(record, of_record);
        }
        Ok(())
    }

    /// Whether the link may read from its connection. Reading pauses while the client owes entries
    /// ([`RelaySession::pay`]), while `link_requests` calls wait for the store, and while requests
    /// and answers of this link hold too much memory. Deliveries do not count, because a client on
    /// a slow line must be heard while a delivery is on its way.
    fn may_read(&self) -> bool {
        let limits = &self.relay.shared.limits;
        let caused = self.session.held_bytes() + self.socket.unsent_reply_bytes() as u64;
        self.is_paid
            && caused < limits.link_buffer_bytes
            && self.session.open_calls() < limits.link_requests
            && (caused == 0 && !self.is_partial_large() || !self.is_over_share())
    }

    fn may_deliver(&self) -> bool {
        let unsent = self.socket.unsent_bytes();
        unsent == 0 || unsent < DELIVER_BELOW.min(self.ahead.bytes()) && !self.is_over_share()
    }

    fn is_partial_large(&self) -> bool {
        self.socket.partial_bytes() > LARGE_PARTIAL
    }

    /// Whether all links together hold `buffer_bytes` of memory or more, and those of this link's
    /// prefix more than their share.
    fn is_over_share(&self) -> bool {
        self.held.is_over_share(self.relay.shared.limits.buffer_bytes)
    }

    fn account(&mut self) {
        let in_connection = self.socket.held_bytes() + self.socket.get_ref().held_bytes();
        let waiting = self.waiting.as_ref().map_or(0, |waiting| waiting.1);
        let in_session = self.session.held_bytes() + self.session.peeked_bytes();
        self.held.set(in_session + waiting + in_connection as u64);
    }

    /// Returns the interval at which the time limits of the link are checked: a quarter of the
    /// shortest of `idle_ms`, `stall_ms` and `drain_ms`, at least 20 ms and at most 1 s.
    fn tick(&self) -> Duration {
        let limits = &self.relay.shared.limits;
        let shortest = [limits.idle_ms, limits.stall_ms, limits.drain_ms].into_iter().min().unwrap_or(1_000);
        Duration::from_millis((shortest / 4).clamp(20, 1_000))
    }

    fn note_close(&self, close: Close) -> CloseReason {
        match close {
            Close::Breach => {
                self.relay.counters.breaches.fetch_add(1, Ordering::Relaxed);
                CloseReason::Breach
            }
            Close::Stopped => {
                self.relay.failed.notify_one();
                CloseReason::StoreFailed
            }
        }
    }
}

/// Returns the length of the blob if the item delivers one, and else 0.
fn delivered_bytes(item: &Item) -> usize {
    match item {
        Item::Deliver(deliver) => deliver.blob.as_bytes().len(),
        _ => 0,
    }
}

/// Polls for the next outcome of the calls; ready with `None` if there are no calls.
fn poll_calls<F: Future>(
    calls: &mut Option<FuturesUnordered<F>>,
    context: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    calls.as_mut().map_or(Poll::Ready(None), |calls| calls.poll_next_unpin(context))
}
