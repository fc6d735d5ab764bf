//! A request, and the mailboxes that it names.

use crate::mailboxes::record::Lasting;
use crate::names::{IndexKey, Name};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability, mailbox_id, own_id, send_id};
use deaddrop_primitives::secret_bytes;
use deaddrop_wire::{Fingerprint, MailboxId, OwnId, PresentedOwn, PresentedRead, PresentedSend, SendId};
use serde::Serialize;

secret_bytes! {
    /// 32 bytes that name or give a right to a mailbox, as they were asked for.
    pub struct AskedBytes[32];
}

/// The subject of a request.
#[derive(Debug)]
pub enum Request {
    /// All mailboxes.
    All,
    /// The mailbox with this id of its owner, of its reader or of a sender (spec/11-capabilities.md).
    Mailbox(AskedBytes),
    /// The mailbox to which these bytes give a right: the value that is presented to this relay, or
    /// the secret from which it derives.
    Capability(AskedBytes),
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// All mailboxes.
    All,
    /// The mailbox of an id.
    Mailbox,
    /// The mailbox of a right.
    Capability,
}

/// The door of a mailbox to which a right belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The right to change the mailbox.
    Owner,
    /// The right to read the mailbox.
    Reader,
    /// The right to put into the mailbox.
    Sender,
}

/// The form in which a right was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RightForm {
    /// The id of the right, which the relay compares.
    Id,
    /// The value that a client presents to this relay.
    Presented,
    /// The secret that a client keeps.
    Secret,
}

/// The right by which a mailbox was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Match {
    /// The door.
    pub right: Door,
    /// The form in which the right was given.
    pub form: RightForm,
    /// The number of the sender (`via`); `None` for other doors.
    pub door: Option<u8>,
}

/// The names in this store that a request can mean.
pub(super) struct Candidates(Vec<(Door, RightForm, Name)>);

impl Candidates {
    /// Returns the right of a mailbox that is one of the candidates; `None` if none is.
    pub(super) fn find(&self, lasting: &Lasting) -> Option<Match> {
        self.0.iter().find_map(|(right, form, name)| {
            let door = match right {
                Door::Owner if lasting.own == *name => None,
                Door::Reader if lasting.read == *name => None,
                Door::Sender => Some(lasting.sends.via(name)?),
                Door::Owner | Door::Reader => return None,
            };
            Some(Match { right: *right, form: *form, door })
        })
    }
}

impl Request {
    /// Returns the kind of the request.
    #[must_use]
    pub const fn asked(&self) -> Asked {
        match self {
            Self::All => Asked::All,
            Self::Mailbox(_) => Asked::Mailbox,
            Self::Capability(_) => Asked::Capability,
        }
    }

    /// Returns the names that the request can mean at the relay with this fingerprint; `None` if it
    /// means all mailboxes.
    pub(super) fn candidates(&self, relay: &Fingerprint, index: &IndexKey) -> Option<Candidates> {
        let names = |form, own: OwnId, read: MailboxId, send: SendId| {
            [
                (Door::Owner, form, index.own(&own)),
                (Door::Reader, form, index.read(&read)),
                (Door::Sender, form, index.send(&send)),
            ]
        };
        let found = match self {
            Self::All => return None,
            Self::Mailbox(bytes) => {
                let id = *bytes.expose();
                let (own, read) = (OwnId::from_bytes(id), MailboxId::from_bytes(id));
                names(RightForm::Id, own, read, SendId::from_bytes(id)).to_vec()
            }
            Self::Capability(bytes) => {
                let (own, read, send) = (
                    PresentedOwn::from_bytes(*bytes.expose()),
                    PresentedRead::from_bytes(*bytes.expose()),
                    PresentedSend::from_bytes(*bytes.expose()),
                );
                let presented = names(RightForm::Presented, own_id(&own), mailbox_id(&read), send_id(&send));
                let (own, read, send) = (
                    OwnCapability::from_bytes(*bytes.expose()),
                    ReadCapability::from_bytes(*bytes.expose()),
                    SendCapability::from_bytes(*bytes.expose()),
                );
                let secret = names(RightForm::Secret, own.id(relay), read.id(relay), send.id(relay));
                presented.into_iter().chain(secret).collect()
            }
        };
        Some(Candidates(found))
    }
}
