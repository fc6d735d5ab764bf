//! Contacts: names, identities, verification.

use super::{Contact, Engine};
use crate::{
    error::{ClientError, VaultError},
    vault::ContactRow,
};
use deaddrop_crypto::{IdentityHash, SafetyNumber, Standing};
use deaddrop_shred::Disk;
use rand::Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Longest name of a contact, in characters.
pub(crate) const MAX_NAME: usize = 64;

/// What an app shows of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactInfo {
    /// The name that the user gave.
    pub name: String,
    /// How far the connection has come.
    pub state: ContactState,
    /// The user has compared the safety number.
    pub verified: bool,
    /// A second person tried to use the same invite.
    pub contested: bool,
    /// Texts that no receipt has come for.
    pub waiting: usize,
    /// Why messages for this contact wait although the relay could take them.
    pub unreachable: Option<UnreachableReason>,
}

/// Why messages for a contact wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreachableReason {
    /// No known address of the contact takes messages.
    Refused,
    /// The contact's address leads to this IP address of a private network, or of this machine. The client connects to it only if
    /// the user allows it: see [`Client::allow_private_address`](crate::Client::allow_private_address).
    PrivateAddress(IpAddr),
}

/// How far the connection to a contact has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactState {
    /// The invite is out and was not used, or has expired.
    Invited,
    /// A session stands, the other side is not proven against a quantum attacker yet.
    Connecting,
    /// Both sides are proven.
    Established,
}

impl<D: Disk + 'static> Engine<D> {
    /// All contacts by name.
    pub(crate) fn contact_list(&self) -> Vec<ContactInfo> {
        let mut list: Vec<_> = self.contacts.values().map(Contact::info).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// The safety number with a contact.
    pub(crate) fn safety_number(&self, name: &str) -> Result<SafetyNumber, ClientError> {
        let (_, contact) = self.find(name).ok_or(ClientError::UnknownContact)?;
        let peer = contact.row.identity.ok_or(ClientError::NoSession)?;
        Ok(SafetyNumber::new(self.identity.identity_key().hash(), &IdentityHash::from_bytes(peer)))
    }

    /// The user has compared the safety number, or takes that back.
    pub(crate) fn set_verified(&mut self, name: &str, verified: bool) -> Result<(), ClientError> {
        let (id, contact) = self.find(name).ok_or(ClientError::UnknownContact)?;
        if contact.row.identity.is_none() {
            return Err(ClientError::NoSession);
        }
        let mut step = self.step();
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.row.verified = verified;
        }
        step.contacts.insert(id);
        Ok(self.finish(step)?)
    }

    /// A free name that can be shown on one line.
    pub(super) fn check_name(&self, name: &str) -> Result<(), ClientError> {
        let count = name.chars().count();
        if count == 0 || count > MAX_NAME || name.chars().any(char::is_control) || name.trim() != name {
            return Err(ClientError::BadName);
        }
        if self.find(name).is_some() {
            return Err(ClientError::NameTaken);
        }
        Ok(())
    }

    /// Adds a contact to memory; the caller's step stores it.
    pub(super) fn add_contact(&mut self, name: &str) -> Result<u32, VaultError> {
        let id = self.config.next_contact;
        self.config.next_contact = id.checked_add(1).ok_or(VaultError::Full)?;
        let mut out_stream = [0; 16];
        self.rng.fill_bytes(&mut out_stream);
        let row = ContactRow {
            name: name.to_owned(),
            identity: None,
            verified: false,
            established: false,
            contested: false,
            unreachable: false,
            mailboxes: Vec::new(),
            next_mailbox: 0,
            addresses: Vec::new(),
            out_stream,
            next_number: 1,
            in_stream: None,
            low_water: 0,
            sparse: BTreeSet::new(),
            receipt_due: false,
            hello_due: false,
            unacked: Vec::new(),
            junk: 0,
            accepted_invite: None,
        };
        self.contacts.insert(
            id,
            Contact {
                row,
                session: None,
                invite: None,
                items: BTreeMap::new(),
                missing: BTreeMap::new(),
                again: None,
                confirmed: None,
                blocked: None,
            },
        );
        Ok(id)
    }

    /// Whether a person is a contact already: one who has answered. An invite that somebody else was quicker to take leaves a
    /// contact that never answers, and must not keep its holder from a new one.
    pub(super) fn knows(&self, identity: &IdentityHash) -> bool {
        self.contacts.values().any(|contact| {
            let answered =
                contact.session.as_ref().is_some_and(|session| session.standing() != Standing::Unanswered);
            answered && contact.row.identity.as_ref() == Some(identity.as_bytes())
        })
    }
}

impl Contact {
    fn info(&self) -> ContactInfo {
        let state = match self.session.as_ref().map(deaddrop_crypto::Session::standing) {
            None => ContactState::Invited,
            Some(Standing::Established) => ContactState::Established,
            Some(_) => ContactState::Connecting,
        };
        ContactInfo {
            name: self.row.name.clone(),
            state,
            verified: self.row.verified,
            contested: self.row.contested,
            unreachable: match self.blocked {
                Some(address) => Some(UnreachableReason::PrivateAddress(address)),
                None => self.row.unreachable.then_some(UnreachableReason::Refused),
            },
            waiting: self.items.values().filter(|item| item.kind == crate::vault::ItemKind::Text).count(),
        }
    }
}
