//! The events of all contacts: adding, reading, forgetting.

use super::{Engine, step::Step};
use crate::{
    error::VaultError,
    event::{Event, EventKind},
    vault::{EventRow, Table, key},
};
use deaddrop_crypto::MessageId;
use deaddrop_shred::Disk;
use deaddrop_wire::Day;

impl<D: Disk + 'static> Engine<D> {
    /// Adds an event about a contact to a step.
    pub(super) fn event(
        &mut self,
        step: &mut Step,
        contact: u32,
        today: Day,
        kind: EventKind,
    ) -> Result<(), VaultError> {
        self.message_event(step, contact, None, today, kind)
    }

    /// Adds an event about a message to a step.
    pub(super) fn message_event(
        &mut self,
        step: &mut Step,
        contact: u32,
        message: Option<MessageId>,
        today: Day,
        kind: EventKind,
    ) -> Result<(), VaultError> {
        let number = self.next_event;
        self.next_event += 1;
        step.events.push(number);
        let own = matches!(
            kind,
            EventKind::Delivered
                | EventKind::Unreachable
                | EventKind::InviteExpired
                | EventKind::InviteTaken
                | EventKind::PrivateAddress { .. }
                | EventKind::Restored
        );
        let row = EventRow {
            day: today.number(),
            conversation: contact,
            author: if own { 0 } else { contact },
            message: message.map(|message| message.0),
            kind,
        };
        step.changes.put(key(Table::Event, 0, number), &row)
    }

    /// Events after a number, oldest first, at most `most`.
    pub(crate) fn events_after(&self, after: u64, most: usize) -> Result<Vec<Event>, VaultError> {
        let mut events = Vec::new();
        for number in self.events.range(after.saturating_add(1)..).take(most) {
            let Some(row) = self.vault.read::<EventRow>(&key(Table::Event, 0, *number))? else { continue };
            let contact = self.contacts.get(&row.conversation);
            events.push(Event {
                number: *number,
                day: Day::from_number(row.day),
                contact: contact.map_or_else(String::new, |contact| contact.person.name.clone()),
                message: row.message.map(MessageId),
                kind: row.kind,
            });
        }
        Ok(events)
    }

    /// The vault failed: no step is taken any more.
    pub(crate) const fn is_dead(&self) -> bool {
        self.dead
    }

    /// The number of the newest event, 0 if there never was one.
    pub(crate) const fn last_event(&self) -> u64 {
        self.next_event.saturating_sub(1)
    }

    /// How far a simple app has shown events.
    pub(crate) const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Remembers how far a simple app has shown events.
    pub(crate) fn set_cursor(&mut self, cursor: u64) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.put(key(Table::Cursor, 0, 0), &cursor)?;
        self.finish(step)?;
        self.cursor = cursor;
        Ok(())
    }

    /// Erases events below a number.
    pub(crate) fn forget_events_before(&mut self, number: u64) -> Result<(), VaultError> {
        const AT_ONCE: usize = 200;
        loop {
            let old: Vec<u64> = self.events.range(..number).take(AT_ONCE).copied().collect();
            let Some(last) = old.last() else { return Ok(()) };
            let mut step = self.step();
            self.config.event_floor = self.config.event_floor.max(last + 1);
            step.config = true;
            old.iter().for_each(|number| step.changes.erase(key(Table::Event, 0, *number)));
            self.finish(step)?;
            old.iter().for_each(|number| {
                self.events.remove(number);
            });
        }
    }
}
