//! The engine as the conversations see it, and their steps on it.

use super::{
    EngineStep,
    putting::{Outbox, PutChange, PutStep},
};
use crate::{
    engine::{Engine, PutJob},
    error::VaultError,
};
use deaddrop_shred::Disk;
use deaddrop_wire::Day;
use std::collections::BTreeSet;

impl<D: Disk + 'static> Outbox for Engine<D> {
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

impl<D: Disk + 'static> EngineStep<Engine<D>> for PutStep {
    fn run(self, engine: &mut Engine<D>, _time: u64, today: Day) -> Result<(), VaultError> {
        let contact = self.contact;
        match self.change {
            PutChange::SealForNewest => engine.seal_for_newest(contact),
            PutChange::BlockAddress(address) => engine.address_blocked(contact, address, today),
            PutChange::Accept(puts, lives) => engine.accepted(contact, &puts, lives, today),
            PutChange::Refuse(put) => engine.refused(contact, &put, today),
        }
    }
}
