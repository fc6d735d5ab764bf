//! The superblock: the sizes of a store, and its data key sealed under the caller's key (spec/13-shred.md,
//! "Superblock").

use crate::bytes::{PAGE, Take, padded};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::geometry::{Layout, SUPERBLOCK};
use crate::keyring::Keyring;
use crate::keys::{PassphraseCost, StoreKeys, Unlock, UnlockKey};
use sha2::{Digest, Sha256};
use std::io;
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"deaddrop/shred\n\0";
/// The version of the format. Stores of version 1 are brought to this one when they are opened for writing: cells may
/// say that nothing dead is left, there may be two data keys, and segments are used again.
const VERSION: u32 = 2;
const OLDEST_VERSION: u32 = 1;
/// Flag of two slot tables per segment. No other flag is known; unknown ones are refused.
const FLAG_MIRROR: u32 = 1;
/// Number of bytes that the seal of one data key covers as associated data.
#[cfg(test)]
const COVERED: usize = 112;
const CHECKSUM_AT: usize = PAGE - 32;
/// Maximum number of data keys: one, or two while the older is being replaced (S15).
const MAX_DATA_KEYS: u32 = 2;

/// One copy of the superblock, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    version: u32,
    pub(crate) layout: Layout,
    pub(crate) file_id: [u8; 16],
    /// Number of times that the superblock was sealed, from 1: of two valid copies the higher is
    /// the newer (S15).
    revision: u32,
    passphrase: bool,
    cost: PassphraseCost,
    salt: [u8; 32],
    /// The epochs of the data keys, oldest first: one or two.
    epochs: Vec<u32>,
    sealed_keys: Vec<u8>,
}

impl Superblock {
    /// Makes a new store's superblock and keys. Returns `None` when the passphrase cost is out of
    /// bounds, or this machine does not have the memory.
    pub(crate) fn seal(
        layout: Layout,
        cost: PassphraseCost,
        unlock: &Unlock,
        fresh: Fresh,
    ) -> Option<(Self, Keyring)> {
        let Fresh { file_id, salt, data_key } = fresh;
        let keys = Keyring::one(StoreKeys::new(&data_key, file_id, 1));
        let empty = Self {
            version: VERSION,
            layout,
            file_id,
            revision: 0,
            passphrase: false,
            cost,
            salt,
            epochs: Vec::new(),
            sealed_keys: Vec::new(),
        };
        let block = empty.resealed(cost, unlock, &keys, salt)?;
        Some((block, keys))
    }

    /// Makes the next revision: the same store under another unlock key, or with other data keys. The salt is fresh,
    /// because an unlock key seals once. Returns `None` when the passphrase cost is out of bounds, or this machine does
    /// not have the memory.
    pub(crate) fn resealed(
        &self,
        cost: PassphraseCost,
        unlock: &Unlock,
        keys: &Keyring,
        salt: [u8; 32],
    ) -> Option<Self> {
        let passphrase = matches!(unlock, Unlock::Passphrase(_));
        let (version, revision, epochs) = (VERSION, self.revision.checked_add(1)?, keys.epochs());
        let mut block = Self { version, revision, passphrase, cost, salt, epochs, ..self.clone() };
        let key = UnlockKey::derive(unlock, cost, &salt, &self.file_id)?;
        block.sealed_keys = key.seal(&block.covered(), keys.oldest_first().map(AsRef::as_ref));
        Some(block)
    }

    /// Returns the data keys; the inner `None` means that this key or passphrase does not open
    /// them, the outer that this machine does not have the memory to check.
    fn unlocked(&self, unlock: &Unlock) -> Option<Option<Keyring>> {
        if matches!(unlock, Unlock::Passphrase(_)) != self.passphrase {
            return Some(None);
        }
        // The cost is within its bounds (see `fields`): what is missing is the memory.
        let key = UnlockKey::derive(unlock, self.cost, &self.salt, &self.file_id)?;
        let keys = key.open(&self.covered(), &self.sealed_keys, self.file_id, &self.epochs);
        Some(keys.and_then(Keyring::from_oldest))
    }

    /// Whether this key or passphrase opens the store; `None` if this machine does not have the
    /// memory to check.
    pub(crate) fn is_opened_by(&self, unlock: &Unlock) -> Option<bool> {
        self.unlocked(unlock).map(|keys| keys.is_some())
    }

    /// Whether the store has an older version of the format. Opening it for writing brings it to
    /// the present one.
    pub(crate) fn is_old(&self) -> bool {
        self.version < VERSION
    }

    /// Returns a superblock with another `max_segments`. It has to be sealed before it is written.
    pub(crate) fn with_max_segments(&self, max_segments: u32) -> Self {
        Self { layout: Layout { max_segments, ..self.layout }, ..self.clone() }
    }

    pub(crate) fn cost(&self) -> PassphraseCost {
        self.cost
    }

    /// Overwrites both copies on the disk with this one. Each is durable before the next is
    /// written, so that one that opens is always there (S15).
    pub(crate) fn write(&self, disk: &impl Disk) -> io::Result<()> {
        let page = self.encode();
        for at in [SUPERBLOCK, 0] {
            disk.write_at(at, &page)?;
            disk.sync()?;
        }
        Ok(())
    }

    /// Whether one of the copies on the disk differs from this one: a change was cut short, or a
    /// copy is damaged.
    pub(crate) fn differs(&self, disk: &impl Disk) -> io::Result<bool> {
        let page = self.encode();
        for at in [0, SUPERBLOCK] {
            let mut copy = [0u8; PAGE];
            disk.read_at(at, &mut copy)?;
            if copy.as_slice() != page.as_slice() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads both copies and opens the data keys with the newest whole one that `unlock` opens.
    /// Fails with the reason if there is none, and with `OutOfMemory` if there is too little memory
    /// to check.
    pub(crate) fn open(disk: &impl Disk, unlock: &Unlock) -> Result<(Self, Keyring), OpenError> {
        let (copies, mut error) = Self::copies(disk)?;
        for copy in copies {
            match copy.unlocked(unlock).ok_or(OpenError::OutOfMemory)? {
                Some(keys) => return Ok((copy, keys)),
                None => error = OpenError::WrongKey,
            }
        }
        Err(error)
    }

    /// Whether a passphrase opens the store, and not a key, by the newest copy that is whole. Fails
    /// if no copy is.
    pub(crate) fn has_passphrase(disk: &impl Disk) -> Result<bool, OpenError> {
        let (copies, error) = Self::copies(disk)?;
        copies.first().map(|copy| copy.passphrase).ok_or(error)
    }

    /// Returns the copies that are whole, newest first, each once, and the error if there is none.
    fn copies(disk: &impl Disk) -> Result<(Vec<Self>, OpenError), OpenError> {
        let length = disk.length().map_err(|_| OpenError::Io)?;
        let mut copies = Vec::new();
        let mut error = OpenError::NotAStore;
        for at in [0, SUPERBLOCK] {
            if length < at + SUPERBLOCK {
                continue;
            }
            let mut page = [0u8; PAGE];
            disk.read_at(at, &mut page).map_err(|_| OpenError::Io)?;
            match Self::decode(&page) {
                Ok(block) => copies.push(block),
                // The more a copy looks like a store, the more telling is what is wrong with it.
                Err(OpenError::NotAStore) => {}
                Err(OpenError::UnsupportedFormat) => error = OpenError::UnsupportedFormat,
                Err(_) if error == OpenError::NotAStore => error = OpenError::Corrupt,
                Err(_) => {}
            }
        }
        copies.sort_by_key(|copy| std::cmp::Reverse(copy.revision));
        copies.dedup();
        Ok((copies, error))
    }

    /// Encodes the page that both copies on the disk have.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut page = self.covered();
        page.extend_from_slice(&self.sealed_keys);
        let mut page = padded(page, CHECKSUM_AT);
        page.extend_from_slice(&Sha256::digest(&page));
        page
    }

    fn covered(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAGE);
        out.extend_from_slice(MAGIC);
        let flags = if self.layout.mirror { FLAG_MIRROR } else { 0 };
        for field in [self.version, flags] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.file_id);
        let Layout { segment_bytes, slots, max_segments, .. } = self.layout;
        let PassphraseCost { memory_kib, passes, lanes } = self.cost;
        let kind = u32::from(self.passphrase);
        for field in [segment_bytes, slots, max_segments, self.revision, kind, memory_kib, passes, lanes] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.salt);
        let count = u32::try_from(self.epochs.len()).unwrap_or(u32::MAX);
        for field in [count].iter().chain(&self.epochs) {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out
    }

    fn decode(page: &[u8; PAGE]) -> Result<Self, OpenError> {
        if !page.starts_with(MAGIC) {
            return Err(OpenError::NotAStore);
        }
        let (body, checksum) = page.split_at(CHECKSUM_AT);
        if Sha256::digest(body).as_slice() != checksum {
            return Err(OpenError::Corrupt);
        }
        let mut take = Take(body);
        Self::fields(&mut take).unwrap_or(Err(OpenError::Corrupt))
    }

    fn fields(take: &mut Take<'_>) -> Option<Result<Self, OpenError>> {
        let _magic: [u8; 16] = take.array()?;
        let (version, flags) = (take.u32()?, take.u32()?);
        if !(OLDEST_VERSION..=VERSION).contains(&version) || flags & !FLAG_MIRROR != 0 {
            return Some(Err(OpenError::UnsupportedFormat));
        }
        let file_id = take.array()?;
        let layout = Layout {
            segment_bytes: take.u32()?,
            slots: take.u32()?,
            max_segments: take.u32()?,
            mirror: flags & FLAG_MIRROR != 0,
        };
        let revision = take.u32()?;
        let kind = take.u32()?;
        let cost = PassphraseCost { memory_kib: take.u32()?, passes: take.u32()?, lanes: take.u32()? };
        let salt = take.array()?;
        let count = take.u32()?;
        if kind > 1 || !(1..=MAX_DATA_KEYS).contains(&count) {
            return Some(Err(OpenError::UnsupportedFormat));
        }
        let epochs: Vec<u32> = (0..count).map(|_| take.u32()).collect::<Option<_>>()?;
        if epochs.first() == Some(&0) || !epochs.is_sorted_by(|a, b| a < b) {
            return Some(Err(OpenError::UnsupportedFormat));
        }
        let sealed_keys = take.bytes(32 * epochs.len() + 16)?.to_vec();
        // S16: out of bounds means damaged, not "take a terabyte".
        if !layout.is_bounded() || (kind == 1 && !cost.is_bounded()) {
            return None;
        }
        let passphrase = kind == 1;
        Some(Ok(Self { version, layout, file_id, revision, passphrase, cost, salt, epochs, sealed_keys }))
    }
}

/// The random values of a new store.
pub(crate) struct Fresh {
    pub(crate) file_id: [u8; 16],
    pub(crate) salt: [u8; 32],
    pub(crate) data_key: Box<Zeroizing<[u8; 32]>>,
}

/// Rewrites the superblock of a store that `unlock` opens as one of version 1.
#[cfg(test)]
pub(crate) fn write_version_1(disk: &impl Disk, unlock: &Unlock) {
    let (block, keys) = Superblock::open(disk, unlock).unwrap();
    let mut old = Superblock { version: OLDEST_VERSION, ..block };
    let key = UnlockKey::derive(unlock, old.cost, &old.salt, &old.file_id).unwrap();
    old.sealed_keys = key.seal(&old.covered(), keys.oldest_first().map(AsRef::as_ref));
    old.write(disk).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDisk;
    use crate::geometry::Geometry;
    use crate::keys::{MasterKey, Passphrase};
    use proptest::prelude::*;

    fn key(byte: u8) -> Unlock {
        Unlock::Key(MasterKey::from_bytes([byte; 32]))
    }

    fn block(unlock: &Unlock) -> Superblock {
        let geometry = Geometry {
            passphrase_cost: PassphraseCost { memory_kib: 8, passes: 1, lanes: 1 },
            ..Geometry::vault()
        };
        let fresh = Fresh { file_id: [1; 16], salt: [2; 32], data_key: Box::new(Zeroizing::new([3; 32])) };
        Superblock::seal(geometry.layout().unwrap(), geometry.passphrase_cost, unlock, fresh).unwrap().0
    }

    fn disk(a: &[u8], b: &[u8]) -> MemoryDisk {
        MemoryDisk::from_bytes([a, b].concat())
    }

    fn resealed(mut page: Vec<u8>, at: usize, value: u32) -> Vec<u8> {
        page[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let sum = Sha256::digest(&page[..CHECKSUM_AT]);
        page[CHECKSUM_AT..].copy_from_slice(&sum);
        page
    }

    #[test]
    fn the_covered_part_has_its_length() {
        assert_eq!(block(&key(1)).covered().len(), COVERED);
        assert_eq!(block(&key(1)).encode().len(), PAGE);
    }

    #[test]
    fn answers_differ() {
        let page = block(&key(1)).encode();
        assert!(Superblock::open(&disk(&page, &page), &key(1)).is_ok());
        let open = |a: &[u8], b: &[u8], unlock: &Unlock| Superblock::open(&disk(a, b), unlock).unwrap_err();
        assert_eq!(open(&page, &page, &key(2)), OpenError::WrongKey);
        assert_eq!(
            open(&page, &page, &Unlock::Passphrase(Passphrase::from_bytes(vec![1]))),
            OpenError::WrongKey
        );
        assert_eq!(open(&[0; PAGE], &[0; PAGE], &key(1)), OpenError::NotAStore);
        assert_eq!(open(&[], &[], &key(1)), OpenError::NotAStore);
        let mut bad = page.clone();
        bad[100] ^= 1;
        assert_eq!(open(&bad, &bad, &key(1)), OpenError::Corrupt);
        assert_eq!(open(&bad, &bad, &key(2)), OpenError::Corrupt);
        for (at, value) in [(16, 3), (16, 0), (20, 2), (20, u32::MAX), (56, 2), (104, 0), (104, 3), (108, 0)]
        {
            let newer = resealed(page.clone(), at, value);
            assert_eq!(open(&newer, &newer, &key(1)), OpenError::UnsupportedFormat, "{at}");
        }
    }

    #[test]
    fn either_copy_serves() {
        let page = block(&key(1)).encode();
        let mut bad = page.clone();
        bad[0] ^= 1;
        assert!(Superblock::open(&disk(&bad, &page), &key(1)).is_ok());
        assert!(Superblock::open(&disk(&page, &bad), &key(1)).is_ok());
    }

    #[test]
    fn s15_a_half_done_passphrase_change_opens_with_either() {
        let old = block(&key(1)).encode();
        let mut new = block(&key(2));
        new.revision = 2;
        let fresh = Fresh { file_id: [1; 16], salt: [2; 32], data_key: Box::new(Zeroizing::new([3; 32])) };
        let keys = Keyring::one(StoreKeys::new(&fresh.data_key, fresh.file_id, 1));
        let unlock_key = UnlockKey::derive(&key(2), new.cost, &new.salt, &new.file_id).unwrap();
        new.sealed_keys = unlock_key.seal(&new.covered(), keys.oldest_first().map(AsRef::as_ref));
        for good in [1, 2] {
            assert!(Superblock::open(&disk(&old, &new.encode()), &key(good)).is_ok());
        }
        assert_eq!(Superblock::open(&disk(&old, &new.encode()), &key(3)).unwrap_err(), OpenError::WrongKey);
    }

    #[test]
    fn s16_cost_out_of_bounds_is_corrupt_and_not_obeyed() {
        let unlock = Unlock::Passphrase(Passphrase::from_bytes(b"correct".to_vec()));
        let page = block(&unlock).encode();
        assert!(Superblock::open(&disk(&page, &page), &unlock).is_ok());
        for (at, value) in [(60, u32::MAX), (60, 0), (64, 1 << 30), (68, 1 << 20)] {
            let huge = resealed(page.clone(), at, value);
            assert_eq!(Superblock::open(&disk(&huge, &huge), &unlock).unwrap_err(), OpenError::Corrupt);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(mut page in proptest::collection::vec(any::<u8>(), PAGE), keep in 0usize..120) {
            let good = block(&key(1)).encode();
            page[..keep].copy_from_slice(&good[..keep]);
            let sum = Sha256::digest(&page[..CHECKSUM_AT]);
            page[CHECKSUM_AT..].copy_from_slice(&sum);
            prop_assert!(Superblock::open(&disk(&page, &page), &key(1)).is_err());
        }

        #[test]
        fn a_flipped_bit_in_one_copy_costs_nothing(bit in 0..PAGE * 8) {
            let good = block(&key(1)).encode();
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Superblock::open(&disk(&bad, &good), &key(1)).is_ok());
            prop_assert!(Superblock::open(&disk(&good, &bad), &key(1)).is_ok());
        }
    }
}
