//! TLS 1.3 (RFC 8446) for the relay and the client of deaddrop, in Rust alone.
//!
//! The link inside authenticates the relay and protects what it carries (spec/10-link.md); TLS
//! outside it makes the connection pass through networks that block all other protocols. The crate
//! knows nothing of the link.
//!
//! - [`provider`]: the cryptography, for rustls.
//! - [`ServerCertificate`] and [`Reloader`]: a server's certificate files, which may change while
//!   the server runs.
//! - [`server_config`] and [`client_config`]: the only ways in which this crate configures rustls.
//! - [`accept`] and [`connect`]: the handshake, which returns a [`TlsStream`].
//!
//! The bounds on a peer:
//!
//! | what the peer does | bound |
//! |---|---|
//! | sends a long ClientHello | [`MAX_CLIENT_HELLO`] bytes |
//! | sends a long handshake | [`MAX_HANDSHAKE`] bytes |
//! | begins a record and does not end it | the memory held is what arrived, at most one record (16 KiB and its overhead) |
//! | never reads | [`MAX_UNSENT`] bytes wait; then writing waits |
//! | sends empty records or messages that carry no data | [`MAX_QUIET`] bytes in a row |
//! | asks for new keys again and again | 32 times in a row; one answer waits at most |
//! | is slow | the caller bounds the time |
//!
//! An idle [`TlsStream`] holds no buffer: the benchmark `idle` measures what it costs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod certificate;
mod config;
mod error;
mod provider;
mod reload;
mod stream;
mod verify;
mod x509;

pub use certificate::{CertificateWarning, LoadError, LoadFault, ServerCertificate};
pub use config::{ALPN, client_config, server_config};
pub use error::{CertificateError, TlsError};
pub use provider::{is_fast, provider};
pub use reload::{Reload, Reloader};
pub use stream::{MAX_CLIENT_HELLO, MAX_HANDSHAKE, MAX_QUIET, MAX_UNSENT, TlsStream, accept, connect};
pub use verify::{Roots, Verify};

pub use rustls;
#[cfg(all(feature = "platform", target_os = "android"))]
pub use rustls_platform_verifier;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
