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
        self.changes.put_bytes(key(Table::Session, contact, 0), set.session.to_vec());
        if let Some(resets) = set.reset_secrets {
            self.changes.put_bytes(key(Table::Resets, contact, 0), resets.to_vec());
        }
        for row in set.skipped_added {
            self.changes.put_bytes(key(Table::Skipped, contact, skipped_number(row.id)), row.bytes.to_vec());
        }
        for id in set.skipped_removed {
            self.changes.erase(key(Table::Skipped, contact, skipped_number(id)));
        }
        if set.invite_consumed {
            self.changes.erase(key(Table::Invite, contact, 0));
        }
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
