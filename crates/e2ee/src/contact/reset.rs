//! Resets of a contact: keeping bundles, beginning a reset, accepting one (spec/05-ratchet.md
//! section 6).

use super::{
    Contact,
    event::{ContactChanges, ContactEvent, Received},
    hour::Hour,
    reset_bundle::{
        Attempt, MAX_OWN_BUNDLES, MAX_PEER_BUNDLES, PeerBundle, PendingReset, RESET_BUNDLE_DAYS,
        RESET_BUNDLE_RENEWAL_DAYS, Rules,
    },
    sessions::{Origin, SessionEntry},
};
use crate::{
    bundle::AddressTooLong,
    content::{Content, for_contact},
    handshake::AcceptError,
    identity::IdentityKeyPair,
    session::{DecryptError, Session, SessionId},
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The kind of a reset: the secret by which it is proved to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    /// Proved by a secret of the newest received turn. The peer accepts the reset silently, and the
    /// contact stays verified. A soft reset is refused in the [`Hour`] of this side's last reset of
    /// this contact, of either kind. If it crosses a reset of the peer, either side may report
    /// [`ContactEvent::PeerFellBack`].
    Soft,
    /// Proved by the identity alone. The peer's user must agree, and the contact is no longer
    /// verified. Begin a hard reset only if the user asks for it.
    Hard,
}

/// The error of beginning a reset; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// There is no reset bundle of the peer, or none that can be used on this day. Send a new
    /// invite.
    #[error("nothing to reset with; send a new invite")]
    NoBundle,
    /// No secret of a received turn is left in a session that is not older than the last hard reset
    /// or new start. Only a hard reset is possible.
    #[error("no recent turn is known; ask the user for a hard reset, or send a new invite")]
    NoProof,
    /// A soft reset was asked for in the [`Hour`] in which this side last began a reset of this
    /// contact, of either kind.
    #[error("the session was reset within the hour; wait before the next reset")]
    TooSoon,
}

/// The error of agreeing to an envelope that holds no reset to agree to; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing to agree to; decrypt it again, and if that tells nothing begin a hard reset or send a new invite"
)]
pub struct AgreeError;

impl Contact {
    /// Makes a new reset bundle for the peer, if one is due; returns `None` otherwise. Send the
    /// bundle as content with the next message. A bundle is due after a reset by either side, after
    /// the two people started over, if the newest one has begun a session or does not exist, and
    /// [`RESET_BUNDLE_RENEWAL_DAYS`] days after the newest one if the peer has begun a turn since.
    /// None is due without a session that sends, or while that session is lost or
    /// [`Standing::Unanswered`](crate::session::Standing::Unanswered).
    ///
    /// The bundle counts as sent once it is made. If the message with it cannot be sealed, do not
    /// store the changes and load the contact again; otherwise the peer gets no bundle before the
    /// next renewal.
    ///
    /// `address` is the encoded mailbox address at which the first message of a reset is awaited;
    /// empty means the mailbox in use. Draws from `rng`: salt 32 bytes, X25519 prekey 32, ML-KEM
    /// prekey 64.
    ///
    /// # Errors
    /// Fails with [`AddressTooLong`]; nothing changed.
    pub fn renew_bundle(
        &mut self,
        identity: &IdentityKeyPair,
        address: &[u8],
        today: Day,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<(Content, ContactChanges)>, AddressTooLong> {
        if !self.is_bundle_due(today) {
            return Ok(None);
        }
        let (pending, mut bundle) =
            PendingReset::create(identity, today.plus(RESET_BUNDLE_DAYS), address, rng)?;
        self.own_bundles.push(pending);
        keep_newest(&mut self.own_bundles, MAX_OWN_BUNDLES);
        (self.bundle_made, self.bundle_answered) = (Some(today), false);
        // The content wipes itself.
        let bundle = core::mem::take(&mut *bundle);
        Ok(Some((Content::ResetBundle { bundle }, self.changes(None, Vec::new(), true))))
    }

    fn is_bundle_due(&self, today: Day) -> bool {
        let unused = self.own_bundles.last().is_some_and(PendingReset::is_unused);
        // A day that is still to come was a clock's error.
        let old = |made: Day| made > today || today.since(made) >= RESET_BUNDLE_RENEWAL_DAYS;
        // Without a session the bundle cannot be sent; in an unanswered one it is not sure to arrive.
        self.sending()
            .is_some_and(|session| session.turn() > 0 || session.role() == crate::session::Role::Responder)
            && self.bundle_made.is_none_or(|made| !unused || old(made) && self.bundle_answered)
    }

    /// Begins a new session with the peer's reset bundle, in place of a lost one. Its first
    /// messages come from [`encrypt`](Self::encrypt), and their content begins with
    /// [`Content::Hello`] until the peer has answered.
    ///
    /// Draws from `rng` as [`Session::initiate`](crate::session::Session::initiate) does.
    ///
    /// # Errors
    /// Fails with [`ResetError`].
    pub fn reset(
        &mut self,
        identity: &IdentityKeyPair,
        kind: ResetKind,
        now: Hour,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Received, ResetError> {
        let own = identity.identity_key().hash();
        let proof = match kind {
            // Within the hour; one that is still to come was a clock's error.
            ResetKind::Soft if self.last_reset == Some(now) => return Err(ResetError::TooSoon),
            ResetKind::Soft => Some(self.sessions.own_proof().ok_or(ResetError::NoProof)?),
            ResetKind::Hard => None,
        };
        // The newest of those that were tried least: a peer that was put back knows the one before alone.
        let usable = |kept: &PeerBundle| kept.usable(own, &self.peer, now.day()).ok();
        let bundles = self.peer_bundles.iter().enumerate().rev();
        let bundles = bundles.filter_map(|(place, kept)| Some((place, kept.tries, usable(kept)?)));
        let (place, _, bundle) = bundles.min_by_key(|(_, tries, _)| *tries).ok_or(ResetError::NoBundle)?;
        let address = Zeroizing::new(bundle.address().to_vec());
        let session = bundle.initiate(identity, proof, rng).map_err(|_| ResetError::NoBundle)?;
        let session = Box::new(session);
        let (id, changes) = (session.id(), session.first_changes(false));

        // Nothing fails from here on.
        let era = self.sessions.next_era();
        (self.last_reset, self.bundle_made) = (Some(now), None);
        if let Some(kept) = self.peer_bundles.get_mut(place) {
            kept.tries = kept.tries.saturating_add(1);
        }
        let mut events = Vec::new();
        if kind == ResetKind::Hard {
            // The peer's bundle is what this reset is begun with, and stays.
            let kept = core::mem::take(&mut self.peer_bundles);
            self.start_over(id, era, true, &mut events);
            self.peer_bundles = kept;
        }
        let dropped = self.sessions.add(SessionEntry::live(session, era, Origin::Reset, None));
        let changes = self.changes(Some((id, changes)), dropped, true);
        Ok(Received {
            session: Some(id),
            reset_address: Some(address),
            events,
            changes,
            ..Received::default()
        })
    }

    /// Accepts an envelope that led to [`ContactEvent::ResetRequested`], after the user has agreed.
    /// If there are several envelopes, agree to one of them and pass the others to
    /// [`decrypt`](Self::decrypt) again: most belong to the same session.
    ///
    /// # Errors
    /// Fails with [`AgreeError`].
    pub fn agree_to_reset(
        &mut self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        today: Day,
    ) -> Result<Received, AgreeError> {
        let received = self.try_reset(identity, envelope, true, today).map_err(|_| AgreeError)?;
        if received.content.is_none() { Err(AgreeError) } else { Ok(received) }
    }

    /// Tries an envelope that no session opens as a reset, on the own reset bundles, newest first.
    /// `agreed` tells whether the user agrees to a hard reset. Fails with [`DecryptError::Junk`] if
    /// it is no reset, or one on an expired bundle or from another person; with
    /// [`DecryptError::Duplicate`] if its session was begun before; with
    /// [`DecryptError::PeerMisbehaved`] if it breaks the protocol.
    pub(super) fn try_reset(
        &mut self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        agreed: bool,
        today: Day,
    ) -> Result<Received, DecryptError> {
        let proofs = self.sessions.peer_proofs();
        let (secrets, eras): (Vec<_>, Vec<_>) = proofs.into_iter().unzip();
        let rules = Rules { proofs: &secrets, agreed, peer: &self.peer };
        let is_held = |id: &SessionId| self.sessions.contains(*id);
        for bundle in self.own_bundles.iter_mut().rev() {
            let attempt = match bundle.attempt(identity, envelope, &rules, is_held, today) {
                Err(AcceptError::Junk) => continue,
                Err(AcceptError::PeerMisbehaved) => return Err(DecryptError::PeerMisbehaved),
                Err(_) => return Err(DecryptError::Junk),
                Ok(attempt) => attempt,
            };
            return Ok(match attempt {
                Attempt::Accepted { session, content, proof } => {
                    let proved = proof.and_then(|place| eras.get(place).copied());
                    self.accept(session, content, proved)
                }
                Attempt::Hard { repeated } => self.request_reset(repeated),
                Attempt::Stale => Received::event(ContactEvent::StaleReset),
                Attempt::Known => return Err(DecryptError::Duplicate),
            });
        }
        Err(DecryptError::Junk)
    }

    fn accept(
        &mut self,
        session: Box<Session>,
        content: Zeroizing<Vec<u8>>,
        proved: Option<u32>,
    ) -> Received {
        let (id, changes) = (session.id(), session.first_changes(false));
        let mut events = Vec::new();
        let claimed = self.sessions.accept_claimed_era(for_contact(&content).era, self.peer_ever_answered);
        let least = proved.map_or_else(|| self.sessions.next_era(), |era| era.saturating_add(1));
        let era = claimed.unwrap_or_default().max(least);
        if proved.is_some() {
            // The newest bundle may have been lost with the session.
            self.bundle_made = None;
            events.push(ContactEvent::PeerReset { session: id });
        } else {
            self.start_over(id, era, true, &mut events);
        }
        let dropped = self.sessions.add(SessionEntry::live(session, era, Origin::Reset, None));
        let changes = self.changes(Some((id, changes)), dropped, true);
        Received { session: Some(id), content: Some(content), events, changes, ..Received::default() }
    }

    /// Reports a request for a hard reset. A repeated request clears no verification, because
    /// anyone can repeat it.
    fn request_reset(&mut self, repeated: bool) -> Received {
        let mut events = Vec::from([ContactEvent::ResetRequested { repeated }]);
        if !repeated {
            self.clear_verification(&mut events);
        }
        Received { events, changes: self.changes(None, Vec::new(), true), ..Received::default() }
    }

    /// Keeps a reset bundle of the peer that came as content, unless [`MAX_PEER_BUNDLES`] with a
    /// later last day are held. Returns `false` if the bundle was refused or is held already.
    pub(super) fn take_bundle(&mut self, body: &[u8], identity: &IdentityKeyPair, today: Day) -> bool {
        let own = identity.identity_key().hash();
        let Ok(bundle) = PeerBundle::from_content(body, own, &self.peer, today) else { return false };
        if self.peer_bundles.iter().any(|kept| kept.as_bytes() == bundle.as_bytes()) {
            return false;
        }
        self.peer_bundles.push(bundle);
        // The newest by what they say, not by when they came; no further ahead than a true clock would say.
        let most = today.plus(RESET_BUNDLE_DAYS);
        self.peer_bundles.sort_by_key(|kept| kept.not_after().unwrap_or(today).min(most));
        keep_newest(&mut self.peer_bundles, MAX_PEER_BUNDLES);
        true
    }
}

fn keep_newest<T>(bundles: &mut Vec<T>, most: usize) {
    let over = bundles.len().saturating_sub(most);
    bundles.drain(..over);
}
