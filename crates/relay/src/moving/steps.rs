//! The points of a move at which a test can end the process, between two changes of the disk.

/// Name of the environment variable with the number of the point at which the process ends.
#[cfg(feature = "testing")]
const ABORT_AT: &str = "DEADDROP_RELAY_ABORT_AT";

/// Ends the process without any cleanup, as a kill does, if this is the point whose number the
/// environment variable `DEADDROP_RELAY_ABORT_AT` gives. The points of a process are counted from 1.
/// Only builds with the feature `testing` read the variable.
#[cfg(feature = "testing")]
pub(super) fn crash_point() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static POINTS: AtomicU64 = AtomicU64::new(0);
    let number = POINTS.fetch_add(1, Ordering::Relaxed) + 1;
    if std::env::var(ABORT_AT).is_ok_and(|text| text.parse() == Ok(number)) {
        std::process::abort();
    }
}

#[cfg(not(feature = "testing"))]
pub(super) const fn crash_point() {}
