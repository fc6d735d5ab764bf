//! The store that a relay uses: the rules of mailboxes in memory, their records in a backing
//! (spec/12-relay.md section 4).

mod backing;
mod kept_store;
mod memory;
mod parallel;
mod shred;

pub use kept_store::KeptStore;
pub use memory::MemoryBacking;
pub use shred::{OpenStoreError, ShredBacking};
