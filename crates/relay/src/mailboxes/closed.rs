//! Classes that a mailbox does not take for a while because a blob had no room (spec/12-relay.md section 4.3, R-13).

use super::Mailbox;
use deaddrop_wire::SizeClass;

/// A mailbox takes no blob of this class or a larger one before this moment, and then only when half of its quota is free.
///
/// A sender could otherwise learn by asking when the reader has fetched something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    from: SizeClass,
    until_ms: u64,
}

impl Mailbox {
    /// Returns whether a blob of this class is taken. If it does not fit, closes the smallest class that does not fit for a pause.
    pub(super) fn admit(&mut self, class: SizeClass, now_ms: u64, pause_ms: impl FnOnce() -> u64) -> bool {
        if self.closed.is_some_and(|closed| now_ms >= closed.until_ms) && self.is_half_free() {
            self.closed = None;
        }
        if self.closed.is_some_and(|closed| class >= closed.from) {
            return false;
        }
        if self.has_room_for(class) {
            return true;
        }
        let from = SizeClass::ALL.into_iter().find(|class| !self.has_room_for(*class)).unwrap_or(class);
        let before_ms = self.closed.map_or(0, |closed| closed.until_ms);
        let until_ms = now_ms.saturating_add(pause_ms()).max(before_ms);
        self.closed = Some(Closed { from, until_ms });
        false
    }

    fn has_room_for(&self, class: SizeClass) -> bool {
        let (blobs, bytes) = self.quota();
        let with = self.queue.bytes().saturating_add(u32::try_from(class.bytes()).unwrap_or(u32::MAX));
        self.queue.blobs() < blobs && with <= bytes
    }

    fn is_half_free(&self) -> bool {
        let (blobs, bytes) = self.quota();
        self.queue.blobs() <= blobs / 2 && self.queue.bytes() <= bytes / 2
    }

    /// Number of blobs and of bytes that it may hold.
    fn quota(&self) -> (u32, u32) {
        let quota = self.lasting.quota;
        (quota.blobs().unwrap_or(0), quota.bytes().unwrap_or(0))
    }
}
