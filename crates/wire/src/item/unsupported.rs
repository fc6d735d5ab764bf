//! Items that a peer may send although this version cannot serve them.

/// A well-formed item that this version cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// The item is critical and of unknown type: its type number.
    Kind(u16),
    /// The item is a `Put` of an unknown size class.
    Class {
        /// Number of the request, which the answer repeats.
        req: u32,
    },
}
