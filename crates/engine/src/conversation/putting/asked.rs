//! Waits that a contact's relay has asked for. The waits outlive the link: a relay that closes is
//! not asked earlier.

use crate::{
    conversation::{backoff::floor_after, moment::Moment},
    named::AskedWaits,
};
use std::time::Duration;
use zeroize::Zeroizing;

/// Minimum time between an answer that asks to wait and the next put, also after a user's action
/// (spec/14-client.md section 6.3).
const RETRY_FLOOR: Duration = Duration::from_secs(1);

/// The waits that the relay of one mailbox address has asked for.
#[derive(Default)]
pub(super) struct AskedToWait {
    /// The encoded mailbox address that the waits are about.
    address: Zeroizing<Vec<u8>>,
    waits: AskedWaits,
    pause: Option<Pause>,
}

/// A time in which nothing is put, because the relay has asked for it.
#[derive(Clone, Copy)]
struct Pause {
    until: Moment,
    /// The time before which no user's action ends the pause.
    not_before: Moment,
}

impl AskedToWait {
    /// Notes the encoded address of the next put. If it is another one than before, the pause and
    /// the count of answers that asked to wait are forgotten.
    pub(super) fn note_address(&mut self, address: Zeroizing<Vec<u8>>) {
        if *address != *self.address {
            *self = Self { address, ..Self::default() };
        }
    }

    /// Notes an answer to a put that asks to wait, and returns the end of the pause. An answer that
    /// comes during a pause neither counts nor prolongs it: its put was under way with the one that
    /// began the pause. `retry_s` is the number of seconds in the answer.
    pub(super) fn note(&mut self, retry_s: u16, now: Moment) -> Moment {
        if let Some(pause) = self.pause.filter(|pause| pause.until > now) {
            return pause.until;
        }
        let floor = floor_after(self.waits.count()).max(RETRY_FLOOR);
        let wait = self.waits.next_put(retry_s);
        let until = now.plus(wait);
        self.pause = Some(Pause { until, not_before: now.plus(floor.min(wait)) });
        until
    }

    /// Returns the time until the pause ends; zero if there is none.
    pub(super) fn left(&self, now: Moment) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| pause.until.since(now))
    }

    /// Whether no put may be sent now. Forgets a pause that is over.
    pub(super) fn is_blocked(&mut self, now: Moment) -> bool {
        self.pause = self.pause.filter(|pause| pause.until > now);
        self.pause.is_some()
    }

    /// Whether there is a pause that [`is_blocked`](Self::is_blocked) has not found to be over.
    pub(super) const fn has_pause(&self) -> bool {
        self.pause.is_some()
    }

    /// Returns the end of the pause; `None` if there is none.
    pub(super) fn pause_end(&self) -> Option<Moment> {
        self.pause.map(|pause| pause.until)
    }

    /// Ends the pause, because the envelopes were sealed again for another address.
    pub(super) const fn end_pause(&mut self) {
        self.pause = None;
    }

    /// Notes that the relay has accepted or refused a put: the next answer that asks to wait counts
    /// as the first.
    pub(super) const fn reset(&mut self) {
        self.waits.reset();
    }

    /// Shortens the pause to its minimum, because of a user's action.
    pub(super) fn retry_now(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.until = pause.until.min(pause.not_before);
        }
    }
}
