//! The bodies of the fuzz targets: functions of bytes that panic when a promise of the workspace is broken.
//!
//! The bodies compile on stable, too: a test of the test kit replays every file of every corpus through them.
#![allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a broken promise must panic"
)]

pub mod attachment;
pub mod client;
pub mod contact;
pub mod conversation;
pub mod decoders;
pub mod first_message;
pub mod forged;
pub mod input;
pub mod link;
pub mod proxy;
pub mod relay;
pub mod saved;
pub mod scenes;
pub mod store;
pub mod websocket;
pub mod words;

/// A target: its name, which is also the name of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, one for each file in `fuzz_targets`.
pub const TARGETS: [Target; 25] = [
    ("content", decoders::content),
    ("bundle", decoders::bundle),
    ("identity_key", decoders::identity_key),
    ("invite_link", decoders::invite_link),
    ("pending_invite", decoders::pending_invite),
    ("addresses", decoders::addresses),
    ("wire_record", decoders::wire_record),
    ("link_handshake", link::handshake),
    ("link_record", link::record),
    ("saved_session", saved::session),
    ("envelope", forged::envelope),
    ("message", forged::message),
    ("first_message", first_message::first_message),
    ("conversation", conversation::conversation),
    ("store_image", store::image),
    ("vault_row", store::vault_row),
    ("client", client::client),
    ("contact", contact::contact),
    ("contact_row", contact::row),
    ("attachment", attachment::attachment),
    ("words", words::words),
    ("relay_conversation", relay::conversation),
    ("relay_records", relay::records),
    ("websocket", websocket::frames),
    ("proxy_header", proxy::header),
];
