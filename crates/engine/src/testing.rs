//! A vault in memory, and the contract that every vault keeps, for tests.

mod contract;
mod memory;

pub use contract::{VaultFixture, check_contract};
pub use memory::{MemoryLimits, MemoryVault};

#[cfg(test)]
pub(crate) use memory::tests::random;
