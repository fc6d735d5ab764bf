//! Checks for implementations of this crate's ports, behind the feature `testing`.

pub mod contract;
