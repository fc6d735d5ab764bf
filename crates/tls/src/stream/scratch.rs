//! A buffer of each thread for received bytes, so that no connection holds one while it waits.

use std::cell::Cell;

/// Maximum number of bytes of a record: a header (5), 16 KiB, and 256 bytes of overhead (RFC 8446
/// section 5.2).
pub(super) const MAX_RECORD: usize = 5 + 16_384 + 256;

/// Number of bytes of the buffer: one more than [`MAX_RECORD`], so that a full buffer without a
/// whole record shows that the record is too long.
pub(super) const LEN: usize = MAX_RECORD + 1;

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8; LEN]>>> = const { Cell::new(None) };
}

/// Calls `use_it` with the buffer of this thread, or with a new one if a caller further up the
/// stack uses the buffer. `use_it` must wipe the plaintext that it leaves in the buffer.
pub(super) fn with<R>(use_it: impl FnOnce(&mut [u8; LEN]) -> R) -> R {
    let mut buffer = SCRATCH.take().unwrap_or_else(|| Box::new([0; LEN]));
    let result = use_it(&mut buffer);
    SCRATCH.set(Some(buffer));
    result
}

/// Writes zeros over bytes that were plaintext. The function is faster than a loop over single
/// bytes, and is not removed as dead code.
pub(super) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}
