//! Keys: of the caller, of the store, and of each record (spec/13-shred.md, "Keys").

use crate::aead;
use crate::labels;
use crate::record::Record;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag};
use hkdf::Hkdf;
use polyval::{Block, Polyval, universal_hash::UniversalHash};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The key with which a caller opens a store. Boxed, so that moving it leaves no copy behind.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey(Box<[u8; 32]>);

impl MasterKey {
    /// Makes a key from 32 uniformly random bytes. Wipes the array that it was given; a caller that keeps its own wipes it itself.
    #[must_use]
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = Self::copy_of(&bytes);
        bytes.zeroize();
        key
    }

    /// Makes a key from bytes that stay where they are: the caller wipes them.
    #[must_use]
    pub fn copy_of(bytes: &[u8; 32]) -> Self {
        let mut key = Self(Box::new([0; 32]));
        key.0.copy_from_slice(bytes);
        key
    }
}

/// The passphrase with which a caller opens a store.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Passphrase(Vec<u8>);

impl Passphrase {
    /// Makes a passphrase from the bytes that the user typed.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// The secret that opens a store.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unlock {
    /// A key that the caller keeps outside of the store.
    Key(MasterKey),
    /// A passphrase that a person remembers.
    Passphrase(Passphrase),
}

/// The cost of one guess of a passphrase (Argon2id, RFC 9106). Chosen when a store is created, or
/// by [`change_unlock`](crate::Shred::change_unlock), and written into the store: every store opens
/// at its own cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory in KiB, from 8 for each lane to [`PassphraseCost::MAX_MEMORY_KIB`].
    pub memory_kib: u32,
    /// Number of passes over the memory, from 1 to [`PassphraseCost::MAX_PASSES`].
    pub passes: u32,
    /// Number of lanes, from 1 to [`PassphraseCost::MAX_LANES`].
    pub lanes: u32,
}

impl Default for PassphraseCost {
    /// Returns 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106 section 4.
    fn default() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl PassphraseCost {
    /// Maximum memory in KiB that a store may ask for when it is opened (S16): 1 GiB, so that a
    /// forged superblock cannot exhaust the machine.
    pub const MAX_MEMORY_KIB: u32 = 1 << 20;
    /// Maximum number of passes that a store may ask for (S16), so that opening a forged one ends
    /// soon.
    pub const MAX_PASSES: u32 = 16;
    /// Maximum number of lanes that a store may ask for (S16).
    pub const MAX_LANES: u32 = 8;

    /// Whether the parameters are within their bounds. A store that asks for others is refused
    /// (S16).
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        (1..=Self::MAX_LANES).contains(&self.lanes)
            && (1..=Self::MAX_PASSES).contains(&self.passes)
            && (8 * self.lanes..=Self::MAX_MEMORY_KIB).contains(&self.memory_kib)
    }
}

/// The key that seals the data keys in the superblock.
#[derive(ZeroizeOnDrop)]
pub(crate) struct UnlockKey(Box<[u8; 32]>);

impl UnlockKey {
    /// Derives the key. Returns `None` when the passphrase cost is out of bounds (S16), or this machine does not have
    /// the memory that it takes.
    pub(crate) fn derive(
        unlock: &Unlock,
        cost: PassphraseCost,
        salt: &[u8; 32],
        file_id: &[u8; 16],
    ) -> Option<Self> {
        let key = Self::of(unlock, cost, salt, file_id);
        wipe_stack::<UNLOCK_STACK>();
        key
    }

    #[inline(never)]
    fn of(unlock: &Unlock, cost: PassphraseCost, salt: &[u8; 32], file_id: &[u8; 16]) -> Option<Self> {
        let mut secret = Zeroizing::new([0u8; 32]);
        match unlock {
            Unlock::Key(key) => secret.copy_from_slice(key.0.as_slice()),
            Unlock::Passphrase(passphrase) => {
                if !cost.is_bounded() {
                    return None;
                }
                let params = argon2::Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).ok()?;
                // Given, because the provider does not wipe its own: the last block alone gives the secret.
                let mut memory = Vec::new();
                memory.try_reserve_exact(params.block_count()).ok()?;
                memory.resize(params.block_count(), argon2::Block::new());
                let mut memory = Zeroizing::new(memory);
                argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
                    .hash_password_into_with_memory(
                        &passphrase.0,
                        salt,
                        secret.as_mut_slice(),
                        memory.as_mut_slice(),
                    )
                    .ok()?;
            }
        }
        let mut key = Self(Box::new([0; 32]));
        let hkdf = Hkdf::<Sha256>::new(Some(salt), secret.as_slice());
        hkdf.expand_multi_info(&[labels::UNLOCK, file_id], key.0.as_mut_slice()).ok()?;
        Some(key)
    }

    /// Seals the data keys, oldest first, as one ciphertext. `ad` are the bytes of the superblock
    /// before it. An unlock key seals once, because each revision of the superblock has a fresh
    /// salt, so that the nonce is constant.
    pub(crate) fn seal<'a>(&self, ad: &[u8], oldest_first: impl Iterator<Item = &'a StoreKeys>) -> Vec<u8> {
        let mut data = Zeroizing::new(Vec::with_capacity(2 * 32));
        for keys in oldest_first {
            data.extend_from_slice(keys.data.0.as_slice());
        }
        let tag = seal(&self.0, ad, data.as_mut_slice());
        [data.as_slice(), &tag].concat()
    }

    /// Returns the data keys, oldest first; `None` if `sealed` does not open. `epochs` are their
    /// epochs, in the same order.
    pub(crate) fn open(
        &self,
        ad: &[u8],
        sealed: &[u8],
        file_id: [u8; 16],
        epochs: &[u32],
    ) -> Option<Vec<StoreKeys>> {
        let (ciphertext, tag) = sealed.split_last_chunk::<16>()?;
        let mut data = Zeroizing::new(ciphertext.to_vec());
        if !open(&self.0, ad, data.as_mut_slice(), tag) {
            return None;
        }
        let keys = data.as_chunks::<32>().0.iter().zip(epochs).map(|(bytes, epoch)| {
            let mut key = DataKey(Box::new([0; 32]));
            key.0.copy_from_slice(bytes);
            StoreKeys::of(key, file_id, *epoch)
        });
        Some(keys.collect())
    }
}

/// A data key: all keys of records and all checks in a store derive from it. A store has one, or
/// two while one is being replaced.
#[derive(ZeroizeOnDrop)]
pub(crate) struct DataKey(Box<[u8; 32]>);

/// A data key together with the id of the file it belongs to, and values computed from both.
pub(crate) struct StoreKeys {
    data: DataKey,
    /// Epoch of the data key: 1 for the first one of a store, one more for each replacement (S15).
    pub(crate) epoch: u32,
    /// The data key with its HMAC states computed, which saves a third of each derivation. Wiped by its own drop.
    ready: Box<Hkdf<Sha256>>,
    /// POLYVAL with the key for hashing bodies, whose hashes enter the salts. Wiped by its own
    /// drop.
    body_hash: Box<Polyval>,
    file_id: [u8; 16],
}

/// The key of one head or body. Used for exactly one seal: its nonce is constant.
#[derive(ZeroizeOnDrop)]
pub(crate) struct OnceKey([u8; 32]);

impl StoreKeys {
    pub(crate) fn new(data: &[u8; 32], file_id: [u8; 16], epoch: u32) -> Self {
        let mut key = DataKey(Box::new([0; 32]));
        key.0.copy_from_slice(data);
        Self::of(key, file_id, epoch)
    }

    fn of(data: DataKey, file_id: [u8; 16], epoch: u32) -> Self {
        let ready = ready(&data);
        let body_hash = body_hash(&ready, &file_id);
        wipe_stack::<STACK>();
        Self { data, epoch, ready, body_hash, file_id }
    }

    /// Makes the next data key of the same store; `None` if the numbers of data keys are used up.
    pub(crate) fn next(&self, data: &[u8; 32]) -> Option<Self> {
        Some(Self::new(data, self.file_id, self.epoch.checked_add(1)?))
    }

    /// Computes a record's salt: from random bytes, and from all that is sealed under the salt and
    /// known before the record has a place. So copies of a store that draw equal random bytes never
    /// seal two bodies under one key. `body` is empty where the record's key is a keyed hash of the
    /// body.
    pub(crate) fn salt(&self, random: &[u8], record: &Record, body: &[u8]) -> Zeroizing<[u8; 32]> {
        let Record { key, meta, expiry_day, .. } = record;
        let (expiry, hash) = (expiry_day.to_le_bytes(), self.hash_body(body));
        let info = [labels::SALT, &self.file_id, random, &key.0, meta, &expiry, hash.as_slice()];
        Zeroizing::new(self.expand(&info))
    }

    /// Hashes a body by RFC 8452 section 4 without additional data: the body padded with zeros, and its length in bits.
    #[inline(never)]
    fn hash_body(&self, body: &[u8]) -> Zeroizing<[u8; 16]> {
        let mut state = self.body_hash.clone();
        state.update_padded(body);
        let bits = u128::try_from(body.len()).unwrap_or(u128::MAX).wrapping_mul(8);
        state.update(&[Block::from((bits << 64).to_le_bytes())]);
        Zeroizing::new((*state).finalize().into())
    }

    /// Derives the key of a head, which binds file, segment, generation and slot (S8).
    pub(crate) fn head_key(&self, salt: &[u8; 32], segment: u32, generation: u32, slot: u32) -> OnceKey {
        OnceKey(self.expand(&[
            labels::HEAD,
            salt,
            &self.file_id,
            &segment.to_le_bytes(),
            &generation.to_le_bytes(),
            &slot.to_le_bytes(),
        ]))
    }

    /// Derives the key of a body, which binds file and salt. The head, which holds the body's tag, binds its place.
    pub(crate) fn body_key(&self, salt: &[u8; 32]) -> OnceKey {
        OnceKey(self.expand(&[labels::BODY, salt, &self.file_id]))
    }

    /// Computes a keyed check over `bytes`. `label` separates the uses.
    pub(crate) fn check(&self, label: &[u8], bytes: &[u8]) -> [u8; 32] {
        self.expand(&[label, &self.file_id, bytes])
    }

    pub(crate) fn verify(&self, label: &[u8], bytes: &[u8], check: &[u8; 32]) -> bool {
        self.check(label, bytes).ct_eq(check).into()
    }

    fn expand(&self, info: &[&[u8]]) -> [u8; 32] {
        let mut out = [0u8; 32];
        // Cannot fail: the output is one block.
        let _ = self.ready.expand_multi_info(info, &mut out);
        out
    }
}

impl OnceKey {
    pub(crate) fn seal(&self, buffer: &mut [u8]) -> [u8; 16] {
        let tag = aead::seal(&self.0, buffer);
        wipe_stack::<STACK>();
        tag
    }

    pub(crate) fn open(&self, buffer: &mut [u8], tag: &[u8; 16]) -> bool {
        let is_open = aead::open(&self.0, buffer, tag);
        wipe_stack::<STACK>();
        is_open
    }
}

#[expect(clippy::expect_used, reason = "fails only beyond 256 GiB; a wrong tag here would lose the record")]
fn seal(key: &[u8; 32], ad: &[u8], buffer: &mut [u8]) -> [u8; 16] {
    let tag = encrypt(key, ad, buffer).expect("length is within RFC 8439's bound");
    wipe_stack::<STACK>();
    tag.into()
}

fn open(key: &[u8; 32], ad: &[u8], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
    let is_open = decrypt(key, ad, buffer, tag);
    wipe_stack::<STACK>();
    is_open
}

#[expect(clippy::expect_used, reason = "32 bytes are one hash length, the only requirement")]
#[inline(never)]
fn ready(data: &DataKey) -> Box<Hkdf<Sha256>> {
    Box::new(Hkdf::from_prk(data.0.as_slice()).expect("32 bytes are a full hash"))
}

/// Computes the state of the keyed hash of bodies. POLYVAL keeps powers of its key, so they are
/// computed once for all records.
#[inline(never)]
fn body_hash(ready: &Hkdf<Sha256>, file_id: &[u8; 16]) -> Box<Polyval> {
    let mut key = Zeroizing::new([0; 16]);
    // Cannot fail: the output is half a block.
    let _ = ready.expand_multi_info(&[labels::SALT_HASH, file_id], key.as_mut_slice());
    Box::new(Polyval::new((&*key).into()))
}

#[inline(never)]
fn encrypt(key: &[u8; 32], ad: &[u8], buffer: &mut [u8]) -> Option<Tag> {
    ChaCha20Poly1305::new(key.into()).encrypt_inout_detached(&[0; 12].into(), ad, buffer.into()).ok()
}

#[inline(never)]
fn decrypt(key: &[u8; 32], ad: &[u8], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
    let cipher = ChaCha20Poly1305::new(key.into());
    cipher.decrypt_inout_detached(&[0; 12].into(), ad, buffer.into(), &Tag::from(*tag)).is_ok()
}

/// Number of bytes of stack to write over after sealing or opening: the cryptographic crates leave
/// keys, states and blocks of plaintext there.
const STACK: usize = 2 << 10;
/// Number of bytes of stack to write over after deriving the unlock key: Argon2id works with blocks
/// of 1 KiB.
const UNLOCK_STACK: usize = 32 << 10;

/// Writes zeros over `DEPTH` bytes of the stack below the caller, where calls that have returned
/// may have left secrets.
#[inline(never)]
fn wipe_stack<const DEPTH: usize>() {
    let mut frame = [0_u8; DEPTH];
    std::hint::black_box(&mut frame);
}

macro_rules! redacted {
    ($($name:ident)+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

redacted!(MasterKey Passphrase UnlockKey DataKey StoreKeys OnceKey);

/// Fails to compile unless a type is wiped on drop and implements neither `Clone` nor `Display`.
macro_rules! assert_secret {
    ($($name:ty),+) => {$(
        const _: () = {
            const fn wiped<T: ZeroizeOnDrop>() {}
            wiped::<$name>();
            assert!(std::mem::needs_drop::<$name>());
            // Ambiguous, and so an error, as soon as the type implements one of the three.
            trait Not<Marker> { fn it() {} }
            impl<T: ?Sized> Not<()> for T {}
            struct IsClone;
            impl<T: Clone> Not<IsClone> for T {}
            struct IsDisplay;
            impl<T: fmt::Display> Not<IsDisplay> for T {}
            let _ = <$name as Not<_>>::it;
        };
    )+};
}

assert_secret!(MasterKey, Passphrase, UnlockKey, DataKey, OnceKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        assert_eq!(format!("{:?}", Unlock::Key(MasterKey::from_bytes([7; 32]))), "Key(MasterKey(..))");
        assert_eq!(format!("{:?}", Unlock::Passphrase(Passphrase(vec![7]))), "Passphrase(Passphrase(..))");
        assert_eq!(format!("{:?}", StoreKeys::new(&[7; 32], [1; 16], 1)), "StoreKeys(..)");
    }

    #[test]
    fn s16_passphrase_cost_is_bounded() {
        let ok = PassphraseCost::default();
        assert!(ok.is_bounded());
        for bad in [
            PassphraseCost { memory_kib: 7, ..ok },
            PassphraseCost { memory_kib: (1 << 20) + 1, ..ok },
            PassphraseCost { passes: 0, ..ok },
            PassphraseCost { passes: 17, ..ok },
            PassphraseCost { lanes: 0, ..ok },
            PassphraseCost { lanes: 9, ..ok },
        ] {
            assert!(!bad.is_bounded());
            let unlock = Unlock::Passphrase(Passphrase(vec![1]));
            assert!(UnlockKey::derive(&unlock, bad, &[0; 32], &[0; 16]).is_none());
        }
    }

    // The formulas of spec/13-shred.md a second time, POLYVAL a bit at a time; and a known answer.
    #[test]
    fn the_salt_is_that_of_the_formulas() {
        let data: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).unwrap());
        let (file_id, random) = ([0xf1; 16], [0xaa; 32]);
        let record = Record {
            key: crate::RecordKey([0x0e; 16]),
            meta: [0x3e; 8],
            expiry_day: 20_780,
            body: b"a body".to_vec(),
        };
        let expand = |info: &[u8], out: &mut [u8]| {
            Hkdf::<Sha256>::from_prk(&data).unwrap().expand(info, out).unwrap();
        };
        let mut h = [0; 16];
        expand(&[labels::SALT_HASH, &file_id].concat(), &mut h);
        let h = u128::from_le_bytes(h);
        let times_h = |a: u128| {
            (0..128).fold(0, |sum, bit| {
                let sum = if (a >> bit) & 1 == 1 { sum ^ h } else { sum };
                if sum & 1 == 1 { (sum >> 1) ^ (0xe1 << 120) } else { sum >> 1 }
            })
        };
        let body = u128::from_le_bytes(*b"a body\0\0\0\0\0\0\0\0\0\0");
        let hash = times_h(times_h(body) ^ (48 << 64)).to_le_bytes();
        let day = 20_780_u32.to_le_bytes();
        let parts = [labels::SALT, &file_id, &random, &record.key.0, &record.meta, &day, &hash];
        let mut want = [0; 32];
        expand(&parts.concat(), &mut want);
        let salt = StoreKeys::new(&data, file_id, 1).salt(&random, &record, &record.body);
        assert_eq!(*salt, want);
        let text: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "edad64a8d8b5fca5fa7a13ba7b29b7780892ec259863edba6c3c024ec54dde95");
    }

    #[test]
    fn every_part_of_the_cost_changes_the_key() {
        let low = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };
        let key = |cost| {
            let unlock = Unlock::Passphrase(Passphrase(vec![1]));
            UnlockKey::derive(&unlock, cost, &[2; 32], &[3; 16]).unwrap()
        };
        let one = key(low);
        assert_eq!(one.0, key(low).0);
        for other in [
            PassphraseCost { memory_kib: 128, ..low },
            PassphraseCost { passes: 2, ..low },
            PassphraseCost { lanes: 4, ..low },
        ] {
            assert_ne!(one.0, key(other).0);
        }
    }

    #[test]
    fn every_part_of_a_position_changes_the_head_key() {
        let keys = StoreKeys::new(&[7; 32], [1; 16], 1);
        let salt = [3; 32];
        let one = keys.head_key(&salt, 1, 1, 1).0;
        assert_ne!(one, keys.head_key(&salt, 2, 1, 1).0);
        assert_ne!(one, keys.head_key(&salt, 1, 2, 1).0);
        assert_ne!(one, keys.head_key(&salt, 1, 1, 2).0);
        assert_ne!(one, keys.head_key(&[4; 32], 1, 1, 1).0);
        assert_ne!(one, StoreKeys::new(&[7; 32], [2; 16], 1).head_key(&salt, 1, 1, 1).0);
        assert_ne!(one, StoreKeys::new(&[8; 32], [1; 16], 1).head_key(&salt, 1, 1, 1).0);
    }
}
