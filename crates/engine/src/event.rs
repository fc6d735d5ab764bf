//! The events for the app, which are numbered and stored in the vault until the app erases them
//! (spec/14-client.md section 4).

use deaddrop_e2ee::content::MessageId;
use deaddrop_wire::Day;
use serde::{Deserialize, Serialize};

/// An event for the app to show. An app that has a store of its own keeps the
/// [number](Self::number) of the last event that it has used in the same transaction as the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Number of the event, from 1. Numbers ascend and are never used twice, also not after the
    /// vault was put back from a copy, if the client notices that. If the number that an app has
    /// stored is above that of the newest event, the vault was put back: the app then reads all
    /// events, and tells by `message` which it has shown.
    pub number: u64,
    /// The day on which the event happened, as the client believed it.
    pub day: Day,
    /// The present name of the contact; empty if the event concerns no contact.
    pub contact: String,
    /// The id of the message that the event is about; `None` if it is about none, or if the message
    /// has no id.
    pub message: Option<MessageId>,
    /// The kind of the event, with its details.
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// A text was received. Each text is reported once, with the exceptions in spec/14-client.md
    /// section 8. Texts that are not late come in the order in which they were sent.
    MessageReceived {
        /// The text, byte for byte.
        text: String,
        /// Whether texts that were sent after this one may have been reported before it: see
        /// [`MessagesMissing`](Self::MessagesMissing).
        late: bool,
    },
    /// The contact's client has stored the message whose id [`send_text`](crate::Engine::send_text)
    /// returned.
    Delivered,
    /// Both sides of the session are authenticated, against a quantum attacker too.
    Established,
    /// Somebody has accepted the invite, and a session has begun.
    InviteAccepted,
    /// A second person has tried to use the same invite. Reported once for each invite. Compare
    /// safety numbers before you trust the contact.
    InviteContested,
    /// All known addresses of the contact have refused messages, which wait. If this vault was put
    /// back from a copy, the contact may have moved since then;
    /// [`begin_again`](crate::Engine::begin_again) does not reach it: make a new invite for the
    /// contact.
    Unreachable,
    /// The contact has sent something that only a newer version of this program can read. It is
    /// kept.
    NeedsNewerVersion,
    /// The invite was not used in time, and is no longer valid. Texts for the contact wait for a
    /// new invite of the same name.
    InviteExpired,
    /// The contact's address leads to a private network, or to this machine. The client does not
    /// connect there without the user's consent. Messages for the contact wait: see
    /// [`allow_private`](crate::Engine::allow_private).
    PrivateAddress {
        /// The IP address to which the contact's address leads.
        address: std::net::IpAddr,
    },
    /// Messages of the contact have not come, though later ones have. The later ones are reported
    /// after this event. If the missing ones still come, they are reported as late. The contact's
    /// client sends them again as long as it has them.
    MessagesMissing {
        /// The first and the last number of each gap in the contact's stream, ascending.
        gaps: Vec<(u64, u64)>,
    },
    /// The contact's receipts do not match the messages that were sent, although all were sent once
    /// more. The messages stay undelivered: the contact's program, or the state that it works on,
    /// is at fault.
    PeerDisagrees,
    /// A new session has begun by itself, because a session was lost, because one of the two vaults
    /// was put back from a copy, or because both people had invited each other at the same time.
    /// Nothing needs to be done.
    SessionReset,
    /// The contact asks for a new session and cannot prove that it knew the old one: its device was
    /// restored, or somebody has stolen its identity. Ask the contact by another way; then call
    /// [`agree`](crate::Engine::agree). If this user has begun again, too, one of the two has to
    /// agree.
    ResetRequested,
    /// The contact asks for a new session with a proof that is too old, because one of the two
    /// vaults was put back to an old state. There is nothing to agree to. If no
    /// [`SessionReset`](Self::SessionReset) follows, call
    /// [`begin_again`](crate::Engine::begin_again), or make a new invite for the contact.
    StaleReset,
    /// A new session has begun by an invite or by a reset without proof. Compare safety numbers
    /// again. After a call of [`begin_again`](crate::Engine::begin_again) this event comes at once,
    /// and the contact still has to agree. If the contact says by another way that it is not asked,
    /// make a new invite for it: the question does not arrive if one of the two vaults was put back
    /// to a copy from before a move to another relay.
    BegunAgain,
    /// The contact uses an older session again: it has lost the newer one, or somebody has an old
    /// state of it. Compare safety numbers again.
    PeerFellBack,
    /// The contact's vault was put back from a copy. The messages that it has sent since then
    /// cannot be read. A new session begins by itself if that is possible. If no
    /// [`SessionReset`](Self::SessionReset) follows, call
    /// [`begin_again`](crate::Engine::begin_again), or make a new invite for the contact.
    PeerRewound,
    /// The contact was marked as verified and is not any more. Compare safety numbers again.
    VerificationCleared,
    /// A person with another identity has used an invite that was made for this contact. The
    /// contact may have a new identity after a loss. Ask the contact by another way; then call
    /// [`agree`](crate::Engine::agree).
    OtherIdentity,
    /// The contact has another identity from now on, as the user has agreed.
    IdentityChanged,
    /// The invite that the user accepted got no answer in time: perhaps somebody else used it
    /// first. Ask for a new one.
    InviteTaken,
    /// The session with the contact is lost or unusable. If no [`SessionReset`](Self::SessionReset)
    /// follows, call [`begin_again`](crate::Engine::begin_again), or make a new invite for the
    /// contact.
    SessionLost,
    /// This vault was put back from a copy, or two copies of it are in use. It does not hold the
    /// messages that were sent and received since the copy was made. An app with a store of its own
    /// tells by [`Event::message`] which messages it has shown already. If the session with a
    /// contact cannot continue, [`SessionLost`](Self::SessionLost) or
    /// [`StaleReset`](Self::StaleReset) follows once the contact has sent something.
    Restored,
    /// Another copy of this vault, or another program, reads this vault's mailboxes. Use one copy
    /// only. Reported at most once a day.
    Displaced,
    /// A text came by a session that a new one has replaced. It was under way at that time, or
    /// somebody has an old state of the contact's vault. If more of such texts come, do not trust
    /// them, and ask the contact by another way.
    MessageOfLeftSession {
        /// The text, byte for byte.
        text: String,
    },
    /// A relay on which own mailboxes lie has moved to another URL. This client has found it there
    /// and uses the new address from now on; contacts are told. Nothing needs to be done.
    RelayMoved {
        /// The address that this client knew.
        old: String,
        /// The present address, with the same fingerprint.
        new: String,
    },
}

impl EventKind {
    /// Returns the name of the kind without its fields, for `Debug`: texts do not belong into logs.
    const fn name(&self) -> &'static str {
        match self {
            Self::MessageReceived { .. } => "MessageReceived(..)",
            Self::Delivered => "Delivered",
            Self::Established => "Established",
            Self::InviteAccepted => "InviteAccepted",
            Self::InviteContested => "InviteContested",
            Self::Unreachable => "Unreachable",
            Self::NeedsNewerVersion => "NeedsNewerVersion",
            Self::InviteExpired => "InviteExpired",
            Self::PrivateAddress { .. } => "PrivateAddress(..)",
            Self::MessagesMissing { .. } => "MessagesMissing(..)",
            Self::PeerDisagrees => "PeerDisagrees",
            Self::SessionReset => "SessionReset",
            Self::ResetRequested => "ResetRequested",
            Self::StaleReset => "StaleReset",
            Self::BegunAgain => "BegunAgain",
            Self::PeerFellBack => "PeerFellBack",
            Self::PeerRewound => "PeerRewound",
            Self::VerificationCleared => "VerificationCleared",
            Self::OtherIdentity => "OtherIdentity",
            Self::IdentityChanged => "IdentityChanged",
            Self::InviteTaken => "InviteTaken",
            Self::SessionLost => "SessionLost",
            Self::Restored => "Restored",
            Self::Displaced => "Displaced",
            Self::MessageOfLeftSession { .. } => "MessageOfLeftSession(..)",
            Self::RelayMoved { .. } => "RelayMoved(..)",
        }
    }
}

impl core::fmt::Debug for EventKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
