//! The sessions of a contact: which one sends, whose secrets prove a reset, which may go.
//!
//! Each has an *era*: a session that supersedes others has a higher one. The peer is told it until the session is
//! established, so both sides order their sessions in the same way. When a side begins anew, all that was before is
//! *superseded*: it is still read, and decides nothing any more, because whoever stole it may be using it.

use super::{MAX_SESSIONS, UNUSED_DAYS};
use crate::session::{Role, Session, SessionId, Standing, keys::ResetSecret, resets::ResetSecrets};
use alloc::{boxed::Box, vec::Vec};
use core::cmp::Reverse;
use deaddrop_wire::Day;

/// What a session began with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Invite,
    Reset,
}

/// How a session stands to the last new beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// It came with it or later.
    No,
    /// It was not answered then: if the peer comes to it nevertheless, it is used, and the user is told.
    Open,
    /// It was answered then: superseded. Whoever stole its state may be using it, so it decides nothing any more.
    Answered,
}

/// A session in memory, or what is left of it.
pub(super) enum State {
    /// Boxed: a list that grows, or is put in another order, leaves no copy of its keys.
    Live(Box<Session>),
    /// The snapshot is gone; the row of reset secrets may be there.
    Lost(ResetSecrets),
}

/// One session and its place among the others.
pub(super) struct Held {
    pub(super) id: SessionId,
    pub(super) era: u32,
    pub(super) origin: Origin,
    /// The peer has answered in it: it holds the session, and so does whoever has a copy of its state.
    pub(super) answered: bool,
    /// What the last new beginning made of it.
    pub(super) before: Before,
    /// The last day on which an answer to an own invite session can be hoped for.
    pub(super) answer_by: Option<Day>,
    /// Since when another one is used.
    pub(super) unused_since: Option<Day>,
    pub(super) state: State,
}

impl Held {
    pub(super) fn live(session: Box<Session>, era: u32, origin: Origin, answer_by: Option<Day>) -> Self {
        let id = session.id();
        let answered = session.standing() == Standing::Established;
        let before = Before::No;
        Self { id, era, origin, answered, before, answer_by, unused_since: None, state: State::Live(session) }
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Live(session) => Some(session),
            State::Lost(_) => None,
        }
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.state {
            State::Live(session) => Some(session),
            State::Lost(_) => None,
        }
    }

    fn resets(&self) -> &ResetSecrets {
        match &self.state {
            State::Live(session) => session.resets(),
            State::Lost(resets) => resets,
        }
    }

    /// The peer is known to hold it: it has answered.
    pub(super) const fn is_answered(&self) -> bool {
        self.answered
    }

    fn is_sent_in(&self) -> bool {
        self.resets().sent().next().is_some()
    }

    /// It is lost, and the peer may be using it beside one of this era.
    fn is_missed(&self, era: u32) -> bool {
        self.session().is_none() && self.era >= era && self.unused_since.is_none()
    }

    /// An own session that nobody has answered yet.
    fn waits(&self) -> bool {
        self.session().is_some() && !self.is_answered() && !self.is_begun_by_peer()
    }

    /// The peer has begun it.
    fn is_begun_by_peer(&self) -> bool {
        self.session().is_some_and(|session| session.role() == Role::Responder)
    }
}

/// An era that is said may lie this far above the highest one that is held: what a peer says never uses the numbers up.
const MAX_ERA_STEP: u32 = 64;
/// The highest era that is believed while no session is answered.
const MAX_FIRST_ERA: u32 = 1 << 31;

/// All of them, in the order in which they came or, before they are answered, were used.
pub(super) struct HeldSessions(Vec<Held>);

impl HeldSessions {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The side begins anew with a session of this era; `known`: with somebody whom the user knows. Own sessions that wait for an
    /// answer get the same era: the first that is answered is the one.
    pub(super) fn begin_anew(&mut self, era: u32, known: bool) {
        for held in &mut self.0 {
            if held.waits() {
                held.era = held.era.max(era);
            }
            if held.answered {
                held.before = Before::Answered;
            } else if known {
                held.before = Before::Open;
            }
        }
    }

    /// The user has begun anew since, and it was answered then.
    pub(super) fn is_superseded(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|held| held.before == Before::Answered)
    }

    /// It was not answered when the side began anew.
    pub(super) fn is_left(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|held| held.before == Before::Open)
    }

    /// The session that sends is one that the side had left behind; says so once.
    pub(super) fn came_back(&mut self) -> bool {
        let best = self.best().and_then(|index| self.0.get_mut(index));
        best.is_some_and(|held| core::mem::replace(&mut held.before, Before::No) == Before::Open)
    }

    /// It decides something for the contact: nothing has superseded or replaced it.
    pub(super) fn is_current(&self, index: usize) -> bool {
        let used = self.0.get(index).is_some_and(|held| held.unused_since.is_none());
        used && !self.is_superseded(index)
    }

    /// An era that the peer says, if it is to be believed; `settled`: a session was answered before it was said.
    pub(super) fn believe(&self, said: Option<u32>, settled: bool) -> Option<u32> {
        let most = if settled { self.newest_era().saturating_add(MAX_ERA_STEP) } else { MAX_FIRST_ERA };
        said.filter(|era| *era <= most)
    }

    pub(super) fn iter(&self) -> core::slice::Iter<'_, Held> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> core::slice::IterMut<'_, Held> {
        self.0.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Held> {
        self.0.get(index)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Held> {
        self.0.get_mut(index)
    }

    /// Takes a stored one.
    pub(super) fn push(&mut self, held: Held) {
        self.0.push(held);
    }

    /// The session that sends: of the highest era; among those that are answered the one with the smallest id; if none is, the
    /// one begun by the peer that it used last, and if there is none of those either the newest.
    pub(super) fn best(&self) -> Option<usize> {
        let era = self.newest_era();
        let of_era = || self.0.iter().enumerate().filter(move |(_, held)| held.era == era);
        of_era()
            .filter(|(_, held)| held.is_answered())
            .min_by_key(|(_, held)| held.id)
            .or_else(|| of_era().rfind(|(_, held)| held.is_begun_by_peer()))
            .or_else(|| of_era().next_back())
            .map(|(index, _)| index)
    }

    /// The name of the one that sends.
    pub(super) fn best_id(&self) -> Option<SessionId> {
        self.best().and_then(|index| self.0.get(index)).map(|held| held.id)
    }

    /// The session that sends is lost, or one that the peer may be using: of the same era, and nothing has replaced it. (An own
    /// one that waits brings the peer to it.)
    pub(super) fn is_lost(&self) -> bool {
        let Some(best) = self.best().and_then(|index| self.0.get(index)) else { return false };
        // Of answered ones the peer may have settled on a smaller id.
        let smaller = |held: &Held| held.session().is_none() && held.era == best.era && held.id < best.id;
        best.session().is_none()
            || !best.waits() && self.0.iter().any(|held| held.is_missed(best.era))
            || best.is_answered() && self.0.iter().any(smaller)
    }

    /// In the order in which an envelope is tried.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = usize> + use<> {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        order.sort_by_key(|index| Reverse((self.0.get(*index).map(|held| held.era), *index)));
        order.into_iter()
    }

    pub(super) fn newest_era(&self) -> u32 {
        self.0.iter().map(|held| held.era).max().unwrap_or_default()
    }

    /// The era of a session that supersedes others: above every one that the peer may be using, which is all but own ones that
    /// wait for an answer.
    pub(super) fn next_era(&self) -> u32 {
        let shared = self.0.iter().filter(|held| !held.waits()).map(|held| held.era).max();
        shared.map_or(1, |era| era.saturating_add(1)).max(self.newest_era())
    }

    /// The newest era in which the peer is known to hold a session.
    pub(super) fn answered_era(&self) -> Option<u32> {
        self.0.iter().filter(|held| held.is_answered()).map(|held| held.era).max()
    }

    /// What an own soft reset is proved with: the newest received turn of the newest session that the peer cannot have
    /// forgotten, and of several the one that sends. The peer has made that turn.
    ///
    /// A session that the peer began and that nothing was sent in is passed over: as long as it is not answered the peer accepts
    /// older ones, and may have lost it.
    pub(super) fn own_proof(&self) -> Option<&ResetSecret> {
        let order = |held: &&Held| {
            let (answered, used) = (held.is_answered(), held.unused_since.is_none());
            (held.is_sent_in(), held.era, answered, used, answered.then_some(Reverse(held.id)))
        };
        let usable = |held: &&Held| held.before == Before::No && held.resets().received().is_some();
        self.0.iter().filter(usable).max_by_key(order)?.resets().received()
    }

    /// What a peer's soft reset may be proved with, each with the era of its session: the two newest sent turns of each session
    /// in use that is no older than the newest in which the peer has answered. The newest turn that the peer has received is one
    /// of them. An unused session does not turn any more, so what once leaked of it would prove for ever.
    pub(super) fn peer_proofs(&self) -> Vec<(&ResetSecret, u32)> {
        let oldest = self.answered_era().unwrap_or_default();
        let used = |held: &&Held| held.before == Before::No && held.unused_since.is_none();
        let recent = self.0.iter().filter(used).filter(|held| held.era >= oldest);
        recent.flat_map(|held| held.resets().sent().map(|secret| (secret, held.era))).collect()
    }

    /// Adds one, and gives the ids of those for which there is no room any more.
    pub(super) fn add(&mut self, held: Held) -> Vec<SessionId> {
        self.0.push(held);
        let mut dropped = Vec::new();
        while self.0.len() > MAX_SESSIONS {
            let best = self.best();
            // Never the one that sends, nor the new one. First what another has replaced, and of that the oldest; then what
            // nobody has answered: the answered ones hold the proofs of a reset.
            let newest = self.0.len().saturating_sub(1);
            let spare = (0..newest).filter(|index| Some(*index) != best);
            let keep = |index: &usize| {
                self.0.get(*index).map(|held| {
                    let replaced = held.unused_since.is_some()
                        || held.before == Before::Answered
                        || Some(held.era) < self.answered_era();
                    let answered = u32::from(held.is_answered());
                    if replaced { (0, held.era, answered, *index) } else { (1, answered, held.era, *index) }
                })
            };
            let Some(index) = spare.min_by_key(keep) else { break };
            dropped.push(self.0.remove(index).id);
        }
        dropped
    }

    pub(super) fn holds(&self, id: SessionId) -> bool {
        self.0.iter().any(|held| held.id == id)
    }

    /// The peer has answered in it; says whether that is new.
    pub(super) fn answered(&mut self, index: usize) -> bool {
        self.0.get_mut(index).is_some_and(|held| !core::mem::replace(&mut held.answered, true))
    }

    /// A session has this era at least; says whether that is new.
    pub(super) fn raise(&mut self, index: usize, era: u32) -> bool {
        match self.0.get_mut(index) {
            Some(held) if held.era < era => {
                held.era = era;
                true
            }
            _ => false,
        }
    }

    /// The peer used this one just now; says whether that is news.
    ///
    /// Of several that the peer has begun and that are not answered, it holds the one that it goes on using. And as long as
    /// no newer one is answered, whichever the peer uses is as good.
    pub(super) fn used(&mut self, index: usize) -> bool {
        let newest = self.newest_era();
        let best = self.best().and_then(|index| self.0.get(index));
        let open = best.is_some_and(|held| !held.is_answered());
        // What comes late by one that was replaced or left says nothing of what the peer uses now.
        if !self.is_current(index) || self.is_left(index) {
            return false;
        }
        let Some(held) = self.0.get_mut(index).filter(|held| !held.is_answered()) else { return false };
        let mut news = false;
        if open && held.era < newest {
            held.era = newest;
            news = true;
        }
        if index + 1 < self.0.len() {
            let held = self.0.remove(index);
            self.0.push(held);
            news = true;
        }
        news
    }

    /// Once the session that sends is established, the others are unused, but lost ones that the peer may be using; says whether
    /// anything changed. A day that is still to come was a clock's error.
    pub(super) fn settle(&mut self, today: Day) -> bool {
        let Some(best) = self.best() else { return false };
        let standing = self.0.get(best).and_then(Held::session).map(Session::standing);
        let era = self.newest_era();
        let mut changed = false;
        for (index, held) in self.0.iter_mut().enumerate() {
            if index == best {
                changed |= held.unused_since.take().is_some();
            } else if held.unused_since.is_some_and(|since| since > today)
                || standing == Some(Standing::Established)
                    && held.unused_since.is_none()
                    && !held.is_missed(era)
            {
                held.unused_since = Some(today);
                changed = true;
            }
        }
        changed
    }

    /// Removes sessions that have been unused for long enough.
    pub(super) fn drop_unused(&mut self, today: Day) -> Vec<SessionId> {
        let mut dropped = Vec::new();
        self.0.retain(|held| {
            let over = held.unused_since.is_some_and(|since| today.since(since) > UNUSED_DAYS);
            if over {
                dropped.push(held.id);
            }
            !over
        });
        dropped
    }

    /// Own invite sessions whose last day has passed without an answer; each is told once.
    pub(super) fn overdue(&mut self, today: Day) -> Vec<SessionId> {
        let mut overdue = Vec::new();
        for held in &mut self.0 {
            let waits = held.session().is_some_and(|session| session.standing() == Standing::Unanswered);
            if waits && held.answer_by.is_some_and(|last| last < today) {
                held.answer_by = None;
                overdue.push(held.id);
            }
        }
        overdue
    }
}
