//! The test vectors of deaddrop and their runner.
