//! A contact: every session with one person, and which of them is used (spec/05-ratchet.md section 6).
//!
//! Two people may come to have several sessions: both invited the other, or one of them lost a session and began a new one.
//! All of them receive; one sends, and both sides come to the same one. Not its concern: whom a text is shown to, and
//! when it is sent again.

mod event;
mod held;
mod reset;
mod rows;

pub use event::{ContactChanges, ContactEvent, Received, SessionUse};
pub use reset::{AgreeError, Hour, ResetError, ResetKind};
pub use rows::StoredSession;

use crate::{
    content::{self, ERA_ITEM_LEN},
    handshake::Accepted,
    identity::{IdentityHash, IdentityKeyPair},
    reset::{PeerBundle, PendingReset},
    safety_number::SafetyNumber,
    session::{ChangeSet, DecryptError, EncryptError, Opened, Session, SessionId, Standing},
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_wire::{Blob, Day, SizeClass};
use held::{Held, HeldSessions, Origin};
use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Most sessions with one person that are held at a time.
pub const MAX_SESSIONS: usize = 8;
/// Most own reset bundles whose secrets are held, so that the peer can use one even if the newest did not arrive.
pub const MAX_OWN_BUNDLES: usize = 4;
/// Most reset bundles of the peer that are held: the newest and the one before.
pub const MAX_PEER_BUNDLES: usize = 2;
/// The highest number that the newest turn of the session in use may have when two sides settle on another one without a word to the
/// users. A fifth turn has number 4: turns count from 0.
const LAST_YOUNG_TURN: u32 = 4;
/// Days that a session which is not used any more still receives.
pub const UNUSED_DAYS: u32 = 7;
/// Days after which a reset bundle is renewed.
pub const RESET_BUNDLE_RENEWAL_DAYS: u32 = 7;
/// Days for which a reset bundle can be used.
pub const RESET_BUNDLE_DAYS: u32 = 90;

/// How a new session from an invite stands to those that a contact already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// A first meeting: two people may invite each other at once, and both sessions live. Once the peer has answered in a
    /// session, a further invite is never a first meeting, and counts as [`Again`](Self::Again).
    Beside,
    /// The two begin anew, on a new device or after a loss: earlier sessions are superseded, and the person is to be verified
    /// again.
    Again,
}

/// A session was not added to a contact; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// It is with somebody else.
    OtherPerson,
    /// The contact holds it already: the same first message was accepted twice.
    Known,
}

impl core::fmt::Display for AddError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::OtherPerson => {
                "the session is with another identity; make a new contact, or change this one's identity"
            }
            Self::Known => "the contact holds this session; drop it, the invite was used",
        })
    }
}

impl core::error::Error for AddError {}

/// The scanned or typed safety number is not that of these two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafetyNumberDiffers;

impl core::fmt::Display for SafetyNumberDiffers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the safety numbers differ; do not trust this contact before you have met in another way")
    }
}

impl core::error::Error for SafetyNumberDiffers {}

/// What was so before a message was read.
struct Prior {
    turn: u32,
    standing: Standing,
    /// A session was answered.
    settled: bool,
}

/// One person, and the sessions with that person. Holds secrets; store what the changes say.
pub struct Contact {
    peer: IdentityHash,
    verified: bool,
    held: HeldSessions,
    /// Own reset bundles, oldest first.
    own_bundles: Vec<PendingReset>,
    /// The peer's, oldest first.
    peer_bundles: Vec<PeerBundle>,
    last_reset: Option<Hour>,
    /// When the newest own bundle was made, and whether the peer has answered since.
    bundle_made: Option<Day>,
    bundle_answered: bool,
    /// The peer has answered in a session, whatever has become of it.
    met: bool,
}

// Its sessions, reset secrets and bundles wipe themselves.
impl ZeroizeOnDrop for Contact {}
deaddrop_primitives::assert_secret!(Contact);

impl Contact {
    /// A person with whom there is no session yet.
    #[must_use]
    pub const fn new(peer: IdentityHash) -> Self {
        Self {
            peer,
            verified: false,
            held: HeldSessions::new(),
            own_bundles: Vec::new(),
            peer_bundles: Vec::new(),
            last_reset: None,
            bundle_made: None,
            bundle_answered: false,
            met: false,
        }
    }

    /// A person whose one session was kept without a contact until now, as the app stored it. The session's own rows stay as
    /// they are; the contact's [`row`](Self::row) is to be stored beside them.
    #[must_use]
    pub fn adopt(session: Session, verified: bool) -> Self {
        let mut contact = Self { verified, ..Self::new(*session.peer()) };
        let held = Held::live(Box::new(session), 0, Origin::Invite, None);
        contact.met = held.is_answered();
        contact.held.push(held);
        contact
    }

    /// Who it is.
    #[must_use]
    pub const fn peer(&self) -> &IdentityHash {
        &self.peer
    }

    /// The user has compared safety numbers, and nothing has happened since that makes another comparison necessary.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }

    /// The sessions, those that were lost among them.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.held.iter().map(|held| held.id)
    }

    /// The session that is used for sending; `None` when there is none, or when it was lost.
    #[must_use]
    pub fn sending(&self) -> Option<&Session> {
        self.held.best().and_then(|index| self.held.get(index)?.session())
    }

    /// How far the session that is used has come. Until it is answered, content begins with
    /// [`Content::Hello`](crate::Content::Hello).
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.sending().map(Session::standing)
    }

    /// The session that ought to be used is lost, or one that the peer may be using: its rows are gone or damaged. Begin a
    /// [`reset`](Self::reset), or send a new invite.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.held.is_lost()
    }

    /// Takes a session that [`Session::initiate`] began. `answer_by` is the bundle's last day: a day later an unanswered
    /// session is told as [`ContactEvent::InviteTaken`] by [`tidy`](Self::tidy).
    ///
    /// # Errors
    /// [`AddError`]; nothing changed.
    pub fn add_initiated(
        &mut self,
        session: Session,
        changes: ChangeSet,
        answer_by: Day,
        meeting: Meeting,
    ) -> Result<Received, AddError> {
        self.add(session, changes, Some(answer_by), meeting, None)
    }

    /// Takes a session that [`PendingInvite::accept`](crate::PendingInvite::accept) made; gives its first content back.
    ///
    /// Whoever has stolen the peer's identity and finds an open invite comes this way, too: ask the user first if the invite
    /// was not meant for this person. The contact tells [`ContactEvent::BegunAnew`] whenever a session was answered before.
    ///
    /// # Errors
    /// [`AddError`]; nothing changed.
    pub fn add_accepted(&mut self, accepted: Accepted, meeting: Meeting) -> Result<Received, AddError> {
        let said = content::for_contact(&accepted.content).era;
        let mut received = self.add(accepted.session, accepted.changes, None, meeting, said)?;
        received.content = Some(accepted.content);
        Ok(received)
    }

    fn add(
        &mut self,
        session: Session,
        changes: ChangeSet,
        answer_by: Option<Day>,
        meeting: Meeting,
        said: Option<u32>,
    ) -> Result<Received, AddError> {
        let id = session.id();
        if !session.peer().is(&self.peer) {
            return Err(AddError::OtherPerson);
        }
        if self.held.holds(id) {
            return Err(AddError::Known); // C-58: a session begins once.
        }
        let known = self.met || self.verified;
        let anew = known || meeting == Meeting::Again;
        let era = if anew { self.held.next_era() } else { self.held.newest_era() };
        let era = self.held.believe(said, self.met).unwrap_or_default().max(era);
        let mut events = Vec::new();
        if anew {
            self.begin_anew(id, era, known, &mut events);
        }
        let dropped = self.held.add(Held::live(Box::new(session), era, Origin::Invite, answer_by));
        let changes = self.changes(Some((id, changes)), dropped, true);
        Ok(Received { session: Some(id), events, changes, ..Received::default() })
    }

    /// What was before decides nothing any more: neither its sessions, nor the bundles that came in them.
    fn begin_anew(&mut self, session: SessionId, era: u32, known: bool, events: &mut Vec<ContactEvent>) {
        self.held.begin_anew(era, known);
        self.own_bundles.iter_mut().for_each(PendingReset::forget_asked);
        self.peer_bundles.clear();
        (self.bundle_made, self.bundle_answered) = (None, false);
        if known {
            events.push(ContactEvent::BegunAnew { session });
        }
        self.clear_verification(events);
    }

    /// Seals encoded content (see [`crate::content::encode`]) with the session that is used.
    ///
    /// Draws as [`Session::encrypt`].
    ///
    /// # Errors
    /// See [`EncryptError`]; nothing changed.
    pub fn encrypt(
        &mut self,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Blob, ContactChanges), EncryptError> {
        let tells = self.tells_era();
        let held = self.held.best().and_then(|index| self.held.get_mut(index));
        let held = held.ok_or(EncryptError::NoSession)?;
        let (id, era) = (held.id, held.era);
        let session = held.session_mut().ok_or(EncryptError::NoSession)?;
        let mut with_era = Zeroizing::new(Vec::new());
        let content = if tells {
            with_era.reserve_exact(content.len() + ERA_ITEM_LEN);
            with_era.extend_from_slice(content);
            content::add_era(&mut with_era, era);
            &with_era
        } else {
            content
        };
        let (envelope, changes) = session.encrypt(content, rng)?;
        Ok((envelope, self.changes(Some((id, changes)), Vec::new(), false)))
    }

    /// Bytes of encoded content that fit into an envelope of this class now.
    #[must_use]
    pub fn room(&self, class: SizeClass) -> Option<usize> {
        self.sending()?.room(class)?.checked_sub(if self.tells_era() { ERA_ITEM_LEN } else { 0 })
    }

    /// The peer learns the era with the session, and as long as there are several to choose from.
    fn tells_era(&self) -> bool {
        let best = self.held.best().and_then(|index| self.held.get(index));
        best.is_some_and(|held| held.era > 0 && (!held.is_answered() || self.held.len() > 1))
    }

    /// Opens an envelope with whichever session it belongs to, or as a soft reset. Ack it only after the changes are stored.
    ///
    /// # Errors
    /// [`DecryptError::Junk`], [`DecryptError::Duplicate`] or [`DecryptError::PeerMisbehaved`]; nothing changed.
    pub fn decrypt(
        &mut self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        today: Day,
    ) -> Result<Received, DecryptError> {
        let mut contested = false;
        let settled = self.met;
        for index in self.held.newest_first() {
            let Some(held) = self.held.get_mut(index) else { continue };
            let of_invite = held.origin == Origin::Invite;
            let Some(session) = held.session_mut() else { continue };
            let before = Prior { turn: session.turn(), standing: session.standing(), settled };
            match session.decrypt(identity, envelope, today) {
                Ok(opened) => return Ok(self.read(index, &before, opened, identity, today)),
                Err(DecryptError::Junk) => {}
                // Whoever resets again uses the same bundle: that is no contest.
                Err(DecryptError::InviteContested) => contested |= of_invite,
                // Nothing is to be healed in a session that was left, and whoever repeats its envelopes would call for resets.
                Err(DecryptError::PeerRewound) if !self.held.is_current(index) => {
                    return Err(DecryptError::Duplicate);
                }
                Err(DecryptError::PeerRewound) => {
                    return Ok(Received::event(ContactEvent::PeerRewound));
                }
                Err(other) => return Err(other),
            }
        }
        match self.try_reset(identity, envelope, false, today) {
            Err(DecryptError::Junk) if contested => Ok(Received::event(ContactEvent::InviteContested)),
            other => other,
        }
    }

    /// What follows from a message that was read.
    fn read(
        &mut self,
        index: usize,
        before: &Prior,
        opened: Opened,
        identity: &IdentityKeyPair,
        today: Day,
    ) -> Received {
        let Opened { content, changes } = opened;
        let mut events = Vec::new();
        let (mut row, mut answered) = (false, false);
        let held = self.held.get(index);
        let id = held.map(|held| held.id);
        let session = held.and_then(Held::session);
        let (now, turn) = session.map_or((before.standing, before.turn), |s| (s.standing(), s.turn()));
        if let Some(session) = id
            && now == Standing::Established
            && before.standing != now
        {
            events.push(ContactEvent::Established { session });
            (row, answered) = (true, true);
            // A reset that came through begins the count of its bundles' tries anew.
            self.peer_bundles.iter_mut().for_each(|bundle| bundle.tries = 0);
        }
        if turn != before.turn && !self.bundle_answered && self.bundle_made.is_some() {
            self.bundle_answered = true;
            row = true;
        }
        let said = content::for_contact(&content);
        let (current, is_superseded) = (self.held.is_current(index), self.held.is_superseded(index));
        let (best, left) = (self.held.best_id(), !current || self.held.is_left(index));
        // Of two first sessions, or of two resets that cross, one is settled on within the first turns.
        let young = self.sending().is_none_or(|session| session.turn() <= LAST_YOUNG_TURN);
        if answered {
            row |= self.held.answered(index);
            row |= !core::mem::replace(&mut self.met, true);
        }
        let settled = young && self.held.best_id() != best;
        if !self.held.is_superseded(index)
            && let Some(era) = self.held.believe(said.era, before.settled)
        {
            row |= self.held.raise(index, era);
        }
        if current && let Some(bundle) = said.bundle {
            row |= self.take_bundle(bundle, identity, today);
        }
        row |= self.held.used(index);
        // The peer comes back to what the contact had left: it has lost the newer session, or somebody has a state of the older.
        if let Some(session) = self.held.best_id()
            && best != Some(session)
            && (self.held.came_back() || left && !settled)
        {
            row = true;
            events.push(ContactEvent::PeerFellBack { session });
            self.clear_verification(&mut events);
        }
        row |= self.held.settle(today);
        let changes = self.changes(id.map(|id| (id, changes)), Vec::new(), row);
        let by = match current {
            true => SessionUse::Used,
            false if is_superseded => SessionUse::Superseded,
            false => SessionUse::Unused,
        };
        Received { session: id, by, content: Some(content), events, changes, ..Received::default() }
    }

    /// To be called once a day: skipped keys and sessions whose time is over go. `caught_up`: everything that waited in this
    /// contact's mailboxes has been read.
    #[must_use = "a change that is not stored is lost"]
    pub fn tidy(&mut self, today: Day, caught_up: bool) -> Received {
        let mut sessions = Vec::new();
        for held in self.held.iter_mut() {
            let id = held.id;
            sessions.extend(held.session_mut().and_then(|session| Some((id, session.expire(today)?))));
        }
        let mut row = self.held.settle(today);
        let taken = self.held.overdue(today);
        row |= !taken.is_empty();
        let events = taken.into_iter().map(|session| ContactEvent::InviteTaken { session }).collect();
        let (own, peer) = (self.own_bundles.len(), self.peer_bundles.len());
        self.own_bundles.retain(|bundle| bundle.not_after() >= today);
        self.peer_bundles.retain(|bundle| bundle.not_after().is_some_and(|day| day >= today));
        row |= (own, peer) != (self.own_bundles.len(), self.peer_bundles.len());
        let dropped = if caught_up { self.held.drop_unused(today) } else { Vec::new() };
        row |= !dropped.is_empty();
        let mut changes = self.changes(None, dropped, row);
        changes.sessions = sessions;
        changes.sessions.retain(|(id, _)| !changes.dropped.contains(id));
        Received { events, changes, ..Received::default() }
    }

    /// The user has compared safety numbers in another way, or takes that back.
    pub fn set_verified(&mut self, verified: bool) -> ContactChanges {
        self.verified = verified;
        self.changes(None, Vec::new(), true)
    }

    /// The user has scanned the peer's [QR payload](SafetyNumber::to_qr_payload).
    ///
    /// # Errors
    /// [`SafetyNumberDiffers`]; nothing changed.
    pub fn verify_scanned(
        &mut self,
        own: &IdentityHash,
        scanned: &[u8],
    ) -> Result<ContactChanges, SafetyNumberDiffers> {
        if !SafetyNumber::new(own, &self.peer).is_qr_payload(scanned) {
            return Err(SafetyNumberDiffers);
        }
        Ok(self.set_verified(true))
    }

    /// The person has a new identity, and the user has agreed to go on with it: every session with the old one ends, and the
    /// person is to be verified again. The peer's new identity comes from a new invite. With the identity that the person has
    /// nothing changes.
    pub fn change_identity(&mut self, now: IdentityHash) -> Received {
        if self.peer.is(&now) {
            return Received::default();
        }
        let mut events = Vec::from([ContactEvent::IdentityChanged { before: self.peer, now }]);
        self.clear_verification(&mut events);
        let dropped = self.sessions().collect();
        *self = Self { last_reset: self.last_reset, ..Self::new(now) };
        Received { events, changes: self.changes(None, dropped, true), ..Received::default() }
    }

    fn clear_verification(&mut self, events: &mut Vec<ContactEvent>) {
        if core::mem::replace(&mut self.verified, false) {
            events.push(ContactEvent::VerificationCleared);
        }
    }

    fn changes(
        &self,
        session: Option<(SessionId, ChangeSet)>,
        dropped: Vec<SessionId>,
        row: bool,
    ) -> ContactChanges {
        ContactChanges { contact: row.then(|| self.row()), sessions: session.into_iter().collect(), dropped }
    }
}

impl core::fmt::Debug for Contact {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Contact(..)")
    }
}
