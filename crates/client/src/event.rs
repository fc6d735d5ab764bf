//! What the app learns, numbered and durable: exactly once ends here, or in the app's own store (spec/14-client.md section 4).

use deaddrop_e2ee::content::MessageId;
use deaddrop_wire::Day;
use serde::{Deserialize, Serialize};

/// An event. An app with a store of its own keeps `number` in the same transaction as what it makes of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Ascending; never used twice, also after the vault was put back from a copy, if that is noticed. An app whose stored number is
    /// above that of the newest event has a vault that was put back: it reads all events, and tells by `message` what it has shown.
    pub number: u64,
    /// The day on which it happened.
    pub day: Day,
    /// The contact's name as it is now; empty if the event concerns no contact.
    pub contact: String,
    /// The message that it is about.
    pub message: Option<MessageId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// A text came, each once; in the order in which they were sent, if they are not late.
    MessageReceived {
        /// The text, byte for byte.
        text: String,
        /// Texts that were sent after this one were given before it: see [`MessagesMissing`](Self::MessagesMissing).
        late: bool,
    },
    /// The peer's vault holds the message that [`send`](crate::Client::send) named.
    Delivered,
    /// Both sides are authenticated, against a quantum attacker too.
    Established,
    /// Somebody took the invite: a session stands.
    InviteAccepted,
    /// A second person tried to use the same invite; told once for each invite: compare safety numbers before trusting the contact.
    InviteContested,
    /// No known address of the contact takes messages; they wait.
    Unreachable,
    /// A content needs a newer version of this program; it is kept.
    NeedsNewerVersion,
    /// The invite was not used in time. Texts for the contact wait for a new invite of the same name.
    InviteExpired,
    /// The contact's address leads to a private network, or to this machine. The client does not connect there without consent.
    /// Messages wait; see [`Client::allow_private_address`](crate::Client::allow_private_address).
    PrivateAddress {
        /// The IP address.
        address: std::net::IpAddr,
    },
    /// Messages of the contact have not come though later ones have. The later ones follow now; these come as late ones if they
    /// still come. The contact's client sends them again as long as it has them.
    MessagesMissing {
        /// The first and the last number of each gap in the contact's stream, ascending.
        gaps: Vec<(u64, u64)>,
    },
    /// What the contact's receipts say does not fit to what was sent, even after everything was sent once more. Messages stay
    /// undelivered: the contact's program, or the state that it works on, is at fault.
    PeerDisagrees,
    /// A session was lost or put back on one of the two sides, and a new one has begun by itself; or the two had invited each other at
    /// once, and their second session is established. Nothing needs to be done.
    SessionReset,
    /// The contact wants to begin again and cannot prove that it knew the session: a device that was restored, or somebody who has
    /// stolen its identity. Ask the contact by another way; then call [`Client::agree`](crate::Client::agree).
    ResetRequested,
    /// The contact wants to begin again because one of the two vaults was put back to an old state, and cannot prove it. There is
    /// nothing to agree to. If no [`SessionReset`](Self::SessionReset) follows, call [`Client::begin_again`](crate::Client::begin_again), or make a new invite for the contact.
    StaleReset,
    /// A new beginning with the contact, by an invite or a reset without proof: compare safety numbers again. After an own
    /// [`Client::begin_again`](crate::Client::begin_again) it is told at once, and the contact still has to agree.
    BegunAgain,
    /// The contact uses an older session again: it has lost the newer one, or somebody has an old state of it. Compare safety
    /// numbers again.
    PeerFellBack,
    /// The contact's vault was put back from a copy. What it said since then cannot be read; a new session begins by itself if that
    /// is possible.
    PeerRewound,
    /// The contact was verified and is not any more: compare safety numbers again.
    VerificationCleared,
    /// Another person has used an invite that was made for this contact: another identity, which the contact may have after a loss.
    /// Ask the contact by another way; then call [`Client::agree`](crate::Client::agree).
    OtherIdentity,
    /// The contact has another identity from now on, as the user has agreed.
    IdentityChanged,
    /// The invite that was accepted got no answer in time: perhaps somebody else used it first. Ask for a new one.
    InviteTaken,
    /// The session with the contact is lost or unusable. If no [`SessionReset`](Self::SessionReset) follows, call
    /// [`Client::begin_again`](crate::Client::begin_again), or make a new invite for the contact.
    SessionLost,
    /// This vault was put back from a copy, or two copies of it are in use. What was sent and received since the copy was made is
    /// not in it: an app with a store of its own tells by [`Event::message`] what it has shown already. Where the session with a contact cannot go on, [`SessionLost`](Self::SessionLost) or
    /// [`StaleReset`](Self::StaleReset) follows once the contact has sent something.
    Restored,
    /// Another copy of this vault, or another program, reads this vault's mailboxes. Use one copy only.
    Displaced,
    /// A text came by a session that was superseded when the two began again: it was under way then, or somebody has an old state of
    /// the contact's vault. Do not trust such texts if more of them come; ask the contact by another way.
    MessageOfLeftSession {
        /// The text, byte for byte.
        text: String,
    },
}

impl EventKind {
    /// The kind's name.
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
        }
    }
}

impl core::fmt::Debug for EventKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
