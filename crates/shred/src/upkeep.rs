//! What a store does for itself between commits: it zeroes dead bytes, uses wholly dead segments again, grows ahead of need and
//! settles (S6, S10, S12).

use crate::bytes::{page_up, size};
use crate::disk::Disk;
use crate::error::CommitError;
use crate::geometry::{Extent, Grave, Layout};
use crate::segment::{self, Segment};
use crate::store::Shred;
use rand_core::CryptoRng;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Default longest time for which the ciphertext of a dead record stays on the disk.
pub const DEAD_BYTES_LIMIT: Duration = Duration::from_secs(300);
/// A store in which nothing was committed for this long zeroes all that is dead.
const QUIET: Duration = Duration::from_secs(2);
/// Time between a commit and the destruction of the keys it replaced or erased, when no other commit comes first: the rest of the
/// 50 ms of S6 is for the disk.
pub(crate) const SETTLE_AFTER: Duration = Duration::from_millis(35);
/// Bytes that one call zeroes or looks at, besides what died since the call before.
const PIECE: u32 = 1 << 20;
/// Time between two looks at what the opening found uncovered, while commits come.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Waiting bytes from which on the oldest are zeroed whatever their age: what waits takes room.
const MUCH_WAITS: u64 = 128 << 20;
/// Deaths within this time share a run, so that long runs are zeroed at once.
const SAME_TIME: Duration = Duration::from_secs(1);

/// Dead bytes that still lie on the disk, and segments on their way to be used again.
#[derive(Debug)]
pub(crate) struct Upkeep {
    /// The time of the last call, since a moment of the caller's choice.
    now: Duration,
    limit: Duration,
    /// Bodies of destroyed records, oldest death first.
    runs: VecDeque<(Extent, Duration)>,
    /// Bytes of all runs and gaps.
    waiting: u64,
    /// The same for each segment.
    owed: Vec<u64>,
    /// Bytes that died since the last scrub.
    fresh: u64,
    /// Bytes that were put since the last step of compaction.
    stored: u64,
    /// Bytes that ever died since the opening.
    buried: u64,
    /// Zeros were written since the last sync: the oldest death of what they cover, and its bytes.
    zeroed: Option<(Duration, u64)>,
    /// What no live record covered when the store was opened, and was not looked at yet.
    gaps: VecDeque<Gap>,
    /// The segment that is being made ready to be used again.
    renewal: Option<Renewal>,
    /// The time of the last commit that changed something.
    busy_at: Duration,
    /// The time of the last look at a gap.
    looked_at: Duration,
    /// Room is short.
    is_tight: bool,
}

/// Body bytes that no live record covered when the store was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    extent: Extent,
    /// It reaches to the end of its segment: later commits may write there.
    is_tail: bool,
}

/// A wholly dead segment: its header has the next generation, and its slot tables are zeroed up to here.
#[derive(Clone, Copy, Debug)]
struct Renewal {
    segment: u32,
    zeroed: u32,
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
            buried: 0,
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

    fn owe_less(&mut self, segment: u32, bytes: u32) {
        if let Some(owed) = self.owed.get_mut(size(segment)) {
            *owed = owed.saturating_sub(u64::from(bytes));
        }
        self.waiting = self.waiting.saturating_sub(u64::from(bytes));
    }

    /// A record's key is destroyed on stable storage.
    pub(crate) fn bury(&mut self, grave: &Grave) {
        let body = grave.body();
        if body.length == 0 {
            return;
        }
        self.owe(body.segment, body.length);
        self.fresh += u64::from(body.length);
        self.buried += u64::from(body.length);
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

    /// A commit was synced, and with it all zeros that were written before.
    pub(crate) fn synced(&mut self) {
        self.zeroed = None;
    }

    pub(crate) fn committed(&mut self) {
        self.busy_at = self.now;
    }

    /// Bytes of dead records that may lie on the disk, and the age of the oldest of them. What the opening found is as old as the
    /// opening.
    pub(crate) fn debt(&self) -> (u64, Option<Duration>) {
        let zeroed = self.zeroed.map_or(0, |(_, bytes)| bytes);
        let oldest = self.runs.front().map(|(_, died)| *died);
        let oldest = oldest.into_iter().chain(self.zeroed.map(|(died, _)| died));
        let oldest = oldest.chain((!self.gaps.is_empty()).then_some(Duration::ZERO)).min();
        (self.waiting + zeroed, oldest.map(|died| self.now.saturating_sub(died)))
    }

    /// A record was put.
    pub(crate) fn store(&mut self, bytes: u32) {
        self.stored += u64::from(bytes);
    }

    pub(crate) fn take_stored(&mut self) -> u64 {
        std::mem::take(&mut self.stored)
    }

    pub(crate) fn buried(&self) -> u64 {
        self.buried
    }

    /// Dead bytes lie on the disk for longer than allowed: the disk does not keep up.
    pub(crate) fn is_overdue(&self) -> bool {
        self.debt().1.is_some_and(|oldest| oldest > self.limit)
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.now.saturating_sub(self.busy_at) >= QUIET
    }

    /// A run is zeroed when the store is quiet, its space is wanted or much waits, and otherwise in good time before its limit: what dies
    /// together is zeroed together.
    fn is_due(&self, died: Duration) -> bool {
        let is_much = self.waiting > MUCH_WAITS;
        self.is_quiet() || self.is_tight || is_much || self.now.saturating_sub(died) >= self.limit / 4
    }

    /// Takes the oldest runs that are due, about as many bytes as asked for, in the order in which they lie.
    fn take_due(&mut self, bytes: u64) -> (Vec<Extent>, Option<Duration>) {
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

    fn note_zeroed(&mut self, died: Duration, bytes: u64) {
        let (oldest, sum) = self.zeroed.unwrap_or((died, 0));
        self.zeroed = Some((oldest.min(died), sum + bytes));
    }

    /// Whether dead bytes of a segment may still lie on the disk.
    fn owes(&self, segment: u32) -> bool {
        self.zeroed.is_some() || self.owed.get(size(segment)).is_some_and(|owed| *owed > 0)
    }
}

/// What no live record covers of the segments' body areas. `live` in any order.
pub(crate) fn gaps(layout: &Layout, segments: &[Segment], mut live: Vec<Extent>) -> Vec<Gap> {
    live.sort_unstable();
    let mut gaps = Vec::new();
    let mut rest = live.iter().peekable();
    for (number, segment) in (0..).zip(segments) {
        let mut from = layout.body_start();
        while let Some(body) = rest.next_if(|body| body.segment == number) {
            if segment.is_ready() && body.offset > from {
                let extent = Extent { segment: number, offset: from, length: body.offset - from };
                gaps.push(Gap { extent, is_tail: false });
            }
            from = from.max(body.end());
        }
        if segment.is_ready() && from < layout.segment_bytes {
            let extent = Extent { segment: number, offset: from, length: layout.segment_bytes - from };
            gaps.push(Gap { extent, is_tail: true });
        }
    }
    gaps
}

impl<D: Disk> Shred<D> {
    /// The longest time for which the ciphertext of a dead record may stay on the disk; [`DEAD_BYTES_LIMIT`] unless it is set.
    pub fn set_dead_bytes_limit(&mut self, limit: Duration) {
        self.upkeep.limit = limit;
    }

    /// Does a bounded part of what is to be done between commits: settles, zeroes dead bytes, makes wholly dead segments ready to be
    /// used again, copies what lives in mostly dead ones when room is short, adds segments ahead of need, gives unused ones back. `now`
    /// is the time since a moment of the caller's choice, which does not go back. Returns when to call again at the latest, if anything
    /// is to be done; call after each commit, too.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn maintain(
        &mut self,
        now: Duration,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Option<Duration>, CommitError> {
        self.set_now(now);
        if self.is_stopped() {
            return Err(CommitError::Stopped);
        }
        if !self.is_settled() && self.upkeep.now >= self.upkeep.busy_at.saturating_add(SETTLE_AFTER) {
            self.settle()?;
        }
        if self.upkeep.is_quiet() && self.renewable(false).is_some_and(|it| self.is_named(it)) {
            self.commit_empty()?;
        }
        let stored = self.upkeep.take_stored();
        let grew = self.grow_ahead(stored)?;
        let is_tight = self.is_tight();
        let is_wanted = self.is_short() && self.renewable(false).is_some();
        self.upkeep.is_tight = is_tight || is_wanted || self.is_replacing_key();
        let copied = self.wants_compaction() && self.compact_a_little(stored, rng)?;
        let replaced = self.replace_a_little(rng)?;
        let done = self
            .scrub()
            .and_then(|did| Ok(self.verify_gap()? || did))
            .and_then(|did| Ok(self.renew()? || did));
        let mut worked = self.or_stop(done)? || grew || copied || replaced;
        // Zeros reach the disk with the next commit, or now if none comes or their time is over.
        if self.upkeep.is_overdue() {
            self.sync_zeros()?;
        }
        if !worked && self.upkeep.is_quiet() {
            self.sync_zeros()?;
            worked = self.shrink_a_little(rng)?;
        }
        self.publish_debt();
        Ok(self.next_upkeep(worked))
    }

    /// Zeroes all that is dead, as far as `is_over` allows between its pieces. Returns the dead bytes that are left.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn scrub_all(&mut self, mut is_over: impl FnMut() -> bool) -> Result<u64, CommitError> {
        self.settle()?;
        // As if nothing had happened for long.
        self.upkeep.busy_at = Duration::ZERO;
        self.upkeep.now = self.upkeep.now.max(QUIET);
        loop {
            let done = self.scrub().and_then(|did| Ok(did || self.verify_gap()?));
            if !self.or_stop(done)? || is_over() {
                break;
            }
        }
        self.sync_zeros()?;
        self.publish_debt();
        let (left, _) = self.upkeep.debt();
        if left == 0 {
            // The next opening need not look for dead bytes.
            self.commit_clean()?;
        }
        Ok(left)
    }

    /// Makes room by force: finishes a wholly dead segment at once. Returns `false` if there is none.
    pub(crate) fn reclaim(&mut self) -> Result<bool, CommitError> {
        let Some(segment) = self.renewable(false) else { return Ok(false) };
        // The lists of the last two commits must not name it (S10).
        while self.is_named(segment) {
            self.commit_empty()?;
        }
        let zeroed = self.zero_segment(segment);
        self.or_stop(zeroed)?;
        self.sync_zeros()?;
        loop {
            let step = self.renew();
            if !self.or_stop(step)? {
                return Ok(false);
            }
            if self.upkeep.renewal.is_none() {
                return Ok(true);
            }
        }
    }

    /// Zeroes what is due of the bodies of destroyed records.
    fn scrub(&mut self) -> io::Result<bool> {
        let share = u64::from(PIECE) + self.upkeep.fresh + self.upkeep.fresh / 4;
        self.upkeep.fresh = 0;
        let (runs, oldest) = self.upkeep.take_due(share);
        let Some(oldest) = oldest else { return Ok(false) };
        for run in &runs {
            self.zero(*run)?;
            self.upkeep.note_zeroed(oldest, u64::from(run.length));
        }
        Ok(true)
    }

    /// Looks at a piece of what the opening found uncovered, and zeroes it if it is not zero.
    fn verify_gap(&mut self) -> io::Result<bool> {
        let Upkeep { now, looked_at, .. } = self.upkeep;
        // A store that was just opened has better things to do than to read itself.
        if !self.upkeep.is_quiet() && now.saturating_sub(looked_at) < LOOK_EVERY {
            return Ok(false);
        }
        let Some(mut gap) = self.upkeep.gaps.pop_front() else { return Ok(false) };
        self.upkeep.looked_at = now;
        let segment = self.segments().get(size(gap.extent.segment)).copied();
        let written = segment.filter(|_| gap.is_tail).map_or(0, |segment| page_up(segment.body_end));
        let from = gap.extent.offset.max(written);
        let length = gap.extent.end().saturating_sub(from).min(PIECE);
        if length == 0 {
            self.upkeep.owe_less(gap.extent.segment, gap.extent.length);
            return Ok(true);
        }
        let piece = Extent { segment: gap.extent.segment, offset: from, length };
        let core = Arc::clone(self.core());
        let mut bytes = vec![0u8; size(length)];
        core.disk.read_at(core.layout.body_at(piece.segment, piece.offset), &mut bytes)?;
        if bytes.iter().any(|byte| *byte != 0) {
            self.zero(piece)?;
            self.upkeep.note_zeroed(Duration::ZERO, u64::from(length));
        }
        self.upkeep.owe_less(piece.segment, piece.end() - gap.extent.offset);
        gap.extent = Extent { offset: piece.end(), length: gap.extent.end() - piece.end(), ..piece };
        if gap.extent.length > 0 {
            self.upkeep.gaps.push_front(gap);
        }
        Ok(true)
    }

    /// Zeroes all that is owed of a segment.
    fn zero_segment(&mut self, segment: u32) -> io::Result<()> {
        let runs = std::mem::take(&mut self.upkeep.runs);
        let (of_it, others): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(run, _)| run.segment == segment);
        self.upkeep.runs = others.into();
        for (run, died) in of_it {
            self.upkeep.owe_less(run.segment, run.length);
            self.zero(run)?;
            self.upkeep.note_zeroed(died, u64::from(run.length));
        }
        let gaps = std::mem::take(&mut self.upkeep.gaps);
        let (of_it, others): (Vec<_>, Vec<_>) =
            gaps.into_iter().partition(|gap| gap.extent.segment == segment);
        self.upkeep.gaps = others.into();
        for gap in of_it {
            self.upkeep.owe_less(gap.extent.segment, gap.extent.length);
            self.zero(gap.extent)?;
            self.upkeep.note_zeroed(Duration::ZERO, u64::from(gap.extent.length));
        }
        Ok(())
    }

    /// One step on the way of a wholly dead segment to be used again (S10).
    fn renew(&mut self) -> io::Result<bool> {
        let core = Arc::clone(self.core());
        let Some(Renewal { segment, zeroed }) = self.upkeep.renewal else {
            let Some(segment) = self.renewable(true) else { return Ok(false) };
            let generation = self.segments().get(size(segment)).map_or(0, |segment| segment.stamp.generation);
            let next = generation.checked_add(1).ok_or(io::ErrorKind::InvalidData)?;
            segment::begin_generation(&core.disk, &core.layout, &core.keys(), segment, next)?;
            // A slot that is zero under the old header would be used for the second time in its generation.
            core.disk.sync()?;
            self.upkeep.synced();
            self.upkeep.renewal = Some(Renewal { segment, zeroed: 0 });
            return Ok(true);
        };
        let end = core.layout.tables() * core.layout.table_bytes();
        let piece = (end - zeroed).min(PIECE);
        if piece > 0 {
            let at = core.layout.table_at(segment, 0) + u64::from(zeroed);
            core.disk.write_at(at, &vec![0; size(piece)])?;
            self.upkeep.renewal = Some(Renewal { segment, zeroed: zeroed + piece });
            return Ok(true);
        }
        core.disk.sync()?;
        self.upkeep.synced();
        self.upkeep.renewal = None;
        self.renewed(segment);
        Ok(true)
    }

    /// Finishes what was begun of a segment's next generation.
    pub(crate) fn finish_renewal(&mut self) -> Result<(), CommitError> {
        while self.upkeep.renewal.is_some() {
            let step = self.renew();
            self.or_stop(step)?;
        }
        Ok(())
    }

    /// A wholly dead segment. `ready`: it owes nothing, and the last two commits do not name it.
    pub(crate) fn renewable(&self, ready: bool) -> Option<u32> {
        self.segments().wholly_dead().find(|number| {
            let is_ready = !self.is_named(*number) && !self.upkeep.owes(*number);
            !self.takes_more(*number) && (is_ready || !ready)
        })
    }

    /// One of the last two commits may name slots of a segment.
    fn is_named(&self, segment: u32) -> bool {
        let last_death = self.segments().get(size(segment)).map_or(0, |segment| segment.last_death);
        self.next_number() < last_death.saturating_add(3)
    }

    fn zero(&self, run: Extent) -> io::Result<()> {
        let core = self.core();
        let zeros = vec![0u8; size(run.length.min(PIECE))];
        let mut at = run.offset;
        while at < run.end() {
            let piece = (run.end() - at).min(PIECE);
            let zeros = zeros.get(..size(piece)).unwrap_or_default();
            core.disk.write_at(core.layout.body_at(run.segment, at), zeros)?;
            at += piece;
        }
        Ok(())
    }

    fn sync_zeros(&mut self) -> Result<(), CommitError> {
        if self.upkeep.zeroed.is_some() {
            let synced = self.core().disk.sync();
            self.or_stop(synced)?;
            self.upkeep.synced();
        }
        Ok(())
    }

    pub(crate) fn set_now(&mut self, now: Duration) {
        self.upkeep.now = self.upkeep.now.max(now);
    }

    /// When there is something to do next.
    fn next_upkeep(&self, worked: bool) -> Option<Duration> {
        let Upkeep { now, busy_at, limit, .. } = self.upkeep;
        if worked {
            return Some(now);
        }
        let settle = (!self.is_settled()).then(|| busy_at.saturating_add(SETTLE_AFTER));
        let quiet = busy_at.saturating_add(QUIET);
        let due = self.upkeep.runs.front().map(|(_, died)| quiet.min(died.saturating_add(limit / 4)));
        let zeros = self.upkeep.zeroed.map(|_| quiet);
        let gaps = (!self.upkeep.gaps.is_empty()).then(|| now.saturating_add(LOOK_EVERY));
        let waits = self.renewable(false).map(|_| quiet);
        settle.into_iter().chain(due).chain(zeros).chain(gaps).chain(waits).min().map(|at| at.max(now))
    }
}
