//! The measurement behind `deaddrop-relay bench`: what this machine carries, and what the same
//! bytes cost at least.
//!
//! A relay runs as a process of its own, so that its processor time is its own. Pairs of clients
//! put blobs of 4 KiB into it and read and ack them over real links on loopback. A *cycle* is one
//! blob that is put, stored, delivered, acked and destroyed. [`Floor`] then does the same
//! cryptography, hashing, writes and socket calls with nothing around them: the least that a cycle
//! costs on this machine.

mod client;
mod error;
mod floor;
mod judgement;
mod latencies;
mod load;
mod measure;
mod process;
mod report;
mod traffic;

pub use error::BenchError;
pub use floor::Floor;
pub use judgement::{FirstLimit, Judgement};
pub use latencies::Latencies;
pub use load::{BLOB_BYTES, Load, LoadEnd, LoadResult};
pub use measure::{PAIRS, measure, scratch_in};
pub use process::{BenchRelay, ProcessorTime, Storage};
pub use report::{ConnectionsReport, CycleReport, Profile, Quantiles, Report};
pub use traffic::Traffic;
