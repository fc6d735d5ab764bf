//! The answers to questions about the relay's state: whether the process lives, and whether it
//! takes puts and creates (spec/12-relay.md section 10).

use super::relay::Relay;
use crate::store::{Census, Health, Space, Store, Trouble};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::atomic::Ordering;

/// Age in seconds up to which the age of the oldest dead byte is never shown, however small
/// `dead_bytes_s` is: an age is the time of an ack (spec/12-relay.md section 10).
const SHOWN_ABOVE_S: u32 = 60;

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
    if let Some(url) = relay.shared.moved_to()
        && !relay.is_stopping.load(Ordering::Relaxed)
    {
        return unavailable(&format!("moved to {}", url.as_str())).into_response();
    }
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
    if let Some(space) = census.space {
        text += &match shown_age(&space, limits.dead_bytes_s) {
            0 => {
                format!("oldest dead byte: at most {} s\n", hidden_age(limits.dead_bytes_s).saturating_add(1))
            }
            age => format!("oldest dead byte: {age} s\n"),
        };
    }
    (status, text).into_response()
}

fn unavailable(why: &str) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
}

/// Returns the age in seconds up to which the age of the oldest dead byte is not shown.
fn hidden_age(dead_bytes_s: u32) -> u32 {
    (dead_bytes_s / 2).max(SHOWN_ABOVE_S)
}

/// Returns the age of the oldest dead byte in seconds; 0 if that is at most half of `dead_bytes_s`,
/// or at most a minute. On a relay with little to do the exact age would tell when a mailbox was
/// read.
fn shown_age(space: &Space, dead_bytes_s: u32) -> u64 {
    let age = space.oldest_dead.map_or(0, |age| age.as_secs());
    if age > u64::from(hidden_age(dead_bytes_s)) { age } else { 0 }
}

/// Returns the age of the oldest dead byte in seconds as it may be shown: 0 if that is at most half
/// of `dead_bytes_s`, or at most a minute, or if there is no disk.
pub(super) fn oldest_dead_byte(census: &Census, dead_bytes_s: u32) -> u64 {
    census.space.map_or(0, |space| shown_age(&space, dead_bytes_s))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_age_of_dead_bytes_is_shown_from_half_of_its_limit_on() {
        let at = |age, dead_bytes_s| {
            let space = Space { oldest_dead: age, ..Space::default() };
            oldest_dead_byte(&Census { space: Some(space), ..Census::default() }, dead_bytes_s)
        };
        let shown = [0, 1, 150, 151, 299].map(|seconds| at(Some(Duration::from_secs(seconds)), 300));
        assert_eq!(shown, [0, 0, 0, 151, 299]);
        // A small limit does not show single acks.
        let shown = [1, 2, 60, 61].map(|seconds| at(Some(Duration::from_secs(seconds)), 2));
        assert_eq!(shown, [0, 0, 0, 61]);
        assert_eq!((at(None, 300), oldest_dead_byte(&Census::default(), 300)), (0, 0));
    }
}
