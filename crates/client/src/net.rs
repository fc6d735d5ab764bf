//! Connections: one reading link to each relay, short putting links to each contact, never both in one (spec/14-client.md section
//! 6).

mod clock;
mod connection;
mod days;
mod dial;
mod drive;
mod errand;
mod fetch;
mod follow;
mod moved;
mod progress;
mod publish;
mod putter;
mod race;
mod reader;
mod shared;
mod special;
mod supervisor;
mod tcp;
mod transport;
mod turns;

pub(crate) use fetch::{ask_about, fetch_bundle};
pub(crate) use progress::{Dated, Moving};
pub(crate) use publish::make_invite;
#[cfg(all(test, target_os = "linux"))]
use putter::put;
pub(crate) use shared::{STEP_STACK, Shared};
pub(crate) use special::is_public;
pub(crate) use supervisor::supervise;
pub(crate) use transport::Consent;

#[cfg(test)]
mod tests;
