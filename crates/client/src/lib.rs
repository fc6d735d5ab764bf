//! The client SDK of deaddrop: vault, outbox, inbox, connections (spec/14-client.md).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use deaddrop_client::{Client, Config, EventKind, Unlock};
//! let relay = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".parse()?;
//! let alice = Client::create("alice", Unlock::KeyFile, Some(relay), Config::default()).await?;
//! let bob = Client::create("bob", Unlock::KeyFile, None, Config::default()).await?;
//! let link = alice.invite("Bob").await?;
//! bob.accept(&link, "Alice").await?;
//! bob.send("Alice", "Hello from Bob").await?;
//! let mut event = alice.next_event(0).await?;
//! while !matches!(&event.kind, EventKind::MessageReceived { text, .. } if text == "Hello from Bob") {
//!     event = alice.next_event(event.number).await?;
//! }
//! # Ok(()) }
//! ```
//!
//! At the next start the app goes on after the last event that it has shown:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # use deaddrop_client::{Client, Config, EventKind, Unlock};
//! let alice = Client::open("alice", Unlock::KeyFile, Config::default()).await?;
//! loop {
//!     let event = alice.next_event(alice.cursor()?).await?;
//!     if let EventKind::MessageReceived { text, .. } = &event.kind {
//!         println!("{text}");
//!     }
//!     alice.set_cursor(event.number).await?;
//! }
//! # }
//! ```
//!
//! A person is a folder with an encrypted vault. [`Client::open`] opens it and connects in the background; everything else is calls
//! and events:
//!
//! | to | call | needs the relay now |
//! |---|---|---|
//! | begin | [`Client::create`], [`Client::open`] | no |
//! | meet somebody | [`Client::invite`], [`Client::accept`] | yes |
//! | send | [`Client::send`] | no: durable in the outbox when it returns |
//! | receive | [`Client::next_event`], [`Client::events_after`] | no: events are durable before the relay is told |
//! | go on after a loss | [`Client::begin_again`], [`Client::agree`], [`Client::decline`], [`Client::accept_new_identity`], or [`Client::invite`] and [`Client::accept`] with a known name | no; the last two yes |
//! | know whom one talks to | [`Client::safety_number`], [`Client::set_verified`] | no |
//! | use a relay that wants a token | [`Client::set_create_token`] | no: what waits goes on |
//! | reach a relay in a private network | [`Client::allow_private_address`], [`PrivateAddresses`] | no: what waits goes on |
//! | change the relay | [`Client::move_to_relay`], [`ContactInfo::relays`], [`Client::leave_relay`] | no: goes on when relays answer |
//! | be sure before leaving | [`Client::sync`], [`Client::wait_caught_up`], [`Client::flush`], [`Client::flush_to`], [`Client::close`] | all but the last wait for it, and say what is left |
//!
//! **Exactly once.** Events have numbers that ascend and are never used again. An app with a store of its own keeps the number of an
//! event in the same transaction as what it made of it, and asks for events after that number: it sees each once, whatever
//! crashes. A simple app uses [`Client::set_cursor`]; after a crash it may see its last event again.
//!
//! **Errors** change nothing, except those of the vault: after [`ClientError::VaultStopped`] the client must be closed and opened
//! again. [`ClientError::VaultFull`] ends as soon as there is room, without that. A relay that is down is no error of [`Client::send`].
//!
//! Dropping a [`Client`] is as safe as cutting the power. It needs a multi-threaded or current-thread tokio runtime with time and
//! network.
//!
//! Not its concern: the rules of a client (`deaddrop-engine`), cryptography (`deaddrop-e2ee`), how bytes are stored
//! (`deaddrop-shred`), how anything is shown.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod client;
mod config;
mod engine;
mod error;
#[cfg(feature = "hazmat")]
pub mod hazmat;
mod home;
mod net;
mod pasted;
mod random;
mod resolve;
#[cfg(feature = "testing")]
pub mod testing;
mod vault;

pub use client::{Client, ClockStatus, ContactSync, Patience, SendWait, Status, SyncReport};
pub use config::{
    Config, DEFAULT_VAULT_MIB, MAX_GAP_WAIT, MAX_INVITE_DAYS, MAX_VAULT_MIB, MIN_VAULT_MIB, PrivateAddresses,
};
pub use error::{ClientError, OpenError, WrongClock};
pub use home::Unlock;
pub use pasted::{MAX_PASTED, PasteError, read_pasted_invite, read_pasted_relay};
pub use resolve::{Resolve, Resolving, SystemResolver};

pub use deaddrop_e2ee::{
    content::{MAX_TEXT, MessageId},
    identity::SafetyNumber,
    invite::{BundleError, InviteLink, LinkError},
};
pub use deaddrop_engine::{
    ContactAsks, ContactInfo, ContactState, Event, EventKind, UnreachableReason, VaultRoom, VaultStatus,
    conversation::{Connectivity, TlsFault},
    invisible_in, is_invisible,
};
pub use deaddrop_shred::PassphraseCost;
pub use deaddrop_tls::{Roots as TlsRoots, TlsError, Verify as TlsVerify};
pub use deaddrop_wire::{AddressError, Day, RelayAddress};
pub use zeroize::Zeroizing;

/// The examples of the README, compiled as tests of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
