//! The reference messenger of deaddrop on the command line, and its demonstration.
