//! Own mailboxes, which are wanted, live, retiring or lost. A new one is made before an old one is
//! deleted (spec/14-client.md section 5.3). In the state *wanted* a mailbox is still to be created
//! at its relay, *lost* means that the relay does not have it any more and that it is to be created
//! again, and *retiring* that it is to be deleted there.

use super::{Engine, Peer};
use crate::{
    error::VaultError,
    vault::{ItemKind, MailboxKind, MailboxRow, MailboxState, Vault},
};
use deaddrop_e2ee::content::{self, Content};
use deaddrop_link::{
    MailboxAddress,
    capability::{OwnCapability, ReadCapability, SendCapability},
};
use deaddrop_wire::RelayAddress;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The contact number in the names of *sentinel* mailboxes. They belong to no contact: they only
/// show whether the vault was put back from a copy.
pub const OWN: u32 = 0;

/// The name of an own mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName {
    /// The number of the contact for which the mailbox was made, or [`OWN`].
    pub contact: u32,
    /// The number of the mailbox among those of the contact.
    pub mailbox: u32,
}

/// An own mailbox, with the capabilities of which its relay is shown the derived rights.
pub struct OwnMailbox {
    /// The name of the mailbox.
    pub name: MailboxName,
    /// The purpose of the mailbox.
    pub kind: MailboxKind,
    /// The state of the mailbox at its relay.
    pub state: MailboxState,
    /// The capability to create and to delete the mailbox.
    pub own: OwnCapability,
    /// The capability to read the mailbox.
    pub read: ReadCapability,
    /// The capability to put into the mailbox.
    pub send: SendCapability,
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns the addresses of the relays on which own mailboxes lie, those that are to be deleted
    /// among them, or are to be made: sorted, each once.
    pub fn reading_relays(&self) -> Vec<String> {
        let mailboxes = self.contacts.values().flat_map(|contact| contact.row.mailboxes.iter());
        let mailboxes = mailboxes.chain(&self.sentinel.row.mailboxes);
        let mut relays: Vec<String> = mailboxes.map(|mailbox| mailbox.relay.clone()).collect();
        relays.sort();
        relays.dedup();
        relays
    }

    /// Returns the number of own mailboxes that wait to be deleted.
    pub fn deletions(&self) -> usize {
        let mailboxes = self.contacts.values().flat_map(|contact| contact.row.mailboxes.iter());
        let mailboxes = mailboxes.chain(&self.sentinel.row.mailboxes);
        mailboxes.filter(|mailbox| mailbox.state == MailboxState::Retiring).count()
    }

    /// Whether own mailboxes lie on a relay or are to be made there, or it is the relay that is
    /// set. Relays are compared by their fingerprints.
    pub fn is_own_relay(&self, relay: &RelayAddress) -> bool {
        let is_it = |text: &String| {
            text.parse::<RelayAddress>().is_ok_and(|own| own.fingerprint() == relay.fingerprint())
        };
        self.config.relay.iter().any(is_it) || self.reading_relays().iter().any(is_it)
    }

    /// Returns the own mailboxes at the relay with this address, sentinels and those that are to be
    /// made or deleted among them, without the landing mailbox of an invite that is not published
    /// yet.
    pub fn mailboxes_at(&self, relay: &str) -> Vec<OwnMailbox> {
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

    /// Adds a private mailbox for each contact that has a session and no such mailbox, as a vault
    /// of an earlier version may lack one. Called when the vault is opened.
    pub(super) fn want_private_mailboxes(&mut self) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let lacks = |contact: &Peer| contact.standing().is_some() && contact.private().next().is_none();
            if self.contacts.get(&id).is_some_and(lacks) {
                let mut step = self.step();
                self.want_private(&mut step, id)?;
                self.finish(step)?;
            }
        }
        Ok(())
    }

    /// Notes that the relay has created a mailbox that was wanted or lost. A private mailbox is
    /// then told to its contact.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn mailbox_created(&mut self, name: MailboxName) -> Result<(), VaultError> {
        if name.contact == OWN {
            return self.note_sentinel_created(name);
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

    /// Notes that the relay has deleted a mailbox that was retiring: it is forgotten.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn mailbox_gone(&mut self, name: MailboxName) -> Result<(), VaultError> {
        if name.contact == OWN {
            return self.forget_sentinel(name);
        }
        let mut step = self.step();
        if let Some(contact) = self.contacts.get_mut(&name.contact) {
            contact.row.mailboxes.retain(|row| row.id != name.mailbox || row.state != MailboxState::Retiring);
            step.contacts.insert(name.contact);
        }
        self.finish(step)
    }

    /// Notes that the relay does not have a contact's mailbox that was live. It becomes lost: the
    /// caller creates it again with the same capabilities, so that its address stays. For a
    /// sentinel mailbox, call [`sentinel_lost`](Self::sentinel_lost) instead.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn mailbox_lost(&mut self, name: MailboxName) -> Result<(), VaultError> {
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

impl Peer {
    pub(super) fn mailbox_mut(&mut self, id: u32) -> Option<&mut MailboxRow> {
        self.row.mailboxes.iter_mut().find(|row| row.id == id)
    }

    /// Adds a mailbox that is to be created at `relay`. Returns its number.
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

    /// Returns the encoded address that is told to the peer: that of the newest private mailbox
    /// that is live or lost, or else of the newest such landing; `None` if there is none. As long
    /// as the acceptor of an invite has to send a Hello, it tells no landing, because its landing
    /// belongs to an invite of its own.
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

impl Peer {
    /// Returns the encoded address to be told to a peer that has used the mailbox with this number
    /// although a better one is live: after a landing any private one is better, after a private
    /// one a newer one. Returns `None` if there is no better one, or if the peer is told its
    /// address anyway.
    pub(super) fn better_address(&self, used: u32) -> Option<Zeroizing<Vec<u8>>> {
        let used = self.row.mailboxes.iter().find(|row| row.id == used)?;
        let is_better = |row: &MailboxRow| {
            let is_told = matches!(row.state, MailboxState::Live | MailboxState::Lost);
            let is_above = used.kind == MailboxKind::Landing || row.id > used.id;
            row.kind == MailboxKind::Private && is_told && is_above
        };
        let address = self.row.mailboxes.iter().any(is_better).then(|| self.own_address()).flatten();
        address.filter(|address| !self.row.hello_due && !is_move_waiting(self, address))
    }

    /// Returns the encoded address to be told to the peer after this vault was put back: that of
    /// the newest private mailbox, if it is live. Returns `None` if there is no session, if the
    /// peer is told its address anyway, or if the mailbox is still to be created, because its
    /// address is told then.
    pub(super) fn address_after_restore(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.standing()?;
        let newest = self.private().max_by_key(|row| row.id)?;
        let address = address_of(newest).filter(|_| newest.state == MailboxState::Live)?;
        (!is_move_waiting(self, &address)).then_some(address)
    }

    /// Returns the encoded address of the newest private mailbox that is live or lost, if a
    /// MailboxMove is queued or still waits for its receipt; `None` otherwise.
    pub(super) fn moved_address(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.moves().next()?;
        let told = self.private().filter(|row| row.state != MailboxState::Wanted);
        told.max_by_key(|row| row.id).and_then(address_of)
    }

    /// Returns the encoded contents that tell the peer an address and are queued or still wait for
    /// their receipts.
    fn moves(&self) -> impl Iterator<Item = &Zeroizing<Vec<u8>>> {
        let items = self.items.values().map(|item| (item.kind, &item.content));
        let drafts = self.drafts.values().map(|draft| (draft.kind, &draft.content));
        items.chain(drafts).filter(|(kind, _)| *kind == ItemKind::Move).map(|(_, content)| content)
    }
}

/// Creates the row of a mailbox that is to be created at its relay.
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

/// Whether a [`MailboxMove`](Content::MailboxMove) with this encoded address is queued or still
/// waits for its receipt.
fn is_move_waiting(contact: &Peer, address: &[u8]) -> bool {
    contact.moves().any(|content| {
        content::decode(content).is_ok_and(|contents| {
            contents.iter().any(
                |content| matches!(content, Content::MailboxMove { address: told, .. } if told.as_slice() == address),
            )
        })
    })
}

/// Returns the encoded address of a mailbox; `None` if the address of its relay in the row cannot
/// be read.
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
