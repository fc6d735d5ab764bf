//! The blind relay of deaddrop: mailboxes that forget.
//!
//! A sender puts a blob under one right, and a reader takes it under another. When the reader has confirmed a blob, the relay
//! destroys the key under which the blob was sealed on the disk. The relay knows no person, no pair of people and no content: it
//! does not link the crate that could open an envelope.
//!
//! The program `deaddrop-relay` is [`cli::run`]. As a library, a relay has these parts:
//!
//! | module | holds |
//! |---|---|
//! | [`server`] | sockets, TLS, one task for each connection |
//! | [`session`] | the rules of one link, as a value without I/O |
//! | [`store`], [`kept`] | the port of the store, and the store over memory or `deaddrop-shred` |
//! | [`data_dir`] | the operator's directory: configuration, keys, store |
//! | [`inspect`] | everything that an operator can know |
//!
//! Chapter 12 of the specification (`spec/12-relay.md` in the source tree) has the rules, with the number of each check.

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
#[cfg(feature = "testing")]
pub mod testing;

pub use admission::Prefix;
pub use limits::Limits;
pub use names::StoreKey;
