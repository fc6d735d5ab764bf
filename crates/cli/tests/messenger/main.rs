//! Habits of people who use the messenger: read twice, paste mangled links, choose odd names, fill disks, change relays.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod init;
mod input;
mod invites;
mod links;
mod moving;
mod names;
mod shown;
