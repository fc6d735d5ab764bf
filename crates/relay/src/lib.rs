//! The blind relay of deaddrop: mailboxes that forget (spec/12-relay.md).
//!
//! Blobs go in under one right and come out under another; once the reader has confirmed one, the key it was sealed
//! with on this disk is destroyed. The relay knows no person, no pair of people and no content: it does not link the
//! crate that could open an envelope.

mod bucket;
pub mod clock;
pub mod hints;
mod labels;
pub mod limits;
mod mailboxes;
mod names;
pub mod session;
pub mod store;

pub use limits::Limits;
pub use names::StoreKey;
