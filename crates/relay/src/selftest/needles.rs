//! A search for many short byte strings at every position of a file or a device.

use std::collections::HashSet;
use std::io::{self, Read};

/// Length of a byte string that is searched for. Ciphertext of this length occurs nowhere by
/// chance.
pub(super) const NEEDLE: usize = 32;
/// Number of bytes that are read at once. Any number above [`NEEDLE`] does; this one keeps a disk
/// busy.
const READ_BYTES: usize = 4 << 20;
/// Number of bits of the filter: with some thousand strings, few positions of random bytes pass it.
const FILTER_BITS: u32 = 20;

/// The byte strings that are searched for.
pub(super) struct Needles {
    all: HashSet<[u8; NEEDLE]>,
    /// A bit for each hash of the first four bytes of a string, so that nearly every position of
    /// other data costs one look-up in a small table.
    filter: Vec<u64>,
}

impl Needles {
    pub(super) fn new() -> Self {
        Self { all: HashSet::new(), filter: vec![0; 1 << (FILTER_BITS - 6)] }
    }

    /// Adds pieces of `bytes`: one at each 512 bytes, the length of a sector, and one at the end.
    /// Bytes that are shorter than a needle are not searched for.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let starts = (0..bytes.len()).step_by(512).chain([bytes.len().saturating_sub(NEEDLE)]);
        for needle in starts.filter_map(|start| bytes.get(start..)?.first_chunk::<NEEDLE>()) {
            self.all.insert(*needle);
            let hash = hash(needle);
            if let Some(word) = self.filter.get_mut(hash / 64) {
                *word |= 1 << (hash % 64);
            }
        }
    }

    /// Adds all strings of `others`.
    pub(super) fn add_all(&mut self, others: &Self) {
        others.all.iter().for_each(|needle| self.add(needle));
    }

    pub(super) fn contains(&self, needle: &[u8; NEEDLE]) -> bool {
        self.all.contains(needle)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Reads `from` to its end, and returns the needles that it holds. `progress` is called with the
    /// number of bytes read so far, and ends the search by returning false.
    pub(super) fn search(
        &self,
        mut from: impl Read,
        mut progress: impl FnMut(u64, usize) -> bool,
    ) -> io::Result<HashSet<[u8; NEEDLE]>> {
        let mut found = HashSet::new();
        let mut buffer = vec![0; READ_BYTES];
        // The end of a piece is kept, because a string may lie across the border.
        let (mut kept, mut total) = (0, 0);
        loop {
            let read = match from.read(buffer.get_mut(kept..).unwrap_or_default()) {
                Ok(0) => return Ok(found),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            total += read as u64;
            let filled = kept + read;
            let window = buffer.get(..filled).unwrap_or_default();
            for place in window.windows(NEEDLE) {
                let Some(place) = place.first_chunk::<NEEDLE>() else { continue };
                let hash = hash(place);
                let is_likely = self.filter.get(hash / 64).is_some_and(|word| word >> (hash % 64) & 1 == 1);
                if is_likely && self.all.contains(place) {
                    found.insert(*place);
                }
            }
            kept = filled.min(NEEDLE - 1);
            buffer.copy_within(filled - kept..filled, 0);
            if !progress(total, found.len()) {
                return Ok(found);
            }
        }
    }
}

fn hash(bytes: &[u8; NEEDLE]) -> usize {
    let first = bytes.first_chunk::<4>().map_or(0, |first| u32::from_le_bytes(*first));
    (first.wrapping_mul(0x9e37_79b1) >> (32 - FILTER_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most this many bytes at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn each_string_is_found_at_any_position_and_nothing_else_is() {
        let mut needles = Needles::new();
        needles.add(&[7; NEEDLE]);
        needles.add(&[9; 31]);
        let long: Vec<u8> = (0..1_000_u32).flat_map(|n| n.to_le_bytes()).collect();
        needles.add(&long);
        assert_eq!(needles.len(), 1 + 8 + 1);
        for at in [0, 1, 500, 4_095, 9_999] {
            let mut haystack = vec![0; at];
            haystack.extend_from_slice(&[7; NEEDLE]);
            haystack.extend_from_slice(&[0; 77]);
            for piece in [1, 33, 4_096] {
                let found = needles.search(Pieces(&haystack, piece), |_, _| true).unwrap();
                assert_eq!(found.len(), 1, "at {at}, {piece} bytes at a time");
            }
        }
        let found = needles.search(&[&[1, 2, 3][..], &long].concat()[..], |_, _| true).unwrap();
        assert_eq!(found.len(), 9, "all pieces of the long one");
        assert!(needles.search(&[9; 500][..], |_, _| true).unwrap().is_empty());
    }
}
