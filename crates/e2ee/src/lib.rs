//! End-to-end encryption between two people, without a server, a network or a store of its own.
//!
//! Two people meet by a one-time invite link. From then on their messages are encrypted with keys
//! that change with every message and with every change of direction, against classical and quantum
//! attackers. Lost sessions are reset, copied or restored states are detected, and both people can
//! compare a safety number.
//!
//! The crate is *sans-I/O*: it reads no clock, no source of randomness, no file and no socket.
//! Every call takes what it needs (`rng`, `today`), and returns its output together with the
//! changes to store. A call that fails changes nothing. It needs no standard library and no
//! `unsafe`.
//!
//! This crate does not decide where envelopes lie and how they travel; `deaddrop-client` does, with
//! relays that learn nothing.
//!
//! # Two people
//!
//! ```
//! use deaddrop_e2ee::{
//!     Day,
//!     contact::{Contact, InvitePolicy},
//!     content::{self, Content, StreamId},
//!     identity::IdentityKeyPair,
//!     invite::{PendingInvite, VerifiedBundle},
//!     session::Session,
//! };
//! # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
//! # let rng = &mut ChaCha20Rng::seed_from_u64(1);
//! # let today = Day::from_number(20_780);
//! let alice = IdentityKeyPair::generate(rng);
//! let bob = IdentityKeyPair::generate(rng);
//!
//! // Bob makes an invite. The secret goes into a link, the sealed bundle to where the link points.
//! let (pending, sealed_bundle) = PendingInvite::create(&bob, today.plus(7), b"bob's mailbox", rng)?;
//!
//! // Alice opens the bundle with the secret of the link, and writes first.
//! let alice_hash = alice.identity_key().hash();
//! let bundle = VerifiedBundle::open(pending.secret(), &sealed_bundle, alice_hash, None, today)?;
//! let (session, changes) = Session::initiate(&alice, &bundle, rng)?;
//! let mut to_bob = Contact::new(*bundle.identity().hash());
//! to_bob.add_initiated(session, changes, bundle.not_after(), InvitePolicy::KeepSessions)?;
//! let hello = Content::Hello { address: b"alice's mailbox".to_vec() };
//! let (envelope, _changes) = to_bob.encrypt(&content::encode(&[hello])?, rng)?;
//!
//! // Bob accepts what came by his invite, and answers.
//! let accepted = pending.accept(&bob, envelope.as_bytes(), |_| false, today)?;
//! let mut to_alice = Contact::new(*accepted.peer.hash());
//! to_alice.add_accepted(accepted, InvitePolicy::KeepSessions)?;
//! let text = Content::Text { stream: StreamId([1; 16]), number: 1, text: "hello Alice".into() };
//! let (envelope, _changes) = to_alice.encrypt(&content::encode(&[text])?, rng)?;
//!
//! let received = to_bob.decrypt(&alice, envelope.as_bytes(), today)?;
//! let items = content::decode(&received.content.unwrap())?;
//! assert!(matches!(&items[..], [Content::Text { text, .. }] if text == "hello Alice"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The folder `examples` has longer ones: a database, messages out of order, verification,
//! attachments.
//!
//! # Keys
//!
//! | key | lives | made from |
//! |---|---|---|
//! | [`IdentitySeed`](identity::IdentitySeed) | as long as the person | 32 random bytes; 24 words on paper |
//! | [`IdentityKeyPair`](identity::IdentityKeyPair): X25519, Ed25519, ML-KEM-768 | as long as the person | the seed |
//! | [`InviteSecret`](invite::InviteSecret) | until the invite is used or expires | the hash of the invite's bundle |
//! | prekeys: X25519, ML-KEM-768 | until the invite or reset bundle is used or expires | random bytes |
//! | root key, header keys | one turn (a turn ends when the direction changes) | X25519, ML-KEM-768 and the root key before |
//! | chain key, message key | one message | the chain key before |
//! | skipped message key | until its message arrives, at most 35 days | the chain key |
//! | reset secret | a few turns | the turn |
//!
//! Each key has a type of its own, is boxed, wiped on drop, and never printed. Only
//! [`IdentitySeed`](identity::IdentitySeed) and the rows of a [change set](session::ChangeSet)
//! leave the crate; both are secrets.
//!
//! # Sending
//!
//! 1. Encode items with [`content::encode`]. Until the peer has answered
//!    ([`Standing::Unanswered`](session::Standing::Unanswered)) each content begins with
//!    [`Content::Hello`](content::Content::Hello); the other side refuses a first message without
//!    it.
//! 2. Call [`Contact::encrypt`](contact::Contact::encrypt). It returns an envelope of a fixed [size
//!    class](SizeClass).
//! 3. Store the changes in one atomic batch. Only then send the envelope.
//!
//! `rng` is any `rand_core` 0.10 generator of cryptographic quality. Prefer the operating system's
//! (`rand::rand_core::UnwrapErr(rand::rngs::SysRng)`) to a generator in memory: a snapshot of a
//! virtual machine restores the latter. Messages of two such copies share no key and nonce even
//! then, but ephemeral keys are drawn as they are (`spec/05-ratchet.md`, section 2).
//!
//! # Receiving
//!
//! 1. Give an envelope to [`Contact::decrypt`](contact::Contact::decrypt) of the contact in whose
//!    mailbox it lies. Give an envelope in the mailbox of an open invite to
//!    [`PendingInvite::accept`](invite::PendingInvite::accept) until one is accepted, then to the
//!    new contact: further first messages of the same person belong to its session.
//! 2. If the person who accepted is a contact already, add the session to it with
//!    [`Contact::add_accepted`](contact::Contact::add_accepted):
//!    [`InvitePolicy::StartOver`](contact::InvitePolicy::StartOver) if the two people mean to start
//!    over, otherwise [`InvitePolicy::KeepSessions`](contact::InvitePolicy::KeepSessions).
//! 3. Store the changes and the content in one atomic batch. Only then acknowledge the envelope.
//!    Store and acknowledge also content that [`content::decode`] refuses.
//! 4. Act on the [events](contact::ContactEvent).
//!
//! Messages may arrive late, twice, in any order, or never. `today` is the local day; a wrong clock
//! costs skipped keys, never secrecy.
//!
//! # Storing
//!
//! A [`Contact`](contact::Contact) is one row, and for each session a snapshot, a row of reset
//! secrets, and one row for each skipped key. [`ContactChanges`](contact::ContactChanges) says
//! which rows to write and which to remove; [`Contact::load`](contact::Contact::load) reads them
//! back. Each row begins with a version, and later versions of this crate read it. Keep the rows
//! under an AEAD or a checksum: the crate detects only damage to their form. Never put back an
//! older copy while the newer one exists.
//!
//! Store [`PendingInvite::to_bytes`](invite::PendingInvite::to_bytes) until the invite ends. Call
//! [`Contact::tidy`](contact::Contact::tidy) once a day, and
//! [`Contact::renew_bundle`](contact::Contact::renew_bundle) before sending: without the peer's
//! bundle a lost session cannot be reset.
//!
//! # When things go wrong
//!
//! | what happens | what the crate does | what the app does |
//! |---|---|---|
//! | an envelope is junk, a duplicate, or breaks the protocol | [`DecryptError`](session::DecryptError), nothing changed | acknowledge it |
//! | a session's rows are lost or damaged | [`Contact::is_lost`](contact::Contact::is_lost) | [`Contact::reset`](contact::Contact::reset), soft; if that fails, a new invite |
//! | the peer has lost its session, and proves a recent state | [`PeerReset`](contact::ContactEvent::PeerReset) | nothing |
//! | the peer asks for a reset without a proof | [`ResetRequested`](contact::ContactEvent::ResetRequested) | ask the user, then [`agree_to_reset`](contact::Contact::agree_to_reset) |
//! | the peer's state was put back to an older copy | [`PeerRewound`](contact::ContactEvent::PeerRewound) | tell the user, reset |
//! | somebody else had the invite link | [`InviteContested`](contact::ContactEvent::InviteContested), [`InviteTaken`](contact::ContactEvent::InviteTaken) | tell the user, compare safety numbers |
//! | the contact was verified and started over | [`VerificationCleared`](contact::ContactEvent::VerificationCleared) | show it; compare [safety numbers](identity::SafetyNumber) again |
//! | 2,000 messages without an answer | [`EncryptError::TurnFull`](session::EncryptError::TurnFull) | wait for the peer |
//! | a content does not fit | [`EncryptError::TooLong`](session::EncryptError::TooLong) | split it; [`Contact::room`](contact::Contact::room) says what fits |
//! | a row comes from a newer version | [`LoadError::NewerVersion`] | overwrite nothing; update |
//!
//! # Threats
//!
//! Against an attacker who reads, holds back, repeats and invents envelopes, and who may have a
//! quantum computer later:
//!
//! - **Confidentiality and integrity** of content hold as long as the two devices are not broken
//!   into. Envelopes show neither sender nor recipient, and of the length only the size class.
//! - **Stolen state**: messages before the theft stay secret (each key is deleted after use);
//!   messages become secret again after both sides have begun a new turn that the attacker did not
//!   touch.
//! - **Authentication**: the person who accepts an invite has proved its identity when the session
//!   is [`Established`](session::Standing::Established), against a quantum attacker too; before,
//!   classically only. The invite itself proves only what its link proves: compare safety numbers.
//! - **Deniability**: no message carries a signature. An invite's bundle does.
//!
//! Not promised: protection of a device that is broken into, of the moment when messages are sent,
//! and of a link that others have seen and used first. The last sections of the chapters say
//! exactly what holds and what does not.
//!
//! # Specification
//!
//! Every byte, key and check is specified, with test vectors, in the folder `spec` of the source
//! tree.
//!
//! | chapter | modules |
//! |---|---|
//! | `00-words.md`, `01-overview.md`, `labels.md`, `checks.md` | all |
//! | `02-identity.md` | [`identity`] |
//! | `03-invite.md` | [`invite`] |
//! | `04-handshake.md` | [`invite`], [`session`] |
//! | `05-ratchet.md` | [`session`]; [`contact`] (section 6) |
//! | `06-envelope-and-content.md` | [`content`], [`attachment`] |
//! | `07-safety-number.md` | [`identity`] |
//! | `08-snapshots.md` | [`session`], [`contact`] |
//!
//! # Features
//!
//! All are off by default, and additive.
//!
//! - `libcrux`: ML-KEM from `libcrux-ml-kem`, which is several times as fast as `ml-kem` and in
//!   large parts verified. It pins exact versions of its own dependencies.
//! - `hazmat`: intermediate secrets for test vectors. Never enable it in an app.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;

pub mod attachment;
mod bundle;
pub mod contact;
pub mod content;
mod handshake;
#[cfg(feature = "hazmat")]
pub mod hazmat;
pub mod identity;
pub mod invite;
mod labels;
mod load_error;
mod padding;
mod reader;
pub mod session;

pub use deaddrop_primitives::secret::wipe_stack;
pub use deaddrop_wire::{Blob, Day, Fingerprint, RelayAddress, SizeClass};
pub use load_error::LoadError;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
