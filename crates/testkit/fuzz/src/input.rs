//! The input of a fuzz target: values are taken from the front, and are zeros when there are no
//! more bytes.

/// The bytes of the input that were not taken yet.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let (taken, rest) = self.0.split_at(N.min(self.0.len()));
        array[..taken.len()].copy_from_slice(taken);
        self.0 = rest;
        array
    }

    pub fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Takes a number below `count` from one byte, so below 256; 0 if `count` is 0.
    pub fn pick(&mut self, count: usize) -> usize {
        usize::from(self.u8()) % count.max(1)
    }

    /// Takes a flag that is set for one byte value in `many`, and when there are no more bytes.
    pub fn one_in(&mut self, many: u8) -> bool {
        self.u8().is_multiple_of(many)
    }

    /// Takes a byte string, with its length in one byte in front; fewer bytes if there are no more.
    pub fn short(&mut self) -> &'a [u8] {
        let len = usize::from(self.u8()).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// Changes `bytes` as the input says: one byte is the number of changes; each has a position of
    /// two bytes and a mask of one byte, which is XORed.
    pub fn change(&mut self, bytes: &mut [u8]) {
        for _ in 0..self.u8() {
            let (at, mask) = (usize::from(self.u16()), self.u8());
            if !bytes.is_empty() {
                let len = bytes.len();
                bytes[at % len] ^= mask;
            }
        }
    }
}
