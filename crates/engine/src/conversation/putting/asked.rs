//! Waits that a contact's relay has asked for. They outlive the link: a relay that closes is not asked earlier.

use crate::{
    conversation::{backoff::floor_after, moment::Moment},
    named::AskedWaits,
};
use std::time::Duration;
use zeroize::Zeroizing;

/// A user's action does not make the client put again earlier than this after the relay asked to wait.
const RETRY_FLOOR: Duration = Duration::from_secs(1);

/// The waits that the relay of one mailbox address has asked for.
#[derive(Default)]
pub(super) struct AskedToWait {
    /// The mailbox address that it is about.
    address: Zeroizing<Vec<u8>>,
    waits: AskedWaits,
    pause: Option<Pause>,
}

/// A time without puts.
#[derive(Clone, Copy)]
struct Pause {
    until: Moment,
    /// A user's action ends the pause, but not before this.
    not_before: Moment,
}

impl AskedToWait {
    /// The next put is for this address. What was asked for another one does not hold for it.
    pub(super) fn note_address(&mut self, address: Zeroizing<Vec<u8>>) {
        if *address != *self.address {
            *self = Self { address, ..Self::default() };
        }
    }

    /// The relay has answered a put in a way that asks to wait. Such answers to puts that were under way together count once. Returns
    /// the end of the pause.
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

    /// The rest of the time without puts.
    pub(super) fn left(&self, now: Moment) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| pause.until.since(now))
    }

    /// Whether no put may leave now. Forgets a pause that is over.
    pub(super) fn is_blocked(&mut self, now: Moment) -> bool {
        self.pause = self.pause.filter(|pause| pause.until > now);
        self.pause.is_some()
    }

    /// Whether a pause was asked for that [`is_blocked`](Self::is_blocked) has not seen to be over.
    pub(super) const fn has_pause(&self) -> bool {
        self.pause.is_some()
    }

    /// The end of the pause.
    pub(super) fn pause_end(&self) -> Option<Moment> {
        self.pause.map(|pause| pause.until)
    }

    /// The puts are for another address now.
    pub(super) const fn end_pause(&mut self) {
        self.pause = None;
    }

    /// The relay takes puts again.
    pub(super) const fn reset(&mut self) {
        self.waits.reset();
    }

    /// The user wants something now.
    pub(super) fn retry_now(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.until = pause.until.min(pause.not_before);
        }
    }
}
