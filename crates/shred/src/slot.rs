//! One slot: salt and sealed head, or a mark in their place (S3, S8; spec/13-shred.md, "Slot").

use crate::bytes::Take;
use crate::geometry::{SLOT, SlotAt};
use crate::keys::StoreKeys;
use crate::record::RecordKey;
use zeroize::Zeroizing;

const SALT: usize = 32;
/// Number of bytes of the plaintext of a head: the rest of the slot without the tag.
const HEAD: usize = SLOT - SALT - 16;

/// The mark in the place of the sealed head of an erased record; its salt is zero.
const DEAD: &[u8; 16] = b"shred: erased.\n\0";
/// The mark in the place of the sealed head of a record that a recovery rolled back. Another mark, because an erased
/// record proves its commit complete and a rolled back one proves the opposite (S5).
const VOID: &[u8; 16] = b"shred: voided.\n\0";

/// The content of a slot, as far as it shows without any key (S3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// All bytes are zero: the slot was never used.
    Empty,
    /// The record was erased, replaced or moved.
    Dead,
    /// The record was rolled back.
    Void,
    /// The slot has a salt: it holds a record if its head opens.
    Candidate,
    /// The slot has no salt and no known mark: it can never open again.
    Damaged,
}

impl Word {
    pub(crate) fn of(slot: &[u8; SLOT]) -> Self {
        if slot.iter().take(SALT).any(|&byte| byte != 0) {
            return Self::Candidate;
        }
        match slot {
            s if *s == [0; SLOT] => Self::Empty,
            s if *s == mark(DEAD) => Self::Dead,
            s if *s == mark(VOID) => Self::Void,
            _ => Self::Damaged,
        }
    }

    /// Returns the bytes of a slot with this mark: void for `Void`, dead for all others.
    pub(crate) fn bytes(self) -> [u8; SLOT] {
        mark(if self == Self::Void { VOID } else { DEAD })
    }
}

fn mark(text: &[u8; 16]) -> [u8; SLOT] {
    let mut slot = [0u8; SLOT];
    for chunk in slot.chunks_exact_mut(text.len()).skip(SALT / text.len()) {
        chunk.copy_from_slice(text);
    }
    slot
}

/// The fields of a sealed head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) key: RecordKey,
    pub(crate) meta: [u8; 8],
    /// The version of the record and its place in the order of commits. Compaction keeps it.
    pub(crate) order: u64,
    /// Number of the commit that wrote this slot.
    pub(crate) commit: u64,
    /// The offset of the body from the start of the segment.
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) expiry_day: u32,
    pub(crate) body_tag: [u8; 16],
}

impl Head {
    /// Seals the head for this place, under a key that derives from `salt`. Returns the bytes of
    /// the slot.
    pub(crate) fn seal(
        &self,
        keys: &StoreKeys,
        salt: &[u8; SALT],
        at: SlotAt,
        generation: u32,
    ) -> Zeroizing<[u8; SLOT]> {
        let mut head = Zeroizing::new([0u8; HEAD]);
        let fields: [&[u8]; 9] = [
            &self.key.0,
            &self.meta,
            &self.order.to_le_bytes(),
            &self.commit.to_le_bytes(),
            &self.offset.to_le_bytes(),
            &self.length.to_le_bytes(),
            &self.expiry_day.to_le_bytes(),
            &[0; 12],
            &self.body_tag,
        ];
        copy(head.as_mut_slice(), &fields);
        let tag = keys.head_key(salt, at.segment, generation, at.slot).seal(head.as_mut_slice());
        let mut slot = Zeroizing::new([0u8; SLOT]);
        copy(slot.as_mut_slice(), &[salt, head.as_slice(), &tag]);
        slot
    }

    /// Opens the head in this slot, which succeeds only under the right data key, and in the file,
    /// segment, generation and slot for which it was sealed. Returns `None` if it does not open.
    pub(crate) fn open(keys: &StoreKeys, slot: &[u8; SLOT], at: SlotAt, generation: u32) -> Option<Self> {
        let (salt, sealed) = slot.split_first_chunk::<SALT>()?;
        let (sealed, tag) = sealed.split_last_chunk::<16>()?;
        let mut head = Zeroizing::new([0u8; HEAD]);
        head.copy_from_slice(sealed);
        let key = keys.head_key(salt, at.segment, generation, at.slot);
        if !key.open(head.as_mut_slice(), tag) {
            return None;
        }
        let mut take = Take(head.as_slice());
        let head = Self {
            key: RecordKey(take.array()?),
            meta: take.array()?,
            order: take.u64()?,
            commit: take.u64()?,
            offset: take.u32()?,
            length: take.u32()?,
            expiry_day: take.u32()?,
            body_tag: {
                let _reserved: [u8; 12] = take.array()?;
                take.array()?
            },
        };
        Some(head)
    }

    /// Decrypts a body in place and returns whether its tag is right; if not, `body` stays as it
    /// is. `slot` is the slot of this head.
    pub(crate) fn open_body(&self, keys: &StoreKeys, slot: &[u8; SLOT], body: &mut [u8]) -> bool {
        slot.first_chunk::<SALT>().is_some_and(|salt| keys.body_key(salt).open(body, &self.body_tag))
    }
}

/// Copies fields one behind the other, from the front.
fn copy(mut out: &mut [u8], fields: &[&[u8]]) {
    for field in fields {
        if let Some((front, rest)) = std::mem::take(&mut out).split_at_mut_checked(field.len()) {
            front.copy_from_slice(field);
            out = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: SlotAt = SlotAt { segment: 3, slot: 9 };

    fn head() -> Head {
        Head {
            key: RecordKey([1; 16]),
            meta: [2; 8],
            order: 3,
            commit: 4,
            offset: 5,
            length: 6,
            expiry_day: 7,
            body_tag: [8; 16],
        }
    }

    fn keys() -> StoreKeys {
        StoreKeys::new(&[7; 32], [1; 16], 1)
    }

    #[test]
    fn s3_words() {
        assert_eq!(Word::of(&[0; SLOT]), Word::Empty);
        assert_eq!(Word::of(&Word::Dead.bytes()), Word::Dead);
        assert_eq!(Word::of(&Word::Void.bytes()), Word::Void);
        assert_eq!(Word::of(&head().seal(&keys(), &[5; 32], AT, 1)), Word::Candidate);
        let mut odd = Word::Dead.bytes();
        odd[40] ^= 1;
        assert_eq!(Word::of(&odd), Word::Damaged);
        assert!(Word::Dead.bytes()[..SALT].iter().all(|&b| b == 0));
        assert!(Word::Void.bytes()[..SALT].iter().all(|&b| b == 0));
    }

    #[test]
    fn s8_a_head_opens_in_its_place_only() {
        let slot = head().seal(&keys(), &[5; 32], AT, 1);
        assert_eq!(Head::open(&keys(), &slot, AT, 1), Some(head()));
        assert_eq!(Head::open(&keys(), &slot, AT, 2), None);
        assert_eq!(Head::open(&keys(), &slot, SlotAt { slot: 8, ..AT }, 1), None);
        assert_eq!(Head::open(&keys(), &slot, SlotAt { segment: 2, ..AT }, 1), None);
        assert_eq!(Head::open(&StoreKeys::new(&[7; 32], [2; 16], 1), &slot, AT, 1), None);
        assert_eq!(Head::open(&StoreKeys::new(&[8; 32], [1; 16], 1), &slot, AT, 1), None);
    }

    #[test]
    fn a_slot_without_its_salt_is_nothing_even_with_the_key() {
        let mut slot = head().seal(&keys(), &[5; 32], AT, 1);
        slot[..SALT].fill(0);
        assert_eq!(Head::open(&keys(), &slot, AT, 1), None);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_closes_a_head(bit in 0..SLOT * 8) {
            let mut slot = head().seal(&keys(), &[5; 32], AT, 1);
            slot[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Head::open(&keys(), &slot, AT, 1), None);
        }

        #[test]
        fn any_bytes_never_open(bytes in proptest::array::uniform32(any::<[u8; 4]>())) {
            let slot: [u8; SLOT] = bytes.concat().try_into().unwrap();
            let _ = Word::of(&slot);
            prop_assert_eq!(Head::open(&keys(), &slot, AT, 1), None);
        }
    }
}
