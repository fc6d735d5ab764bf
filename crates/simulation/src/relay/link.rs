//! One link of a relay: the handshake, then the conversation of items.

use crate::{
    calls::RunningCall,
    ids::ConnId,
    planted::Planted,
    relay_parts::{Call, Close, Limits, Now, Outcome, Output, Prefix, RelaySession, SessionContext},
    sim::Sim,
};
use deaddrop_link::{ClientHello, Cookie, OpenHalf, RelayHandshake, RelayIdentity, SealHalf, retry};
use deaddrop_wire::{Item, Offer, Received};
use rand::CryptoRng;
use std::sync::Arc;

/// A link, or a connection that is to become one.
pub(crate) struct RelayLink {
    pub(crate) conn: ConnId,
    began_ms: u64,
    state: State,
}

/// The progress of a [`RelayLink`].
enum State {
    /// The relay awaits C1, the client's first message. The flag tells whether the client was asked
    /// for a cookie.
    Hello(bool),
    /// The relay awaits C2, the client's second message.
    Handshake(Box<RelayHandshake>),
    Up(Box<UpLink>),
}

/// A link that is open.
pub(crate) struct UpLink {
    seal: SealHalf,
    open: OpenHalf,
    pub(crate) session: RelaySession,
    pub(crate) calls: Vec<RunningCall>,
    heard_ms: u64,
    looked_ms: u64,
    pub(crate) out: Output,
}

/// The reason for which a relay ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The handshake failed, or the client is silent or idle.
    Plain,
    /// The client broke a rule.
    Breach,
    /// The store has failed.
    Stopped,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        match close {
            Close::Breach => Self::Breach,
            Close::Stopped => Self::Stopped,
        }
    }
}

impl RelayLink {
    pub(crate) const fn new(conn: ConnId, now_ms: u64) -> Self {
        Self { conn, began_ms: now_ms, state: State::Hello(false) }
    }

    pub(crate) fn up(&mut self) -> Option<&mut UpLink> {
        if let State::Up(up) = &mut self.state { Some(up) } else { None }
    }

    /// Handles a message of the client: a part of the handshake, or a record. Returns the reason
    /// for which the link ends, if it does.
    pub(crate) fn on_message(
        &mut self,
        message: &mut [u8],
        identity: &RelayIdentity,
        shared: &Arc<SessionContext>,
        now: Now,
        rng: &mut impl CryptoRng,
        sim: &mut Sim,
    ) -> Result<(), End> {
        match std::mem::replace(&mut self.state, State::Hello(true)) {
            State::Hello(was_asked) => {
                let hello = ClientHello::parse(message).map_err(|_| End::Plain)?;
                if hello.cookie().is_none() && !was_asked && sim.below(16) == 0 {
                    // The answer comes over the same connection, or over another one.
                    sim.send(self.conn, retry(&Cookie::from_bytes([9; 32])), false);
                    return Ok(());
                }
                let answer = RelayHandshake::answer(identity, &Offer::v1(), &hello, rng);
                let (handshake, s1) = answer.map_err(|_| End::Plain)?;
                sim.send(self.conn, s1, false);
                self.state = State::Handshake(Box::new(handshake));
                Ok(())
            }
            State::Handshake(handshake) => {
                let (link, hello) = handshake.on_c2(identity, message).map_err(|_| End::Plain)?;
                let (seal, open) = link.split();
                let mut session = RelaySession::new(Arc::clone(shared), Prefix::SHARED, now);
                let mut out = Output::default();
                let first = Received { items: vec![hello.into()], ..Received::default() };
                session.on_received(first, now, &mut out)?;
                let (heard_ms, looked_ms) = (now.ms, now.ms);
                let up = UpLink { seal, open, session, calls: Vec::new(), heard_ms, looked_ms, out };
                self.state = State::Up(Box::new(up));
                Ok(())
            }
            State::Up(mut up) => {
                let received = up.open.open_in_place(message).map_err(|_| End::Breach)?;
                up.heard_ms = now.ms;
                let done = up.session.on_received(received, now, &mut up.out);
                self.state = State::Up(up);
                Ok(done?)
            }
        }
    }

    /// Ends the link if its time is over, and looks again at all mailboxes when that is due.
    pub(crate) fn on_tick(&mut self, limits: &Limits, now: Now, sim: &Sim) -> Result<(), End> {
        match &mut self.state {
            State::Hello(_) | State::Handshake(_) => {
                if sim.now_ms.saturating_sub(self.began_ms) >= limits.handshake_ms {
                    Err(End::Plain)
                } else {
                    Ok(())
                }
            }
            State::Up(up) => {
                let silence = now.ms.saturating_sub(up.heard_ms);
                if up.session.is_idle(now) || silence >= up.session.silence_ms() {
                    return Err(End::Plain);
                }
                if now.ms.saturating_sub(up.looked_ms) >= limits.peek_again_ms {
                    up.looked_ms = now.ms;
                    up.session.look_again(&mut up.out);
                }
                Ok(())
            }
        }
    }
}

impl UpLink {
    /// Hands the outcome of a call to the store to the conversation.
    pub(crate) fn on_outcome(&mut self, outcome: Outcome, now: Now) -> Result<(), End> {
        Ok(self.session.on_outcome(outcome, now, &mut self.out)?)
    }

    /// Takes the calls to the store that the conversation wants.
    pub(crate) fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.out.calls)
    }

    /// Seals the waiting items for which `is_said` is true, and drops the others. Returns the
    /// records.
    pub(crate) fn seal(&mut self, is_said: impl Fn(&Item) -> bool) -> Result<Vec<Vec<u8>>, End> {
        let mut items = std::mem::take(&mut self.out.items);
        items.retain(is_said);
        if items.is_empty() { Ok(Vec::new()) } else { self.seal.seal(&items).map_err(|_| End::Plain) }
    }
}

/// Returns the moment that a relay believes. With the planted fault `IgnoredExpiry`, nothing
/// expires then.
pub(crate) fn now_of(planted: Option<Planted>, now: Now) -> Now {
    if planted == Some(Planted::IgnoredExpiry) {
        return Now { expires_from: now.day.plus(10_000), ..now };
    }
    now
}
