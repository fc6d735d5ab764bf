//! Detects that this vault was put back from a copy (spec/14-client.md section 5.4).
//!
//! The vault has a *sentinel* mailbox at its own relay, which no peer knows and to which nothing is
//! put. As sessions move on (advance by a message), a new one is made and the one before is
//! deleted; the vault stores the new one first. A copy that is put back knows only a sentinel that
//! is gone, while its other mailboxes still exist.

use super::{
    Engine, MailboxName, OWN, OwnMailbox,
    mailboxes::{new_mailbox, own_mailbox},
    state::Sentinel,
};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{MailboxKind, MailboxState, Table, Vault, key},
};
use deaddrop_wire::Day;
use rand_core::CryptoRng;

/// Minimum number of seconds between the times at which two sentinel mailboxes are wanted: a relay
/// makes only so many mailboxes. The number doubles with each sentinel that a relay loses.
const APART_S: u64 = 10;
/// Maximum number of times that the app is told of a restore on one day: a relay can cause it by a
/// lie.
const RESTORES_A_DAY: u8 = 3;
/// Maximum number of sentinel mailboxes in the row, with those that wait to be deleted
/// (spec/14-client.md section 2.4): a relay may never delete them.
pub(super) const MAX_SENTINELS: usize = 16;
/// Maximum to which [`APART_S`] grows by doubling: a day.
const LONGEST_APART_S: u64 = 86_400;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Whether a new sentinel mailbox is to be added now, by
    /// [`renew_sentinel`](Self::renew_sentinel).
    pub fn is_sentinel_due(&self, now: u64) -> bool {
        let Sentinel { row, moved, made, looked_at, losses } = &self.sentinel;
        let apart = APART_S.saturating_mul(1 << losses.min(&20)).min(LONGEST_APART_S);
        let is_early = (row.wanted_at..row.wanted_at.saturating_add(apart)).contains(&now);
        // One that is replaced before it was looked at would tell nothing.
        let is_known = *looked_at || !row.mailboxes.iter().any(|mailbox| mailbox.state == MailboxState::Live);
        let set = self.config.relay.as_deref();
        // One at a relay that the user has left is replaced at once.
        let is_left = row.mailboxes.last().is_some_and(|mailbox| Some(mailbox.relay.as_str()) != set);
        (*moved && !is_early || is_left) && !*made && is_known && set.is_some()
    }

    /// Notes that the relay has the newest sentinel mailbox.
    pub fn sentinel_found(&mut self) {
        (self.sentinel.looked_at, self.sentinel.losses) = (true, 0);
    }

    /// Adds a new sentinel mailbox that is to be created, because sessions have moved on or another
    /// relay was set; the caller has asked [`is_sentinel_due`](Self::is_sentinel_due). Does nothing
    /// if no relay is set.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn renew_sentinel(&mut self, now: u64) -> Result<(), VaultError> {
        let Some(relay) = self.relay() else { return Ok(()) };
        let Sentinel { row, made, .. } = &mut self.sentinel;
        *made = true;
        row.wanted_at = now;
        // One that was never made need not be made.
        row.mailboxes.retain(|mailbox| mailbox.state != MailboxState::Wanted);
        let id = row.next_mailbox;
        row.next_mailbox = id.wrapping_add(1);
        row.mailboxes.push(new_mailbox(id, &relay, MailboxKind::Landing, &mut self.rng));
        let over = row.mailboxes.len().saturating_sub(MAX_SENTINELS);
        row.mailboxes.drain(..over);
        self.store_sentinel()
    }

    /// Begins a day: the next session that moves on makes a new sentinel mailbox due.
    pub(super) fn begin_sentinel_day(&mut self) {
        (self.sentinel.moved, self.sentinel.made) = (false, false);
    }

    /// Returns the address of the relay on which a sentinel mailbox is to be made or deleted now;
    /// `None` if none is.
    pub(super) fn sentinel_waits(&self, now: u64) -> Option<&str> {
        if self.is_sentinel_due(now) {
            return self.config.relay.as_deref();
        }
        let mut mailboxes = self.sentinel.row.mailboxes.iter();
        mailboxes.find(|mailbox| mailbox.state != MailboxState::Live).map(|mailbox| mailbox.relay.as_str())
    }

    pub(super) fn sentinels_at(&self, relay: &str) -> impl Iterator<Item = OwnMailbox> {
        let mailboxes = self.sentinel.row.mailboxes.iter().filter(move |mailbox| mailbox.relay == relay);
        mailboxes.map(|mailbox| own_mailbox(OWN, mailbox))
    }

    /// Notes that the relay has created a sentinel mailbox. Earlier ones are retired, that is,
    /// deleted at the relay.
    pub(super) fn note_sentinel_created(&mut self, name: MailboxName) -> Result<(), VaultError> {
        let mailboxes = &mut self.sentinel.row.mailboxes;
        let Some(at) = mailboxes.iter().position(|mailbox| mailbox.id == name.mailbox) else { return Ok(()) };
        for (place, mailbox) in mailboxes.iter_mut().enumerate() {
            if place < at {
                mailbox.state = MailboxState::Retiring;
            } else if place == at && mailbox.state.is_wanted() {
                mailbox.state = MailboxState::Live;
            }
        }
        self.store_sentinel()
    }

    pub(super) fn forget_sentinel(&mut self, name: MailboxName) -> Result<(), VaultError> {
        self.sentinel.row.mailboxes.retain(|mailbox| mailbox.id != name.mailbox);
        self.store_sentinel()
    }

    /// Notes that the relay does not have a sentinel mailbox. `others` tells whether the relay has
    /// other mailboxes of this vault. If so, and if the sentinel mailbox was live, the vault was
    /// put back from a copy: the app is told so, and every outgoing stream is replaced, both at
    /// most three times a day.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn sentinel_lost(
        &mut self,
        name: MailboxName,
        others: bool,
        now: u64,
        today: Day,
    ) -> Result<(), VaultError> {
        let mailboxes = &mut self.sentinel.row.mailboxes;
        let Some(at) = mailboxes.iter().position(|mailbox| mailbox.id == name.mailbox) else { return Ok(()) };
        // One that is to be deleted is gone before the answer comes.
        let was_live = mailboxes.remove(at).state == MailboxState::Live;
        self.sentinel.looked_at = true;
        if was_live {
            (self.sentinel.moved, self.sentinel.made) = (true, false);
            self.sentinel.losses = self.sentinel.losses.saturating_add(1);
        }
        let row = &mut self.sentinel.row;
        if row.restored_on != today.number() {
            row.restored_times = 0;
        }
        let tells = was_live && others && row.restored_times < RESTORES_A_DAY;
        if tells {
            (row.restored_on, row.restored_times) = (today.number(), row.restored_times + 1);
        }
        self.store_sentinel()?;
        if tells { self.note_restored(now, today) } else { Ok(()) }
    }

    /// Notes that another reader has taken over a mailbox, and tells the app, at most once a day,
    /// however often a relay says so.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn note_displaced(&mut self, today: Day) -> Result<(), VaultError> {
        if self.sentinel.row.displaced_on == today.number() {
            return Ok(());
        }
        self.sentinel.row.displaced_on = today.number();
        let mut step = self.step();
        step.changes.put(key(Table::Sentinel, 0, 0), &self.sentinel.row)?;
        self.add_event(&mut step, OWN, today, EventKind::Displaced)?;
        self.finish(step)
    }

    fn store_sentinel(&mut self) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.put(key(Table::Sentinel, 0, 0), &self.sentinel.row)?;
        self.finish(step)
    }
}
