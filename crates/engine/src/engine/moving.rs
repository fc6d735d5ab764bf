//! Moving to another relay: new mailboxes are made there, and those at the old one are read until
//! the contacts use the new ones (spec/14-client.md section 5.3).

use super::{Engine, Peer};
use crate::{
    error::{EngineError, VaultError},
    vault::{MailboxKind, MailboxRow, MailboxState, Table, Vault, key},
};
use deaddrop_wire::RelayAddress;
use rand_core::CryptoRng;

/// Maximum number of private mailboxes of one contact that are read (spec/14-client.md section
/// 5.3). There are several if the contact has not used the newest ones yet.
const MAX_PRIVATE: usize = 4;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Sets the relay and moves all contacts to it: each whose newest private mailbox lies at
    /// another relay gets a new one there. If the process ends before all have moved, the next
    /// opening continues.
    ///
    /// # Errors
    /// Fails with [`EngineError::StillMoving`] if a contact would then have more than 4 private
    /// mailboxes, and with [`EngineError::Vault`] if the vault has no room or fails. If the vault
    /// fails after the relay was set, the next opening moves the contacts that are left.
    pub fn move_to_relay(&mut self, relay: &RelayAddress) -> Result<(), EngineError> {
        let text = relay.to_string();
        // The newest is replaced if it was never made.
        let kept = |contact: &Peer| {
            let newest = contact.private().max_by_key(|row| row.id);
            let is_replaced = newest.is_some_and(|row| row.state == MailboxState::Wanted);
            contact.private().count() - usize::from(is_replaced)
        };
        let is_crowded = |contact: &Peer| contact.stays_at(&text).is_some() && kept(contact) >= MAX_PRIVATE;
        if self.contacts.values().any(is_crowded) {
            return Err(EngineError::StillMoving);
        }
        self.check_room()?;
        let mut step = self.step();
        self.name_relay(&mut step, relay)?;
        self.config.relay = Some(text);
        step.config = true;
        step.changes.put(key(Table::Moving, 0, 0), &true)?;
        self.finish(step)?;
        Ok(self.move_contacts()?)
    }

    /// Continues a move to another relay that a crash has cut short. Does nothing if there was
    /// none.
    pub(super) fn resume_move(&mut self) -> Result<(), VaultError> {
        if self.vault.has(&key(Table::Moving, 0, 0)) { self.move_contacts() } else { Ok(()) }
    }

    fn move_contacts(&mut self) -> Result<(), VaultError> {
        let Some(relay) = self.relay() else { return Ok(()) };
        for id in self.contact_ids() {
            let mut step = self.step();
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
            let Some(newest) = contact.stays_at(&relay.to_string()) else { continue };
            // One that was never made was told to no contact.
            contact.row.mailboxes.retain(|row| row.id != newest || row.state != MailboxState::Wanted);
            contact.want_mailbox(&relay, MailboxKind::Private, &mut self.rng);
            step.contacts.insert(id);
            self.finish(step)?;
        }
        // The sentinel goes, too, with the next step of a session.
        self.begin_sentinel_day();
        let mut step = self.step();
        step.changes.erase(key(Table::Moving, 0, 0));
        self.finish(step)
    }

    /// Gives up the mailboxes at a relay without telling it. Messages that lie there are not read.
    /// Used for a relay that does not come back.
    ///
    /// # Errors
    /// Fails with [`EngineError::RelayInUse`] if it is the relay that is set, if an open invite
    /// leads there, or if a contact has its only mailboxes there, and with [`EngineError::Vault`]
    /// if the vault fails. Then the mailboxes of some contacts may be given up; the call can be
    /// repeated.
    pub fn leave_relay(&mut self, relay: &RelayAddress) -> Result<(), EngineError> {
        let text = relay.to_string();
        let is_bound = |contact: &Peer| {
            // The link of an open invite leads to a landing there.
            let is_invited = contact.invite.as_ref().is_some_and(|(row, _)| row.relay == text);
            let is_elsewhere = |row: &MailboxRow| row.relay != text && row.state != MailboxState::Retiring;
            let is_here = |row: &MailboxRow| row.relay == text && row.state != MailboxState::Retiring;
            let mailboxes = &contact.row.mailboxes;
            is_invited || mailboxes.iter().any(is_here) && !mailboxes.iter().any(is_elsewhere)
        };
        if self.config.relay.as_deref() == Some(&text) || self.contacts.values().any(is_bound) {
            return Err(EngineError::RelayInUse);
        }
        for id in self.contact_ids() {
            let mut step = self.step();
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
            let before = contact.row.mailboxes.len();
            contact.row.mailboxes.retain(|row| row.relay != text);
            if contact.row.mailboxes.len() != before {
                step.contacts.insert(id);
            }
            self.finish(step)?;
        }
        let names: Vec<_> = self.sentinels_at(&text).map(|mailbox| mailbox.name).collect();
        for name in names {
            self.forget_sentinel(name)?;
        }
        Ok(())
    }
}

impl Peer {
    /// Returns the private mailboxes of the contact that are not retiring.
    pub(super) fn private(&self) -> impl Iterator<Item = &MailboxRow> {
        let rows = self.row.mailboxes.iter();
        rows.filter(|row| row.kind == MailboxKind::Private && row.state != MailboxState::Retiring)
    }

    /// Returns the number of the newest private mailbox; `None` if there is none, or if it lies at
    /// the relay with this address.
    fn stays_at(&self, relay: &str) -> Option<u32> {
        self.private().max_by_key(|row| row.id).filter(|row| row.relay != relay).map(|row| row.id)
    }

    /// Returns the addresses of the relays on which mailboxes for this contact lie that are not
    /// retiring, first that of the newest private one.
    pub(super) fn relays(&self) -> Vec<String> {
        let mut rows: Vec<_> = self.row.mailboxes.iter().collect();
        rows.retain(|row| row.state != MailboxState::Retiring);
        rows.sort_by_key(|row| std::cmp::Reverse((row.kind == MailboxKind::Private, row.id)));
        let mut relays: Vec<String> = Vec::new();
        for row in rows {
            if !relays.contains(&row.relay) {
                relays.push(row.relay.clone());
            }
        }
        relays
    }

    /// Whether the contact has mailboxes that are not needed once it writes to the private one with
    /// this number: landings and older private ones.
    pub(super) fn has_older(&self, used: u32) -> bool {
        let mut rows = self.row.mailboxes.iter().filter(|row| row.state != MailboxState::Retiring);
        rows.any(|row| row.kind == MailboxKind::Landing || row.id < used)
    }

    /// Retires the private mailboxes that are older than the one with the number `used`, to which
    /// the contact has written, and, if `with_landing`, the landings. Returns whether there were
    /// any.
    pub(super) fn retire_before(&mut self, used: u32, with_landing: bool) -> bool {
        let mut retired = false;
        for row in &mut self.row.mailboxes {
            let is_older = match row.kind {
                MailboxKind::Landing => with_landing,
                MailboxKind::Private => row.id < used,
            };
            if is_older && row.state != MailboxState::Retiring {
                row.state = MailboxState::Retiring;
                retired = true;
            }
        }
        retired
    }
}
