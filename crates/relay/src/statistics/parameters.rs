//! The parameters of the privacy of the statistics (spec/16-statistics.md sections 3 and 4).

/// Number of the 8 values of a coin for which a touched slot becomes 1: a probability of 5/8, so
/// the bias is 1/8.
pub(super) const ONES_OF_EIGHT: u32 = 5;
/// Reciprocal of the epsilon of the noise on each recorded figure of a table: epsilon is 1/8.
pub(super) const TABLE_NOISE: u32 = 8;
/// Reciprocal of the epsilon with which the count of blobs begins in memory, and of that of the
/// noise on its recorded value: both are 1/8.
pub(super) const BLOB_NOISE: u32 = 8;
