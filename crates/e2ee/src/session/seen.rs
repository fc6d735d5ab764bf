//! Traces of messages that were read. They distinguish a repeated message from another one of the
//! same number, which a peer sends whose state was put back to an older one (spec/05-ratchet.md
//! section 5).

use crate::reader::Reader;
use alloc::{boxed::Box, vec::Vec};
use deaddrop_primitives::x25519;

/// Number of message numbers directly below the next one for which a repeated message can be
/// distinguished from another one. Each takes 4 bytes of a chain in the snapshot.
pub const REWIND_WINDOW: u32 = 64;

const SLOTS: usize = REWIND_WINDOW as usize;
const MARK_LEN: usize = 8;

/// The traces of the messages that were read in one chain. All of them are public values.
pub(super) struct Seen {
    /// The first bytes of the ratchet key rk with which the turn began; zeros if they are not
    /// known.
    ratchet: [u8; MARK_LEN],
    /// The first 4 bytes of the header nonce of each read message: that of number n at n modulo
    /// [`REWIND_WINDOW`]; 0 if n was not read.
    tags: Box<[u32; SLOTS]>,
}

impl Seen {
    /// Creates the traces of a turn that begins with this ratchet key.
    pub(super) fn begin(ratchet: &x25519::PublicKey) -> Self {
        Self { ratchet: mark(ratchet.as_bytes()), tags: Box::new([0; SLOTS]) }
    }

    /// Creates traces for a turn whose traces are not known, because its snapshot is of version 1.
    /// No message is then reported as another one.
    pub(super) fn unknown() -> Self {
        Self { ratchet: [0; MARK_LEN], tags: Box::new([0; SLOTS]) }
    }

    /// Whether an authentic header of this turn names another ratchet key than the turn began with.
    pub(super) fn is_other_turn(&self, constants: &[u8]) -> bool {
        self.ratchet != [0; MARK_LEN] && constants.first_chunk() != Some(&self.ratchet)
    }

    /// Whether another message with this number was read. `next` is the chain's next number.
    pub(super) fn is_other_message(&self, number: u32, next: u32, nonce: &[u8; 12]) -> bool {
        let seen = self.tags.get(slot(number)).copied().unwrap_or_default();
        is_known(number, next) && seen != 0 && seen != tag(nonce)
    }

    /// Whether message `number` is beyond the end of a closed turn, which had `end` messages.
    /// Returns `false` for a turn whose traces are not known, because `end` may be less than the
    /// length of that turn.
    pub(super) fn is_behind_end(&self, number: u32, end: u32) -> bool {
        self.ratchet != [0; MARK_LEN] && number >= end
    }

    /// Notes that the message `number` was read, and that the chain moves from `next` to the number
    /// after it.
    pub(super) fn advance(&mut self, next: u32, number: u32, nonce: &[u8; 12]) {
        self.pass(next, number.saturating_add(1));
        self.set(number, tag(nonce));
    }

    /// Notes that the chain moves from `next` to `end`, and that no message from `next` to `end -
    /// 1` was read.
    pub(super) fn pass(&mut self, next: u32, end: u32) {
        let first = next.max(end.saturating_sub(REWIND_WINDOW));
        (first..end).for_each(|skipped| self.set(skipped, 0));
    }

    /// Notes that a late message was read, one with a number below `next`, the chain's next number.
    pub(super) fn late(&mut self, number: u32, next: u32, nonce: &[u8; 12]) {
        if is_known(number, next) {
            self.set(number, tag(nonce));
        }
    }

    fn set(&mut self, number: u32, tag: u32) {
        if let Some(place) = self.tags.get_mut(slot(number)) {
            *place = tag;
        }
    }

    /// Number of bytes of [`write`](Self::write).
    pub(super) const LEN: usize = MARK_LEN + 4 * SLOTS;

    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.ratchet);
        self.tags.iter().for_each(|tag| bytes.extend_from_slice(&tag.to_le_bytes()));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut seen = Self { ratchet: reader.array()?, tags: Box::new([0; SLOTS]) };
        for place in seen.tags.iter_mut() {
            *place = reader.u32()?;
        }
        Some(seen)
    }
}

/// Whether the trace of `number` is kept: it is one of the [`REWIND_WINDOW`] numbers below `next`.
fn is_known(number: u32, next: u32) -> bool {
    next.checked_sub(number).is_some_and(|behind| (1..=REWIND_WINDOW).contains(&behind))
}

fn slot(number: u32) -> usize {
    usize::try_from(number % REWIND_WINDOW).unwrap_or_default()
}

/// Returns the trace of a header nonce: its first 4 bytes as a number, or 1 if that is 0.
fn tag(nonce: &[u8; 12]) -> u32 {
    let [a, b, c, d, ..] = *nonce;
    u32::from_le_bytes([a, b, c, d]).max(1)
}

fn mark(ratchet: &[u8; x25519::KEY_LEN]) -> [u8; MARK_LEN] {
    ratchet.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn nonce(of: u8) -> [u8; 12] {
        [of; 12]
    }

    #[test]
    fn another_message_of_a_read_number_is_seen_within_the_window() {
        let mut seen = Seen::unknown();
        seen.advance(0, 0, &nonce(1));
        seen.advance(1, 3, &nonce(2));
        assert!(seen.is_other_message(0, 4, &nonce(9)));
        assert!(!seen.is_other_message(0, 4, &nonce(1)));
        assert!(!seen.is_other_message(2, 4, &nonce(9)), "not read yet");
        seen.late(2, 4, &nonce(3));
        assert!(seen.is_other_message(2, 4, &nonce(9)));
        assert!(!seen.is_other_message(4, 4, &nonce(9)), "still to come");
        // The window moves on: slots of skipped numbers are cleared, not left from before.
        seen.advance(4, 3 + REWIND_WINDOW, &nonce(4));
        let next = 4 + REWIND_WINDOW;
        assert!(!seen.is_other_message(3, next, &nonce(9)), "beyond the window");
        assert!((4..3 + REWIND_WINDOW).all(|number| !seen.is_other_message(number, next, &nonce(9))));
        assert!(seen.is_other_message(3 + REWIND_WINDOW, next, &nonce(9)));
        seen.late(1, next, &nonce(5));
        assert!(!seen.is_other_message(1 + REWIND_WINDOW, next, &nonce(9)), "an old number takes no slot");
        let mut bytes = Vec::new();
        seen.write(&mut bytes);
        assert_eq!(bytes.len(), Seen::LEN);
        let again = Seen::read(&mut Reader(&bytes)).unwrap();
        assert!(again.is_other_message(3 + REWIND_WINDOW, next, &nonce(9)));
    }
}
