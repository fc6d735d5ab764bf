//! The test vectors of deaddrop and their runner (spec/15-conformance.md).
//!
//! `cases` makes the inputs, `ops` computes their results, `runner` compares that with the files.

pub mod cases;
pub mod class;
pub mod json;
pub mod ops;
pub mod outcome;
pub mod random;
pub mod runner;
pub mod second;
pub mod talk;
pub mod vector;
