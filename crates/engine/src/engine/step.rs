//! A step: the changes of one call, collected and then stored as one batch.

use super::{Engine, Peer, load::skipped_number, names};
use crate::{
    error::VaultError,
    vault::{Changes, PeerRow, RowKey, Rows, SessionSlot, Table, Vault, key, parts, sub, sub_key},
};
use deaddrop_e2ee::{
    contact::ContactChanges,
    session::{ChangeSet, SessionId},
};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use std::collections::BTreeSet;

/// Maximum number of rows that one step writes and erases, as far as the step can be divided: a
/// store takes a limited number in one batch (spec/14-client.md section 7).
pub(super) const MAX_ROWS: usize = 200;
/// Number of bytes of written rows from which on a step takes nothing more that can be done in
/// another one (spec/14-client.md section 7).
const MAX_BYTES: usize = 2 << 20;

/// The changes of one step to the vault.
#[derive(Default)]
pub(super) struct Step {
    pub(super) changes: Changes,
    /// Whether the config row changed.
    pub(super) config: bool,
    /// The numbers of the contacts whose peer rows changed.
    pub(super) contacts: BTreeSet<u32>,
    /// The numbers of the contacts whose person rows (name, identity) changed.
    pub(super) persons: BTreeSet<u32>,
    /// The numbers of the contacts whose conversation rows changed.
    pub(super) conversations: BTreeSet<u32>,
    pub(super) events: Vec<u64>,
    /// Whether the step changes a session, by a message that was read or encrypted.
    moves: bool,
}

impl Step {
    /// Adds the rows to the step that a call of the e2ee crate changed in the sessions of a
    /// contact.
    pub(super) fn add_session_changes<V: Vault>(
        &mut self,
        vault: &Rows<V>,
        contact: u32,
        row: &mut PeerRow,
        changes: ContactChanges,
    ) -> Result<(), VaultError> {
        if let Some(bytes) = changes.contact {
            self.changes.put_bytes(key(Table::Ratchet, contact, 0), bytes);
        }
        for (session, set) in changes.sessions {
            let slot = match row.slots.iter().find(|slot| slot.session == session.0) {
                Some(slot) => slot.slot,
                None => self.add_slot(vault, contact, row, session)?,
            };
            self.add_change_set(contact, slot, set);
        }
        for session in changes.dropped {
            let Some(at) = row.slots.iter().position(|slot| slot.session == session.0) else { continue };
            let slot = row.slots.remove(at).slot;
            self.contacts.insert(contact);
            self.changes.erase(sub_key(Table::Session, contact, 0, slot));
            self.changes.erase(sub_key(Table::Resets, contact, 0, slot));
            self.erase_skipped(skipped_rows(vault, contact, slot).into_iter());
        }
        Ok(())
    }

    /// Gives a session a slot, which is the sub number in the keys of its rows, and returns it: one
    /// under which no row of an earlier session is left. Fails with [`VaultError::Corrupt`] if none
    /// is free.
    fn add_slot<V: Vault>(
        &mut self,
        vault: &Rows<V>,
        contact: u32,
        row: &mut PeerRow,
        session: SessionId,
    ) -> Result<u8, VaultError> {
        let is_free = |slot: u8| {
            let rows = [Table::Session, Table::Resets].map(|table| sub_key(table, contact, 0, slot));
            !row.slots.iter().any(|taken| taken.slot == slot)
                && !rows.iter().any(|row| vault.has(row) || self.changes.pending(row).is_some())
                && skipped_rows(vault, contact, slot).is_empty()
        };
        let slot = (0..=u8::MAX).find(|slot| is_free(*slot)).ok_or(VaultError::Corrupt)?;
        row.slots.push(SessionSlot { slot, session: session.0 });
        self.contacts.insert(contact);
        Ok(slot)
    }

    fn add_change_set(&mut self, contact: u32, slot: u8, set: ChangeSet) {
        self.moves = true;
        self.changes.put_bytes(sub_key(Table::Session, contact, 0, slot), set.session);
        if let Some(resets) = set.reset_secrets {
            self.changes.put_bytes(sub_key(Table::Resets, contact, 0, slot), resets);
        }
        let name = |id| sub_key(Table::Skipped, contact, skipped_number(id), slot);
        for row in set.skipped_added {
            self.changes.put_bytes(name(row.id), row.bytes);
        }
        self.erase_skipped(set.skipped_removed.into_iter().map(name));
        if set.invite_consumed {
            self.changes.erase(key(Table::Invite, contact, 0));
        }
    }

    /// Erases the keys of skipped messages. The key of a message that was read is erased in the
    /// batch itself, because it must not be used again, whatever happens. A long list, of messages
    /// that were given up, is erased after the batch; rows that a crash leaves expire.
    fn erase_skipped(&mut self, rows: impl ExactSizeIterator<Item = RowKey>) {
        if rows.len() <= MAX_ROWS / 2 {
            rows.for_each(|row| self.changes.erase(row));
        } else {
            self.changes.erase_later(rows);
        }
    }
}

fn skipped_rows<V: Vault>(vault: &Rows<V>, contact: u32, slot: u8) -> Vec<RowKey> {
    let rows = vault.keys(Table::Skipped).into_iter();
    rows.filter(|row| parts(row).0 == contact && sub(row) == slot).collect()
}

impl Step {
    /// Whether the step changes no row.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.rows() == 0
            && !self.config
            && self.contacts.is_empty()
            && self.persons.is_empty()
            && self.conversations.is_empty()
    }

    /// Returns the number of changes of two rows each for which the step still has room.
    pub(super) fn room(&self) -> usize {
        if self.changes.bytes() >= MAX_BYTES { 0 } else { MAX_ROWS.saturating_sub(self.changes.rows()) / 2 }
    }
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    pub(super) fn step(&self) -> Step {
        Step::default()
    }

    /// Stores the step. If the vault has no room or is busy, memory goes back to what the disk
    /// holds; after any other error the engine is dead. Fails with [`VaultError::Stopped`] if it
    /// was dead before.
    pub(super) fn finish(&mut self, mut step: Step) -> Result<(), VaultError> {
        if self.dead {
            return Err(VaultError::Stopped);
        }
        if step.config {
            step.changes.put(key(Table::Config, 0, 0), &self.config)?;
        }
        for id in &step.contacts {
            if let Some(contact) = self.contacts.get(id) {
                step.changes.put(key(Table::Peer, *id, 0), &contact.row)?;
            }
        }
        for id in &step.persons {
            if let Some(contact) = self.contacts.get(id) {
                step.changes.put(key(Table::Person, *id, 0), &contact.person)?;
            }
        }
        for id in &step.conversations {
            if let Some(contact) = self.contacts.get(id) {
                step.changes.put(key(Table::Conversation, *id, 0), &contact.conversation)?;
            }
        }
        // Memory is ahead of the disk from here until the commit has succeeded.
        self.vault.commit(step.changes).inspect_err(|error| self.fall_back(*error))?;
        self.events.extend(step.events);
        self.sentinel.moved |= step.moves;
        Ok(())
    }

    /// If a step has no room for more, stores it, together with the peer row of the contact `id`,
    /// and leaves an empty step in its place. Then does what [`drain_backlog`](Self::drain_backlog)
    /// does.
    pub(super) fn make_room(&mut self, step: &mut Step, id: u32, today: Day) -> Result<(), VaultError> {
        if step.room() > 0 {
            return Ok(());
        }
        let mut full = std::mem::take(step);
        full.contacts.insert(id);
        self.finish(full)?;
        self.drain_backlog(id, today)
    }

    /// Stores a step, in two batches if it has no room for more, together with the drafts of a
    /// contact that can be encrypted now.
    pub(super) fn finish_and_seal(&mut self, mut step: Step, id: u32) -> Result<(), VaultError> {
        if step.room() == 0 {
            self.finish(std::mem::take(&mut step))?;
        }
        self.seal_drafts(&mut step, id)?;
        self.finish(step)
    }

    pub(super) fn contact_ids(&self) -> Vec<u32> {
        self.contacts.keys().copied().collect()
    }

    /// Finds the contact with this name, in any spelling of it. Returns its number and its entry;
    /// `None` if there is no such contact.
    pub(super) fn find(&self, name: &str) -> Option<(u32, &Peer)> {
        let by = |is_it: &dyn Fn(&str) -> bool| {
            self.contacts
                .iter()
                .find(|(_, contact)| is_it(&contact.person.name))
                .map(|(id, contact)| (*id, contact))
        };
        by(&|known| known == name).or_else(|| {
            let name = names::canonical(name);
            by(&|known| names::canonical(known) == name)
        })
    }
}
