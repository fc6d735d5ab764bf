//! The move of a relay to another host (spec/12-relay.md section 12).
//!
//! The new host makes a one-time key pair ([`prepare`]). The old host seals the identity, the store
//! key and all live records to the public key ([`export`]), and is marked as moved before that file
//! is whole: from then on it serves its new URL and no blob. The new host makes a relay from the file
//! ([`import`]) and destroys its private key. The import gives a receipt, with which the old host
//! destroys its store ([`confirm`]).
//!
//! Every step can be interrupted and repeated. No step lets two hosts serve the same blob.

mod contents;
mod destruction;
mod error;
mod export;
mod files;
mod import;
mod key_hash;
mod mark;
mod preparation;
mod progress;
mod receipt;
mod sealed;
mod steps;
mod transfer_key;

pub use destruction::{confirm, destroy_expired, destroy_keys};
pub use error::MoveError;
pub use export::{ExportOptions, Exported, export};
pub use import::{Imported, TakenLimits, finish_import, import, show_receipt};
pub use key_hash::KeyHash;
pub use mark::{MovedMark, SERVE_DAYS};
pub use preparation::prepare;
pub use progress::Progress;
pub use receipt::Receipt;
pub use transfer_key::{TransferKey, TransferSecret};
