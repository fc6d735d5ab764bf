//! Blobs and their size classes, the only lengths that a relay ever sees.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A size class: one of the three lengths that a blob can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum SizeClass {
    /// A blob of 4,096 bytes.
    Small,
    /// A blob of 16,384 bytes.
    Medium,
    /// A blob of 65,536 bytes.
    Large,
}

impl SizeClass {
    /// All classes, smallest first.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// Returns the number of bytes of a blob of this class.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => 4_096,
            Self::Medium => 16_384,
            Self::Large => 65_536,
        }
    }

    /// Returns the number by which the wire format names the class.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Small => 0,
            Self::Medium => 1,
            Self::Large => 2,
        }
    }

    /// Returns the class with this number on the wire; `None` if no class has it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Small),
            1 => Some(Self::Medium),
            2 => Some(Self::Large),
            _ => None,
        }
    }

    /// Returns the class whose blobs have exactly `len` bytes; `None` if there is none.
    #[must_use]
    pub fn of_len(len: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.bytes() == len)
    }

    /// Returns the smallest class whose blobs have at least `len` bytes; `None` if `len` is over
    /// 65,536.
    #[must_use]
    pub fn fitting(len: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.bytes() >= len)
    }
}

impl From<SizeClass> for u8 {
    fn from(class: SizeClass) -> Self {
        class.code()
    }
}

impl TryFrom<u8> for SizeClass {
    type Error = NotASizeClass;

    fn try_from(code: u8) -> Result<Self, NotASizeClass> {
        Self::from_code(code).ok_or(NotASizeClass)
    }
}

/// The error of a length or a code that is not that of a size class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a size class; a blob has 4096, 16384 or 65536 bytes")]
pub struct NotASizeClass;

/// A message as a relay stores it in a mailbox: opaque bytes, exactly as many as a [`SizeClass`]
/// has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Blob {
    class: SizeClass,
    bytes: Vec<u8>,
}

impl Blob {
    /// Creates a blob from its bytes, without copying them.
    ///
    /// # Errors
    /// Fails with [`NotASizeClass`] when the length is that of no class.
    pub fn new(bytes: Vec<u8>) -> Result<Self, NotASizeClass> {
        // W-09: a blob has the length of a size class.
        let class = SizeClass::of_len(bytes.len()).ok_or(NotASizeClass)?;
        Ok(Self { class, bytes })
    }

    /// Returns the size class.
    #[must_use]
    pub const fn class(&self) -> SizeClass {
        self.class
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes the bytes out of the blob without copying them.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl core::fmt::Debug for Blob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Blob({:?})", self.class)
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl TryFrom<Vec<u8>> for Blob {
    type Error = NotASizeClass;

    fn try_from(bytes: Vec<u8>) -> Result<Self, NotASizeClass> {
        Self::new(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn only_the_three_lengths_are_blobs() {
        for class in SizeClass::ALL {
            assert_eq!(Blob::new(vec![0; class.bytes()]).unwrap().class(), class);
            assert_eq!(Blob::new(vec![0; class.bytes() - 1]), Err(NotASizeClass));
            assert_eq!(SizeClass::from_code(class.code()), Some(class));
            assert_eq!(SizeClass::fitting(class.bytes()), Some(class));
        }
        assert_eq!(Blob::new(vec![]), Err(NotASizeClass));
        assert_eq!(SizeClass::from_code(3), None);
        assert_eq!(SizeClass::fitting(4_097), Some(SizeClass::Medium));
        assert_eq!(SizeClass::fitting(65_537), None);
    }
}
