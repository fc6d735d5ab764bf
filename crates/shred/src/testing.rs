//! A simulated disk, for tests of this crate and of others, behind the feature `testing`.

mod sim_disk;

pub use sim_disk::{SECTOR, SimDisk, Torn};
