//! Own mailboxes: wanted, live, retiring. Make before break (spec/14-client.md section 5.3).

use super::{Contact, Engine, sentinel::OWN};
use crate::{
    error::VaultError,
    vault::{ItemKind, MailboxKind, MailboxRow, MailboxState},
};
use deaddrop_e2ee::content::{self, Content};
use deaddrop_link::{
    MailboxAddress,
    capability::{OwnCapability, ReadCapability, SendCapability},
};
use deaddrop_shred::Disk;
use deaddrop_wire::RelayAddress;
use rand::CryptoRng;
use zeroize::Zeroizing;

/// Names an own mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MailboxName {
    pub(crate) contact: u32,
    pub(crate) mailbox: u32,
}

/// An own mailbox for the one who talks to its relay.
pub(crate) struct OwnMailbox {
    pub(crate) name: MailboxName,
    pub(crate) kind: MailboxKind,
    pub(crate) state: MailboxState,
    pub(crate) own: OwnCapability,
    pub(crate) read: ReadCapability,
    pub(crate) send: SendCapability,
}

impl<D: Disk + 'static> Engine<D> {
    /// The relays on which own mailboxes lie.
    pub(crate) fn reading_relays(&self) -> Vec<String> {
        let mailboxes = self.contacts.values().flat_map(|contact| contact.row.mailboxes.iter());
        let mailboxes = mailboxes.chain(&self.sentinel.row.mailboxes);
        let mut relays: Vec<String> = mailboxes.map(|mailbox| mailbox.relay.clone()).collect();
        relays.sort();
        relays.dedup();
        relays
    }

    /// The number of own mailboxes that wait to be deleted.
    pub(crate) fn deletions(&self) -> usize {
        let mailboxes = self.contacts.values().flat_map(|contact| contact.row.mailboxes.iter());
        let mailboxes = mailboxes.chain(&self.sentinel.row.mailboxes);
        mailboxes.filter(|mailbox| mailbox.state == MailboxState::Retiring).count()
    }

    /// Whether a relay is one of the user's: own mailboxes lie there, or new ones are made there.
    pub(crate) fn is_own_relay(&self, relay: &RelayAddress) -> bool {
        let is_it = |text: &String| {
            text.parse::<RelayAddress>().is_ok_and(|own| own.fingerprint() == relay.fingerprint())
        };
        self.config.relay.iter().any(is_it) || self.reading_relays().iter().any(is_it)
    }

    /// The own mailboxes at a relay.
    pub(crate) fn mailboxes_at(&self, relay: &str) -> Vec<OwnMailbox> {
        let mut list = Vec::new();
        for (id, contact) in &self.contacts {
            // The landing of an invite that is not published yet is made when it is.
            let unpublished = contact.invite.as_ref().is_some_and(|(row, _)| row.bundle.is_some());
            for row in contact.row.mailboxes.iter().filter(|row| row.relay == relay) {
                let waits = unpublished && row.kind == MailboxKind::Landing;
                if !(waits && row.state.is_wanted()) {
                    list.push(own_mailbox(*id, row));
                }
            }
        }
        list.extend(self.sentinels_at(relay));
        list
    }

    /// At opening: makes sure that each contact with a session has a private mailbox. A vault of an earlier version may lack one.
    pub(super) fn want_private_mailboxes(&mut self) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let lacks =
                |contact: &Contact| contact.standing().is_some() && contact.private().next().is_none();
            if self.contacts.get(&id).is_some_and(lacks) {
                let mut step = self.step();
                self.want_private(&mut step, id)?;
                self.finish(step)?;
            }
        }
        Ok(())
    }

    /// The relay has a mailbox that was wanted.
    pub(crate) fn mailbox_created(&mut self, name: MailboxName) -> Result<(), VaultError> {
        if name.contact == OWN {
            return self.sentinel_created(name);
        }
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&name.contact) else { return Ok(()) };
        if let Some(row) = contact.mailbox_mut(name.mailbox)
            && row.state.is_wanted()
        {
            row.state = MailboxState::Live;
            let announce = row.kind == MailboxKind::Private && !contact.row.hello_due;
            let address =
                announce.then(|| contact.mailbox_mut(name.mailbox).and_then(|row| address_of(row))).flatten();
            // A relay that loses the mailbox again and again must not fill the outbox.
            let address = address.filter(|address| !is_move_waiting(contact, address));
            step.contacts.insert(name.contact);
            if let Some(address) = address {
                self.queue_move(&mut step, name.contact, address)?;
            }
            self.seal_drafts(&mut step, name.contact)?;
        }
        self.finish(step)
    }

    /// The relay has a mailbox no more.
    pub(crate) fn mailbox_gone(&mut self, name: MailboxName) -> Result<(), VaultError> {
        if name.contact == OWN {
            return self.sentinel_gone(name);
        }
        let mut step = self.step();
        if let Some(contact) = self.contacts.get_mut(&name.contact) {
            contact.row.mailboxes.retain(|row| row.id != name.mailbox || row.state != MailboxState::Retiring);
            step.contacts.insert(name.contact);
        }
        self.finish(step)
    }

    /// The relay says that it does not have this mailbox: it is to be created again.
    pub(crate) fn mailbox_lost(&mut self, name: MailboxName) -> Result<(), VaultError> {
        let mut step = self.step();
        if let Some(row) =
            self.contacts.get_mut(&name.contact).and_then(|contact| contact.mailbox_mut(name.mailbox))
            && row.state == MailboxState::Live
        {
            row.state = MailboxState::Lost;
            step.contacts.insert(name.contact);
        }
        self.finish(step)
    }
}

impl Contact {
    pub(super) fn mailbox_mut(&mut self, id: u32) -> Option<&mut MailboxRow> {
        self.row.mailboxes.iter_mut().find(|row| row.id == id)
    }

    /// Adds a mailbox that is to be created.
    pub(super) fn want_mailbox(
        &mut self,
        relay: &RelayAddress,
        kind: MailboxKind,
        rng: &mut impl CryptoRng,
    ) -> u32 {
        let id = self.row.next_mailbox;
        self.row.next_mailbox = id.saturating_add(1);
        self.row.mailboxes.push(new_mailbox(id, relay, kind, rng));
        id
    }

    /// The address to be told to the peer: that of the newest mailbox, private before landing. Who has accepted an invite tells no
    /// landing: that one belongs to an invite of its own.
    pub(super) fn own_address(&self) -> Option<Zeroizing<Vec<u8>>> {
        let is_private = |row: &&MailboxRow| row.kind == MailboxKind::Private || !self.row.hello_due;
        // A lost one is created again with the same address.
        let told = self.row.mailboxes.iter();
        let told = told.filter(|row| matches!(row.state, MailboxState::Live | MailboxState::Lost));
        told.filter(is_private)
            .max_by_key(|row| (row.kind == MailboxKind::Private, row.id))
            .and_then(address_of)
    }
}

impl Contact {
    /// The address to be told to a peer that has used this private mailbox although a newer one is there.
    pub(super) fn newer_address(&self, used: u32) -> Option<Zeroizing<Vec<u8>>> {
        let is_newer = |row: &MailboxRow| {
            let is_told = matches!(row.state, MailboxState::Live | MailboxState::Lost);
            row.kind == MailboxKind::Private && is_told && row.id > used
        };
        let address = self.row.mailboxes.iter().any(is_newer).then(|| self.own_address()).flatten();
        address.filter(|address| !self.row.hello_due && !is_move_waiting(self, address))
    }
}

/// A mailbox that is to be created.
pub(super) fn new_mailbox(
    id: u32,
    relay: &RelayAddress,
    kind: MailboxKind,
    rng: &mut impl CryptoRng,
) -> MailboxRow {
    let (own, read, send) =
        (OwnCapability::generate(rng), ReadCapability::generate(rng), SendCapability::generate(rng));
    MailboxRow { id, relay: relay.to_string(), kind, state: MailboxState::Wanted, own, read, send }
}

/// Whether a MailboxMove with this address still waits for its receipt.
fn is_move_waiting(contact: &Contact, address: &[u8]) -> bool {
    let items = contact.items.values().map(|item| (item.kind, &item.content));
    let drafts = contact.drafts.values().map(|draft| (draft.kind, &draft.content));
    let mut moves = items.chain(drafts).filter(|(kind, _)| *kind == ItemKind::Move);
    moves.any(|(_, content)| {
        content::decode(content).is_ok_and(|contents| {
            contents.iter().any(
                |content| matches!(content, Content::MailboxMove { address: told, .. } if told.as_slice() == address),
            )
        })
    })
}

/// The encoded address of a mailbox.
pub(super) fn address_of(row: &MailboxRow) -> Option<Zeroizing<Vec<u8>>> {
    let relay = row.relay.parse().ok()?;
    Some(MailboxAddress { relay, send: row.send.duplicate() }.encode())
}

pub(super) fn own_mailbox(contact: u32, row: &MailboxRow) -> OwnMailbox {
    OwnMailbox {
        name: MailboxName { contact, mailbox: row.id },
        kind: row.kind,
        state: row.state,
        own: row.own.duplicate(),
        read: row.read.duplicate(),
        send: row.send.duplicate(),
    }
}

#[cfg(test)]
mod tests;
