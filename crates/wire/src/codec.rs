//! The primitives of item bodies: Postcard's encoding, written and read by hand so that every bound
//! is checked before memory is taken and 32-byte values and blobs move as slices (spec/09-wire.md
//! section 4).
//!
//! A test compares the bytes with the `postcard` crate's.

use crate::limits::MAX_LIST_ENTRIES;
use alloc::vec::Vec;

/// The error of a record that breaks the wire format. Ignore the whole record, and close the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record has more than [`MAX_RECORD`](crate::limits::MAX_RECORD) bytes.
    #[error("record too long; close the link")]
    TooLong,
    /// An item or a field reaches beyond the end of the record or item that holds it.
    #[error("record ends within an item; close the link")]
    Truncated,
    /// A byte other than zero follows the last item.
    #[error("record padded with other than zeros; close the link")]
    Padding,
    /// The record has a value that no peer of this version sends: reserved bits, a presence byte
    /// above 1, an integer that is too large or in a longer form than needed, or a delivered blob
    /// of an unknown size class.
    #[error("malformed item; close the link")]
    Malformed,
    /// The record has more items, a longer list, or more list entries in all than
    /// [`limits`](crate::limits) allow.
    #[error("too many items or list entries; close the link")]
    TooMany,
}

/// The error of items that cannot be sent: a list is longer than allowed, or the items do not fit
/// one record. Send them in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list of the item is longer than the protocol allows; send it in parts")]
pub struct EncodeError;

/// A reader of the body of one item. `budget` is the number of list entries that the rest of the
/// record may still have: the readers of all items of a record share it.
pub(crate) struct BodyReader<'a, 'b> {
    rest: &'a [u8],
    budget: &'b mut usize,
}

impl<'a, 'b> BodyReader<'a, 'b> {
    pub(crate) fn new(body: &'a [u8], budget: &'b mut usize) -> Self {
        Self { rest: body, budget }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        // W-05: a field lies within its body.
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// Reads `N` bytes without copying them; fails with `Truncated` if fewer are left.
    pub(crate) fn array_ref<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Reads a byte that is 0 (`false`) or 1 (`true`); fails with `Malformed` if it is another.
    pub(crate) fn present(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Malformed), // W-06: a value that version 1 does not know.
        }
    }

    /// Reads an integer in LEB128; fails with `Malformed` if it is not in its shortest form, or has
    /// more than `bits` bits.
    fn varint(&mut self, bits: u32) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        let mut shift = 0;
        loop {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            let fits = shift < bits && (bits - shift >= 7 || part >> (bits - shift) == 0);
            let shortest = byte != 0 || shift == 0;
            if !fits || !shortest {
                return Err(DecodeError::Malformed); // W-07: integers have one form.
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        u16::try_from(self.varint(16)?).map_err(|_| DecodeError::Malformed)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.varint(32)?).map_err(|_| DecodeError::Malformed)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.varint(64)
    }

    /// Reads the length of a list or byte string; fails with `TooMany` if it is over `limit`.
    /// Nothing is allocated before.
    pub(crate) fn len(&mut self, limit: usize) -> Result<usize, DecodeError> {
        let len = usize::try_from(self.u32()?).map_err(|_| DecodeError::TooMany)?;
        if len > limit {
            return Err(DecodeError::TooMany); // W-08: lists are bounded, each and all together.
        }
        Ok(len)
    }

    /// Reads a list of at most `limit` entries, each of at least `least` bytes, by calling `entry`
    /// for each. Fails with `TooMany` if it is longer or exhausts the budget of the record, with
    /// `Truncated` if it is cut short.
    pub(crate) fn list<T>(
        &mut self,
        limit: usize,
        least: usize,
        mut entry: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let len = self.len(limit)?;
        *self.budget = self.budget.checked_sub(len).ok_or(DecodeError::TooMany)?;
        if len.saturating_mul(least) > self.rest.len() {
            return Err(DecodeError::Truncated);
        }
        let mut list = Vec::with_capacity(len);
        for _ in 0..len {
            list.push(entry(self)?);
        }
        Ok(list)
    }

    /// Reads a byte string with its length in front; fails with `TooMany` if it is longer than
    /// `limit`, with `Truncated` if it is cut short.
    pub(crate) fn byte_string(&mut self, limit: usize) -> Result<Vec<u8>, DecodeError> {
        let len = self.len(limit)?;
        Ok(self.bytes(len)?.to_vec())
    }
}

/// Makes room for `additional` bytes behind those in `bytes`. If they have to move to a larger
/// buffer, the old one is wiped, because it can hold a presented secret such as
/// [`PresentedSend`](crate::PresentedSend).
pub fn reserve_wiping(bytes: &mut Vec<u8>, additional: usize) {
    let needed = bytes.len().saturating_add(additional);
    if needed <= bytes.capacity() {
        return;
    }
    // Room for a record's padding and tag, so that a record with one blob moves once.
    let slack = (needed / 32).saturating_add(1_024);
    let mut larger = Vec::with_capacity(needed.saturating_add(slack).max(bytes.capacity().saturating_mul(2)));
    larger.extend_from_slice(bytes);
    // Wiping byte by byte would take as long as encrypting the record.
    bytes.fill(0);
    core::hint::black_box(bytes.as_slice());
    *bytes = larger;
}

/// A writer of the body of one item. It appends to `out`, and counts the entries of all lists of
/// the item.
pub(crate) struct BodyWriter<'a> {
    out: &'a mut Vec<u8>,
    entries: usize,
}

impl<'a> BodyWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, entries: 0 }
    }

    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        reserve_wiping(self.out, bytes.len());
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn uint(&mut self, value: impl Into<u64>) {
        let mut value = value.into();
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.u8(low & 0x7f);
            }
            self.u8(low | 0x80);
        }
    }

    pub(crate) fn len(&mut self, len: usize, limit: usize) -> Result<(), EncodeError> {
        if len > limit {
            return Err(EncodeError);
        }
        self.uint(u64::try_from(len).map_err(|_| EncodeError)?);
        Ok(())
    }

    pub(crate) fn list<T>(
        &mut self,
        list: &[T],
        limit: usize,
        mut entry: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.len(list.len(), limit)?;
        self.entries = self.entries.saturating_add(list.len());
        if self.entries > MAX_LIST_ENTRIES {
            return Err(EncodeError);
        }
        list.iter().try_for_each(|item| entry(self, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn read<T>(bytes: &[u8], f: impl FnOnce(&mut BodyReader<'_, '_>) -> T) -> T {
        f(&mut BodyReader::new(bytes, &mut 100))
    }

    fn written(value: u64) -> Vec<u8> {
        let mut out = vec![];
        BodyWriter::new(&mut out).uint(value);
        out
    }

    #[test]
    fn a_buffer_that_grows_keeps_its_bytes_and_has_room_for_padding() {
        let mut bytes = vec![7; 40];
        bytes.shrink_to_fit();
        reserve_wiping(&mut bytes, 65_536);
        assert_eq!(bytes, [7; 40]);
        assert!(bytes.capacity() >= 66_048 + 16);
        let place = bytes.as_ptr();
        reserve_wiping(&mut bytes, 65_536);
        assert_eq!(bytes.as_ptr(), place);
    }

    #[test]
    fn integers_are_those_of_postcard() {
        for shift in 0..64 {
            for value in [(1_u64 << shift) - 1, 1 << shift, (1 << shift) + 1, u64::MAX >> shift] {
                let bytes = postcard::to_allocvec(&value).unwrap();
                assert_eq!(written(value), bytes);
                assert_eq!(read(&bytes, |r| r.u64()), Ok(value));
                assert_eq!(read(&bytes, |r| r.u32()).ok(), u32::try_from(value).ok());
                assert_eq!(read(&bytes, |r| r.u16()).ok(), u16::try_from(value).ok());
            }
        }
    }

    #[test]
    fn integers_have_one_form() {
        for bytes in [&[0x80, 0x00][..], &[0xff, 0x00], &[0x80, 0x80, 0x00], &[0xff; 11]] {
            assert_eq!(read(bytes, |r| r.u64()), Err(DecodeError::Malformed));
        }
        assert_eq!(read(&[0x80], |r| r.u64()), Err(DecodeError::Truncated));
        assert_eq!(read(&[0xff, 0xff, 0x04], |r| r.u16()), Err(DecodeError::Malformed));
        assert_eq!(read(&[0xff, 0xff, 0x03], |r| r.u16()), Ok(u16::MAX));
    }

    #[test]
    fn lists_are_bounded_before_memory_is_taken() {
        let list = |bytes: &[u8], limit| read(bytes, |r| r.list(limit, 1, |r| r.u8()));
        assert_eq!(list(&[3, 1, 2, 3], 3), Ok(vec![1, 2, 3]));
        assert_eq!(list(&[3, 1, 2, 3], 2), Err(DecodeError::TooMany));
        assert_eq!(list(&[3, 1, 2], 3), Err(DecodeError::Truncated));
        assert_eq!(list(&[0xff, 0xff, 0xff, 0xff, 0x0f], usize::MAX), Err(DecodeError::TooMany));
        assert_eq!(list(&[101], 200), Err(DecodeError::TooMany));
    }
}
