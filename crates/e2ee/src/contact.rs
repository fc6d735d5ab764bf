//! A contact: all sessions with one person, and the choice of the one that is used for sending
//! (spec/05-ratchet.md section 6).
//!
//! Two people can have several sessions: each has invited the other, or one of them lost a session
//! and began a new one. All of them receive; one sends, and both sides choose the same one. The app
//! decides where a text is shown, and when it is sent again.

mod event;
mod hour;
mod reset;
pub(crate) mod reset_bundle;
mod rows;
mod sessions;

pub use event::{ContactChanges, ContactEvent, Received, SessionUse};
pub use hour::Hour;
pub use reset::{AgreeError, ResetError, ResetKind};
pub use reset_bundle::{
    MAX_OWN_BUNDLES, MAX_PEER_BUNDLES, MAX_SESSIONS_OF_BUNDLE, RESET_BUNDLE_DAYS, RESET_BUNDLE_RENEWAL_DAYS,
};
pub use rows::StoredSession;
pub use sessions::{MAX_SESSIONS, UNUSED_DAYS};

use crate::{
    content::{self, ERA_ITEM_LEN},
    handshake::Accepted,
    identity::{IdentityHash, IdentityKeyPair, SafetyNumber},
    session::{ChangeSet, DecryptError, EncryptError, Opened, Session, SessionId, Standing},
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_wire::{Blob, Day, SizeClass};
use rand_core::CryptoRng;
use reset_bundle::{PeerBundle, PendingReset};
use sessions::{Generation, Origin, SessionEntry, Sessions};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Number of the last turn of the session that sends in which a switch from it to another session
/// is not reported to the user. Two people who invited each other at once, or whose resets crossed,
/// agree on one session within the first five turns, 0 to 4.
const LAST_YOUNG_TURN: u32 = 4;
/// The relation of a new session from an invite to the sessions that a contact already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitePolicy {
    /// The existing sessions stay in use: two people may invite each other at the same time. If a
    /// session with the peer was ever [`Standing::Established`], or if the contact is verified,
    /// this has the same effect as [`StartOver`](Self::StartOver).
    KeepSessions,
    /// The two people start over, on a new device or after a loss: the existing sessions that the
    /// peer has replied in become [`SessionUse::Superseded`], and the contact is no longer
    /// verified.
    StartOver,
}

/// The error of adding a session to a contact; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The session is with another person.
    #[error("the session is with another identity; make a new contact, or change this one's identity")]
    OtherPerson,
    /// The contact already has the session: the same first message was accepted twice.
    #[error("the contact holds this session; drop it, the invite was used")]
    Known,
}

/// The error of a scanned safety number that is not that of these two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the safety numbers differ; do not trust this contact before you have met in another way")]
pub struct SafetyNumberDiffers;

/// Values of a session and its contact before a message was read, to be compared with those after
/// it.
struct Prior {
    turn: u32,
    standing: Standing,
    /// Whether the peer had ever replied in a session of the contact.
    peer_ever_answered: bool,
}

/// One person, and the sessions with that person. It holds secrets. Store the changes that its
/// calls return.
pub struct Contact {
    peer: IdentityHash,
    verified: bool,
    sessions: Sessions,
    /// The secrets of own reset bundles, oldest first.
    own_bundles: Vec<PendingReset>,
    /// The peer's reset bundles, those with the earliest last day first.
    peer_bundles: Vec<PeerBundle>,
    last_reset: Option<Hour>,
    /// The day on which the newest own bundle was made; `None` if one is due because none was made
    /// yet, or because either side reset a session or the two people started over since.
    bundle_made: Option<Day>,
    /// Whether a message that begins a new turn of the peer was read, in any session, since the
    /// newest own bundle was made. The first message of a new session does not count.
    bundle_answered: bool,
    /// Whether a session was ever [`Standing::Established`], even if it no longer exists.
    peer_ever_answered: bool,
}

// Its sessions, reset secrets and bundles wipe themselves.
impl ZeroizeOnDrop for Contact {}
deaddrop_primitives::assert_secret!(Contact);

impl Contact {
    /// Creates a contact for a person with whom there is no session yet.
    #[must_use]
    pub const fn new(peer: IdentityHash) -> Self {
        Self {
            peer,
            verified: false,
            sessions: Sessions::new(),
            own_bundles: Vec::new(),
            peer_bundles: Vec::new(),
            last_reset: None,
            bundle_made: None,
            bundle_answered: false,
            peer_ever_answered: false,
        }
    }

    /// Creates a contact from a single session that the app stored without a contact. `verified`
    /// tells whether the user has compared safety numbers. The session's own rows stay as they are;
    /// the contact's [`row`](Self::row) is to be stored beside them.
    #[must_use]
    pub fn adopt(session: Session, verified: bool) -> Self {
        let mut contact = Self { verified, ..Self::new(*session.peer()) };
        let entry = SessionEntry::live(Box::new(session), 0, Origin::Invite, None);
        contact.peer_ever_answered = entry.peer_replied;
        contact.sessions.push(entry);
        contact
    }

    /// Returns the hash of the person's identity.
    #[must_use]
    pub const fn peer(&self) -> &IdentityHash {
        &self.peer
    }

    /// Whether the user has compared safety numbers, and nothing has happened since that makes
    /// another comparison necessary.
    #[must_use]
    pub const fn is_verified(&self) -> bool {
        self.verified
    }

    /// Returns the ids of all sessions in no fixed order, also of those that were lost.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.sessions.iter().map(|entry| entry.id)
    }

    /// Returns the session that is used for sending; `None` if there is none, or if it was lost.
    #[must_use]
    pub fn sending(&self) -> Option<&Session> {
        self.sessions.best().and_then(SessionEntry::session)
    }

    /// Returns the progress of the session that is used for sending; `None` if there is none, or if
    /// it was lost. While the result is [`Standing::Unanswered`], content must begin with
    /// [`Content::Hello`](crate::content::Content::Hello).
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.sending().map(Session::standing)
    }

    /// Whether the session that sends, or one that the peer may be using, is lost: its rows are
    /// gone or damaged. Begin a [`reset`](Self::reset), or send a new invite. A contact without
    /// sessions is not lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.sessions.is_lost()
    }

    /// Whether this side has begun the session that sends, by accepting an invite of the peer or by a
    /// hard reset, the peer has not replied in it, and every other session is superseded or left
    /// behind. Returns `false` after a soft reset, because the session
    /// that proved the reset stays in use.
    #[must_use]
    pub fn is_starting_over(&self) -> bool {
        self.sessions.is_starting_over()
    }

    /// Adds a session and the change set of its first rows, both from [`Session::initiate`].
    /// `reply_deadline` is the bundle's last day: after that day [`tidy`](Self::tidy) reports a
    /// session without a reply as [`ContactEvent::InviteTaken`].
    ///
    /// # Errors
    /// Fails with [`AddError`]; nothing changed.
    pub fn add_initiated(
        &mut self,
        session: Session,
        changes: ChangeSet,
        reply_deadline: Day,
        policy: InvitePolicy,
    ) -> Result<Received, AddError> {
        self.add(session, changes, Some(reply_deadline), policy, None)
    }

    /// Adds a session that [`PendingInvite::accept`](crate::invite::PendingInvite::accept) made.
    /// The result contains its first content.
    ///
    /// A thief of the peer's identity who finds an open invite can come this way, too. If the
    /// invite was not meant for this person, ask the user first. If the peer has ever replied in a
    /// session, or the contact is verified, the result has the event [`ContactEvent::StartedOver`].
    ///
    /// # Errors
    /// Fails with [`AddError`]; nothing changed.
    pub fn add_accepted(&mut self, accepted: Accepted, policy: InvitePolicy) -> Result<Received, AddError> {
        let claimed = content::for_contact(&accepted.content).era;
        let mut received = self.add(accepted.session, accepted.changes, None, policy, claimed)?;
        received.content = Some(accepted.content);
        Ok(received)
    }

    fn add(
        &mut self,
        session: Session,
        changes: ChangeSet,
        reply_deadline: Option<Day>,
        policy: InvitePolicy,
        claimed: Option<u32>,
    ) -> Result<Received, AddError> {
        let id = session.id();
        if *session.peer() != self.peer {
            return Err(AddError::OtherPerson);
        }
        if self.sessions.contains(id) {
            return Err(AddError::Known); // C-58: a session begins once.
        }
        let is_known = self.peer_ever_answered || self.verified;
        let starts_over = is_known || policy == InvitePolicy::StartOver;
        let era = if starts_over { self.sessions.next_era() } else { self.sessions.newest_era() };
        let claimed = self.sessions.accept_claimed_era(claimed, self.peer_ever_answered);
        let era = claimed.unwrap_or_default().max(era);
        let mut events = Vec::new();
        if starts_over {
            self.start_over(id, era, is_known, &mut events);
        }
        let entry = SessionEntry::live(Box::new(session), era, Origin::Invite, reply_deadline);
        let dropped = self.sessions.add(entry);
        let changes = self.changes(Some((id, changes)), dropped, true);
        Ok(Received { session: Some(id), events, changes, ..Received::default() })
    }

    /// Makes a new session of this era supersede all earlier ones, forgets the peer's bundles that
    /// came in them, and clears the verification. `is_known` tells whether the user knew the person
    /// before; if so, [`ContactEvent::StartedOver`] is reported.
    fn start_over(&mut self, session: SessionId, era: u32, is_known: bool, events: &mut Vec<ContactEvent>) {
        self.sessions.start_over(era, is_known);
        self.own_bundles.iter_mut().for_each(PendingReset::forget_asked);
        self.peer_bundles.clear();
        (self.bundle_made, self.bundle_answered) = (None, false);
        if is_known {
            events.push(ContactEvent::StartedOver { session });
        }
        self.clear_verification(events);
    }

    /// Seals encoded content (see [`crate::content::encode`]) with the session that is used for
    /// sending. Store the changes before you send the envelope.
    ///
    /// Draws from `rng` as [`Session::encrypt`] does.
    ///
    /// # Errors
    /// Fails with [`EncryptError`]; nothing changed.
    pub fn encrypt(
        &mut self,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Blob, ContactChanges), EncryptError> {
        let tells = self.tells_era();
        let best = self.sessions.best_id().and_then(|id| self.sessions.get_mut(id));
        let entry = best.ok_or(EncryptError::NoSession)?;
        let (id, era) = (entry.id, entry.era);
        let session = entry.session_mut().ok_or(EncryptError::NoSession)?;
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

    /// Returns the number of bytes of encoded content that fit into an envelope of this class now;
    /// `None` if there is no session for sending, or if the class is too small.
    #[must_use]
    pub fn room(&self, class: SizeClass) -> Option<usize> {
        self.sending()?.room(class)?.checked_sub(if self.tells_era() { ERA_ITEM_LEN } else { 0 })
    }

    /// Whether messages carry the era of the session that sends: until the peer has replied in it,
    /// and as long as there are several sessions to choose from. Era 0 is never sent.
    fn tells_era(&self) -> bool {
        let several = self.sessions.len() > 1;
        self.sessions.best().is_some_and(|entry| entry.era > 0 && (!entry.peer_replied || several))
    }

    /// Opens an envelope with the session to which it belongs, or accepts it as a soft reset; a
    /// hard reset is only reported ([`ContactEvent::ResetRequested`]). An envelope that cannot be
    /// read but is worth an event gives a result without content. Acknowledge the envelope only
    /// after the changes are stored.
    ///
    /// # Errors
    /// Fails with [`DecryptError::Junk`], [`DecryptError::Duplicate`] or
    /// [`DecryptError::PeerMisbehaved`]; nothing changed.
    pub fn decrypt(
        &mut self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        today: Day,
    ) -> Result<Received, DecryptError> {
        let mut contested = false;
        let peer_ever_answered = self.peer_ever_answered;
        for id in self.sessions.newest_first() {
            let Some(entry) = self.sessions.get_mut(id) else { continue };
            let (is_of_invite, is_in_use) = (entry.origin == Origin::Invite, entry.is_in_use());
            let Some(session) = entry.session_mut() else { continue };
            let before = Prior { turn: session.turn(), standing: session.standing(), peer_ever_answered };
            match session.decrypt(identity, envelope, today) {
                Ok(opened) => return Ok(self.read(id, &before, opened, identity, today)),
                Err(DecryptError::Junk) => {}
                // A peer that resets again uses the same bundle: that is no contest.
                Err(DecryptError::InviteContested) => contested |= is_of_invite,
                // A session that is not in use needs no repair, and anyone who repeats its envelopes could cause resets.
                Err(DecryptError::PeerRewound) if !is_in_use => return Err(DecryptError::Duplicate),
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

    /// Applies a message that was read in session `id` to the contact. `before` has the values from
    /// before the session opened it.
    fn read(
        &mut self,
        id: SessionId,
        before: &Prior,
        opened: Opened,
        identity: &IdentityKeyPair,
        today: Day,
    ) -> Received {
        let Opened { content, changes } = opened;
        let mut events = Vec::new();
        let mut row = false;
        let entry = self.sessions.get(id);
        let session = entry.and_then(SessionEntry::session);
        let (standing, turn) = session.map_or((before.standing, before.turn), |s| (s.standing(), s.turn()));
        let is_in_use = entry.is_some_and(SessionEntry::is_in_use);
        let generation = entry.map_or(Generation::Current, |entry| entry.generation);
        let is_superseded = generation == Generation::Superseded;
        let best_before = self.sessions.best_id();
        let was_left = !is_in_use || generation == Generation::LeftBehind;
        // Of two first sessions, or of two resets that cross, one is chosen within the first turns.
        let is_young = self.sending().is_none_or(|session| session.turn() <= LAST_YOUNG_TURN);

        let is_now_established = standing == Standing::Established && before.standing != standing;
        if is_now_established {
            events.push(ContactEvent::Established { session: id });
            row = true;
            // A reset that came through begins the count of its bundles' tries again.
            self.peer_bundles.iter_mut().for_each(|bundle| bundle.tries = 0);
            self.sessions.mark_answered(id);
            self.peer_ever_answered = true;
        }
        if turn != before.turn && !self.bundle_answered && self.bundle_made.is_some() {
            self.bundle_answered = true;
            row = true;
        }
        let race_resolved = is_young && self.sessions.best_id() != best_before;
        let claims = content::for_contact(&content);
        if !is_superseded
            && let Some(era) = self.sessions.accept_claimed_era(claims.era, before.peer_ever_answered)
        {
            row |= self.sessions.raise_era(id, era);
        }
        if is_in_use && let Some(bundle) = claims.bundle {
            row |= self.take_bundle(bundle, identity, today);
        }
        row |= self.sessions.note_use(id);
        // The peer returns to a session that the contact had left: the peer has lost the newer one, or somebody has a state of the older.
        if let Some(session) = self.sessions.best_id()
            && best_before != Some(session)
            && (self.sessions.take_returned() || was_left && !race_resolved)
        {
            row = true;
            events.push(ContactEvent::PeerFellBack { session });
            self.clear_verification(&mut events);
        }
        row |= self.sessions.retire_unused(today);
        let changes = self.changes(Some((id, changes)), Vec::new(), row);
        let by = match is_in_use {
            true => SessionUse::Used,
            false if is_superseded => SessionUse::Superseded,
            false => SessionUse::Unused,
        };
        Received { session: Some(id), by, content: Some(content), events, changes, ..Received::default() }
    }

    /// Removes skipped keys that are too old, reset bundles past their last day and, if
    /// `caught_up`, sessions that have been unused for more than [`UNUSED_DAYS`] days. Reports
    /// [`ContactEvent::InviteTaken`] for sessions without a reply in time. Call it once a day.
    ///
    /// `caught_up` tells whether everything that waited in this contact's mailboxes has been read.
    #[must_use = "a change that is not stored is lost"]
    pub fn tidy(&mut self, today: Day, caught_up: bool) -> Received {
        let mut sessions = Vec::new();
        for entry in self.sessions.iter_mut() {
            let id = entry.id;
            sessions.extend(entry.session_mut().and_then(|session| Some((id, session.expire(today)?))));
        }
        let mut row = self.sessions.retire_unused(today);
        let overdue = self.sessions.take_overdue(today);
        row |= !overdue.is_empty();
        let events = overdue.into_iter().map(|session| ContactEvent::InviteTaken { session }).collect();
        let (own, peer) = (self.own_bundles.len(), self.peer_bundles.len());
        self.own_bundles.retain(|bundle| bundle.not_after() >= today);
        self.peer_bundles.retain(|bundle| bundle.not_after().is_some_and(|day| day >= today));
        row |= (own, peer) != (self.own_bundles.len(), self.peer_bundles.len());
        let dropped = if caught_up { self.sessions.drop_unused(today) } else { Vec::new() };
        row |= !dropped.is_empty();
        let mut changes = self.changes(None, dropped, row);
        changes.sessions = sessions;
        changes.sessions.retain(|(id, _)| !changes.dropped.contains(id));
        Received { events, changes, ..Received::default() }
    }

    /// Sets whether the user has compared safety numbers, in another way than by scanning. Returns
    /// the changes to store.
    pub fn set_verified(&mut self, verified: bool) -> ContactChanges {
        self.verified = verified;
        self.changes(None, Vec::new(), true)
    }

    /// Marks the contact as verified if `scanned` is the [QR payload](SafetyNumber::to_qr_payload)
    /// of these two people; `own` is the hash of the user's identity.
    ///
    /// # Errors
    /// Fails with [`SafetyNumberDiffers`]; nothing changed.
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

    /// Gives the contact a new identity, to which the user has agreed. Every session with the old
    /// identity ends, and the person is to be verified again. The sessions with the new identity
    /// come from a new invite. Nothing changes if the contact has this identity already.
    pub fn change_identity(&mut self, now: IdentityHash) -> Received {
        if self.peer == now {
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
