//! All cases: their names, comments and inputs, from fixed seeds. `ops` computes the results.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "inputs are fixed: a failure is a fault of this program and shows in every run of its tests"
)]

mod bounds;
mod bundle;
mod capability;
mod content;
mod content_limits;
mod family;
mod handshake;
mod hedge;
mod initial;
mod key_schedule;
mod link;
mod points;
mod ratchet;
mod reset;
mod reset_orders;
mod reset_refused;
mod reset_scene;
mod rewound;
mod skipped;
mod talk;
mod turn_1;
mod wire;
mod world;

use crate::vector::Case;

/// Returns the cases of all families, in the order of the files.
#[must_use]
pub fn all() -> Vec<Case> {
    let families: [fn() -> Vec<Case>; 14] = [
        key_schedule::cases,
        bundle::bundles,
        bundle::invites,
        handshake::cases,
        ratchet::cases,
        reset::cases,
        content::contents,
        content_limits::cases,
        content::safety_numbers,
        content::attachments,
        content::words,
        wire::cases,
        link::cases,
        capability::cases,
    ];
    families.into_iter().flat_map(|cases| cases()).collect()
}
