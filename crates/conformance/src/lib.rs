//! The test vectors of deaddrop and their runner (spec/15-conformance.md).
//!
//! `cases` makes the inputs, `ops` computes what comes of inputs, `runner` compares that with the files.

pub mod cases;
pub mod json;
pub mod ops;
pub mod random;
pub mod runner;
pub mod second;
pub mod talk;
pub mod vector;
