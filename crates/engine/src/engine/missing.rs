//! Items that a relay had stored and that the peer misses, as a receipt that names later items
//! shows (spec/14-client.md section 3). They are sent again, and so are items of an earlier stream
//! that a new stream repeats; parameter `spent` is the number of bytes of envelopes of both kinds
//! that were sent to the contact in the present hour of the machine's clock.

use super::{Engine, Peer, outbox::CONTROL, outgoing::LEFT_IN_TURN, step::Step};
use crate::{
    error::VaultError,
    vault::{AgainRow, MissingRow, Table, Vault, key},
};
use deaddrop_e2ee::session::Standing;
use deaddrop_wire::SizeClass;
use rand_core::CryptoRng;

/// Seconds after which an item that is found missing is sent again; the wait doubles with each try.
const FIRST_WAIT_S: u64 = 60;
/// The longest wait between two tries, in seconds: a day.
const LONGEST_WAIT_S: u64 = 86_400;
/// Maximum of `spent`: number of bytes of envelopes that are sent again to one contact within one
/// hour of the machine's clock, because they are missing or a new stream repeats them. Items that
/// are sent again because their blob has expired are not counted.
const MAX_BYTES_AN_HOUR: u64 = 1 << 20;
/// Seconds until the missing items of a contact are looked at again, after [`MAX_BYTES_AN_HOUR`] or
/// the end of a turn has stopped them.
const REST_S: u64 = 60;
const HOUR_S: u64 = 3_600;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Notes the items that a receipt shows to be missing: those below its highest number that it
    /// does not name and that a relay has stored. `low_water` is the number up to which the peer
    /// has everything, `sparse` names the other numbers that it has, ascending. A receipt that lies
    /// costs a row for each item that waits for its receipt. Returns whether the step had room for
    /// all.
    pub(super) fn note_missing(
        &mut self,
        step: &mut Step,
        id: u32,
        low_water: u64,
        sparse: &[u64],
    ) -> Result<bool, VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(true) };
        // What is named has come meanwhile.
        for number in sparse {
            if step.room() > 0 && contact.missing.remove(number).is_some() {
                step.changes.erase(key(Table::Missing, id, *number));
            }
        }
        let Some(highest) = sparse.last().filter(|highest| **highest > low_water) else { return Ok(true) };
        let Peer { items, missing, .. } = contact;
        let between = items.range(low_water.saturating_add(1).max(CONTROL + 1)..*highest);
        let is_new = |number: &u64| !missing.contains_key(number) && sparse.binary_search(number).is_err();
        let found = between.filter(|(number, item)| item.again_on.is_some() && is_new(number));
        let found: Vec<u64> = found.map(|(number, _)| *number).collect();
        let room = step.room();
        let has_room = found.len() <= room;
        for number in found.into_iter().take(room) {
            // Its time begins when it is looked at next.
            let row = MissingRow { tries: 0, at: 0 };
            step.changes.put(key(Table::Missing, id, number), &row)?;
            missing.insert(number, row);
        }
        Ok(has_room)
    }

    /// Returns two numbers, of all contacts together: the items of each contact's newest stream
    /// that have come behind a missing one, given to the app or not, and the sent items that
    /// contacts miss.
    pub fn gaps(&self) -> (usize, usize) {
        let held = |contact: &Peer| contact.row.incoming.last().map_or(0, |stream| stream.sparse.len());
        let held = self.contacts.values().map(held).sum();
        (held, self.contacts.values().map(|contact| contact.missing.len()).sum())
    }

    /// Whether [`resend_missing`](Self::resend_missing) has something to do.
    pub fn is_missing_due(&self, now: u64) -> bool {
        self.contacts.values().any(|contact| {
            let is_due = !contact.rests(now) && contact.due_again(now).next().is_some();
            is_due || contact.next_again(contact.spent(now)).is_some()
        })
    }

    /// Encrypts the items again that contacts miss, each when its wait is over, and those that a
    /// new stream has to repeat: they wait to be put then. To each contact at most 1 MiB of
    /// envelopes is sent again in one hour of the machine's clock, whatever its receipts say.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn resend_missing(&mut self, now: u64) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let mut step = self.step();
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
            let before = contact.spent(now);
            let mut spent = contact.ask_again(&mut step, id, now, before)?;
            spent = self.repeat(&mut step, id, spent)?;
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
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

    /// Encrypts drafts that a relay had stored in an earlier stream, as far as there is room.
    /// Returns the new value of `spent`.
    fn repeat(&mut self, step: &mut Step, id: u32, mut spent: u64) -> Result<u64, VaultError> {
        let own = *self.identity.identity_key().hash();
        let (rng, vault) = (&mut self.rng, &self.vault);
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(spent) };
        let Some(to) = contact.target(&own)? else { return Ok(spent) };
        while step.room() > 1
            && let Some((place, bytes)) = contact.next_again(spent)
            && contact.seal_draft(vault, step, id, place, &to, rng)?
        {
            spent = spent.saturating_add(bytes);
        }
        let waits = contact.drafts.values().all(|draft| draft.stored_at_relay);
        contact.holds_back = waits && contact.next_again(spent).is_none();
        Ok(spent)
    }
}

impl Peer {
    /// Returns the numbers of the missing items whose time has come, without those that are waiting
    /// to be sent already.
    fn due_again(&self, now: u64) -> impl Iterator<Item = u64> {
        let due = self.missing.iter().filter(move |(_, row)| row.is_due(now)).map(|(number, _)| *number);
        due.filter(|number| self.items.get(number).is_none_or(|item| item.again_on.is_some()))
    }

    /// Whether the missing items were stopped by a bound within the last [`REST_S`] seconds. If the
    /// clock went back, they are looked at earlier.
    fn rests(&self, now: u64) -> bool {
        self.rests_until > now && self.rests_until - now <= REST_S
    }

    /// Returns the number of bytes of envelopes that were sent again in the hour of `now`.
    fn spent(&self, now: u64) -> u64 {
        self.again.filter(|again| again.hour == now / HOUR_S).map_or(0, |again| again.bytes)
    }

    /// Returns the length in bytes of the envelope that this encoded content will have: that of its
    /// size class.
    fn envelope_bytes(&self, content: &[u8]) -> u64 {
        let fits = |class: &SizeClass| {
            let room = self.ratchet.as_ref().and_then(|ratchet| ratchet.room(*class));
            room.is_some_and(|room| room >= content.len())
        };
        SizeClass::ALL.into_iter().find(fits).map_or(SizeClass::Large.bytes(), SizeClass::bytes) as u64
    }

    /// Returns the place and the envelope's length in bytes of the first draft that a relay had
    /// stored in an earlier stream; `None` if there is no such draft, or if it cannot be sent now.
    fn next_again(&self, spent: u64) -> Option<(u64, u64)> {
        let (place, draft) = self.drafts.iter().find(|(_, draft)| draft.stored_at_relay)?;
        let bytes = self.envelope_bytes(&draft.content);
        let is_ready = !self.row.outgoing.renumbers
            && self.best_address().is_some()
            && self.standing().is_some_and(|it| it != Standing::Unanswered || self.own_address().is_some());
        let has_room = self.room_in_turn() > LEFT_IN_TURN && spent.saturating_add(bytes) <= MAX_BYTES_AN_HOUR;
        (is_ready && has_room).then_some((*place, bytes))
    }

    /// Marks missing items whose time has come to be encrypted and sent again, as far as there is
    /// room. An item that is looked at for the first time only gets its time. Returns the new value
    /// of `spent`.
    fn ask_again(&mut self, step: &mut Step, id: u32, now: u64, mut spent: u64) -> Result<u64, VaultError> {
        if self.rests(now) {
            return Ok(spent);
        }
        for number in self.due_again(now).collect::<Vec<_>>() {
            if step.room() < 2 {
                break;
            }
            let bytes = self.items.get(&number).map_or(0, |item| self.envelope_bytes(&item.content));
            let room = self.room_in_turn();
            let (Some(row), Some(item)) = (self.missing.get_mut(&number), self.items.get_mut(&number)) else {
                self.missing.remove(&number);
                step.changes.erase(key(Table::Missing, id, number));
                continue;
            };
            if row.at > 0 {
                if room <= LEFT_IN_TURN || spent.saturating_add(bytes) > MAX_BYTES_AN_HOUR {
                    self.rests_until = now.saturating_add(REST_S);
                    break;
                }
                spent = spent.saturating_add(bytes);
                row.tries = row.tries.saturating_add(1);
                item.again_on = None;
                step.changes.put(key(Table::Outbox, id, number), item)?;
            }
            row.at = now.saturating_add(row.wait());
            step.changes.put(key(Table::Missing, id, number), row)?;
        }
        Ok(spent)
    }
}

impl MissingRow {
    /// Whether the time of the next try has come. Also `true` if that time is further away than the
    /// wait: then the clock went back, which must not stop the item.
    fn is_due(&self, now: u64) -> bool {
        now >= self.at || self.at - now > self.wait()
    }

    /// Returns the seconds to wait before the next try.
    fn wait(&self) -> u64 {
        FIRST_WAIT_S.saturating_mul(1 << self.tries.min(20)).min(LONGEST_WAIT_S)
    }
}
