//! The few cryptographic primitives of deaddrop, each from a well-kept crate, behind strict types.
