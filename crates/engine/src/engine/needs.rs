//! The work that is left, and what it waits for as far as the vault knows.

use super::{Engine, Peer};
use crate::vault::{ItemKind, MailboxState, Vault};
use deaddrop_e2ee::{content::MessageId, session::Standing};
use deaddrop_link::MailboxAddress;
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};

/// The event for which the next message to a contact waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// No event outside: this client takes the next step by itself.
    Step,
    /// The put of an encrypted envelope, and the answer of its relay.
    Put,
    /// A session: the contact has not accepted the invite yet, or the session is lost.
    Session,
    /// An address of the contact that takes messages: none is known, or all have refused.
    Address,
    /// The creation of an own mailbox at the relay with this address: the mailbox has to be told to
    /// the contact with the message.
    Mailbox(String),
    /// A message of the contact: this side has sent as many as it may without an answer.
    Peer,
}

/// The work on own mailboxes that is not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailboxNeeds {
    /// Addresses of the relays on which a mailbox for a contact is to be made.
    pub make: BTreeSet<String>,
    /// Addresses of the relays on which a mailbox for a contact is to be deleted.
    pub delete: BTreeSet<String>,
    /// Numbers of the contacts whose invite mailbox this client still has to empty.
    pub empty: BTreeSet<u32>,
    /// The address of the relay on which a sentinel mailbox ([`OWN`](crate::OWN)) is to be made or
    /// deleted; `None`: none is.
    pub own: Option<String>,
}

/// The texts to one contact that were sent since the vault was opened, or wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextsTo {
    /// The name of the contact.
    pub name: String,
    /// Number of texts that a relay has stored for the first time since the vault was opened.
    pub stored: u64,
    /// The ids of the texts that no relay has stored yet, oldest first.
    pub waiting: Vec<MessageId>,
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns the number of the contact with this name; `None` if there is no such contact.
    pub fn contact_id(&self, name: &str) -> Option<u32> {
        self.find(name).map(|(id, _)| id)
    }

    /// Returns the numbers of the contacts to which something has to be sent, each with the event
    /// for which it waits.
    pub fn needs(&self) -> BTreeMap<u32, Need> {
        let due = self.receipts_due();
        let need = |(id, contact): (&u32, &Peer)| {
            let own_step = || due.contains(id).then_some(Need::Step);
            Some((*id, contact.need().or_else(own_step)?))
        };
        self.contacts.iter().filter_map(need).collect()
    }

    /// Returns the work on own mailboxes that is not done, without that on the mailboxes of
    /// contacts whose invite is not published yet. `now` is in seconds since 1970-01-01.
    pub fn mailbox_needs(&self, now: u64) -> MailboxNeeds {
        let mut needs = MailboxNeeds {
            empty: self.invites_to_empty().into_iter().map(|taken| taken.contact).collect(),
            own: self.sentinel_waits(now).map(str::to_owned),
            ..MailboxNeeds::default()
        };
        for contact in self.contacts.values().filter(|contact| !contact.is_unpublished()) {
            for row in &contact.row.mailboxes {
                match row.state {
                    MailboxState::Live => {}
                    MailboxState::Wanted | MailboxState::Lost => drop(needs.make.insert(row.relay.clone())),
                    MailboxState::Retiring => drop(needs.delete.insert(row.relay.clone())),
                }
            }
        }
        needs
    }

    /// Returns the addresses of the relays on which own mailboxes for a contact lie, or are to be
    /// made.
    pub fn relays_of(&self, id: u32) -> BTreeSet<String> {
        let mailboxes =
            self.contacts.get(&id).map(|contact| contact.row.mailboxes.as_slice()).unwrap_or_default();
        mailboxes.iter().map(|mailbox| mailbox.relay.clone()).collect()
    }

    /// Returns, by the number of the contact, how many texts relays have stored for the first time
    /// since the vault was opened.
    pub fn texts_stored(&self) -> BTreeMap<u32, u64> {
        self.contacts.iter().map(|(id, contact)| (*id, contact.texts_stored)).collect()
    }

    /// Returns the texts to a contact that no relay has stored, and the number of those that relays
    /// have stored since the vault was opened. Returns an empty value for an unknown contact.
    pub fn texts_to(&self, id: u32) -> TextsTo {
        let Some(contact) = self.contacts.get(&id) else { return TextsTo::default() };
        let name = contact.person.name.clone();
        TextsTo { name, stored: contact.texts_stored, waiting: contact.texts_waiting() }
    }
}

impl Peer {
    /// Whether there is an open invite whose bundle is not at its relay yet.
    fn is_unpublished(&self) -> bool {
        self.invite.as_ref().is_some_and(|(row, _)| row.bundle.is_some())
    }

    fn need(&self) -> Option<Need> {
        let Some(standing) = self.standing() else { return self.is_unsent().then_some(Need::Session) };
        let answers = self.row.accepted_invite.as_ref().is_some_and(|invite| !invite.stored_at_relay);
        if !(self.is_unsent() || answers) {
            return (self.row.reset_due && self.reset_tried.is_none()).then_some(Need::Step);
        }
        let is_decodable = |address: &[u8]| MailboxAddress::decode(address).is_ok();
        let mut sealed = self.items.values().filter_map(|item| item.sealed.as_ref());
        if sealed.any(|sealed| is_decodable(&sealed.address)) {
            return Some(Need::Put);
        }
        if self.best_address().is_none() {
            return Some(Need::Address);
        }
        if standing == Standing::Unanswered && self.own_address().is_none() {
            let wanted = self.row.mailboxes.iter().find(|row| row.state.is_wanted());
            return Some(wanted.map_or(Need::Step, |row| Need::Mailbox(row.relay.clone())));
        }
        Some(Need::Peer)
    }

    /// Returns the ids of the texts that no relay has stored yet, those with a number in the stream
    /// before drafts.
    fn texts_waiting(&self) -> Vec<MessageId> {
        let items = self.items.values().filter(|item| !item.stored_at_relay && item.again_on.is_none());
        let items = items.map(|item| (item.kind, item.message));
        let drafts = self.drafts.values().filter(|draft| !draft.stored_at_relay);
        let all = items.chain(drafts.map(|draft| (draft.kind, draft.message)));
        all.filter_map(|(kind, message)| message.filter(|_| kind == ItemKind::Message))
            .map(MessageId)
            .collect()
    }
}
