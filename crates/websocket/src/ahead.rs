//! The number of bytes that a caller queues for a peer at once, computed from what the *line* has
//! taken so far. The line is the network path to the peer, with the buffers of the system in front
//! of it.

/// Number of milliseconds that a line needs for the bytes that are queued ahead. An item that
/// becomes urgent waits behind them for about as long (spec/10-link.md: "about 4 s").
pub const AHEAD_MS: u64 = 4_000;
/// Maximum number of bytes that are queued ahead, which bounds the memory for a fast line.
pub const MAX_AHEAD: usize = 1 << 20;
/// Number of bytes that are queued ahead for a line whose speed is not known yet. The first batch
/// corrects it.
const FIRST_AHEAD: usize = 65_536;

/// A measure of the speed of a line, which says how many bytes the line takes in about
/// [`AHEAD_MS`].
///
/// Items behind a long queue come late: answers, pings, and items that became more urgent
/// meanwhile. So a caller queues a *batch* of at most [`bytes`](Self::bytes), and the next batch
/// only when that one has gone out. A single message that is longer may always be queued.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    bytes: usize,
    /// The time at which the batch that is going out was begun, in milliseconds of the caller's
    /// clock, and its number of bytes; `None` if no bytes wait.
    batch: Option<(u64, usize)>,
}

impl Ahead {
    /// Creates the measure of a line whose speed is not known yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: FIRST_AHEAD, batch: None }
    }

    /// Returns the number of bytes that may be queued ahead.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes that `bytes` were queued at the time `now_ms`: a new batch, or more of the one that is
    /// going out.
    pub fn note_queued(&mut self, bytes: usize, now_ms: u64) {
        let (since, before) = self.batch.unwrap_or((now_ms, 0));
        self.batch = Some((since, before.saturating_add(bytes)));
    }

    /// Notes that the last byte of the batch went out at the time `now_ms`, and computes a new
    /// number of [`bytes`](Self::bytes) from the time that the batch took, at most [`MAX_AHEAD`].
    /// The number at most doubles, because the system takes the beginning of a batch at once on any
    /// line, and does not fall if the batch took less than [`AHEAD_MS`]. Does nothing if no batch
    /// was queued.
    pub fn note_taken(&mut self, now_ms: u64) {
        let Some((since, queued)) = self.batch.take() else { return };
        let took_ms = usize::try_from(now_ms.saturating_sub(since)).unwrap_or(usize::MAX).max(1);
        let ahead_ms = usize::try_from(AHEAD_MS).unwrap_or(usize::MAX);
        let carried = queued.saturating_mul(ahead_ms) / took_ms;
        // A batch that is small says nothing about what a line could take.
        let at_least = if took_ms < ahead_ms { self.bytes } else { 1 };
        let at_most = self.bytes.saturating_mul(2).min(MAX_AHEAD);
        self.bytes = carried.max(at_least).min(at_most);
    }
}

impl Default for Ahead {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gets_what_it_takes_in_a_few_seconds() {
        for bytes_per_s in [500, 2_000, 16_000, 100_000] {
            let (mut ahead, mut now) = (Ahead::new(), 0);
            for _ in 0..30 {
                let queued = ahead.bytes();
                ahead.note_queued(queued, now);
                now += queued as u64 * 1_000 / bytes_per_s;
                ahead.note_taken(now);
            }
            let wanted = usize::try_from(bytes_per_s * AHEAD_MS / 1_000).unwrap();
            assert!((wanted / 2..=2 * wanted).contains(&ahead.bytes()), "{bytes_per_s}: {ahead:?}");
        }
    }

    #[test]
    fn a_line_that_takes_all_at_once_gets_the_most() {
        let mut ahead = Ahead::new();
        for now in 0..10 {
            ahead.note_queued(ahead.bytes() / 2, now);
            ahead.note_queued(ahead.bytes() / 2, now);
            ahead.note_taken(now);
        }
        assert_eq!(ahead.bytes(), MAX_AHEAD);
        ahead.note_taken(1_000_000);
        assert_eq!(ahead.bytes(), MAX_AHEAD, "nothing was queued");
    }

    #[test]
    fn small_batches_take_nothing_from_what_a_line_has_shown() {
        let mut ahead = Ahead::new();
        for now in 0..1_000 {
            ahead.note_queued(100, now * 1_000);
            ahead.note_taken(now * 1_000 + 50);
        }
        assert!(ahead.bytes() >= FIRST_AHEAD);
        ahead.note_queued(10_000, 2_000_000);
        ahead.note_taken(2_010_000);
        assert_eq!(ahead.bytes(), 4_000);
        ahead.note_queued(1, 3_000_000);
        ahead.note_taken(u64::MAX);
        assert_eq!(ahead.bytes(), 1, "the next message still leaves");
    }
}
