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
//! let event = alice.next_event(0).await?;
//! if let EventKind::MessageReceived { text, .. } = event.kind {
//!     assert_eq!(text, "Hello from Bob");
//! }
//! # Ok(()) }
//! ```
//!
//! Everything that is sent or received is durable in the vault before anything leaves or is acknowledged. The app reads events by
//! number; an app that keeps the number with its own data sees each content exactly once, whatever crashes.
//!
//! Not its concern: cryptography (`deaddrop-crypto`), how bytes are stored (`deaddrop-shred`), how anything is shown.

mod client;
mod config;
mod engine;
mod error;
mod event;
mod home;
mod net;
mod random;
mod vault;

pub use client::{Client, Status};
pub use config::Config;
pub use engine::{ContactInfo, ContactState};
pub use error::{ClientError, OpenError};
pub use event::{Event, EventKind};
pub use home::Unlock;
pub use net::Connectivity;

pub use deaddrop_crypto::{InviteLink, LinkError, MAX_TEXT, SafetyNumber};
pub use deaddrop_wire::{AddressError, Day, RelayAddress};
