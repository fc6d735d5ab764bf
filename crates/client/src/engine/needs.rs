//! What is left to be done, and what it waits for as far as the vault knows.

use super::{Contact, Engine};
use crate::vault::{ItemKind, MailboxState};
use deaddrop_e2ee::{content::MessageId, session::Standing};
use deaddrop_link::MailboxAddress;
use deaddrop_shred::Disk;
use std::collections::{BTreeMap, BTreeSet};

/// What the next thing that is left to be sent to a contact waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The client's own next step.
    Step,
    /// A relay's answer: envelopes are sealed.
    Put,
    /// The contact has not accepted the invite, or the session is lost.
    Session,
    /// An address of the contact that takes messages.
    Address,
    /// An own mailbox at this relay, whose address has to be told first.
    Mailbox(String),
    /// A message of the peer: the turn is full.
    Peer,
}

/// What concerns own mailboxes and is not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MailboxNeeds {
    /// Relays on which a mailbox of a contact is to be made.
    pub(crate) make: BTreeSet<String>,
    /// Relays on which one is to be deleted.
    pub(crate) delete: BTreeSet<String>,
    /// Contacts whose invite mailbox is to be emptied.
    pub(crate) empty: BTreeSet<u32>,
    /// The relay on which a mailbox of the vault's own is to be made or deleted.
    pub(crate) own: Option<String>,
}

/// The texts to one contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TextsTo {
    pub(crate) name: String,
    /// How many a relay has stored for the first time since the vault was opened.
    pub(crate) stored: u64,
    /// Those that no relay has stored yet, oldest first.
    pub(crate) waiting: Vec<MessageId>,
}

impl<D: Disk + 'static> Engine<D> {
    /// The contact of a name.
    pub(crate) fn contact_id(&self, name: &str) -> Option<u32> {
        self.find(name).map(|(id, _)| id)
    }

    /// The contacts to whom something is left to be sent.
    pub(crate) fn needs(&self) -> BTreeMap<u32, Need> {
        let due = self.receipts_due();
        let need = |(id, contact): (&u32, &Contact)| {
            let own_step = || due.contains(id).then_some(Need::Step);
            Some((*id, contact.need().or_else(own_step)?))
        };
        self.contacts.iter().filter_map(need).collect()
    }

    /// What concerns own mailboxes and is not done. `now` in seconds since 1970-01-01.
    pub(crate) fn mailbox_needs(&self, now: u64) -> MailboxNeeds {
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

    /// The relays on which own mailboxes for a contact lie.
    pub(crate) fn relays_of(&self, id: u32) -> BTreeSet<String> {
        let mailboxes =
            self.contacts.get(&id).map(|contact| contact.row.mailboxes.as_slice()).unwrap_or_default();
        mailboxes.iter().map(|mailbox| mailbox.relay.clone()).collect()
    }

    /// How many texts a relay has stored for the first time since the vault was opened, by contact.
    pub(crate) fn texts_stored(&self) -> BTreeMap<u32, u64> {
        self.contacts.iter().map(|(id, contact)| (*id, contact.texts_stored)).collect()
    }

    /// The texts to a contact.
    pub(crate) fn texts_to(&self, id: u32) -> TextsTo {
        let Some(contact) = self.contacts.get(&id) else { return TextsTo::default() };
        let name = contact.person.name.clone();
        TextsTo { name, stored: contact.texts_stored, waiting: contact.texts_waiting() }
    }
}

impl Contact {
    /// The bundle of the invite is not at its relay yet.
    fn is_unpublished(&self) -> bool {
        self.invite.as_ref().is_some_and(|(row, _)| row.bundle.is_some())
    }

    fn need(&self) -> Option<Need> {
        let Some(standing) = self.standing() else { return self.is_unsent().then_some(Need::Session) };
        let answers = self.row.accepted_invite.as_ref().is_some_and(|invite| !invite.answered);
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

    /// Texts that no relay has stored yet: drafts are behind what has a number.
    fn texts_waiting(&self) -> Vec<MessageId> {
        let items = self.items.values().filter(|item| !item.was_taken && item.again_on.is_none());
        let items = items.map(|item| (item.kind, item.message));
        let drafts = self.drafts.values().filter(|draft| !draft.was_taken);
        let all = items.chain(drafts.map(|draft| (draft.kind, draft.message)));
        all.filter_map(|(kind, message)| message.filter(|_| kind == ItemKind::Message))
            .map(MessageId)
            .collect()
    }
}
