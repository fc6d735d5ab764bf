//! Items that a relay took and the peer misses: its receipt names later ones (spec/14-client.md section 3).

use super::{Contact, Engine, outbox::CONTROL};
use crate::{
    error::VaultError,
    vault::{AgainRow, MissingRow, Table, key},
};
use deaddrop_shred::Disk;
use deaddrop_wire::SizeClass;

/// Seconds after which an item that is found missing is sent again; doubled with each time.
const FIRST_WAIT_S: u64 = 60;
/// The longest wait: a day.
const LONGEST_WAIT_S: u64 = 86_400;
/// Maximum number of bytes of envelopes that are sent again to one contact within one hour.
const MAX_BYTES_AN_HOUR: u64 = 1 << 20;
/// Messages of a turn that are left to what is new.
const LEFT_IN_TURN: u32 = 500;
const HOUR_S: u64 = 3_600;

impl<D: Disk + 'static> Engine<D> {
    /// Notes what a receipt shows to be missing: below its highest number, not named, and taken by a relay. A receipt that lies
    /// costs a row for each item that waits for its receipt.
    pub(super) fn note_missing(
        &mut self,
        step: &mut super::step::Step,
        id: u32,
        low_water: u64,
        sparse: &[u64],
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(highest) = sparse.last().filter(|highest| **highest > low_water) else { return Ok(()) };
        let Contact { items, missing, .. } = contact;
        let between = items.range(low_water.saturating_add(1).max(CONTROL + 1)..*highest);
        let is_new = |number: &u64| !missing.contains_key(number) && sparse.binary_search(number).is_err();
        let found = between.filter(|(number, item)| item.again_on.is_some() && is_new(number));
        for number in found.map(|(number, _)| *number).take(step.room()).collect::<Vec<_>>() {
            // Its time begins when it is looked at next.
            let row = MissingRow { tries: 0, at: 0 };
            step.changes.put(key(Table::Missing, id, number), &row)?;
            missing.insert(number, row);
        }
        Ok(())
    }

    /// How many contents wait for an earlier one that is missing here, and how many of ours are missing at contacts.
    pub(crate) fn gaps(&self) -> (usize, usize) {
        let held = self.contacts.values().map(|contact| contact.row.sparse.len()).sum();
        (held, self.contacts.values().map(|contact| contact.missing.len()).sum())
    }

    /// Whether [`resend_missing`](Self::resend_missing) has something to do.
    pub(crate) fn is_missing_due(&self, now: u64) -> bool {
        self.contacts.values().any(|contact| contact.missing.values().any(|row| row.is_due(now)))
    }

    /// Sends what is missing again, each item in its time and all of them within bounds, whatever receipts say. `now` in seconds
    /// since 1970-01-01.
    pub(crate) fn resend_missing(&mut self, now: u64) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let mut step = self.step();
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
            let due = contact.missing.iter().filter(|(_, row)| row.is_due(now)).map(|(number, _)| *number);
            let mut spent =
                contact.again.filter(|again| again.hour == now / HOUR_S).map_or(0, |again| again.bytes);
            let before = spent;
            for number in due.collect::<Vec<_>>() {
                if step.room() < 2 {
                    break;
                }
                let (Some(row), Some(item)) =
                    (contact.missing.get_mut(&number), contact.items.get_mut(&number))
                else {
                    continue;
                };
                if row.at > 0 && item.again_on.is_some() {
                    let session = contact.session.as_ref();
                    let room = session.map_or(0, deaddrop_crypto::Session::room_in_turn);
                    let class = SizeClass::ALL.into_iter().find(|class| {
                        let fits = session.and_then(|session| session.room(*class));
                        fits.is_some_and(|fits| fits >= item.content.len())
                    });
                    let bytes = class.map_or(0, SizeClass::bytes) as u64;
                    if room <= LEFT_IN_TURN || spent.saturating_add(bytes) > MAX_BYTES_AN_HOUR {
                        break;
                    }
                    spent = spent.saturating_add(bytes);
                    row.tries = row.tries.saturating_add(1);
                    item.again_on = None;
                    step.changes.put(key(Table::Item, id, number), item)?;
                }
                let wait = FIRST_WAIT_S.saturating_mul(1 << row.tries.min(20)).min(LONGEST_WAIT_S);
                row.at = now.saturating_add(wait);
                step.changes.put(key(Table::Missing, id, number), row)?;
            }
            if spent > before {
                let again = AgainRow { hour: now / HOUR_S, bytes: spent };
                contact.again = Some(again);
                step.changes.put(key(Table::Again, id, 0), &again)?;
                self.finish_and_seal(step, id)?;
            } else {
                self.finish(step)?;
            }
        }
        Ok(())
    }
}

impl MissingRow {
    /// A clock that went back by more than any wait must not stop it.
    fn is_due(&self, now: u64) -> bool {
        now >= self.at || self.at - now > LONGEST_WAIT_S
    }
}
