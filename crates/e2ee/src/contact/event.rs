//! Results of the calls on a contact: events for the app, and changes to store.

use crate::{
    identity::IdentityHash,
    session::{ChangeSet, SessionId},
};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// An event that the app shows, or acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactEvent {
    /// Both sides are authenticated in this session, against a quantum attacker too.
    Established {
        /// Id of the session.
        session: SessionId,
    },
    /// The peer lost its session, proved knowledge of a recent turn and began a new session.
    /// Nothing needs to be shown.
    PeerReset {
        /// Id of the new session.
        session: SessionId,
    },
    /// The peer asks for a reset but did not prove that it holds a recent session state.
    ///
    /// Causes: the peer restored a device without its sessions, or somebody else uses the peer's
    /// identity key. Ask the user. To accept, pass the envelope to
    /// [`Contact::agree_to_reset`](crate::contact::Contact::agree_to_reset); keep every envelope
    /// that led to this event until the user has answered.
    ResetRequested {
        /// Whether the request counts as repeated: it arrived before (in another message, or
        /// because somebody repeats it), or four others on the same own reset bundle have arrived
        /// since the two people last started over.
        repeated: bool,
    },
    /// The peer sent a reset whose proof is too old to be checked, or a reset with an own reset
    /// bundle that has begun its maximum number of sessions
    /// ([`MAX_SESSIONS_OF_BUNDLE`](crate::contact::MAX_SESSIONS_OF_BUNDLE)). Nothing in it is
    /// authenticated, and there is nothing to accept.
    ///
    /// Causes: an old backup, a stolen old backup, or a reset that arrived after a newer one. If
    /// the peer stays silent, begin a [hard reset](crate::contact::ResetKind::Hard) or send a new
    /// invite.
    StaleReset,
    /// The two people start over, by a hard reset, or by an invite though the peer had replied in a
    /// session or was verified. From now on, messages of older sessions that the peer had replied
    /// in are marked as [`SessionUse::Superseded`]. Show the event; the contact is no longer
    /// verified.
    StartedOver {
        /// Id of the new session.
        session: SessionId,
    },
    /// The peer uses a session again that another had replaced: the peer has lost the newer one, or
    /// somebody has an old state of the peer. Show the event; the contact is no longer verified.
    PeerFellBack {
        /// Id of the session that is used for sending from now on.
        session: SessionId,
    },
    /// The contact was verified and no longer is. Compare safety numbers again.
    VerificationCleared,
    /// The person has another identity from now on.
    IdentityChanged {
        /// Hash of the identity before.
        before: IdentityHash,
        /// Hash of the new identity.
        now: IdentityHash,
    },
    /// Somebody else tried to use the invite that led to this contact: the link was seen by others.
    /// Compare safety numbers.
    InviteContested,
    /// A session that this side began with an invite has no reply, and the last day of the invite
    /// has passed. Perhaps somebody else used the link first. Ask for a new link.
    InviteTaken {
        /// Id of the session without a reply.
        session: SessionId,
    },
    /// The peer's state was put back to an older one (a restored backup, a copied folder). Its
    /// messages since then cannot be read: tell the user, and begin a
    /// [reset](crate::contact::Contact::reset).
    PeerRewound,
}

/// All changes of one call on a contact. Store all of them in one batch, or none.
#[derive(Default)]
#[must_use = "a change that is not stored is lost"]
pub struct ContactChanges {
    /// The contact's new row, which replaces the old one; `None`: unchanged. About 0.6 KiB, and 2.8
    /// KiB for each reset bundle of the peer (two at most).
    pub contact: Option<Zeroizing<Vec<u8>>>,
    /// The change sets of sessions, each under its session's id.
    pub sessions: Vec<(SessionId, ChangeSet)>,
    /// Ids of the sessions of which all rows are to be removed.
    pub dropped: Vec<SessionId>,
}

/// The role of a session in its contact (spec/05-ratchet.md section 6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionUse {
    /// The session is in use: the addresses, receipts and reset bundles in its messages take
    /// effect.
    #[default]
    Used,
    /// Another session is used for sending and is established. Messages of this session are read,
    /// but addresses, receipts and bundles in them have no effect.
    Unused,
    /// The peer had replied in the session before the two people last started over. Messages of it
    /// are read, have no other effect, and are marked: they were under way at that time, or
    /// somebody has an old state of the peer.
    Superseded,
}

impl SessionUse {
    /// Whether the addresses, receipts and reset bundles in messages of the session take effect.
    #[must_use]
    pub const fn decides(self) -> bool {
        matches!(self, Self::Used)
    }
}

/// The result of a call on a contact.
#[derive(Default)]
pub struct Received {
    /// Id of the session in which the envelope came, or that was begun; `None` if the call had
    /// none.
    pub session: Option<SessionId>,
    /// Role that `session` had in the contact before the envelope was read; [`SessionUse::Used`]
    /// for a session that the call began, and if the call had none.
    pub by: SessionUse,
    /// The encoded mailbox address at which the first messages of an own
    /// [reset](crate::contact::Contact::reset) are awaited. Empty: the mailbox in use. `None`: no
    /// reset was begun.
    pub reset_address: Option<Zeroizing<Vec<u8>>>,
    /// The encoded content of the envelope (see [`crate::content::decode`]); `None` if there is
    /// none to read.
    pub content: Option<Zeroizing<Vec<u8>>>,
    /// The events that the app shows or acts on.
    pub events: Vec<ContactEvent>,
    /// The changes to store together with the content.
    pub changes: ContactChanges,
}

impl Received {
    pub(super) fn event(event: ContactEvent) -> Self {
        Self { events: Vec::from([event]), ..Self::default() }
    }
}

impl core::fmt::Debug for ContactChanges {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ContactChanges")
            .field("contact", &self.contact.is_some())
            .field("sessions", &self.sessions)
            .field("dropped", &self.dropped)
            .finish()
    }
}

impl core::fmt::Debug for Received {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Received")
            .field("by", &self.by)
            .field("content", &self.content.is_some())
            .field("events", &self.events)
            .field("changes", &self.changes)
            .finish()
    }
}
