//! Waits that a contact's relay has asked for. The waits outlive the link: a relay that closes is not asked earlier.

use crate::{
    conversation::{backoff::floor_after, moment::Moment},
    named::AskedWaits,
};
use std::time::Duration;
use zeroize::Zeroizing;

/// Minimum time between an answer that asks to wait and the next put, also after a user's action.
const RETRY_FLOOR: Duration = Duration::from_secs(1);

/// The waits that the relay of one mailbox address has asked for.
#[derive(Default)]
pub(super) struct AskedToWait {
    /// The mailbox address that the waits are about.
    address: Zeroizing<Vec<u8>>,
    waits: AskedWaits,
    pause: Option<Pause>,
}

/// A time without puts.
#[derive(Clone, Copy)]
struct Pause {
    until: Moment,
    /// The time before which no user's action ends the pause.
    not_before: Moment,
}

impl AskedToWait {
    /// Notes the address of the next put. Waits that were asked for another address end.
    pub(super) fn note_address(&mut self, address: Zeroizing<Vec<u8>>) {
        if *address != *self.address {
            *self = Self { address, ..Self::default() };
        }
    }

    /// Notes an answer to a put that asks to wait, and returns the end of the pause. Such answers to puts that were under way
    /// together count once.
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

    /// Returns the rest of the pause; zero if none is under way.
    pub(super) fn left(&self, now: Moment) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| pause.until.since(now))
    }

    /// Whether no put may leave now. Forgets a pause that is over.
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

    /// Ends the pause, because the puts are for another address now.
    pub(super) const fn end_pause(&mut self) {
        self.pause = None;
    }

    /// Notes that the relay takes puts again.
    pub(super) const fn reset(&mut self) {
        self.waits.reset();
    }

    /// Shortens the pause, because the user wants something now.
    pub(super) fn retry_now(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.until = pause.until.min(pause.not_before);
        }
    }
}
