//! The few cryptographic primitives of deaddrop, each from a well-kept crate, behind strict types.
//!
//! Suite 1: X25519 (RFC 7748), Ed25519 with strict verification (RFC 8032), ML-KEM-768 (FIPS 203),
//! HKDF-SHA-256 (RFC 5869), ChaCha20-Poly1305 (RFC 8439), SHA-256 (FIPS 180-4), POLYVAL (RFC 8452).
//!
//! This crate composes nothing: it holds no label, no protocol and no key schedule, so a relay that
//! links it can still open no envelope. It exists so that each floor above gets the same refusals
//! at its input (non-canonical and low-order points, unreduced ML-KEM keys) and the same wiping of
//! secrets.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;

pub mod aead;
#[cfg(feature = "count")]
pub mod count;
pub mod ed25519;
pub mod hash;
pub mod hkdf;
pub mod kem;
pub mod polyval;
pub mod secret;
pub mod x25519;

#[doc(hidden)]
pub use {alloc::boxed::Box, rand_core, subtle, zeroize};
