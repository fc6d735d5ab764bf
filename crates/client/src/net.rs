//! Connections: one reading link a relay, short putting links a contact, never both in one (spec/14-client.md section 6).

mod backoff;
mod connection;
mod fetch;
mod publish;
mod putter;
mod reader;
mod shared;
mod supervisor;

pub(crate) use connection::ConnectError;
pub(crate) use fetch::fetch_bundle;
pub(crate) use publish::publish;
pub use shared::Connectivity;
pub(crate) use shared::{STEP_STACK, Shared};
pub(crate) use supervisor::supervise;
