//! The pan-private tables of one day, in memory alone (spec/16-statistics.md section 3).

use super::estimate;
use super::history::DayFigures;
use super::laplace;
use super::parameters::{BLOB_NOISE, ONES_OF_EIGHT, TABLE_NOISE};
use super::table::{TABLES, Table, TableSet};
use crate::labels;
use crate::names::Handle;
use deaddrop_primitives::{hash::sha256_of_secret, secret::wipe_stack, secret_bytes};
use deaddrop_wire::Day;
use rand::CryptoRng;
use zeroize::Zeroizing;

secret_bytes! {
    /// The key of the hash that gives a mailbox its slots. It exists for one day.
    pub(super) struct SlotKey[16];
}

/// Number of bits of a coin.
const COIN_BITS: u32 = 3;
/// Number of bytes of stack to overwrite after noise was drawn: with the noise, a figure tells the
/// true number.
const STACK: usize = 2 << 10;

/// The tables of one day. In each, a mailbox changes at most one bit.
pub(super) struct DayTables {
    key: SlotKey,
    slots: u32,
    /// The bits of each table, 64 in a word. Bits behind the last slot are zero.
    tables: [Zeroizing<Vec<u64>>; TABLES],
    /// Number of blobs put, plus the noise with which the count has begun. A box, so that no move
    /// of the tables leaves a copy.
    blobs: Box<Zeroizing<i64>>,
}

impl DayTables {
    /// Makes the tables of a new day: random bits, and a new key.
    pub(super) fn begin(slots: u32, random: &mut impl CryptoRng) -> Self {
        let key = SlotKey::generate(random);
        let tables = std::array::from_fn(|_| random_bits(slots, random));
        let blobs = Box::new(Zeroizing::new(laplace::draw(BLOB_NOISE, random)));
        wipe_stack::<STACK>();
        Self { key, slots, tables, blobs }
    }

    /// Notes that the mailbox belongs into these tables: draws its slot of each of them again, with
    /// the bias.
    pub(super) fn touch(&mut self, handle: Handle, tables: TableSet, random: &mut impl CryptoRng) {
        self.touch_with(ONES_OF_EIGHT, handle, tables, random);
    }

    /// Does the same as [`touch`](Self::touch) with a coin that gives 1 for `ones` of its 8 values.
    pub(super) fn touch_with(
        &mut self,
        ones: u32,
        handle: Handle,
        tables: TableSet,
        random: &mut impl CryptoRng,
    ) {
        let mut coins = random.next_u32();
        let slots = self.slots_of(handle);
        for ((table, bits), slot) in Table::ALL.into_iter().zip(&mut self.tables).zip(slots) {
            let coin = coins & ((1 << COIN_BITS) - 1);
            coins >>= COIN_BITS;
            if tables.has(table) {
                set(bits, slot, coin < ones);
            }
        }
    }

    /// Counts one blob that was put.
    pub(super) fn count_blob(&mut self) {
        **self.blobs = self.blobs.saturating_add(1);
    }

    /// Ends the day. Returns the figures to record, which have noise, and wipes tables and key.
    pub(super) fn close(self, day: Day, random: &mut impl CryptoRng) -> DayFigures {
        let (ones, blobs) = self.draw_figures(random);
        let [used, ..] = ones;
        let is_recorded = estimate::is_above_floor(used, self.slots);
        DayFigures { day, slots: self.slots, ones, blobs: is_recorded.then_some(blobs) }
    }

    /// Returns the number of ones of each table and the number of blobs, with their noise.
    pub(super) fn draw_figures(&self, random: &mut impl CryptoRng) -> ([u32; TABLES], u64) {
        let figures = self.draw_figures_with(TABLE_NOISE, BLOB_NOISE, random);
        wipe_stack::<STACK>();
        figures
    }

    /// Does the same as [`draw_figures`](Self::draw_figures) with noise of other scales.
    pub(super) fn draw_figures_with(
        &self,
        table_noise: u32,
        blob_noise: u32,
        random: &mut impl CryptoRng,
    ) -> ([u32; TABLES], u64) {
        let mut ones = [0; TABLES];
        for (ones, bits) in ones.iter_mut().zip(&self.tables) {
            let noisy = i64::from(count(bits)).saturating_add(laplace::draw(table_noise, random));
            *ones = u32::try_from(noisy.max(0)).unwrap_or(u32::MAX).min(self.slots);
        }
        let blobs = self.blobs.saturating_add(laplace::draw(blob_noise, random));
        (ones, blobs.max(0).unsigned_abs())
    }

    /// Returns the mailbox's slot in each table.
    pub(super) fn slots_of(&self, handle: Handle) -> [u32; TABLES] {
        let hash = sha256_of_secret(&[labels::RELAY_SLOT, self.key.expose(), &handle.to_bytes()]);
        let (words, _) = hash.as_chunks::<4>();
        let mut slots = [0; TABLES];
        for (slot, word) in slots.iter_mut().zip(words) {
            // The high half of the product is below the number of slots.
            let wide = u64::from(u32::from_le_bytes(*word)) * u64::from(self.slots);
            *slot = u32::try_from(wide >> 32).unwrap_or(0);
        }
        slots
    }

    /// Returns the bits of each table, as an image of the memory shows them.
    #[cfg(test)]
    pub(super) fn image(&self) -> [&[u64]; TABLES] {
        self.tables.each_ref().map(|bits| bits.as_slice())
    }

    /// Returns the count of blobs, as an image of the memory shows it.
    #[cfg(test)]
    pub(super) fn blobs_in_image(&self) -> i64 {
        **self.blobs
    }

    /// Sets the count of blobs to zero: a count without the noise on which the promise rests.
    #[cfg(test)]
    pub(super) fn forget_blob_noise(&mut self) {
        **self.blobs = 0;
    }

    /// Sets all bits to zero: tables without the random beginning on which the promise rests.
    #[cfg(test)]
    pub(super) fn forget_beginning(&mut self) {
        self.tables.iter_mut().for_each(|bits| bits.fill(0));
    }
}

impl std::fmt::Debug for DayTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DayTables(..)")
    }
}

/// Draws `slots` random bits.
fn random_bits(slots: u32, random: &mut impl CryptoRng) -> Zeroizing<Vec<u64>> {
    let words = usize::try_from(slots.div_ceil(64)).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0_u8; words.saturating_mul(8)]);
    random.fill_bytes(&mut bytes);
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut bits: Zeroizing<Vec<u64>> =
        Zeroizing::new(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect());
    let unused = u64::MAX.checked_shl(slots % 64).filter(|_| !slots.is_multiple_of(64)).unwrap_or(0);
    if let Some(last) = bits.last_mut() {
        *last &= !unused;
    }
    bits
}

fn set(bits: &mut [u64], slot: u32, is_one: bool) {
    let at = usize::try_from(slot / 64).unwrap_or(usize::MAX);
    if let Some(word) = bits.get_mut(at) {
        *word = *word & !(1 << (slot % 64)) | u64::from(is_one) << (slot % 64);
    }
}

fn count(bits: &[u64]) -> u32 {
    bits.iter().map(|word| word.count_ones()).sum()
}
