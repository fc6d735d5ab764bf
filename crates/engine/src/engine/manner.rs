//! The manner in which a message is handed to the app: in order, late, or by a superseded session
//! (spec/14-client.md section 4.1).

use crate::event::EventKind;
use deaddrop_e2ee::contact::SessionUse;

/// The manner in which a message is given to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    InOrder,
    Late,
    /// The message came by a superseded session, one that a new invite or a reset has replaced
    /// (spec/05-ratchet.md section 6.1).
    LeftSession,
}

impl Manner {
    pub(super) const fn of(by: SessionUse, late: bool) -> Self {
        match by {
            SessionUse::Superseded => Self::LeftSession,
            _ if late => Self::Late,
            _ => Self::InOrder,
        }
    }

    pub(super) fn event(self, text: String) -> EventKind {
        match self {
            Self::InOrder => EventKind::MessageReceived { text, late: false },
            Self::Late => EventKind::MessageReceived { text, late: true },
            Self::LeftSession => EventKind::MessageOfLeftSession { text },
        }
    }
}
