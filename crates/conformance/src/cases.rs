//! All cases: their names, comments and inputs, from fixed seeds. What comes of them is for `ops` to compute.
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
mod handshake;
mod hedge;
mod initial;
mod key_schedule;
mod link;
mod ratchet;
mod reset;
mod reset_orders;
mod reset_refused;
mod rewound;
mod skipped;
mod talk;
mod wire;
mod world;

use crate::{json::Object, vector::Case};

/// Every case, families and cases in their order.
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

/// Cases of one family.
struct Family {
    name: &'static str,
    cases: Vec<Case>,
}

impl Family {
    fn new(name: &'static str) -> Self {
        Self { name, cases: Vec::new() }
    }

    fn add(&mut self, operation: &'static str, name: &str, comment: &str, input: Object) {
        let (name, comment) = (name.to_owned(), comment.to_owned());
        self.cases.push(Case { family: self.name, name, comment, operation, input });
    }
}
