//! Little-endian fields in and out of fixed pages, without indexing.

/// The bytes of an encoding that were not read yet. Each method takes a field off the front, or
/// returns `None` if too few bytes are left.
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&[u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// Number of bytes of a page: the unit in which commits begin and cells are written.
pub(crate) const PAGE: usize = 4_096;

/// Returns `bytes`, followed by zeros up to `length`; unchanged if they are as long already.
pub(crate) fn padded(mut bytes: Vec<u8>, length: usize) -> Vec<u8> {
    bytes.resize(length.max(bytes.len()), 0);
    bytes
}

/// Rounds a number of bytes up to whole pages.
pub(crate) const fn page_up(n: u32) -> u32 {
    n.next_multiple_of(4_096)
}

/// Converts a length or an offset in bytes. All of them are bounded by `u32`, and so fit `usize` on
/// every platform with a file system.
pub(crate) const fn size(n: u32) -> usize {
    n as usize
}
