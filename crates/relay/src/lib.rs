//! The blind relay of deaddrop: mailboxes that forget (spec/12-relay.md).
//!
//! Blobs go in under one right and come out under another; once the reader has confirmed one, the key it was sealed
//! with on this disk is destroyed. The relay knows no person, no pair of people and no content: it does not link the
//! crate that could open an envelope.

mod admission;
mod bucket;
pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod day_change;
pub mod hints;
pub mod inspect;
pub mod kept;
mod labels;
pub mod limits;
mod logging;
mod mailboxes;
mod memory;
mod names;
mod notices;
pub mod proxy;
mod random;
pub mod server;
pub mod session;
pub mod store;

pub use admission::Prefix;
pub use limits::Limits;
pub use names::StoreKey;
