//! The number of operations that a thread has done, because tests of cost count operations and do
//! not measure time. Behind the feature `count`.

extern crate std;

use std::{cell::Cell, thread_local};

/// Numbers of operations that a thread did during one call of [`of`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of X25519 computations with a peer's key.
    pub diffie_hellman: u64,
    /// Number of ML-KEM key generations, encapsulations and decapsulations.
    pub kem: u64,
    /// Number of HKDF extractions and expansions.
    pub kdf: u64,
    /// Number of AEAD seals.
    pub seals: u64,
    /// Number of AEAD tag checks, whether or not the tag verified.
    pub opens: u64,
}

thread_local! {
    static COUNTS: Cell<Counts> = const {
        Cell::new(Counts { diffie_hellman: 0, kem: 0, kdf: 0, seals: 0, opens: 0 })
    };
}

/// Runs `work`. Returns its result, and the numbers of operations that it did on this thread.
pub fn of<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    let before = COUNTS.get();
    let done = work();
    let after = COUNTS.get();
    let counts = Counts {
        diffie_hellman: after.diffie_hellman - before.diffie_hellman,
        kem: after.kem - before.kem,
        kdf: after.kdf - before.kdf,
        seals: after.seals - before.seals,
        opens: after.opens - before.opens,
    };
    (done, counts)
}

pub(crate) fn add(to: fn(&mut Counts) -> &mut u64) {
    let mut counts = COUNTS.get();
    *to(&mut counts) += 1;
    COUNTS.set(counts);
}
