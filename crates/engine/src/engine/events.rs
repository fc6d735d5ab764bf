//! The events of all contacts: adding, reading, forgetting. A *simple app* has no store of its own:
//! the vault keeps for it the number up to which it has shown events (the *cursor*), and such a
//! number for single contacts.

use super::{Engine, incoming::MAX_SEEN_WITHOUT_ROOM, step::Step};
use crate::{
    error::{EngineError, VaultError},
    event::{Event, EventKind},
    vault::{EventRow, Table, Vault, VaultRoom, key},
};
use deaddrop_e2ee::content::MessageId;
use deaddrop_wire::Day;
use rand_core::CryptoRng;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Adds an event of this kind about a contact to a step; 0 stands for no contact.
    pub(super) fn add_event(
        &mut self,
        step: &mut Step,
        contact: u32,
        today: Day,
        kind: EventKind,
    ) -> Result<(), VaultError> {
        self.add_message_event(step, contact, None, today, kind)
    }

    /// Adds an event of this kind about a contact, and about a message if one is given, to a step.
    pub(super) fn add_message_event(
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
                | EventKind::RelayMoved { .. }
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

    /// Returns the events with numbers above `after`, oldest first, at most `most` of them.
    ///
    /// # Errors
    /// Fails with [`VaultError::Corrupt`] if one of them is damaged, with
    /// [`VaultError::NewerVersion`] if a newer version has written it, or with [`VaultError::Io`].
    pub fn events_after(&self, after: u64, most: usize) -> Result<Vec<Event>, VaultError> {
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

    /// Whether the vault has failed, or [`stop`](Self::stop) was called, so that every call that
    /// stores something fails until the vault is opened again.
    pub const fn is_dead(&self) -> bool {
        self.dead
    }

    /// Makes every later call that stores something fail, as after a failure of the vault. Called
    /// when a call was cut short, so that memory may differ from the disk.
    pub const fn stop(&mut self) {
        self.dead = true;
    }

    /// Returns the number of the newest event, erased or not; 0 if there was none yet.
    pub const fn last_event(&self) -> u64 {
        self.next_event.saturating_sub(1)
    }

    /// Returns the cursor: the number up to which a simple app has shown the events of all
    /// contacts.
    pub const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Stores the cursor: the number up to which a simple app has shown the events of all contacts.
    /// A lower number replaces a higher one, too.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn set_cursor(&mut self, cursor: u64) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.put(key(Table::Cursor, 0, 0), &cursor)?;
        self.finish(step)?;
        self.cursor = cursor;
        Ok(())
    }

    /// Whether a simple app has shown an event: its number is not above the cursor, or not above
    /// the number that is stored for its contact.
    pub fn is_shown(&self, event: &Event) -> bool {
        let owner = self.find(&event.contact).map_or(0, |(id, _)| id);
        event.number <= self.shown_to(owner)
    }

    /// Returns the number up to which a simple app has shown all events of these contacts, given by
    /// name; of no contacts, the cursor. An empty name stands for the events that concern no
    /// contact.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if a name is not that of a contact.
    pub fn shown_of(&self, contacts: &[String]) -> Result<u64, EngineError> {
        let owners = self.owners(contacts)?;
        Ok(owners.into_iter().map(|owner| self.shown_to(owner)).min().unwrap_or(self.cursor))
    }

    /// Stores the number up to which a simple app has shown all events of these contacts, given by
    /// name. An empty name stands for the events that concern no contact. A lower number than the
    /// stored one changes nothing.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if a name is not that of a contact, and with
    /// [`EngineError::Vault`] if the vault fails.
    pub fn set_shown_of(&mut self, contacts: &[String], number: u64) -> Result<(), EngineError> {
        let mut owners = self.owners(contacts)?;
        owners.retain(|owner| self.shown_to(*owner) < number);
        if owners.is_empty() {
            return Ok(());
        }
        let mut step = self.step();
        for owner in &owners {
            step.changes.put(key(Table::Shown, *owner, 0), &number)?;
        }
        self.finish(step)?;
        self.shown.extend(owners.into_iter().map(|owner| (owner, number)));
        Ok(())
    }

    fn shown_to(&self, owner: u32) -> u64 {
        self.shown.get(&owner).copied().unwrap_or_default().max(self.cursor)
    }

    fn owners(&self, contacts: &[String]) -> Result<Vec<u32>, EngineError> {
        let owner = |name: &String| match name.as_str() {
            "" => Some(0),
            name => self.find(name).map(|(id, _)| id),
        };
        contacts.iter().map(|name| owner(name).ok_or(EngineError::UnknownContact)).collect()
    }

    /// Erases the events with numbers below `number`, also if the vault has no room for a batch:
    /// then the newest event of all stays, and the call fails if its number is below `number`. If
    /// the vault still has no room for the user's texts, old rows by which repeats of messages are
    /// recognised are erased, too.
    ///
    /// # Errors
    /// Fails with the error of the vault. Some of the events may be erased then; the call can be
    /// repeated.
    pub fn forget_events_before(&mut self, number: u64) -> Result<(), VaultError> {
        const AT_ONCE: usize = 200;
        loop {
            let old: Vec<u64> = self.events.range(..number).take(AT_ONCE).copied().collect();
            let Some(last) = old.last() else { return self.forget_seen() };
            let mut step = self.step();
            self.config.event_floor = self.config.event_floor.max(last + 1);
            step.config = true;
            old.iter().for_each(|number| step.changes.erase(key(Table::Event, 0, *number)));
            match self.finish(step) {
                Err(error) if error.is_passing() => {
                    self.forget_without_room(&old, error)?;
                    continue;
                }
                done => done?,
            }
            old.iter().for_each(|number| {
                self.events.remove(number);
            });
        }
    }

    /// If the vault has no room for the user's texts, erases the rows by which messages that were
    /// shown are recognised, except those of the newest [`MAX_SEEN_WITHOUT_ROOM`] of each contact:
    /// rows that the user cannot read must not keep the vault full.
    fn forget_seen(&mut self) -> Result<(), VaultError> {
        let is_short = self.vault.room() != VaultRoom::Enough;
        for contact in self.contacts.values_mut().filter(|_| is_short) {
            let over = contact.seen.len().saturating_sub(MAX_SEEN_WITHOUT_ROOM);
            let rows: Vec<_> = contact.seen.drain(..over).collect();
            self.vault.erase(&rows).inspect_err(|_| self.dead = true)?;
        }
        Ok(())
    }

    /// Erases the events with these numbers although the vault has no room for the config row,
    /// which holds the number below which there are none. The newest event stays until there is
    /// room, so that no number is used twice. Returns `error` if no event can be erased.
    fn forget_without_room(&mut self, old: &[u64], error: VaultError) -> Result<(), VaultError> {
        let newest = self.events.last().copied();
        let old: Vec<u64> = old.iter().copied().filter(|number| Some(*number) != newest).collect();
        if old.is_empty() {
            return Err(error);
        }
        let rows: Vec<_> = old.iter().map(|number| key(Table::Event, 0, *number)).collect();
        self.vault.erase(&rows).inspect_err(|_| self.dead = true)?;
        self.events.retain(|number| !old.contains(number));
        Ok(())
    }
}
