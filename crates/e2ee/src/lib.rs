//! End-to-end encryption between two people: identities, invites, a hybrid post-quantum handshake and ratchet, envelopes,
//! content, safety numbers (spec chapters 02 to 08).
//!
//! Sans-I/O: no clock, no randomness of its own, no file, no socket. Every call takes `rng` and `today`, and returns its
//! output with one [`ChangeSet`] to be stored in one atomic batch. A call that fails changes nothing.
//!
//! Not its concern: where envelopes lie and how they travel.
//!
//! # What an app does
//!
//! `rng` is any `rand_core` 0.10 generator of cryptographic quality; `today` is a [`Day`]. Prefer the operating system's
//! (`rand::rngs::SysRng`) to one that is kept in memory: a snapshot of a virtual machine brings that one back. Messages of two
//! copies share no key and nonce even then (spec/05-ratchet.md section 2), but ephemeral keys are drawn as they are.
//!
//! - One [`Contact`] a person holds every session with that person. [`Session`] alone is for who needs no resets.
//! - An envelope goes to [`Contact::decrypt`] of the contact in whose mailbox it lies. What lies in the mailbox of an open invite
//!   goes to [`PendingInvite::accept`] until one is accepted, then to the new contact: further first messages of the same
//!   guest belong to its session. If the guest is a known person, the session goes to that [`Contact`]
//!   ([`Contact::add_accepted`]), with [`InvitePolicy::StartOver`] if the two people mean to start over and [`InvitePolicy::KeepSessions`] if not.
//! - Store the changes of a call in one batch before its envelope leaves, or before the one it read is acknowledged. Content
//!   that [`content::decode`] refuses is stored and acknowledged all the same.
//! - An error changes nothing: acknowledge what is junk or a duplicate. A message that comes again long after is junk, not a
//!   duplicate: nothing of its turn is kept.
//! - Until the peer has answered ([`Standing::Unanswered`]) each content begins with [`Content::Hello`]: a message without it is
//!   refused on the other side.
//! - Rows are kept where a changed byte is noticed, under an AEAD or a checksum: only damage to their form is seen here.
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
mod labels;
mod load_error;
mod padding;
mod reader;
mod session;

pub use attachment::{
    AttachmentHash, AttachmentKey, AttachmentSealer, AttachmentTooLong, BadSegment, Incomplete,
    MAX_ATTACHMENT, MAX_SEGMENTS, Manifest, OpenedSegment, SEGMENT_LEN, SEGMENT_OVERHEAD, SealedSegment,
    SegmentError, SegmentHash, SegmentHashes, SegmentLayout, VerifyError,
};
pub use bundle::{
    AddressTooLong, BundleError, FRAGMENT_LEN, InviteLink, InviteRead, InviteSecret, LINK_VERSION, LinkError,
    MAX_ADDRESS, PendingInvite, SUITE, VerifiedBundle,
};
pub use contact::{
    AddError, AgreeError, Contact, ContactChanges, ContactEvent, Hour, InvitePolicy, MAX_OWN_BUNDLES,
    MAX_PEER_BUNDLES, MAX_SESSIONS, MAX_SESSIONS_OF_BUNDLE, RESET_BUNDLE_DAYS, RESET_BUNDLE_RENEWAL_DAYS,
    Received, ResetError, ResetKind, SafetyNumberDiffers, SessionUse, StoredSession, UNUSED_DAYS,
};
pub use content::{Content, ContentError, ItemHash, MAX_TEXT, Message, MessageId, StreamDigest, StreamId};
pub use deaddrop_primitives::secret::wipe_stack;
pub use deaddrop_wire::{Blob, Day, Fingerprint, RelayAddress, SizeClass};
pub use handshake::{AcceptError, Accepted, BadBundleKey};
pub use identity::{
    BadIdentity, DIGITS, IDENTITY_KEY_LEN, IdentityHash, IdentityKey, IdentityKeyPair, IdentityNumber,
    IdentitySeed, SafetyNumber, UnconfirmedIdentity, WORDS, WordsError,
};
pub use session::{
    ChangeSet, DecryptError, EncryptError, LoadError, MAX_CLOSED_CHAINS, MAX_SKIP, MAX_SKIP_AGE,
    MAX_SKIPPED_KEYS, MAX_TURN_LEN, Opened, REWIND_WINDOW, Role, Session, SessionId, SkippedId, SkippedRow,
    Standing,
};
