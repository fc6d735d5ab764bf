//! End-to-end encryption between two people: identities, invites, a hybrid post-quantum handshake and ratchet, envelopes,
//! content, safety numbers (spec chapters 02 to 08).
//!
//! Sans-I/O: no clock, no randomness of its own, no file, no socket. Every call takes `rng` and `today`, and returns its
//! output with one [`ChangeSet`] to be stored in one atomic batch. A call that fails changes nothing.
//!
//! Not its concern: where envelopes lie and how they travel.
#![no_std]

extern crate alloc;

mod bundle;
pub mod content;
mod handshake;
#[cfg(feature = "hazmat")]
pub mod hazmat;
mod identity;
mod invite;
mod labels;
mod padding;
mod safety_number;
mod session;

pub use bundle::{AddressTooLong, BundleError, MAX_ADDRESS, PendingInvite, SUITE, VerifiedBundle};
pub use content::{Content, ContentError, MAX_TEXT, StreamId};
pub use handshake::{AcceptError, Accepted, BadBundleKey};
pub use identity::{BadIdentity, IDENTITY_KEY_LEN, IdentityHash, IdentityKey, IdentityKeyPair, IdentitySeed};
pub use invite::{FRAGMENT_LEN, InviteLink, InviteRead, InviteSecret, LINK_VERSION, LinkError};
pub use safety_number::{DIGITS, SafetyNumber};
pub use session::{
    ChangeSet, DecryptError, EncryptError, LoadError, MAX_CLOSED_CHAINS, MAX_SKIP, MAX_SKIP_AGE,
    MAX_SKIPPED_KEYS, MAX_TURN_LEN, Opened, Role, Session, SessionId, SkippedId, SkippedRow, Standing,
};
