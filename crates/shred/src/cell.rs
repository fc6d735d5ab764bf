//! Commit cells: the mark every commit leaves (S2; spec/13-shred.md, "Commit cell").

use crate::bytes::{PAGE, Take, padded};
use crate::geometry::{CELLS, CELLS_AT, SlotAt};
use crate::keyring::Keyring;
use crate::keys::StoreKeys;
use crate::labels;
use crate::record::MAX_REDO;

/// Maximum number of runs of slots that one commit fills, one for each segment that gets records. A
/// format constant: with [`MAX_REDO`] entries of a redo list they fit into a page.
pub(crate) const MAX_RANGES: usize = 64;
/// Number of bytes of a cell before its ranges.
const FIXED: usize = 24;
const CHECK_AT: usize = PAGE - 32;
/// Flag of a cell whose redo list does not name all erases of the commit: recovery then writes the
/// mark again into every erased slot that it sees (S7).
const FLAG_MORE_ERASES: u16 = 1;
/// Flag of a cell at whose commit no byte of a dead record was left on the disk (it is "clean").
const FLAG_CLEAN: u16 = 2;

const _: () = assert!(FIXED + MAX_RANGES * 12 + MAX_REDO * 8 <= CHECK_AT);

/// A run of consecutive slots of one segment, such as a commit fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) segment: u32,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// The mark of one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) number: u64,
    /// Whether the commit was rolled back: then the cell says only that the number was used.
    pub(crate) void: bool,
    pub(crate) more_erases: bool,
    /// Whether no byte of a dead record was left on the disk when the commit was made.
    pub(crate) clean: bool,
    /// Number of segments in the file at this commit. A file with fewer has lost its end.
    pub(crate) segments: u32,
    pub(crate) ranges: Vec<Range>,
    /// The redo list (S6): slots that recovery overwrites with dead marks if this commit is
    /// complete. First the slots of records that its batches replaced or erased, which the next
    /// commit overwrites; then the slots that this commit overwrote itself.
    pub(crate) redo: Vec<SlotAt>,
}

impl Cell {
    /// Returns the offset on the disk of the cell of the commit with this number.
    pub(crate) fn at(number: u64) -> u64 {
        CELLS_AT + number % CELLS * PAGE as u64
    }

    /// Makes the cell of a commit that a recovery rolled back.
    pub(crate) fn voided(number: u64, segments: u32) -> Self {
        Self {
            number,
            void: true,
            more_erases: false,
            clean: false,
            segments,
            ranges: Vec::new(),
            redo: Vec::new(),
        }
    }

    /// Returns the maximum number of entries of a redo list beside this many ranges in one cell.
    pub(crate) fn room(ranges: usize) -> usize {
        (CHECK_AT - FIXED).saturating_sub(ranges * 12) / 8
    }

    /// Encodes the cell as a page. Returns `None` if it has too many ranges or too long a redo
    /// list.
    pub(crate) fn encode(&self, keys: &StoreKeys) -> Option<Vec<u8>> {
        if self.ranges.len() > MAX_RANGES || self.redo.len() > Self::room(self.ranges.len()) {
            return None;
        }
        let mut out = Vec::with_capacity(PAGE);
        out.extend_from_slice(&self.number.to_le_bytes());
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(self.more_erases, FLAG_MORE_ERASES) | flag(self.clean, FLAG_CLEAN);
        let (ranges, redo) = (u16::try_from(self.ranges.len()).ok()?, u16::try_from(self.redo.len()).ok()?);
        for field in [u16::from(self.void), flags, ranges, redo] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let ranges = self.ranges.iter().flat_map(|range| [range.segment, range.first, range.count]);
        let redo = self.redo.iter().flat_map(|at| [at.segment, at.slot]);
        for field in [self.segments, keys.epoch].into_iter().chain(ranges).chain(redo) {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let check = keys.check(labels::CELL, &out);
        let mut out = padded(out, CHECK_AT);
        out.extend_from_slice(&check);
        Some(out)
    }

    /// Decodes a page. Returns `None` for anything but a whole cell of this store.
    pub(crate) fn decode(keys: &Keyring, page: &[u8; PAGE]) -> Option<Self> {
        let mut take = Take(page);
        let number = take.u64()?;
        let (kind, flags, range_count, redo_count) = (take.u16()?, take.u16()?, take.u16()?, take.u16()?);
        let (range_count, redo_count) = (usize::from(range_count), usize::from(redo_count));
        if range_count > MAX_RANGES || redo_count > Self::room(range_count) {
            return None;
        }
        let (covered, _) = page.split_at_checked(FIXED + range_count * 12 + redo_count * 8)?;
        let (segments, epoch) = (take.u32()?, take.u32()?);
        if !keys.of(epoch)?.verify(labels::CELL, covered, page.last_chunk()?) {
            return None;
        }
        if kind > 1 || flags & !(FLAG_MORE_ERASES | FLAG_CLEAN) != 0 {
            return None;
        }
        let mut ranges = Vec::with_capacity(range_count);
        for _ in 0..range_count {
            ranges.push(Range { segment: take.u32()?, first: take.u32()?, count: take.u32()? });
        }
        let mut redo = Vec::with_capacity(redo_count);
        for _ in 0..redo_count {
            redo.push(SlotAt { segment: take.u32()?, slot: take.u32()? });
        }
        let (void, more_erases) = (kind == 1, flags & FLAG_MORE_ERASES != 0);
        let clean = flags & FLAG_CLEAN != 0;
        Some(Self { number, void, more_erases, clean, segments, ranges, redo })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn ring() -> Keyring {
        Keyring::one(StoreKeys::new(&[1; 32], [2; 16], 1))
    }

    fn keys() -> Arc<StoreKeys> {
        Arc::clone(ring().newest())
    }

    fn cell(ranges: u32, redo: u32) -> Cell {
        Cell {
            number: 77,
            void: false,
            more_erases: true,
            clean: redo.is_multiple_of(2),
            segments: 5,
            ranges: (0..ranges).map(|n| Range { segment: n, first: 2 * n, count: 3 * n }).collect(),
            redo: (0..redo).map(|n| SlotAt { segment: n, slot: 7 * n }).collect(),
        }
    }

    fn page(cell: &Cell) -> [u8; PAGE] {
        cell.encode(&keys()).unwrap().try_into().unwrap()
    }

    #[test]
    fn round_trips_and_has_bounds() {
        for (ranges, redo) in [(0, 0), (1, 0), (0, 1), (64, 400), (0, 505), (64, 409)] {
            let cell = cell(ranges, redo);
            assert_eq!(Cell::decode(&ring(), &page(&cell)), Some(cell));
        }
        assert!(cell(65, 0).encode(&keys()).is_none());
        assert!(cell(0, 506).encode(&keys()).is_none());
        let void = Cell::voided(9, 1);
        assert_eq!(Cell::decode(&ring(), &page(&void)), Some(void));
        assert_eq!(
            Cell::decode(&Keyring::one(StoreKeys::new(&[1; 32], [3; 16], 1)), &page(&cell(1, 1))),
            None
        );
    }

    proptest! {
        #[test]
        fn flips_are_seen_where_they_matter(bit in 0..(FIXED + 12 + 8) * 8, inside in any::<bool>()) {
            let mut bytes = page(&cell(1, 1));
            let at = if inside { bit / 8 } else { CHECK_AT + bit / 8 % 32 };
            bytes[at] ^= 1 << (bit % 8);
            prop_assert_eq!(Cell::decode(&ring(), &bytes), None);
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), PAGE)) {
            prop_assert_eq!(Cell::decode(&ring(), &bytes.try_into().unwrap()), None);
        }

        #[test]
        fn torn_cells_do_not_decode(cut in 1..8usize, old in any::<bool>()) {
            let (new, before) = (page(&cell(2, 3)), if old { page(&cell(1, 9)) } else { [0; PAGE] });
            let torn = [&new[..cut * 512], &before[cut * 512..]].concat();
            prop_assert_eq!(Cell::decode(&ring(), &torn.try_into().unwrap()), None);
        }
    }
}
