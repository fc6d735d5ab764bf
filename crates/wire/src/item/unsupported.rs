//! Items that a peer may send although this version cannot serve them.

/// A well-formed item that this version cannot serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// A critical item of unknown type.
    Kind(u16),
    /// A `Put` of an unknown size class.
    Class {
        /// The request's number.
        req: u32,
    },
}
