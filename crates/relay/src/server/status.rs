//! The answers to questions about the relay's state: whether the process lives, and whether it
//! takes puts and creates (spec/12-relay.md section 10).

use super::relay::Relay;
use crate::store::{Census, Health, Space, Store, Trouble};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::atomic::Ordering;

/// The body of `/health`.
pub(super) const ALIVE: &str = "ok\n";

/// Answers `/health`: the process lives, whatever its store can do.
pub(super) fn health() -> Response {
    ALIVE.into_response()
}

/// Answers `/ready`: whether puts and creates are taken, and if not, the reason. A second line has
/// the age of the oldest dead byte, if there is a disk.
pub(super) fn ready<S: Store>(relay: &Relay<S>) -> Response {
    let census = relay.store.census();
    let limits = &relay.shared.limits;
    let (status, mut text) = match Health::of(&census, limits) {
        _ if relay.is_stopping.load(Ordering::Relaxed) => unavailable("stopping"),
        Health::Ok => (StatusCode::OK, "ready\n".to_owned()),
        Health::NotTakingPuts(why) => unavailable(&format!("not taking puts: {}", why.text())),
        Health::NotTakingCreates(Trouble::AtLimits) => {
            unavailable("not taking creates: mailboxes, blobs or bytes are at their limits")
        }
        Health::NotTakingCreates(why) => unavailable(&format!("not taking creates: {}", why.text())),
        Health::Stopped => unavailable("stopped"),
    };
    let half = limits.dead_bytes_s / 2;
    if let Some(space) = census.space {
        text += &match shown_age(&space, half) {
            0 => format!("oldest dead byte: at most {} s\n", half.saturating_add(1)),
            age => format!("oldest dead byte: {age} s\n"),
        };
    }
    (status, text).into_response()
}

fn unavailable(why: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
}

/// Returns the age of the oldest dead byte in seconds; 0 if that is at most `half`, half of
/// `dead_bytes_s`. On a relay with little to do the exact age would tell when a mailbox was read.
fn shown_age(space: &Space, half: u32) -> u64 {
    let age = space.oldest_dead.map_or(0, |age| age.as_secs());
    if age > u64::from(half) { age } else { 0 }
}

/// Returns the age of the oldest dead byte in seconds as it may be shown: 0 if that is at most half
/// of `dead_bytes_s`, or if there is no disk.
pub(super) fn oldest_dead_byte(census: &Census, dead_bytes_s: u32) -> u64 {
    census.space.map_or(0, |space| shown_age(&space, dead_bytes_s / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_age_of_dead_bytes_is_shown_from_half_of_its_limit_on() {
        let at = |age| {
            let space = Space { oldest_dead: age, ..Space::default() };
            oldest_dead_byte(&Census { space: Some(space), ..Census::default() }, 300)
        };
        let shown = [0, 1, 150, 151, 299].map(|seconds| at(Some(Duration::from_secs(seconds))));
        assert_eq!(shown, [0, 0, 0, 151, 299]);
        assert_eq!((at(None), oldest_dead_byte(&Census::default(), 300)), (0, 0));
    }
}
