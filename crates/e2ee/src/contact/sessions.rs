//! Holds all sessions with one contact and decides which of them is used for sending.
//!
//! A contact can have several sessions: both people may have invited each other, or one of them may
//! have reset a lost session. Every session has an *era*, a counter that orders them: a session
//! that replaces others gets a higher era. The sender includes the era in its messages until the
//! session is established, and as long as there are several sessions, so that both sides agree on
//! the order.
//!
//! A hard reset or a new invite marks the older sessions in which the peer has replied as
//! *superseded*. A superseded session can still decrypt messages, but it is never used for sending
//! and cannot authorise a reset, because a copy of its keys may have been stolen.

use crate::session::{Role, Session, SessionId, Standing, keys::ResetSecret, reset_proofs::ResetSecrets};
use alloc::{boxed::Box, vec::Vec};
use core::cmp::Reverse;
use deaddrop_wire::Day;

/// Maximum number of sessions with one person that are held at a time.
pub const MAX_SESSIONS: usize = 8;
/// Number of days for which a session that is no longer used can still receive. After them,
/// [`Contact::tidy`](super::Contact::tidy) removes it, if everything that waited has been read.
pub const UNUSED_DAYS: u32 = 7;

/// The event that began a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// An invite.
    Invite,
    /// A reset bundle.
    Reset,
}

/// The relation of a session to the most recent time at which the two people started over, by a
/// hard reset or a new invite.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// The session was begun by the last hard reset or new invite, or after it.
    Current,
    /// The session is older than the last hard reset or new invite, and the peer had not replied in
    /// it. If the peer still uses it, this side follows and tells the user.
    LeftBehind,
    /// The session is older than the last hard reset or new invite, and the peer had replied in it.
    /// It decrypts, but it never sends and never authorises a reset.
    Superseded,
}

/// The state of a session, or what is left of it.
pub(super) enum SessionState {
    /// The session, boxed so that a list that grows, or is put in another order, leaves no copy of
    /// its keys.
    Live(Box<Session>),
    /// The snapshot is missing or damaged. The reset secrets are those of their row; empty if that
    /// is gone, too.
    Lost(ResetSecrets),
}

/// A session and its place among the contact's sessions.
pub(super) struct SessionEntry {
    pub(super) id: SessionId,
    pub(super) era: u32,
    pub(super) origin: Origin,
    /// Whether the peer has replied in this session, which makes it [`Standing::Established`]. So
    /// the peer holds its state, and so does anyone with a copy of that state.
    pub(super) peer_replied: bool,
    pub(super) generation: Generation,
    /// Last day of the invite with which this side began the session. `None` if the session began
    /// in another way, or if its missing reply was reported.
    pub(super) reply_deadline: Option<Day>,
    /// The day on which [`Sessions::retire_unused`] marked the session as unused; `None` if it is
    /// not marked, as a superseded one may be.
    pub(super) unused_since: Option<Day>,
    pub(super) state: SessionState,
}

impl SessionEntry {
    /// Creates the entry of a session that is not lost, in generation [`Generation::Current`].
    pub(super) fn live(session: Box<Session>, era: u32, origin: Origin, reply_deadline: Option<Day>) -> Self {
        Self {
            id: session.id(),
            era,
            origin,
            peer_replied: session.standing() == Standing::Established,
            generation: Generation::Current,
            reply_deadline,
            unused_since: None,
            state: SessionState::Live(session),
        }
    }

    /// Returns the session; `None` if it is lost.
    pub(super) fn session(&self) -> Option<&Session> {
        match &self.state {
            SessionState::Live(session) => Some(session),
            SessionState::Lost(_) => None,
        }
    }

    /// Returns the session; `None` if it is lost.
    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            SessionState::Live(session) => Some(session),
            SessionState::Lost(_) => None,
        }
    }

    /// Whether the addresses, receipts and bundles in messages of the session take effect: it is
    /// neither unused nor superseded.
    pub(super) fn is_in_use(&self) -> bool {
        self.unused_since.is_none() && self.generation != Generation::Superseded
    }

    fn resets(&self) -> &ResetSecrets {
        match &self.state {
            SessionState::Live(session) => session.resets(),
            SessionState::Lost(resets) => resets,
        }
    }

    fn has_sent(&self) -> bool {
        self.resets().sent().next().is_some()
    }

    /// Whether the session is lost, and the peer may be using it: it is not marked as unused, and
    /// its era is `era` or above.
    fn is_missed(&self, era: u32) -> bool {
        self.session().is_none() && self.era >= era && self.unused_since.is_none()
    }

    /// Whether the session is not lost, was begun by this side, and has no reply.
    fn is_waiting(&self) -> bool {
        self.session().is_some() && !self.peer_replied && !self.is_begun_by_peer()
    }

    fn is_begun_by_peer(&self) -> bool {
        self.session().is_some_and(|session| session.role() == Role::Responder)
    }
}

/// Maximum distance of an era that the peer claims above the highest one that is held. So a peer
/// must make 2^26 claims to use the 32-bit numbers up.
const MAX_ERA_STEP: u32 = 64;
/// Maximum era that is accepted while the peer has never replied in a session. A side without
/// sessions, as on a new device, cannot know how far the peer has counted; the upper half of the
/// numbers stays free for later eras.
const MAX_FIRST_ERA: u32 = 1 << 31;

/// The sessions of a contact, in the order of their arrival. A session without a reply moves to the
/// end when the peer uses it.
pub(super) struct Sessions(Vec<SessionEntry>);

impl Sessions {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn iter(&self) -> core::slice::Iter<'_, SessionEntry> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> core::slice::IterMut<'_, SessionEntry> {
        self.0.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&SessionEntry> {
        self.0.iter().find(|entry| entry.id == id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut SessionEntry> {
        self.0.iter_mut().find(|entry| entry.id == id)
    }

    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.get(id).is_some()
    }

    /// Appends a stored entry.
    pub(super) fn push(&mut self, entry: SessionEntry) {
        self.0.push(entry);
    }

    /// Returns the session that sends: of the highest era; among those with a reply the one with
    /// the smallest id; without any, the one begun by the peer that the peer used last; without any
    /// of those, the newest. Returns `None` if there is no session.
    pub(super) fn best(&self) -> Option<&SessionEntry> {
        let era = self.newest_era();
        let of_era = || self.0.iter().filter(move |entry| entry.era == era);
        of_era()
            .filter(|entry| entry.peer_replied)
            .min_by_key(|entry| entry.id)
            .or_else(|| of_era().rfind(|entry| entry.is_begun_by_peer()))
            .or_else(|| of_era().next_back())
    }

    /// Returns the id of the session that sends; `None` if there is no session.
    pub(super) fn best_id(&self) -> Option<SessionId> {
        self.best().map(|entry| entry.id)
    }

    /// Whether the session that sends is lost, or another one of its era that the peer may be
    /// using. If the session that sends is an own one without a reply, the others do not count,
    /// because its messages bring the peer to it.
    pub(super) fn is_lost(&self) -> bool {
        let Some(best) = self.best() else { return false };
        // Of those with a reply, the peer may have chosen a smaller id.
        let smaller =
            |entry: &SessionEntry| entry.session().is_none() && entry.era == best.era && entry.id < best.id;
        best.session().is_none()
            || !best.is_waiting() && self.0.iter().any(|entry| entry.is_missed(best.era))
            || best.peer_replied && self.0.iter().any(smaller)
    }

    /// Whether the session that sends is an own one without a reply that has superseded or left
    /// behind all others.
    pub(super) fn is_starting_over(&self) -> bool {
        let Some(best) = self.best().filter(|entry| entry.is_waiting()) else { return false };
        let mut others = self.0.iter().filter(|entry| entry.id != best.id);
        others.all(|entry| entry.generation != Generation::Current)
    }

    /// Returns the ids in the order in which an envelope is tried: those of the highest era first,
    /// of equal eras the one that came last.
    pub(super) fn newest_first(&self) -> Vec<SessionId> {
        let mut order: Vec<_> = self.0.iter().enumerate().collect();
        order.sort_by_key(|(place, entry)| Reverse((entry.era, *place)));
        order.into_iter().map(|(_, entry)| entry.id).collect()
    }

    pub(super) fn newest_era(&self) -> u32 {
        self.0.iter().map(|entry| entry.era).max().unwrap_or_default()
    }

    /// Returns the era for a session that supersedes others. It is above the era of every session
    /// that the peer may be using (all but own sessions without a reply), and not below any other.
    pub(super) fn next_era(&self) -> u32 {
        let shared = self.0.iter().filter(|entry| !entry.is_waiting()).map(|entry| entry.era).max();
        shared.map_or(1, |era| era.saturating_add(1)).max(self.newest_era())
    }

    /// Returns the highest era in which the peer has replied; `None` if it has replied in no
    /// session.
    fn replied_era(&self) -> Option<u32> {
        self.0.iter().filter(|entry| entry.peer_replied).map(|entry| entry.era).max()
    }

    /// Returns the era that the peer claims for its session; `None` if it claims none, or one that
    /// is too high. `peer_ever_answered` tells whether the peer had replied in a session before; it
    /// selects `MAX_ERA_STEP` or `MAX_FIRST_ERA` as the limit.
    pub(super) fn accept_claimed_era(&self, claimed: Option<u32>, peer_ever_answered: bool) -> Option<u32> {
        let most =
            if peer_ever_answered { self.newest_era().saturating_add(MAX_ERA_STEP) } else { MAX_FIRST_ERA };
        claimed.filter(|era| *era <= most)
    }

    /// Returns the secret that proves an own soft reset, or `None`: that of the newest received
    /// turn, which the peer has made, in the newest session that the peer cannot have forgotten. Of
    /// several such sessions, the one that sends is taken.
    ///
    /// A session in which this side has sent nothing is the last choice: until it has a reply, the
    /// peer accepts proofs of older ones, and may have lost it.
    pub(super) fn own_proof(&self) -> Option<&ResetSecret> {
        let order = |entry: &&SessionEntry| {
            let (replied, used) = (entry.peer_replied, entry.unused_since.is_none());
            (entry.has_sent(), entry.era, replied, used, replied.then_some(Reverse(entry.id)))
        };
        let is_usable = |entry: &&SessionEntry| {
            entry.generation == Generation::Current && entry.resets().received().is_some()
        };
        self.0.iter().filter(is_usable).max_by_key(order)?.resets().received()
    }

    /// Returns the secrets that can prove a peer's soft reset, each with the era of its session.
    /// They are those of the two newest own turns, of which the peer has received at least one, in
    /// each session in use whose era is not below the highest in which the peer has replied. An
    /// unused session takes no new turns, so a secret that once leaked from it would prove resets
    /// without end.
    pub(super) fn peer_proofs(&self) -> Vec<(&ResetSecret, u32)> {
        let oldest = self.replied_era().unwrap_or_default();
        let is_used =
            |entry: &&SessionEntry| entry.generation == Generation::Current && entry.unused_since.is_none();
        let recent = self.0.iter().filter(is_used).filter(|entry| entry.era >= oldest);
        recent.flat_map(|entry| entry.resets().sent().map(|secret| (secret, entry.era))).collect()
    }

    /// Marks all sessions as older than a new one of era `era`: those with a reply as superseded,
    /// the others as left behind if `is_known`, that is if the user knew the person before. Own
    /// sessions without a reply get the same era: the first in which the peer replies is the one
    /// that is used.
    pub(super) fn start_over(&mut self, era: u32, is_known: bool) {
        for entry in &mut self.0 {
            if entry.is_waiting() {
                entry.era = entry.era.max(era);
            }
            if entry.peer_replied {
                entry.generation = Generation::Superseded;
            } else if is_known {
                entry.generation = Generation::LeftBehind;
            }
        }
    }

    /// Makes the session that sends current if it was left behind. Returns whether it was.
    pub(super) fn take_returned(&mut self) -> bool {
        let best = self.best_id().and_then(|id| self.get_mut(id));
        best.is_some_and(|entry| {
            core::mem::replace(&mut entry.generation, Generation::Current) == Generation::LeftBehind
        })
    }

    /// Adds an entry. If there are then more than [`MAX_SESSIONS`], removes others and returns
    /// their ids.
    pub(super) fn add(&mut self, entry: SessionEntry) -> Vec<SessionId> {
        let added = entry.id;
        self.0.push(entry);
        let mut dropped = Vec::new();
        while self.0.len() > MAX_SESSIONS {
            let (best, replied_era) = (self.best_id(), self.replied_era());
            // Never the one that sends, nor the new one. First the oldest of those that another has replaced; then those without a reply,
            // because those with a reply hold the proofs of a reset.
            let spare = self.0.iter().filter(|entry| entry.id != added && Some(entry.id) != best);
            let worth = |entry: &&SessionEntry| {
                let is_replaced = entry.unused_since.is_some()
                    || entry.generation == Generation::Superseded
                    || Some(entry.era) < replied_era;
                let replied = u32::from(entry.peer_replied);
                if is_replaced { (0, entry.era, replied) } else { (1, replied, entry.era) }
            };
            let Some(id) = spare.min_by_key(worth).map(|entry| entry.id) else { break };
            self.0.retain(|entry| entry.id != id);
            dropped.push(id);
        }
        dropped
    }

    /// Notes that the peer has replied in a session. Returns `true` if that is new.
    pub(super) fn mark_answered(&mut self, id: SessionId) -> bool {
        self.get_mut(id).is_some_and(|entry| !core::mem::replace(&mut entry.peer_replied, true))
    }

    /// Raises the era of a session to `era`. Returns `false` if it was not lower, or if there is no
    /// such session.
    pub(super) fn raise_era(&mut self, id: SessionId, era: u32) -> bool {
        match self.get_mut(id) {
            Some(entry) if entry.era < era => {
                entry.era = era;
                true
            }
            _ => false,
        }
    }

    /// Notes that the peer has just used a session. Returns `true` if anything changed. Sessions
    /// with a reply, unused ones and those that were superseded or left behind do not change.
    ///
    /// If the peer has begun several sessions without a reply, the one that it uses is the one that
    /// it still holds, so it moves to the end. While the session that sends has no reply, the used
    /// one also gets the highest era.
    pub(super) fn note_use(&mut self, id: SessionId) -> bool {
        let newest = self.newest_era();
        let is_open = self.best().is_some_and(|entry| !entry.peer_replied);
        let Some(place) = self.0.iter().position(|entry| entry.id == id) else { return false };
        let Some(entry) = self.0.get_mut(place) else { return false };
        // A message that comes late by a replaced session says nothing of what the peer uses now.
        if !entry.is_in_use() || entry.generation == Generation::LeftBehind || entry.peer_replied {
            return false;
        }
        let mut has_changed = false;
        if is_open && entry.era < newest {
            entry.era = newest;
            has_changed = true;
        }
        if place + 1 < self.0.len() {
            let entry = self.0.remove(place);
            self.0.push(entry);
            has_changed = true;
        }
        has_changed
    }

    /// Marks all sessions but the one that sends as unused once that one is established, except
    /// lost ones that the peer may be using. The one that sends loses its mark. A stored day in the
    /// future comes from a wrong clock and is replaced by `today`. Returns `true` if anything
    /// changed.
    pub(super) fn retire_unused(&mut self, today: Day) -> bool {
        let Some(best) = self.best() else { return false };
        let (best, standing) = (best.id, best.session().map(Session::standing));
        let era = self.newest_era();
        let mut has_changed = false;
        for entry in &mut self.0 {
            if entry.id == best {
                has_changed |= entry.unused_since.take().is_some();
            } else if entry.unused_since.is_some_and(|since| since > today)
                || standing == Some(Standing::Established)
                    && entry.unused_since.is_none()
                    && !entry.is_missed(era)
            {
                entry.unused_since = Some(today);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Removes sessions that have been unused for more than [`UNUSED_DAYS`], and returns their ids.
    pub(super) fn drop_unused(&mut self, today: Day) -> Vec<SessionId> {
        let mut dropped = Vec::new();
        self.0.retain(|entry| {
            let is_over = entry.unused_since.is_some_and(|since| today.since(since) > UNUSED_DAYS);
            if is_over {
                dropped.push(entry.id);
            }
            !is_over
        });
        dropped
    }

    /// Returns the ids of the sessions that this side began with an invite and whose deadline has
    /// passed without a reply. Removes the deadlines, so that each session is returned once.
    pub(super) fn take_overdue(&mut self, today: Day) -> Vec<SessionId> {
        let mut overdue = Vec::new();
        for entry in &mut self.0 {
            let is_waiting =
                entry.session().is_some_and(|session| session.standing() == Standing::Unanswered);
            if is_waiting && entry.reply_deadline.is_some_and(|last| last < today) {
                entry.reply_deadline = None;
                overdue.push(entry.id);
            }
        }
        overdue
    }
}
