//! A vault that takes nothing for now: memory goes back to what the rows hold (spec/14-client.md
//! section 2.3).

use super::{Engine, Peer, load};
use crate::{
    error::{EngineError, VaultError},
    vault::{CalendarRow, Table, Vault, VaultRoom, VaultStatus, key, parts},
};
use rand_core::CryptoRng;
use std::collections::BTreeSet;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns the fill level of the vault.
    pub fn vault_status(&self) -> VaultStatus {
        self.vault.status()
    }

    /// Checks that the vault has room for a call of the user that can be made later. Fails with
    /// [`VaultError::Full`] as [`EngineError::Vault`] while the rest of the room is reserved for
    /// received messages and receipts.
    pub(super) fn check_room(&self) -> Result<(), EngineError> {
        if self.vault.room() == VaultRoom::Enough {
            Ok(())
        } else {
            Err(EngineError::Vault(VaultError::Full))
        }
    }

    /// Whether the vault has no room for received messages, so that blobs stay at the relays.
    pub fn is_full(&self) -> bool {
        self.vault.room() == VaultRoom::Full
    }

    /// Handles the failure of storing a step. If the vault was only full or busy, reads memory
    /// again from its rows; after any other error, or if that fails, marks the engine as dead.
    pub(super) fn fall_back(&mut self, error: VaultError) {
        self.dead = !error.is_passing() || self.reload().is_err();
    }

    /// Reads all rows again into memory. State that no row holds stays; that of contacts stays as
    /// far as [`Peer::remember`] takes it over.
    fn reload(&mut self) -> Result<(), VaultError> {
        let vault = &self.vault;
        self.config = vault.read(&key(Table::Config, 0, 0))?.ok_or(VaultError::Corrupt)?;
        self.relays = vault.read(&key(Table::Relays, 0, 0))?.unwrap_or_default();
        self.moved_relays = load::moved_relays(vault)?;
        self.cursor = vault.read(&key(Table::Cursor, 0, 0))?.unwrap_or(0);
        self.shown = load::shown(vault)?;
        self.stale_tried = vault.read(&key(Table::StaleTried, 0, 0))?;
        self.sentinel.row = vault.read(&key(Table::Sentinel, 0, 0))?.unwrap_or_default();
        self.calendar = vault.read(&key(Table::Calendar, 0, 0))?.unwrap_or(CalendarRow::unknown());
        let mut contacts = load::contacts(vault)?;
        for (id, contact) in &mut contacts {
            if let Some(before) = self.contacts.get(id) {
                contact.remember(before);
            }
        }
        self.contacts = contacts;
        self.events = vault.keys(Table::Event).iter().map(|key| parts(key).1).collect::<BTreeSet<_>>();
        Ok(())
    }
}

impl Peer {
    /// Takes over state that no row holds from the entry before the failed step: counts, times, and
    /// `doubts_all`. The rest is as after an opening. Effects that the step has had on this state
    /// stay, so they may happen twice.
    fn remember(&mut self, before: &Self) {
        (self.learnt, self.texts_stored) = (before.learnt, before.texts_stored);
        (self.rests_until, self.reset_tried) = (before.rests_until, before.reset_tried);
        (self.healing_told, self.rewound_told) = (before.healing_told, before.rewound_told);
        self.doubts_all = before.doubts_all;
    }
}
