//! Contents that need a newer version are *parked*: kept until an update can read them. A bounded
//! number is kept, and none is dropped (spec/14-client.md section 4).

use super::{Engine, step::Step};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{ParkedRow, Table, Vault, key, sub_key},
};
use deaddrop_e2ee::content::{self, Content, StreamId};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use std::{collections::BTreeSet, ops::Bound};
use zeroize::Zeroizing;

/// Maximum number of contents of one contact that are parked (spec/14-client.md section 2.4).
pub(super) const MAX_PARKED: usize = 256;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns whether one more content of a contact can be parked, beside the parked ones and the
    /// held items that will be parked when their turn comes.
    pub(super) fn can_park(&mut self, step: &Step, id: u32) -> Result<bool, VaultError> {
        let Some(contact) = self.contacts.get(&id) else { return Ok(false) };
        let waiting = contact.row.incoming.iter().flat_map(|stream| {
            let not_shown = (Bound::Excluded(stream.shown.max(stream.low_water)), Bound::Unbounded);
            stream.sparse.range(not_shown).map(|number| (stream.slot, *number))
        });
        let later = match &contact.parks_later {
            Some(known) => waiting.filter(|place| known.contains(place)).collect(),
            None => {
                let mut found = BTreeSet::new();
                for (slot, number) in waiting {
                    let held = self.held(step, &sub_key(Table::Held, id, number, slot))?;
                    let items = held.and_then(|held| content::decode(&held.content).ok()).unwrap_or_default();
                    if items.iter().any(is_for_later) {
                        found.insert((slot, number));
                    }
                }
                found
            }
        };
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(false) };
        let has_place = contact.parked.saturating_add(later.len()) < MAX_PARKED;
        contact.parks_later = Some(later);
        Ok(has_place)
    }

    /// Parks an item. The item has taken its number in the stream, so that the items that follow
    /// are not held up.
    pub(super) fn park(
        &mut self,
        step: &mut Step,
        id: u32,
        item: &Content,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some((stream, number)) = item.place() else { return Ok(()) };
        let content = content::encode(std::slice::from_ref(item)).map_err(|_| VaultError::Corrupt)?;
        self.park_bytes(step, id, stream, number, content, today)
    }

    /// Parks an encoded item or, with number 0, a whole encoded content.
    pub(super) fn park_bytes(
        &mut self,
        step: &mut Step,
        id: u32,
        stream: StreamId,
        number: u64,
        content: Zeroizing<Vec<u8>>,
        today: Day,
    ) -> Result<(), VaultError> {
        let row = ParkedRow { peer: id, stream: stream.0, number, content };
        // A row that came from format 1 may have the place of this event.
        let is_free = |place: &u64| {
            let row = key(Table::Parked, id, *place);
            step.changes.pending(&row).is_none() && !self.vault.has(&row)
        };
        let place = (self.next_event..).find(is_free).ok_or(VaultError::Corrupt)?;
        step.changes.put(key(Table::Parked, id, place), &row)?;
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.parked += 1;
        }
        self.add_event(step, id, today, EventKind::NeedsNewerVersion)
    }
}

/// Whether an item is to be parked: a numbered and critical one that this version does not apply.
/// Attachments are among them: this version keeps none, and a later one reads the manifest where it
/// is parked.
pub(super) fn is_for_later(item: &Content) -> bool {
    let is_applied =
        matches!(item, Content::Text { .. } | Content::Message { .. } | Content::MailboxMove { .. });
    item.place().is_some() && item.is_critical() && !is_applied
}
