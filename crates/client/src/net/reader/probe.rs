//! Asking a relay over a link that stands whether it is still there, when a caller waits until everything was read.

use deaddrop_wire::item::{Ping, Pong};
use std::time::Duration;
use tokio::time::Instant;

/// The nonce of pings that ask for a round. Other pings have 0.
const PROBE_NONCE: u32 = 1;

/// What one link knows of its relay being there.
pub(super) struct Probes {
    /// The newest round since which the relay has shown that it is there.
    round: u64,
    /// Probes that were sent.
    sent: u64,
    /// Probes that were answered.
    answered: u64,
    open: Option<Open>,
}

/// A question that is not answered.
struct Open {
    /// The round that asks.
    round: u64,
    /// The number of the probe on this link.
    number: u64,
    /// Nothing has come since.
    silent_since: Instant,
    /// Bytes that had come by then.
    bytes_read: u64,
}

impl Probes {
    /// For a link that was opened after this round began.
    pub(super) const fn new(round: u64) -> Self {
        Self { round, sent: 0, answered: 0, open: None }
    }

    /// The newest round since which the relay has shown that it is there.
    pub(super) const fn round(&self) -> u64 {
        self.round
    }

    /// Returns the ping that asks for a round.
    pub(super) fn ask(&mut self, round: u64, bytes_read: u64) -> Ping {
        self.sent = self.sent.saturating_add(1);
        // A relay that answers nothing gets no more time by being asked again.
        let (silent_since, bytes_read) = self
            .open
            .take()
            .map_or((Instant::now(), bytes_read), |open| (open.silent_since, open.bytes_read));
        self.open = Some(Open { round, number: self.sent, silent_since, bytes_read });
        Ping { nonce: PROBE_NONCE }
    }

    /// A Pong has come. Those to other pings say nothing about a round.
    pub(super) fn note_pong(&mut self, pong: Pong) {
        if pong.nonce != PROBE_NONCE {
            return;
        }
        self.answered = self.answered.saturating_add(1);
        if let Some(open) = self.open.take_if(|open| open.number <= self.answered) {
            self.round = open.round;
        }
    }

    /// Whether nothing at all has come for `patience` though an answer is awaited.
    pub(super) fn is_silent(&mut self, bytes_read: u64, patience: Duration) -> bool {
        self.open.as_mut().is_some_and(|open| {
            // A record on a slow line takes its time.
            if open.bytes_read != bytes_read {
                (open.bytes_read, open.silent_since) = (bytes_read, Instant::now());
            }
            open.silent_since.elapsed() >= patience
        })
    }

    /// When [`is_silent`](Self::is_silent) is to be asked.
    pub(super) fn next_look(&self, patience: Duration) -> Option<Instant> {
        self.open.as_ref().map(|open| open.silent_since + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_answer_to_the_newest_probe_shows_that_the_relay_is_there() {
        let mut probes = Probes::new(3);
        let pong = |nonce| Pong { nonce };
        probes.ask(4, 0);
        probes.ask(5, 0);
        probes.note_pong(pong(0));
        probes.note_pong(pong(PROBE_NONCE));
        assert_eq!(probes.round(), 3, "the first probe was sent before round 5 began");
        probes.note_pong(pong(PROBE_NONCE));
        assert_eq!(probes.round(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_is_silent_when_no_byte_comes_however_often_it_is_asked() {
        let patience = Duration::from_secs(15);
        let mut probes = Probes::new(0);
        assert!(!probes.is_silent(0, Duration::ZERO), "nothing was asked");
        probes.ask(1, 0);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!probes.is_silent(7, patience), "a byte has come");
        tokio::time::advance(Duration::from_secs(10)).await;
        probes.ask(2, 7);
        assert!(!probes.is_silent(7, patience));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(probes.is_silent(7, patience));
    }
}
