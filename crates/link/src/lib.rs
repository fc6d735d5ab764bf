//! The authenticated, encrypted channel between a client and a relay (spec/10-link.md), and the
//! capabilities that are shown through it (spec/11-capabilities.md). Sans-I/O: bytes, `now` and
//! `rng` go in, bytes and items come out.
//!
//! This crate knows no sockets, no mailboxes and no messages between people.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod capability;
mod client_token;
mod cookie;
mod handshake;
mod identity;
mod labels;
mod mailbox_address;
mod record;
mod session;

pub use client_token::ClientTokenSecret;
pub use cookie::{Cookie, CookieKey};
pub use handshake::{
    ClientFinished, ClientHandshake, ClientHandshakeError, ClientHello, ClientStep, RelayHandshake,
    RelayHandshakeError, UnprovenLink, no_common_version, retry,
};
pub use identity::{RelayIdentity, RelaySeed};
pub use mailbox_address::{BadMailboxAddress, MailboxAddress};
pub use record::{MAX_RECORD_LEN, PLAINTEXT_SIZES};
pub use session::{LinkSession, OpenHalf, RecordError, SealError, SealHalf};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
