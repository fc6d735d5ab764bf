//! Two people with several sessions: both invite, states are lost or put back, resets cross. They
//! always come to one session that both use, and no contact is taken over in silence.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod convergence;
mod cost;
mod deniability;
mod in_sight;
mod meeting;
mod people;
mod put_back;
mod resets;
mod rows;
mod takeover;
