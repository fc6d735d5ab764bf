//! The mailboxes in memory, and their indexes: by handle and by the names of their rights.
//!
//! A mailbox lies in a slot. The indexes hold numbers of slots and compare with what lies there, so
//! that a name is in memory once. Handles are random and names are keyed hashes: their own bytes
//! serve as hashes of the tables, and no client can choose them.

use super::mailbox::Mailbox;
use super::record::Lasting;
use crate::names::{Handle, Name};
use hashbrown::HashTable;

/// Number of slots of one page. Pages do not move, so that growth of the directory copies no
/// mailboxes.
const PAGE: usize = 1_024;

/// All mailboxes of a store, found by handle, owner, reader or sender.
#[derive(Default)]
pub(super) struct Directory {
    pages: Vec<Vec<Slot>>,
    free: Vec<u32>,
    handles: HashTable<u32>,
    owners: HashTable<u32>,
    readers: HashTable<u32>,
    senders: HashTable<Sender>,
}

/// A place for one mailbox, free while `mailbox` is `None`.
struct Slot {
    handle: Handle,
    mailbox: Option<Mailbox>,
}

/// A sender in the index: the slot of its mailbox and the first 4 bytes of its name, because a
/// mailbox may have several senders.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sender {
    slot: u32,
    hash: u32,
}

impl Sender {
    /// Returns the hash for the table: the part of the name, spread over the bits that the table
    /// uses.
    fn table_hash(&self) -> u64 {
        u64::from(self.hash) | u64::from(self.hash.rotate_left(16)) << 32
    }
}

impl Directory {
    /// Returns the number of mailboxes.
    pub(super) fn len(&self) -> usize {
        self.handles.len()
    }

    pub(super) fn contains(&self, handle: Handle) -> bool {
        self.slot_of(handle).is_some()
    }

    pub(super) fn get(&self, handle: Handle) -> Option<&Mailbox> {
        self.slot(self.slot_of(handle)?)?.mailbox.as_ref()
    }

    pub(super) fn get_mut(&mut self, handle: Handle) -> Option<&mut Mailbox> {
        let slot = self.slot_of(handle)?;
        slot_mut(&mut self.pages, slot)?.mailbox.as_mut()
    }

    /// Returns the handle of the mailbox of this owner; `None` if there is none.
    pub(super) fn by_owner(&self, own: &Name) -> Option<Handle> {
        let found =
            self.owners.find(name_hash(own), |slot| self.lasting(*slot).is_some_and(|it| it.own == *own));
        self.handle(*found?)
    }

    /// Returns the handle of the mailbox of this reader; `None` if there is none.
    pub(super) fn by_reader(&self, read: &Name) -> Option<Handle> {
        let found =
            self.readers.find(name_hash(read), |slot| self.lasting(*slot).is_some_and(|it| it.read == *read));
        self.handle(*found?)
    }

    /// Returns the handle of the mailbox of this sender, and the `via` of its grant; `None` if
    /// there is no such sender.
    pub(super) fn by_sender(&self, send: &Name) -> Option<(Handle, u8)> {
        let via = |sender: &Sender| self.lasting(sender.slot)?.sends.via(send);
        let wanted = Sender { slot: 0, hash: short_hash(send) };
        let found = self.senders.find(wanted.table_hash(), |sender| via(sender).is_some())?;
        Some((self.handle(found.slot)?, via(found)?))
    }

    /// Adds a mailbox. Neither its handle nor one of its names may belong to another mailbox.
    pub(super) fn insert(&mut self, handle: Handle, lasting: Lasting) {
        let slot = self.free.pop().unwrap_or_else(|| self.add_slot());
        if let Some(place) = slot_mut(&mut self.pages, slot) {
            *place = Slot { handle, mailbox: Some(Mailbox::new(lasting)) };
        }
        let pages = &self.pages;
        let hash = |slot: &u32| slot_in(pages, *slot).map_or(0, |slot| handle_hash(slot.handle));
        self.handles.insert_unique(handle_hash(handle), slot, hash);
        self.add_names(slot);
    }

    /// Removes a mailbox and its names. Returns the mailbox; `None` if there is none.
    pub(super) fn remove(&mut self, handle: Handle) -> Option<Mailbox> {
        let slot = self.slot_of(handle)?;
        self.remove_names(slot);
        remove_entry(&mut self.handles, handle_hash(handle), |other| *other == slot);
        self.free.push(slot);
        slot_mut(&mut self.pages, slot)?.mailbox.take()
    }

    /// Changes the lasting part of a mailbox, and updates the indexes of its names. Does nothing if
    /// there is no such mailbox.
    pub(super) fn change(&mut self, handle: Handle, change: impl FnOnce(&mut Lasting)) {
        let Some(slot) = self.slot_of(handle) else { return };
        self.remove_names(slot);
        if let Some(mailbox) = slot_mut(&mut self.pages, slot).and_then(|slot| slot.mailbox.as_mut()) {
            change(&mut mailbox.lasting);
        }
        self.add_names(slot);
    }

    /// Returns the mailboxes in `most` slots from the slot `first` on, each with its slot; and the
    /// first slot after these, or `None` if these reach the end.
    pub(super) fn slots(&self, first: usize, most: usize) -> (Vec<(usize, Handle)>, Option<usize>) {
        let numbers = first..first.saturating_add(most);
        let slot = |number: usize| Some((number, self.pages.get(number / PAGE)?.get(number % PAGE)?));
        let slots = numbers.clone().map_while(slot).filter(|(_, slot)| slot.mailbox.is_some());
        let found = slots.map(|(number, slot)| (number, slot.handle)).collect();
        (found, slot(numbers.end).map(|(number, _)| number))
    }

    fn add_slot(&mut self) -> u32 {
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let full = self.pages.len().saturating_sub(1).saturating_mul(PAGE);
        let Some(page) = self.pages.last_mut() else { return u32::MAX };
        page.push(Slot { handle: Handle::from_bytes([0; 6]), mailbox: None });
        u32::try_from(full.saturating_add(page.len()).saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn add_names(&mut self, slot: u32) {
        let pages = &self.pages;
        let lasting = |slot: &u32| slot_in(pages, *slot).and_then(Slot::lasting);
        let Some(Lasting { own, read, sends, .. }) = lasting(&slot) else { return };
        let own_hash = |slot: &u32| lasting(slot).map_or(0, |lasting| name_hash(&lasting.own));
        self.owners.insert_unique(name_hash(own), slot, own_hash);
        let read_hash = |slot: &u32| lasting(slot).map_or(0, |lasting| name_hash(&lasting.read));
        self.readers.insert_unique(name_hash(read), slot, read_hash);
        for (name, _) in sends.iter() {
            let sender = Sender { slot, hash: short_hash(&name) };
            self.senders.insert_unique(sender.table_hash(), sender, Sender::table_hash);
        }
    }

    fn remove_names(&mut self, slot: u32) {
        let Some(Lasting { own, read, sends, .. }) = slot_in(&self.pages, slot).and_then(Slot::lasting)
        else {
            return;
        };
        remove_entry(&mut self.owners, name_hash(own), |other| *other == slot);
        remove_entry(&mut self.readers, name_hash(read), |other| *other == slot);
        for (name, _) in sends.iter() {
            let sender = Sender { slot, hash: short_hash(&name) };
            remove_entry(&mut self.senders, sender.table_hash(), |other| *other == sender);
        }
    }

    fn slot_of(&self, handle: Handle) -> Option<u32> {
        self.handles.find(handle_hash(handle), |slot| self.handle(*slot) == Some(handle)).copied()
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        slot_in(&self.pages, slot)
    }

    fn handle(&self, slot: u32) -> Option<Handle> {
        self.slot(slot).map(|slot| slot.handle)
    }

    fn lasting(&self, slot: u32) -> Option<&Lasting> {
        self.slot(slot)?.lasting()
    }
}

impl Slot {
    fn lasting(&self) -> Option<&Lasting> {
        self.mailbox.as_ref().map(|mailbox| &mailbox.lasting)
    }
}

fn slot_in(pages: &[Vec<Slot>], slot: u32) -> Option<&Slot> {
    let slot = usize::try_from(slot).ok()?;
    pages.get(slot / PAGE)?.get(slot % PAGE)
}

fn slot_mut(pages: &mut [Vec<Slot>], slot: u32) -> Option<&mut Slot> {
    let slot = usize::try_from(slot).ok()?;
    pages.get_mut(slot / PAGE)?.get_mut(slot % PAGE)
}

fn remove_entry<T>(table: &mut HashTable<T>, hash: u64, is_it: impl FnMut(&T) -> bool) {
    if let Ok(entry) = table.find_entry(hash, is_it) {
        entry.remove();
    }
}

fn name_hash(name: &Name) -> u64 {
    name.0.first_chunk().copied().map_or(0, u64::from_le_bytes)
}

fn handle_hash(handle: Handle) -> u64 {
    let [a, b, c, d, e, f] = handle.to_bytes();
    // The table takes the highest seven bits and some of the lowest.
    u64::from_le_bytes([a, b, c, d, e, f, a, b])
}

fn short_hash(name: &Name) -> u32 {
    name.0.first_chunk().copied().map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation)]

    use super::*;
    use deaddrop_wire::Day;
    use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::collections::BTreeMap;

    fn name(kind: u8, number: u16) -> Name {
        // Few first bytes, so that names share places and parts in the tables.
        let mut name = [kind; 16];
        (name[0], name[4], name[9]) = ((number % 7) as u8, (number % 3) as u8, (number >> 8) as u8);
        name[10] = number as u8;
        Name(name)
    }

    fn lasting(number: u16, senders: &[u16]) -> Lasting {
        Lasting {
            own: name(1, number),
            read: name(2, number),
            sends: senders.iter().map(|sender| (name(3, *sender), *sender as u8)).collect(),
            lease: LeaseClass::Month,
            quota: QuotaClass::Usual,
            flags: CreateFlags::NONE,
            ends: Day::from_number(20_000),
            unused_until: None,
        }
    }

    fn handle(number: u16) -> Handle {
        let [a, b] = number.to_le_bytes();
        Handle::from_bytes([a % 5, 0, a, b, 0, 9])
    }

    #[test]
    fn what_was_added_is_found_by_each_name_until_it_is_removed() {
        let rng = &mut StdRng::seed_from_u64(1);
        let mut directory = Directory::default();
        // The senders of each mailbox. A mailbox may have those of its number and of 1,000, 2,000, ... more.
        let mut model: BTreeMap<u16, Vec<u16>> = BTreeMap::new();
        for step in 0..30_000 {
            let number = rng.random_range(0..1_000);
            let senders: Vec<u16> =
                (0..5).map(|more| number + 1_000 * more).filter(|_| rng.random_bool(0.3)).collect();
            match model.contains_key(&number) {
                false => {
                    directory.insert(handle(number), lasting(number, &senders));
                    model.insert(number, senders);
                }
                true if rng.random_bool(0.5) => {
                    let removed = directory.remove(handle(number)).unwrap();
                    assert_eq!(removed.lasting, lasting(number, &model.remove(&number).unwrap()));
                }
                true => {
                    let changed = lasting(number, &senders);
                    directory.change(handle(number), |place| *place = changed);
                    model.insert(number, senders);
                }
            }
            assert_eq!(directory.len(), model.len());
            let looked: Vec<u16> = if step % 1_000 == 0 { (0..1_000).collect() } else { vec![number] };
            for number in looked {
                let known = model.get(&number).map(|_| handle(number));
                assert_eq!(directory.by_owner(&name(1, number)), known);
                assert_eq!(directory.by_reader(&name(2, number)), known);
                assert_eq!(directory.contains(handle(number)), known.is_some());
                for sender in (0..5).map(|more| number + 1_000 * more) {
                    let has = model.get(&number).is_some_and(|senders| senders.contains(&sender));
                    let found = directory.by_sender(&name(3, sender));
                    assert_eq!(found, has.then_some((handle(number), sender as u8)));
                }
            }
        }
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(first) = from {
            let (some, behind) = directory.slots(first, 70);
            all.extend(some.into_iter().map(|(_, handle)| handle));
            from = behind;
        }
        all.sort_unstable();
        let mut expected: Vec<_> = model.keys().map(|number| handle(*number)).collect();
        expected.sort_unstable();
        assert_eq!(all, expected);
        assert!(directory.pages.len() <= 1, "slots of removed mailboxes are used again");
    }

    #[test]
    fn a_mailbox_at_rest_is_small() {
        assert!(size_of::<Slot>() <= 112, "{}", size_of::<Slot>());
    }
}
