//! Test helpers of deaddrop: seeded randomness, virtual time, lossy network. A dev-dependency only.
