//! Asks a relay over an open link whether it is still there, when a caller waits until everything
//! was read. Each such call begins a *round*, which has a number (spec/14-client.md section 6.4).

use crate::conversation::moment::Moment;
use deaddrop_wire::item::{Ping, Pong};
use std::time::Duration;

/// The nonce of pings that ask whether the relay is there since a round began. Other pings have the
/// nonce 0.
const PROBE_NONCE: u32 = 1;

/// The pings that ask the relay of one link whether it is still there.
pub(super) struct Probes {
    /// The newest round after whose beginning the relay has shown that it is there.
    round: u64,
    open: Option<Open>,
}

/// A ping without an answer. There is only one at a time: if a new ping replaced it with each new
/// round, callers that begin rounds again and again would keep each other waiting.
struct Open {
    /// The newest round that had begun when the ping was sent.
    round: u64,
    /// The time of the last look at which a byte had come since the look before; at first, the time
    /// of the ping.
    silent_since: Moment,
    /// Number of bytes that had come from the relay by the time `silent_since`.
    bytes_read: u64,
}

impl Probes {
    /// Creates the state of a link that was opened after the round with this number began.
    pub(super) const fn new(round: u64) -> Self {
        Self { round, open: None }
    }

    /// Returns the newest round after whose beginning the relay has shown that it is there.
    pub(super) const fn round(&self) -> u64 {
        self.round
    }

    /// Returns the ping to be sent for a round. Returns `None` if the relay has shown since the
    /// round began that it is there, or if another ping has no answer yet: then this is called
    /// again after that answer.
    pub(super) fn ask(&mut self, round: u64, bytes_read: u64, now: Moment) -> Option<Ping> {
        if self.round >= round || self.open.is_some() {
            return None;
        }
        self.open = Some(Open { round, silent_since: now, bytes_read });
        Some(Ping { nonce: PROBE_NONCE })
    }

    /// Notes a Pong. A Pong with another nonce than that of these pings is ignored.
    pub(super) fn note_pong(&mut self, pong: Pong) {
        if pong.nonce == PROBE_NONCE
            && let Some(open) = self.open.take()
        {
            self.round = open.round;
        }
    }

    /// Whether no byte has come for `patience` while an answer is awaited. `bytes_read` is the
    /// number of bytes that have come over the link so far.
    pub(super) fn is_silent(&mut self, bytes_read: u64, patience: Duration, now: Moment) -> bool {
        self.open.as_mut().is_some_and(|open| {
            // A record on a slow line takes its time.
            if open.bytes_read != bytes_read {
                (open.bytes_read, open.silent_since) = (bytes_read, now);
            }
            now.since(open.silent_since) >= patience
        })
    }

    /// Returns the time at which to call [`is_silent`](Self::is_silent) next; `None` if no answer
    /// is awaited.
    pub(super) fn next_look(&self, patience: Duration) -> Option<Moment> {
        self.open.as_ref().map(|open| open.silent_since.plus(patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_that_ask_again_and_again_are_all_answered() {
        let (mut probes, now) = (Probes::new(3), Moment::default());
        let pong = |nonce| Pong { nonce };
        assert!(probes.ask(3, 0, now).is_none(), "the link was opened after round 3 began");
        assert!(probes.ask(4, 0, now).is_some());
        for round in 5..100 {
            assert!(probes.ask(round, 0, now).is_none(), "one question at a time");
        }
        probes.note_pong(pong(0));
        assert_eq!(probes.round(), 3);
        probes.note_pong(pong(PROBE_NONCE));
        assert_eq!(probes.round(), 4, "it was sent before round 5 began");
        assert!(probes.ask(99, 0, now).is_some());
        probes.note_pong(pong(PROBE_NONCE));
        assert_eq!(probes.round(), 99);
        probes.note_pong(pong(PROBE_NONCE));
        assert_eq!(probes.round(), 99, "an answer to nothing");
    }

    #[test]
    fn a_relay_is_silent_when_no_byte_comes_however_often_it_is_asked() {
        let patience = Duration::from_secs(15);
        let after = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let mut probes = Probes::new(0);
        assert!(!probes.is_silent(0, Duration::ZERO, after(0)), "nothing was asked");
        assert!(probes.ask(1, 0, after(0)).is_some());
        assert!(!probes.is_silent(7, patience, after(10)), "a byte has come");
        assert!(probes.ask(2, 7, after(20)).is_none());
        assert!(!probes.is_silent(7, patience, after(20)));
        assert!(probes.is_silent(7, patience, after(25)));
    }
}
