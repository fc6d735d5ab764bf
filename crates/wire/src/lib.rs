//! The bytes that deaddrop's clients and relays agree on: size classes, ids, capabilities as opaque
//! bytes, items and their strict codec (spec/09-wire.md).
//!
//! This crate does no cryptography and no I/O. The crates `deaddrop-link` and `deaddrop-e2ee` hash,
//! derive and seal.
#![no_std]

extern crate alloc;

mod address;
mod blob;
mod codec;
mod day;
mod id;
pub mod item;
pub mod limits;
mod presented;
mod record;
mod version;

pub use address::{AddressError, RelayAddress, RelayUrl};
pub use blob::{Blob, NotASizeClass, SizeClass};
pub use codec::{DecodeError, EncodeError, reserve_wiping};
pub use day::{Day, NotADate, RELEASE_YEAR};
pub use id::{ClientToken, Fingerprint, MailboxId, OwnId, SendId};
pub use item::{Item, Unsupported};
pub use presented::{PresentedOwn, PresentedRead, PresentedSend};
pub use record::{HEADER_LEN, Received, decode_items, encode_item, encode_items};
pub use version::{Features, Offer, Version};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
