//! Relays that have moved to another URL (spec/14-client.md section 6.5). The links of each purpose
//! learn of a move by themselves, because a relay that names another URL to each link would
//! otherwise find out which links belong to one client.

use super::{Engine, OWN, step::Step};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{MailboxRow, MovedRelaysRow, Table, Vault, key},
};
use deaddrop_wire::{Day, RelayAddress};
use rand_core::CryptoRng;

/// The purpose of a link, as far as it may use the moves of relays that other links have learnt:
/// links of one purpose show the relay already that they belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPurpose {
    /// The reading links: own mailboxes.
    Reading,
    /// The links that put to the contact with this number.
    Putting(u32),
    /// A link of an errand. It uses and stores no moves.
    Errand,
}

impl LinkPurpose {
    /// Returns the owner of the row that holds the moves; `None` if none are kept.
    const fn owner(self) -> Option<u32> {
        match self {
            Self::Reading => Some(OWN),
            Self::Putting(contact) => Some(contact),
            Self::Errand => None,
        }
    }
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns the address at which the links of this purpose find a relay that has moved; `None`
    /// if they know of no move.
    pub fn place_of(&self, purpose: LinkPurpose, relay: &RelayAddress) -> Option<RelayAddress> {
        self.moved_relays.get(&purpose.owner()?)?.place_of(relay)
    }

    /// Notes that a relay has left the places `left` and is at `place`, where it has proved that it
    /// is the same one, as links of this purpose have learnt. For reading links the new address
    /// replaces the old ones in all rows about own mailboxes, the app is told, and so are contacts
    /// that have a mailbox there: once a day, whatever the relay says.
    ///
    /// # Errors
    /// Fails with the error of the vault. If it fails after the move was stored, the next opening
    /// continues.
    pub fn relay_moved(
        &mut self,
        purpose: LinkPurpose,
        left: &[RelayAddress],
        place: &RelayAddress,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(owner) = purpose.owner() else { return Ok(()) };
        let is_contact = owner != OWN;
        if is_contact && !self.contacts.contains_key(&owner) {
            return Ok(());
        }
        let row = self.moved_relays.entry(owner).or_default();
        // A relay that moves again and again must not fill the outbox.
        if !is_contact && row.has_learnt_on(place, today.number()) {
            return Ok(());
        }
        row.note(left, place, today.number());
        let mut step = self.step();
        self.store_moved(&mut step, owner)?;
        if is_contact {
            return self.finish(step);
        }
        self.rename_own(&mut step)?;
        let (old, new) = (left.first().unwrap_or(place).to_string(), place.to_string());
        self.add_event(&mut step, OWN, today, EventKind::RelayMoved { old, new })?;
        self.finish(step)?;
        self.rename_relays()
    }

    /// Notes that a relay is at an address from which the links of this purpose knew a move: it has
    /// gone back there.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn relay_came_back(&mut self, purpose: LinkPurpose, place: &RelayAddress) -> Result<(), VaultError> {
        let Some(owner) = purpose.owner() else { return Ok(()) };
        let mut step = self.step();
        self.forget_move_of(&mut step, owner, place)?;
        if step.is_empty() { Ok(()) } else { self.finish(step) }
    }

    /// Forgets a move of a relay from this address, because the user names the address again.
    pub(super) fn forget_move(&mut self, step: &mut Step, relay: &RelayAddress) -> Result<(), VaultError> {
        self.forget_move_of(step, OWN, relay)
    }

    /// Forgets the moves of a relay to this address, because the user names the address.
    pub(super) fn forget_moves_to(
        &mut self,
        step: &mut Step,
        relay: &RelayAddress,
    ) -> Result<(), VaultError> {
        if self.moved_relays.get_mut(&OWN).is_some_and(|row| row.forget_to(relay)) {
            self.store_moved(step, OWN)?;
        }
        Ok(())
    }

    /// Returns the addresses of an own relay that the user has named: the relay's own, or, if moves
    /// led there, those from which they led.
    pub(super) fn named_place(&self, relay: RelayAddress) -> Vec<RelayAddress> {
        let row = self.moved_relays.get(&OWN);
        let origins: Vec<RelayAddress> = row.into_iter().flat_map(|row| row.origins(&relay)).collect();
        if origins.is_empty() { vec![relay] } else { origins }
    }

    fn forget_move_of(&mut self, step: &mut Step, owner: u32, old: &RelayAddress) -> Result<(), VaultError> {
        if self.moved_relays.get_mut(&owner).is_some_and(|row| row.forget(old)) {
            self.store_moved(step, owner)?;
        }
        Ok(())
    }

    /// Replaces the addresses of own relays that have moved in the rows of all contacts, one batch
    /// for each contact, and tells the contact the new address of its mailbox. Continues also what
    /// a crash has cut short.
    pub(super) fn rename_relays(&mut self) -> Result<(), VaultError> {
        if self.moved_relays.get(&OWN).is_none_or(|row| row.moves.is_empty()) {
            return Ok(());
        }
        for id in self.contact_ids() {
            let mut step = self.step();
            if self.rename_of_contact(&mut step, id)? {
                self.finish(step)?;
            }
        }
        Ok(())
    }

    /// Replaces the addresses in the rows of one contact. Returns whether any row changed.
    fn rename_of_contact(&mut self, step: &mut Step, id: u32) -> Result<bool, VaultError> {
        let (Some(moved), Some(contact)) = (self.moved_relays.get(&OWN), self.contacts.get_mut(&id)) else {
            return Ok(false);
        };
        let newest = contact.private().max_by_key(|row| row.id).map(|row| row.relay.clone());
        let mut is_changed = rename_mailboxes(&mut contact.row.mailboxes, moved);
        if is_changed {
            step.contacts.insert(id);
        }
        if let Some((invite, _)) = &mut contact.invite
            && rename(&mut invite.relay, moved)
        {
            is_changed = true;
            step.changes.put(key(Table::Invite, id, 0), invite)?;
        }
        let is_told = contact.private().max_by_key(|row| row.id).map(|row| row.relay.clone()) != newest;
        if let Some(address) = contact.address_after_restore().filter(|_| is_told && !contact.row.hello_due) {
            self.queue_move(step, id, address)?;
        }
        Ok(is_changed)
    }

    /// Replaces the addresses in the rows that belong to no contact: the relay that is set, the
    /// adopted relay, and the sentinels.
    fn rename_own(&mut self, step: &mut Step) -> Result<(), VaultError> {
        let Some(moved) = self.moved_relays.get(&OWN) else { return Ok(()) };
        step.config |= self.config.relay.as_mut().is_some_and(|relay| rename(relay, moved));
        if self.relays.adopted.as_mut().is_some_and(|relay| rename(relay, moved)) {
            step.changes.put(key(Table::Relays, 0, 0), &self.relays)?;
        }
        if rename_mailboxes(&mut self.sentinel.row.mailboxes, moved) {
            step.changes.put(key(Table::Sentinel, 0, 0), &self.sentinel.row)?;
        }
        Ok(())
    }

    fn store_moved(&self, step: &mut Step, owner: u32) -> Result<(), VaultError> {
        match self.moved_relays.get(&owner) {
            Some(row) => step.changes.put(key(Table::MovedRelays, owner, 0), row),
            None => Ok(()),
        }
    }
}

/// Replaces an address of a relay that has moved. Returns whether it has.
fn rename(relay: &mut String, moved: &MovedRelaysRow) -> bool {
    let place = relay.parse().ok().and_then(|address| moved.place_of(&address));
    let is_moved = place.is_some();
    if let Some(place) = place {
        *relay = place.to_string();
    }
    is_moved
}

fn rename_mailboxes(mailboxes: &mut [MailboxRow], moved: &MovedRelaysRow) -> bool {
    mailboxes.iter_mut().fold(false, |is_changed, row| rename(&mut row.relay, moved) | is_changed)
}
