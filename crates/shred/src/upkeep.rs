//! The dead bytes that are still on the disk, and their age (S10).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::bytes::{PAGE, page_up, size};
use crate::disk::Disk;
use crate::geometry::{DeadRecord, Extent, Layout, SLOT};
use crate::segment::Segment;
use std::collections::VecDeque;
use std::time::Duration;

/// Default maximum time for which the ciphertext of a dead record stays on the disk.
pub const DEAD_BYTES_LIMIT: Duration = Duration::from_secs(300);
/// Time without a commit after which a store zeroes all that is dead: then the disk has time.
pub(crate) const QUIET: Duration = Duration::from_secs(2);
/// Time between a commit and the destruction of the keys it replaced or erased, when no other commit comes first: the rest of the
/// 50 ms of S6 is for the disk.
pub(crate) const SETTLE_AFTER: Duration = Duration::from_millis(35);
/// Number of bytes that one call of the upkeep zeroes or reads, besides those that died since the
/// call before.
pub(crate) const PIECE: u32 = 1 << 20;
const PAGE_BYTES: u32 = 4_096;
/// Time between two reads of gaps (bytes that no live record covered at the opening) while commits
/// come.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Maximum number of gaps that one call looks at, because each costs a read, however short it is.
pub(crate) const MAX_GAPS: u32 = 512;
/// Number of bytes waiting to be zeroed from which on the oldest are zeroed whatever their age,
/// because they take room.
const MUCH_WAITS: u64 = 128 << 20;
/// Bodies behind each other that die within this time are kept as one run, so that long runs are
/// zeroed at once.
const SAME_TIME: Duration = Duration::from_secs(1);

/// The dead bytes that are still on the disk, and the segments on their way to be used again.
#[derive(Debug)]
pub(crate) struct Upkeep {
    /// Time since the opening of the store at the last call that told it.
    pub(crate) now: Duration,
    pub(crate) limit: Duration,
    /// Bodies of destroyed records that were not zeroed yet, with the times of death; the oldest
    /// first.
    pub(crate) runs: VecDeque<(Extent, Duration)>,
    /// Number of bytes of all runs and gaps together.
    pub(crate) waiting: u64,
    /// Number of bytes of the runs and gaps of each segment, by its number.
    pub(crate) owed: Vec<u64>,
    /// Number of bytes of bodies that died since the last scrub.
    pub(crate) fresh: u64,
    /// Number of bytes of bodies that were put since the last step of compaction.
    pub(crate) stored: u64,
    /// Number of bytes of bodies and slots that were put since the opening.
    pub(crate) taken: u64,
    /// Number of bytes of bodies and slots that died since the opening.
    pub(crate) died_bytes: u64,
    /// The zeros that were written since the last sync: the oldest death among the bytes they cover, and their number.
    pub(crate) zeroed: Option<(Duration, u64)>,
    /// Bytes that no live record covered when the store was opened and that were not looked at yet.
    pub(crate) gaps: VecDeque<Gap>,
    /// The segment that is being made ready to be used again.
    pub(crate) renewal: Option<Renewal>,
    /// Time of the last commit that changed something, since the opening.
    pub(crate) busy_at: Duration,
    /// Time of the last look at a gap, since the opening.
    pub(crate) looked_at: Duration,
    /// Whether room is short: dead bytes are then zeroed whatever their age.
    pub(crate) is_tight: bool,
}

/// Body bytes that no live record covered when the store was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) extent: Extent,
    /// Whether the gap reaches to the end of its segment: later commits may write there.
    pub(crate) is_tail: bool,
}

/// A wholly dead segment that is being made ready to be used again: its header has the next
/// generation, and the first `zeroed` bytes of its slot tables are zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewal {
    pub(crate) segment: u32,
    pub(crate) zeroed: u32,
}

impl Upkeep {
    pub(crate) fn new(gaps: Vec<Gap>) -> Self {
        let mut upkeep = Self {
            now: Duration::ZERO,
            limit: DEAD_BYTES_LIMIT,
            runs: VecDeque::new(),
            waiting: 0,
            owed: Vec::new(),
            fresh: 0,
            stored: 0,
            taken: 0,
            died_bytes: 0,
            zeroed: None,
            gaps: VecDeque::new(),
            renewal: None,
            busy_at: Duration::ZERO,
            looked_at: Duration::ZERO,
            is_tight: false,
        };
        for gap in &gaps {
            upkeep.owe(gap.extent.segment, gap.extent.length);
        }
        upkeep.gaps = gaps.into();
        upkeep
    }

    fn owe(&mut self, segment: u32, bytes: u32) {
        let place = size(segment);
        if self.owed.len() <= place {
            self.owed.resize(place + 1, 0);
        }
        if let Some(owed) = self.owed.get_mut(place) {
            *owed += u64::from(bytes);
        }
        self.waiting += u64::from(bytes);
    }

    pub(crate) fn owe_less(&mut self, segment: u32, bytes: u32) {
        if let Some(owed) = self.owed.get_mut(size(segment)) {
            *owed = owed.saturating_sub(u64::from(bytes));
        }
        self.waiting = self.waiting.saturating_sub(u64::from(bytes));
    }

    /// Notes that a record's key is destroyed on stable storage.
    pub(crate) fn note_dead(&mut self, dead: &DeadRecord) {
        let body = dead.body();
        self.died_bytes += SLOT as u64;
        if body.length == 0 {
            return;
        }
        self.owe(body.segment, body.length);
        self.fresh += u64::from(body.length);
        self.died_bytes += u64::from(body.length);
        if let Some((last, died)) = self.runs.back_mut()
            && last.segment == body.segment
            && last.end() == body.offset
            && self.now.saturating_sub(*died) < SAME_TIME
        {
            last.length += body.length;
            return;
        }
        self.runs.push_back((body, self.now));
    }

    /// Notes that the disk was synced, and with it all zeros that were written before.
    pub(crate) fn synced(&mut self) {
        self.zeroed = None;
    }

    pub(crate) fn committed(&mut self) {
        self.busy_at = self.now;
    }

    /// Returns the number of bytes of dead records that may be on the disk, and the age of the oldest of them. Gaps
    /// that the opening found are as old as the opening.
    pub(crate) fn debt(&self) -> (u64, Option<Duration>) {
        let zeroed = self.zeroed.map_or(0, |(_, bytes)| bytes);
        let oldest = self.runs.front().map(|(_, died)| *died);
        let oldest = oldest.into_iter().chain(self.zeroed.map(|(died, _)| died));
        let oldest = oldest.chain((!self.gaps.is_empty()).then_some(Duration::ZERO)).min();
        (self.waiting + zeroed, oldest.map(|died| self.now.saturating_sub(died)))
    }

    /// Counts a record that was put. `bytes` is the length of its body.
    pub(crate) fn store(&mut self, bytes: u32) {
        self.stored += u64::from(bytes);
        self.taken += u64::from(bytes) + SLOT as u64;
    }

    pub(crate) fn take_stored(&mut self) -> u64 {
        std::mem::take(&mut self.stored)
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    pub(crate) fn died_bytes(&self) -> u64 {
        self.died_bytes
    }

    /// Whether dead bytes are on the disk for longer than `limit`: the disk does not keep up.
    pub(crate) fn is_overdue(&self) -> bool {
        self.debt().1.is_some_and(|oldest| oldest > self.limit)
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.now.saturating_sub(self.busy_at) >= QUIET
    }

    /// Whether a run that died at this time is to be zeroed now: when the store is quiet, room is
    /// short or much waits, and otherwise at a quarter of the limit, so that bytes that die
    /// together are zeroed together.
    fn is_due(&self, died: Duration) -> bool {
        let is_much = self.waiting > MUCH_WAITS;
        self.is_quiet() || self.is_tight || is_much || self.now.saturating_sub(died) >= self.limit / 4
    }

    /// Takes out the oldest runs that are due, about `bytes` bytes. Returns them in the order of
    /// the file, and the oldest time of death; `None` if no run is due.
    pub(crate) fn take_due(&mut self, bytes: u64) -> (Vec<Extent>, Option<Duration>) {
        let mut taken: Vec<Extent> = Vec::new();
        let (mut sum, mut oldest) = (0, None);
        while let Some((run, died)) = self.runs.front().copied()
            && sum < bytes
            && self.is_due(died)
        {
            self.runs.pop_front();
            sum += u64::from(run.length);
            oldest.get_or_insert(died);
            taken.push(run);
        }
        for run in &taken {
            self.owe_less(run.segment, run.length);
        }
        taken.sort_unstable();
        let mut merged: Vec<Extent> = Vec::with_capacity(taken.len());
        for run in taken {
            match merged.last_mut() {
                Some(last) if last.segment == run.segment && last.end() == run.offset => {
                    last.length += run.length
                }
                _ => merged.push(run),
            }
        }
        (merged, oldest)
    }

    pub(crate) fn note_zeroed(&mut self, died: Duration, bytes: u64) {
        let (oldest, sum) = self.zeroed.unwrap_or((died, 0));
        self.zeroed = Some((oldest.min(died), sum + bytes));
    }

    /// Whether dead bytes of a segment may still be on the disk.
    pub(crate) fn owes(&self, segment: u32) -> bool {
        self.zeroed.is_some() || self.owed.get(size(segment)).is_some_and(|owed| *owed > 0)
    }
}

/// Returns the parts of the body areas that no live record covers. `live` may be in any order.
pub(crate) fn gaps(layout: &Layout, segments: &[Segment], mut live: Vec<Extent>) -> Vec<Gap> {
    live.sort_unstable();
    let mut gaps = Vec::new();
    let mut rest = live.iter().peekable();
    for (number, segment) in (0..).zip(segments) {
        let mut add = |from: u32, to: u32, is_tail| {
            if segment.is_ready() && from < to {
                let extent = Extent { segment: number, offset: from, length: to - from };
                gaps.push(Gap { extent, is_tail });
            }
        };
        let mut from = layout.body_start();
        while let Some(body) = rest.next_if(|body| body.segment == number) {
            add(from, body.offset, false);
            from = from.max(body.end());
        }
        // Commits to come write behind this; before it may lie bodies of records that were replaced, erased or rolled back.
        let written = page_up(segment.body_end).min(layout.segment_bytes);
        add(from, written, false);
        add(from.max(written), layout.segment_bytes, true);
    }
    gaps
}

/// Returns the number of bytes of these gaps that are not zeros: in each page those from the first to the last. Gaps of
/// free segments are left out, because such a segment was zeroed before it became free. Unreadable bytes count.
pub(crate) fn count_dead(disk: &impl Disk, layout: &Layout, segments: &[Segment], gaps: &[Gap]) -> u64 {
    let mut piece = vec![0u8; size(PIECE)];
    let mut dead = 0;
    for Gap { extent, .. } in gaps {
        if segments.get(size(extent.segment)).is_none_or(Segment::is_free) {
            continue;
        }
        let mut at = extent.offset;
        while at < extent.end() {
            let end = page_up(at + 1).saturating_add(PIECE - PAGE_BYTES).min(extent.end());
            let Some(bytes) = piece.get_mut(..size(end - at)) else { break };
            dead += match disk.read_at(layout.body_at(extent.segment, at), bytes) {
                Ok(()) => not_zero(bytes, size(page_up(at) - at)),
                Err(_) => u64::from(end - at),
            };
            at = end;
        }
    }
    dead
}

/// Returns the number of bytes that are not zeros, as `count_dead` counts them. `rest` is the number of bytes before
/// the first page begins.
fn not_zero(bytes: &[u8], rest: usize) -> u64 {
    let (front, pages) = bytes.split_at(rest.min(bytes.len()));
    let pages = std::iter::once(front).chain(pages.chunks(PAGE));
    let spans = pages.filter_map(|page| {
        let first = page.iter().position(|byte| *byte != 0)?;
        let last = page.iter().rposition(|byte| *byte != 0)?;
        Some((last + 1 - first) as u64)
    });
    spans.sum()
}
