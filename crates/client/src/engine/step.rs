//! A step: what one call changes, gathered, then stored as one batch.

use super::{Contact, Engine, skipped_number};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{Changes, EventRow, Table, key},
};
use deaddrop_crypto::ChangeSet;
use deaddrop_shred::Disk;
use deaddrop_wire::Day;
use std::collections::BTreeSet;

/// Most rows that one step writes and erases, as far as it can be ended: a store takes only so many in one batch.
pub(super) const MAX_ROWS: usize = 200;
/// Most bytes of them.
const MAX_BYTES: usize = 2 << 20;

/// What one step changes besides memory.
#[derive(Default)]
pub(super) struct Step {
    pub(super) changes: Changes,
    /// The config row changed.
    pub(super) config: bool,
    /// Rows of these contacts changed.
    pub(super) contacts: BTreeSet<u32>,
    events: Vec<u64>,
}

impl Step {
    /// Stores what a call of the crypto crate changed.
    pub(super) fn session(&mut self, contact: u32, set: ChangeSet) {
        self.changes.put_bytes(key(Table::Session, contact, 0), set.session);
        if let Some(resets) = set.reset_secrets {
            self.changes.put_bytes(key(Table::Resets, contact, 0), resets);
        }
        for row in set.skipped_added {
            self.changes.put_bytes(key(Table::Skipped, contact, skipped_number(row.id)), row.bytes);
        }
        let removed = set.skipped_removed.into_iter();
        let removed = removed.map(|id| key(Table::Skipped, contact, skipped_number(id)));
        // The key of a message that was read goes alone and at once: it must not be read again, whatever happens. Many are
        // those of messages that were given up: what a crash leaves of them goes with its day.
        if removed.len() <= MAX_ROWS / 2 {
            removed.for_each(|row| self.changes.erase(row));
        } else {
            self.changes.erase_later(removed);
        }
        if set.invite_consumed {
            self.changes.erase(key(Table::Invite, contact, 0));
        }
    }
}

impl Step {
    /// Nothing is to be stored.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.rows() == 0 && !self.config && self.contacts.is_empty()
    }

    /// How many more things of two rows each have room.
    pub(super) fn room(&self) -> usize {
        if self.changes.bytes() >= MAX_BYTES { 0 } else { MAX_ROWS.saturating_sub(self.changes.rows()) / 2 }
    }
}

impl<D: Disk + 'static> Engine<D> {
    pub(super) fn step(&self) -> Step {
        Step::default()
    }

    /// Adds an event to a step.
    pub(super) fn event(
        &mut self,
        step: &mut Step,
        contact: u32,
        today: Day,
        kind: EventKind,
    ) -> Result<(), VaultError> {
        let name = self.contacts.get(&contact).map_or_else(String::new, |contact| contact.row.name.clone());
        let number = self.next_event;
        self.next_event += 1;
        step.events.push(number);
        let row = EventRow { day: today.number(), contact: name, kind };
        step.changes.put(key(Table::Event, 0, number), &row)
    }

    /// Stores the step. After an error the engine takes nothing more.
    pub(super) fn finish(&mut self, mut step: Step) -> Result<(), VaultError> {
        if self.dead {
            return Err(VaultError::Stopped);
        }
        if step.config {
            step.changes.put(key(Table::Config, 0, 0), &self.config)?;
        }
        for id in &step.contacts {
            if let Some(contact) = self.contacts.get(id) {
                step.changes.put(key(Table::Contact, *id, 0), &contact.row)?;
            }
        }
        // Memory is ahead of the disk from here until the commit has succeeded.
        self.vault.commit(step.changes).inspect_err(|_| self.dead = true)?;
        self.events.extend(step.events);
        Ok(())
    }

    /// Stores a step that has no room for more, and with it the contact as it is now; the step goes on empty.
    pub(super) fn make_room(&mut self, step: &mut Step, id: u32, today: Day) -> Result<(), VaultError> {
        if step.room() > 0 {
            return Ok(());
        }
        let mut full = std::mem::take(step);
        full.contacts.insert(id);
        self.finish(full)?;
        self.go_on(id, today)
    }

    /// Stores a step, in two if need be, and encrypts what waits.
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

    pub(super) fn find(&self, name: &str) -> Option<(u32, &Contact)> {
        self.contacts.iter().find(|(_, contact)| contact.row.name == name).map(|(id, contact)| (*id, contact))
    }

    pub(super) fn expire(&mut self, step: &mut Step, id: u32, today: Day) {
        let Some(session) = self.contacts.get_mut(&id).and_then(|contact| contact.session.as_mut()) else {
            return;
        };
        if let Some(set) = session.expire(today) {
            step.session(id, set);
        }
    }
}
