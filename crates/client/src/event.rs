//! What the app learns, numbered and durable: exactly once ends here, or in the app's own store (spec/14-client.md section 4).

use deaddrop_wire::Day;
use serde::{Deserialize, Serialize};

/// An event. An app with a store of its own keeps `number` in the same transaction as what it makes of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Ascending from 1; never reused.
    pub number: u64,
    /// The day on which it happened.
    pub day: Day,
    /// The contact's name at that time.
    pub contact: String,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// A text came; in the order in which it was sent, each once.
    MessageReceived {
        /// Its place in the contact's stream.
        number: u64,
        /// The text, byte for byte.
        text: String,
    },
    /// A text that was sent is durably received.
    Delivered {
        /// The number that `send` gave.
        number: u64,
    },
    /// Both sides are authenticated, against a quantum attacker too.
    Established,
    /// Somebody took the invite: a session stands.
    InviteAccepted,
    /// A second person tried to use the same invite: compare safety numbers before trusting the contact.
    InviteContested,
    /// No known address of the contact takes messages; they wait.
    Unreachable,
    /// A content needs a newer version of this program; it is kept.
    NeedsNewerVersion,
    /// Nobody used the invite in time. Texts for the contact wait for a new invite of the same name.
    InviteExpired,
    /// The contact's address leads to a private network, or to this machine. The client does not connect there without consent.
    /// Messages wait; see [`Client::allow_private_address`](crate::Client::allow_private_address).
    PrivateAddress {
        /// The IP address.
        address: std::net::IpAddr,
    },
}

impl core::fmt::Debug for EventKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::MessageReceived { .. } => "MessageReceived(..)",
            Self::Delivered { .. } => "Delivered(..)",
            Self::Established => "Established",
            Self::InviteAccepted => "InviteAccepted",
            Self::InviteContested => "InviteContested",
            Self::Unreachable => "Unreachable",
            Self::NeedsNewerVersion => "NeedsNewerVersion",
            Self::InviteExpired => "InviteExpired",
            Self::PrivateAddress { .. } => "PrivateAddress(..)",
        })
    }
}
