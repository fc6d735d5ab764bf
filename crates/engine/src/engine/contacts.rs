//! Contacts: names, identities, verification.

use super::{Engine, Peer, names};
use crate::{
    error::{EngineError, VaultError},
    vault::{ConversationRow, ItemKind, OutStream, PeerKind, PeerRow, PersonRow, Vault},
};
use deaddrop_e2ee::{
    identity::{IdentityHash, SafetyNumber},
    session::Standing,
};
use deaddrop_wire::Day;
use rand_core::{CryptoRng, Rng};
use std::net::IpAddr;

/// The properties of a contact that an app shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactInfo {
    /// The name that the user gave.
    pub name: String,
    /// The progress of the session with the contact.
    pub state: ContactState,
    /// Whether the user has compared the safety number and found it to be right.
    pub verified: bool,
    /// Whether a second person has tried to use the invite by which this contact came. The safety
    /// number must be compared then.
    pub contested: bool,
    /// Number of texts to the contact that have no receipt yet.
    pub waiting: usize,
    /// The requests of the contact that only the user can allow: see
    /// [`agree`](crate::Engine::agree) and [`decline`](crate::Engine::decline).
    pub asks: Vec<ContactAsks>,
    /// The day on which trouble with the session was last told
    /// ([`SessionLost`](crate::EventKind::SessionLost),
    /// [`StaleReset`](crate::EventKind::StaleReset) or
    /// [`PeerRewound`](crate::EventKind::PeerRewound)); `None` once a session is established again.
    /// If it does not become `None` by itself and `begins_again` is `false`, no texts come until a
    /// user calls [`begin_again`](crate::Engine::begin_again), or makes a new invite for the
    /// contact.
    pub session_trouble: Option<Day>,
    /// Whether a new session that the user began, by [`begin_again`](crate::Engine::begin_again) or
    /// by accepting a new invite of the contact, has no answer yet. After `begin_again` the contact
    /// has to agree first. `false` while a session that the client has begun by itself waits: if
    /// `session_trouble` stays, the user has to do something.
    pub begins_again: bool,
    /// The last day of the open invite for this contact, published or not; `None` if no invite is
    /// open. [`open_link`](crate::Engine::open_link) returns the link of a published one.
    pub invite_until: Option<Day>,
    /// The addresses of the relays on which mailboxes for the contact's messages lie or are to be
    /// made, each once; first that of the newest private mailbox, which the contact is told.
    pub relays: Vec<String>,
    /// The reason for which messages for this contact wait although its relay may be up; `None`:
    /// there is no such reason.
    pub unreachable: Option<UnreachableReason>,
}

/// The reason for which messages for a contact wait although its relay may be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreachableReason {
    /// All known addresses of the contact have refused messages. The contact's relay may have lost
    /// the contact's mailboxes, and takes messages again once they are made again. If this vault
    /// was put back from a copy, the contact may have moved since then: make a new invite for it.
    Refused,
    /// The contact's address leads to this IP address of a private network, or of this machine. The
    /// client connects to it only if the user allows it: see
    /// [`allow_private`](crate::Engine::allow_private).
    PrivateAddress(IpAddr),
}

/// A request of a contact that only the user can allow. The user should ask the contact by another
/// way first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactAsks {
    /// A new session, without a proof that the contact knew the old one: its device was restored,
    /// or somebody has stolen its identity.
    Reset,
    /// Another identity for this contact: somebody has used an invite that was made for it. Holds
    /// the safety number that there would be with this identity: compare it with the contact first.
    NewIdentity(SafetyNumber),
}

/// The progress of the session with a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactState {
    /// There is no session: the invite was not used yet, has expired, or was withdrawn.
    Invited,
    /// There is a session, but the contact is not authenticated against a quantum attacker yet, or
    /// the session is lost.
    Connecting,
    /// Both sides are authenticated, against a quantum attacker too.
    Established,
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns all contacts, sorted by name in the order of code points.
    pub fn contact_list(&self) -> Vec<ContactInfo> {
        let own = self.identity.identity_key().hash();
        let mut list: Vec<_> = self.contacts.values().map(|contact| contact.info(own)).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Returns the safety number of this user and a contact.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if there is no contact with this name, and with
    /// [`EngineError::NoSession`] if the contact's identity is not known yet.
    pub fn safety_number(&self, name: &str) -> Result<SafetyNumber, EngineError> {
        let (_, contact) = self.find(name).ok_or(EngineError::UnknownContact)?;
        let peer = contact.person.root.ok_or(EngineError::NoSession)?;
        Ok(SafetyNumber::new(self.identity.identity_key().hash(), &IdentityHash::from_bytes(peer)))
    }

    /// Notes whether the user has compared the safety number and found it to be the same.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if there is no contact with this name, with
    /// [`EngineError::NoSession`] if there never was a session with it, and with
    /// [`EngineError::Vault`] if the vault fails.
    pub fn set_verified(&mut self, name: &str, verified: bool) -> Result<(), EngineError> {
        let (id, contact) = self.find(name).ok_or(EngineError::UnknownContact)?;
        if contact.ratchet.is_none() {
            return Err(EngineError::NoSession);
        }
        let mut step = self.step();
        let vault = &self.vault;
        if let Some(Peer { ratchet: Some(ratchet), row, .. }) = self.contacts.get_mut(&id) {
            step.add_session_changes(vault, id, row, ratchet.set_verified(verified))?;
        }
        Ok(self.finish(step)?)
    }

    /// Returns the properties of the contact with this name; `None` if there is no such contact.
    pub fn contact_info(&self, name: &str) -> Option<ContactInfo> {
        self.find(name).map(|(_, contact)| contact.info(self.identity.identity_key().hash()))
    }

    /// Returns the stored spelling of a new name. Fails with [`EngineError::BadName`] as
    /// [`names::checked`] does, and with [`EngineError::NameLooksAlike`] if the name is that of a
    /// contact or can be taken for it.
    pub(super) fn check_new_name(&self, name: &str) -> Result<String, EngineError> {
        let name = names::checked(name)?;
        if self.contacts.values().any(|contact| names::is_look_alike(&contact.person.name, &name)) {
            return Err(EngineError::NameLooksAlike);
        }
        Ok(name)
    }

    /// Adds a contact to memory and notes its rows in the step, which stores them with the config
    /// row. Returns its number. Fails with [`VaultError::Corrupt`] if all numbers of contacts are
    /// used up.
    pub(super) fn add_contact(
        &mut self,
        step: &mut super::step::Step,
        name: &str,
    ) -> Result<u32, VaultError> {
        let id = self.config.next_id;
        self.config.next_id = id.checked_add(1).ok_or(VaultError::Corrupt)?;
        let person = PersonRow {
            name: name.to_owned(),
            root: None,
            main_peer: id,
            conversation: id,
            contested: false,
        };
        let row = PeerRow {
            person: id,
            leaf: None,
            kind: PeerKind::Contact,
            slots: Vec::new(),
            established: false,
            unreachable: false,
            mailboxes: Vec::new(),
            next_mailbox: 0,
            addresses: Vec::new(),
            outgoing: OutStream::draw(&mut self.rng),
            incoming: Vec::new(),
            hello_due: false,
            reset_due: false,
            troubled_on: 0,
            unread: 0,
            unacked: Vec::new(),
            junk: 0,
            accepted_invite: None,
        };
        self.contacts.insert(id, Peer::new(person, ConversationRow::new(id, 0), row));
        step.config = true;
        step.contacts.insert(id);
        step.persons.insert(id);
        step.conversations.insert(id);
        Ok(id)
    }

    /// Whether the person with this identity is a contact that has answered. A contact whose invite
    /// somebody else used first never answers; it must not prevent a new invite.
    pub(super) fn knows(&self, identity: &IdentityHash) -> bool {
        self.contacts.values().any(|contact| {
            let answered = contact.standing().is_some_and(|standing| standing != Standing::Unanswered);
            (answered || contact.row.established) && contact.person.root.as_ref() == Some(identity.as_bytes())
        })
    }
}

impl OutStream {
    /// Creates a stream with a random id in which nothing was sent.
    pub(super) fn draw(rng: &mut impl Rng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self::new(id)
    }
}

impl Peer {
    /// Returns the progress of the session that is used for sending; `None` if there is none, or if
    /// it was lost.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.ratchet.as_ref()?.standing()
    }

    /// Returns the requests of this contact that only the user can allow, each once, the oldest
    /// first. `own` is this user's identity, for safety numbers.
    pub(super) fn asks(&self, own: &IdentityHash) -> Vec<ContactAsks> {
        let mut asks = Vec::new();
        for asked in self.asked.values() {
            let asked = asked.what(own);
            if !asks.contains(&asked) {
                asks.push(asked);
            }
        }
        asks
    }

    fn info(&self, own: &IdentityHash) -> ContactInfo {
        let state = match self.standing() {
            Some(Standing::Established) => ContactState::Established,
            None if self.ratchet.is_none() => ContactState::Invited,
            _ => ContactState::Connecting,
        };
        ContactInfo {
            name: self.person.name.clone(),
            state,
            verified: self.ratchet.as_ref().is_some_and(deaddrop_e2ee::contact::Contact::is_verified),
            contested: self.person.contested,
            asks: self.asks(own),
            unreachable: match self.blocked {
                Some(address) => Some(UnreachableReason::PrivateAddress(address)),
                None => self.row.unreachable.then_some(UnreachableReason::Refused),
            },
            waiting: self.messages(),
            session_trouble: (self.row.troubled_on != 0).then(|| Day::from_number(self.row.troubled_on)),
            // Before the first answer nothing numbered was ever received.
            begins_again: !self.row.incoming.is_empty()
                && self.ratchet.as_ref().is_some_and(deaddrop_e2ee::contact::Contact::is_starting_over),
            invite_until: self.invite.as_ref().map(|(_, pending)| pending.not_after()),
            relays: self.relays(),
        }
    }

    /// Returns the number of texts that wait for their receipt, those not yet sent among them.
    pub(super) fn messages(&self) -> usize {
        let items = self.items.values().filter(|item| item.kind == ItemKind::Message);
        items.count() + self.drafts.values().filter(|draft| draft.kind == ItemKind::Message).count()
    }
}
