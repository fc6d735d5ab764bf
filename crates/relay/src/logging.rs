//! The log of a relay: counters, classes and coarse durations, from this project's own crates only.
//! It holds no address, no identifier and no blob at any level.

use std::io;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Begins logging to standard error. `spec` is a level or a filter of `tracing`; without it the
/// start, the end, what the operator ordered, warnings and errors are logged (the level `info`).
/// Returns `false` if it does not parse. A second call in one process changes nothing.
#[must_use]
pub(crate) fn begin(spec: Option<&str>) -> bool {
    let Ok(filter) = EnvFilter::try_new(spec.unwrap_or("info")) else { return false };
    // Whatever the filter asks for: libraries may print addresses.
    let own = filter_fn(|event| event.target().starts_with("deaddrop"));
    // No times: the journal has its own, and a relay need not keep a diary.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).without_time().with_ansi(false);
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter.and(own))).try_init();
    true
}
