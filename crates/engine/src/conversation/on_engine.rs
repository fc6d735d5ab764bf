//! The engine as the conversations see it, and their steps on it.

use super::{
    action::EngineStep,
    putting::{Outbox, OutboxChange, OutboxStep},
    reading::{MailboxStep, OwnMailboxes},
    schedule::{Agenda, DutyStep},
};
use crate::{
    engine::{Engine, InviteToEmpty, OwnMailbox, PutJob},
    error::VaultError,
    vault::Vault,
};
use deaddrop_wire::{Day, Fingerprint};
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

impl<V: Vault, R: CryptoRng> Outbox for Engine<V, R> {
    fn next_put(&self, contact: u32) -> Option<PutJob> {
        self.take_puts(contact, &BTreeSet::new(), 1).pop()
    }

    fn take_puts(&self, contact: u32, under_way: &BTreeSet<u64>, most: usize, bytes: usize) -> Vec<PutJob> {
        self.take_puts_within(contact, under_way, most, bytes)
    }

    fn has_newer_address(&self, contact: u32) -> bool {
        self.has_newer_address(contact)
    }
}

impl<V: Vault, R: CryptoRng> EngineStep<Engine<V, R>> for OutboxStep {
    fn run(self, engine: &mut Engine<V, R>, _time: u64, today: Day) -> Result<(), VaultError> {
        let contact = self.contact;
        match self.change {
            OutboxChange::SealForNewest => engine.seal_for_newest(contact),
            OutboxChange::BlockAddress(address) => engine.address_blocked(contact, address, today),
            OutboxChange::Accept(puts, lives) => engine.mark_stored_at_relay(contact, &puts, lives, today),
            OutboxChange::Refuse(put) => engine.refused(contact, &put, today),
        }
    }
}

impl<V: Vault, R: CryptoRng> OwnMailboxes for Engine<V, R> {
    fn is_read_at(&self, relay: &str) -> bool {
        self.reading_relays().iter().any(|needed| needed == relay)
    }

    fn mailboxes_at(&self, relay: &str) -> Vec<OwnMailbox> {
        self.mailboxes_at(relay)
    }

    fn create_token(&self, relay: &Fingerprint) -> Zeroizing<Vec<u8>> {
        self.create_token(relay)
    }

    fn is_full(&self) -> bool {
        self.is_full()
    }
}

impl<V: Vault, R: CryptoRng> EngineStep<Engine<V, R>> for MailboxStep {
    fn run(self, engine: &mut Engine<V, R>, time: u64, today: Day) -> Result<(), VaultError> {
        match self {
            Self::Deliver(blobs) => blobs
                .iter()
                .try_for_each(|(name, blob)| engine.delivered(*name, blob.as_bytes(), today).map(|_| ())),
            Self::Confirm(gone) => {
                gone.iter().for_each(|(name, tag)| engine.acked(*name, tag));
                Ok(())
            }
            Self::Created(name) => engine.mailbox_created(name),
            Self::Deleted(name) => engine.mailbox_gone(name),
            Self::Lost(name) => engine.mailbox_lost(name),
            Self::SentinelLost { name, others } => engine.sentinel_lost(name, others, time, today),
            Self::SentinelFound => {
                engine.sentinel_found();
                Ok(())
            }
            Self::Displaced => engine.note_displaced(today),
        }
    }
}

impl<V: Vault, R: CryptoRng> Agenda for Engine<V, R> {
    fn reading_relays(&self) -> Vec<String> {
        self.reading_relays()
    }

    fn contacts_with_puts(&self) -> Vec<u32> {
        self.contacts_with_puts()
    }

    fn receipts_due(&self) -> Vec<u32> {
        self.receipts_due()
    }

    fn invites_to_empty(&self) -> Vec<InviteToEmpty> {
        self.invites_to_empty()
    }

    fn has_ended_invites(&self, today: Day) -> bool {
        self.has_ended_invites(today)
    }

    fn is_missing_due(&self, time: u64) -> bool {
        self.is_missing_due(time)
    }

    fn resets_due(&self, time: u64, today: Day) -> bool {
        self.resets_due(time, today)
    }

    fn is_sentinel_due(&self, time: u64) -> bool {
        self.is_sentinel_due(time)
    }

    fn is_tidy_due(&self, read: &BTreeSet<String>, today: Day) -> bool {
        self.is_tidy_due(read, today)
    }

    fn gap_due(&self, time: u64, wait_s: u64, read: &BTreeSet<String>) -> Option<u64> {
        self.gap_due(time, wait_s, read)
    }
}

impl DutyStep {
    /// Makes the change and stores it in the vault. Returns whether a receipt was sealed: `true`
    /// only for [`SealReceipt`](Self::SealReceipt). `time` is in seconds since 1970-01-01.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn run<V: Vault, R: CryptoRng>(
        self,
        engine: &mut Engine<V, R>,
        time: u64,
        today: Day,
    ) -> Result<bool, VaultError> {
        match self {
            Self::SealReceipt(contact) => return engine.seal_receipt(contact, today),
            Self::EndInvites => engine.end_invites(today),
            Self::NoteEmptied(contact) => engine.invite_emptied(contact),
            Self::ResendMissing => engine.resend_missing(time),
            Self::ResetLost => engine.reset_lost(time, today),
            Self::RenewSentinel => engine.renew_sentinel(time),
            Self::TidyRead(read) => engine.tidy_read(&read, today),
            Self::ShowGaps(wait_s, read) => engine.show_gaps(time, wait_s, &read, today),
            Self::BeginDay => engine.begin_day(today),
            Self::RetryStale => engine.retry_stale(time),
        }
        .map(|()| false)
    }
}
