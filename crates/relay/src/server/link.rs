//! One client's link: the handshake, then the conversation, until one of the two is over.

use super::Relay;
use super::socket::{Progress, Socket};
use crate::admission::{Connected, Handshake};
use crate::random::SystemRandom;
use crate::session::{Close, Output, Session};
use crate::store::Store;
use deaddrop_link::{
    ClientHello, LinkSession, OpenHalf, RelayHandshake, RelayHandshakeError, SealHalf, no_common_version,
    retry,
};
use deaddrop_wire::Received;
use deaddrop_wire::item::GoAway;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_websockets::{Payload, WebSocketStream};

/// Outcomes taken together before an answer is sealed, so that small items share a record.
const TAKEN_TOGETHER: usize = 64;

/// Serves a link to its end.
pub(super) async fn serve<S: Store, T: AsyncRead + AsyncWrite + Unpin>(
    relay: &Arc<Relay<S>>,
    stream: WebSocketStream<T>,
    mut connected: Connected,
    deadline: Instant,
) {
    let mut socket = Socket::new(stream);
    let shaken = tokio::time::timeout_at(deadline, shake_hands(relay, &mut socket, &connected)).await;
    let Ok(Some((link, received))) = shaken else {
        tracing::debug!("a handshake failed");
        return;
    };
    connected.established();
    relay.counters.links.fetch_add(1, Ordering::Relaxed);
    tracing::debug!("a link stands");
    let mut conversation = Conversation::new(relay, socket, link);
    let ended = conversation.run(received).await;
    tracing::debug!(reason = ended, "a link is over");
    let socket = conversation.leave();
    // A client that does not take the goodbye is left without one.
    let _ = tokio::time::timeout(Duration::from_millis(500), socket.close()).await;
}

/// Gives the link and the first record. `None`: close, without a word or after the last one.
async fn shake_hands<S: Store, T: AsyncRead + AsyncWrite + Unpin>(
    relay: &Relay<S>,
    socket: &mut Socket<T>,
    connected: &Connected,
) -> Option<(LinkSession, Received)> {
    let handshake = loop {
        let message = next_message(socket).await?;
        match first_step(relay, &message, connected)? {
            (Some(handshake), answer) => {
                socket.send(vec![answer]);
                break handshake;
            }
            (None, answer) => {
                socket.send(vec![answer]);
            }
        }
    };
    let message = next_message(socket).await?;
    handshake.on_c2(&relay.identity, &message).ok()
}

/// S1, or what is said instead of it.
fn first_step<S: Store>(
    relay: &Relay<S>,
    message: &[u8],
    connected: &Connected,
) -> Option<(Option<RelayHandshake>, Vec<u8>)> {
    let hello = ClientHello::parse(message).ok()?;
    let (now, prefix) = (relay.clock.now(), connected.prefix());
    let cookie =
        hello.cookie().is_some_and(|cookie| relay.cookies.verify(cookie, prefix.bytes(), now.ms / 1_000));
    match relay.admission.handshake(prefix, cookie, &relay.shared.limits, now.ms) {
        Handshake::Answer => {}
        Handshake::AskForCookie => {
            return Some((None, retry(&relay.cookies.issue(prefix.bytes(), now.ms / 1_000))));
        }
        Handshake::Refuse => return None,
    }
    match RelayHandshake::answer(&relay.identity, &relay.offer, &hello, &mut SystemRandom) {
        Ok((handshake, s1)) => Some((Some(handshake), s1)),
        Err(RelayHandshakeError::NoCommonVersion) => Some((None, no_common_version(&relay.offer))),
        Err(_) => None,
    }
}

async fn next_message<T: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<T>) -> Option<Payload> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Some(message),
            Progress::Sent => {}
            Progress::Over => return None,
        }
    }
}

struct Conversation<'a, S, T> {
    relay: &'a Arc<Relay<S>>,
    socket: Socket<T>,
    seal: SealHalf,
    open: OpenHalf,
    session: Session,
    out: Output,
    /// What this link has added to the bytes held by all.
    held: u64,
    begun_ms: u64,
    heard_ms: u64,
    /// Since when the client has taken nothing of what waits for it.
    stalled_ms: Option<u64>,
    taken: u64,
    looked_ms: u64,
    leave_by_ms: Option<u64>,
}

impl<'a, S: Store, T: AsyncRead + AsyncWrite + Unpin> Conversation<'a, S, T> {
    fn new(relay: &'a Arc<Relay<S>>, socket: Socket<T>, link: LinkSession) -> Self {
        let now = relay.clock.now();
        let (seal, open) = link.split();
        Self {
            relay,
            socket,
            seal,
            open,
            session: Session::new(Arc::clone(&relay.shared), now),
            out: Output::default(),
            held: 0,
            begun_ms: now.ms,
            heard_ms: now.ms,
            stalled_ms: None,
            taken: 0,
            looked_ms: now.ms,
            leave_by_ms: None,
        }
    }

    /// Converses; gives the reason why it ended.
    async fn run(&mut self, first: Received) -> &'static str {
        let relay = self.relay;
        let hints = self.session.hints();
        let mut calls = FuturesUnordered::new();
        let mut leaving = relay.leaving.subscribe();
        let mut tick = tokio::time::interval(self.tick());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if let Err(close) = self.session.on_received(first, relay.clock.now(), &mut self.out) {
            return self.closed(close);
        }
        loop {
            let reader = self.session.reader().clone();
            for call in self.out.calls.drain(..) {
                let (reader, now) = (reader.clone(), relay.clock.now());
                calls.push(async move { call.run(&relay.store, &reader, now).await });
            }
            if self.send().is_err() {
                return "worn out";
            }
            self.account();
            let read = self.may_read();
            let now = relay.clock.now();
            let step = tokio::select! {
                progress = self.socket.progress(read) => match progress {
                    Progress::Message(message) => self.on_message(&message),
                    Progress::Sent => Ok(()),
                    Progress::Over => return "client left",
                },
                Some(outcome) = calls.next(), if !calls.is_empty() => {
                    let mut step = self.session.on_outcome(outcome, now, &mut self.out);
                    for _ in 0..TAKEN_TOGETHER {
                        let Some(Some(outcome)) = calls.next().now_or_never() else { break };
                        step = step.and(self.session.on_outcome(outcome, now, &mut self.out));
                    }
                    step
                }
                news = hints.next() => { self.session.on_news(news, &mut self.out); Ok(()) }
                _ = tick.tick() => match self.on_tick() {
                    Some(reason) => return reason,
                    None => Ok(()),
                },
                _ = leaving.changed(), if self.leave_by_ms.is_none() => {
                    let limits = &relay.shared.limits;
                    self.leave_by_ms = Some(now.ms.saturating_add(limits.drain_ms));
                    self.out.items.push(GoAway { within_s: limits.go_away_s }.into());
                    Ok(())
                }
            };
            if let Err(close) = step {
                return self.closed(close);
            }
        }
    }

    fn on_message(&mut self, message: &[u8]) -> Result<(), Close> {
        let now = self.relay.clock.now();
        self.heard_ms = now.ms;
        self.relay.counters.records_in.fetch_add(1, Ordering::Relaxed);
        // a record that does not open ends the link.
        let received = self.open.open(message).map_err(|_| Close::Breach)?;
        self.session.on_received(received, now, &mut self.out)
    }

    fn on_tick(&mut self) -> Option<&'static str> {
        let limits = &self.relay.shared.limits;
        let now = self.relay.clock.now();
        let since = |ms: u64| now.ms.saturating_sub(ms);
        if self.leave_by_ms.is_some_and(|by| now.ms >= by) {
            return Some("relay leaves");
        }
        if !self.session.greeted() && since(self.begun_ms) >= limits.first_item_ms {
            return Some("said nothing");
        }
        if self.session.is_idle(now) {
            return Some("did nothing");
        }
        if since(self.heard_ms) >= self.session.silence_ms() {
            return Some("fell silent");
        }
        let taken = std::mem::replace(&mut self.taken, self.socket.taken());
        if !self.socket.is_sending() {
            self.stalled_ms = None;
        } else if taken != self.taken || self.stalled_ms.is_none() {
            self.stalled_ms = Some(now.ms);
        }
        if self.stalled_ms.is_some_and(|from| since(from) >= limits.write_stall_ms) {
            return Some("takes nothing");
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
        self.socket.send(records);
        Ok(())
    }

    /// Reading pauses while this link, or all together, hold too much.
    fn may_read(&self) -> bool {
        let limits = &self.relay.shared.limits;
        self.held < limits.link_buffer_bytes
            && self.session.open_calls() < limits.link_requests
            && (self.held == 0 || self.relay.held.load(Ordering::Relaxed) < limits.buffer_bytes)
    }

    fn account(&mut self) {
        let holds = self.session.held_bytes() + self.socket.unsent_bytes() as u64;
        if holds >= self.held {
            self.relay.held.fetch_add(holds - self.held, Ordering::Relaxed);
        } else {
            self.relay.held.fetch_sub(self.held - holds, Ordering::Relaxed);
        }
        self.held = holds;
    }

    /// How often the times are looked at.
    fn tick(&self) -> Duration {
        let limits = &self.relay.shared.limits;
        let shortest = [limits.first_item_ms, limits.idle_ms, limits.write_stall_ms, limits.drain_ms]
            .into_iter()
            .min()
            .unwrap_or(1_000);
        Duration::from_millis((shortest / 4).clamp(20, 1_000))
    }

    fn closed(&self, close: Close) -> &'static str {
        match close {
            Close::Breach => {
                self.relay.counters.breaches.fetch_add(1, Ordering::Relaxed);
                "client broke the rules"
            }
            Close::Stopped => {
                self.relay.failed.notify_one();
                "store failed"
            }
        }
    }

    fn leave(mut self) -> Socket<T> {
        self.relay.held.fetch_sub(self.held, Ordering::Relaxed);
        self.held = 0;
        self.socket
    }
}
