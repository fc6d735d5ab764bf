//! End-to-end encryption between two people: identities, invites, a hybrid post-quantum handshake and ratchet, envelopes,
//! content, safety numbers (spec chapters 02 to 08).
//!
//! Sans-I/O: no clock, no randomness of its own, no file, no socket. Every call takes `rng` and `today`, and returns its
//! output with one [`ChangeSet`] to be stored in one atomic batch. A call that fails changes nothing.
//!
//! Not its concern: where envelopes lie and how they travel.
#![no_std]

extern crate alloc;

mod attachment;
mod bundle;
mod contact;
pub mod content;
mod handshake;
#[cfg(feature = "hazmat")]
pub mod hazmat;
mod identity;
mod invite;
mod labels;
mod padding;
mod prekeys;
mod reader;
mod reset;
mod safety_number;
mod session;
mod words;

pub use attachment::{
    AttachmentKey, AttachmentTooLong, BadSegment, MAX_ATTACHMENT, MAX_SEGMENTS, Manifest, SEGMENT_LEN,
    SEGMENT_OVERHEAD, SegmentError,
};
pub use bundle::{AddressTooLong, BundleError, MAX_ADDRESS, PendingInvite, SUITE, VerifiedBundle};
pub use contact::{
    AddError, AgreeError, Contact, ContactChanges, ContactEvent, Hour, MAX_OWN_BUNDLES, MAX_PEER_BUNDLES,
    MAX_SESSIONS, Meeting, RESET_BUNDLE_DAYS, RESET_BUNDLE_RENEWAL_DAYS, Received, ResetError, ResetKind,
    SafetyNumberDiffers, StoredSession, UNUSED_DAYS,
};
pub use content::{Content, ContentError, MAX_TEXT, StreamId};
pub use handshake::{AcceptError, Accepted, BadBundleKey};
pub use identity::{BadIdentity, IDENTITY_KEY_LEN, IdentityHash, IdentityKey, IdentityKeyPair, IdentitySeed};
pub use invite::{FRAGMENT_LEN, InviteLink, InviteRead, InviteSecret, LINK_VERSION, LinkError};
pub use reset::MAX_SESSIONS_OF_BUNDLE;
pub use safety_number::{DIGITS, SafetyNumber, WORDS};
pub use session::{
    ChangeSet, DecryptError, EncryptError, LoadError, MAX_CLOSED_CHAINS, MAX_SKIP, MAX_SKIP_AGE,
    MAX_SKIPPED_KEYS, MAX_TURN_LEN, Opened, REWIND_WINDOW, Role, Session, SessionId, SkippedId, SkippedRow,
    Standing,
};
pub use words::WordsError;
