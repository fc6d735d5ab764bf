//! Recovery: from the bytes on a disk to an index, and the few bytes to write before serving (S4-S7).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.
//!
//! [`Recovery::judge`] only reads, so the read-only open uses it too; [`Recovery::settle`] writes.

use crate::bytes::{PAGE, size};
use crate::cell::{Cell, Range};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::geometry::{CELLS, Extent, Layout, SEGMENTS_AT, SLOT, SlotAt};
use crate::holes::Proofs;
use crate::index::{Counts, Index, Located};
use crate::keyring::Keyring;
use crate::keys::StoreKeys;
use crate::scan::{Found, Scan, Seen, slot_copies};
use crate::segment::{self, Segment, Stamp};
use crate::slot::{Head, Word};
use crate::upkeep::{Gap, gaps};
use std::cmp::Reverse;
use std::collections::HashMap;

/// The state of a store as recovery finds it, and the bytes that recovery has to write.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) index: Index,
    pub(crate) segments: Vec<Segment>,
    /// The number of the next commit: above every number that left a trace (S2).
    pub(crate) next: u64,
    /// The segment that was written to last, where puts continue; `None` if they begin a free one.
    pub(crate) open_segment: Option<u32>,
    /// Whether nothing is left for an empty commit to do: the last commit is whole and has neither
    /// puts nor a redo list, and no marks have to be written.
    pub(crate) settled: bool,
    /// Slots to overwrite with a mark, and the mark of each: dead or void.
    pub(crate) marks: Vec<(SlotAt, Word)>,
    /// Numbers of the commits that were rolled back: their cells say, or will say, that they are
    /// void.
    pub(crate) voided: Vec<u64>,
    /// The last two complete commits, by which the state was judged. Their bytes are written again,
    /// because a page cache may show bytes that the disk does not have (S7).
    pub(crate) relied_on: Vec<Cell>,
    /// Whether the last commit says that no dead byte is left, and nothing was found that speaks
    /// against that.
    pub(crate) is_clean: bool,
    /// The parts of the body areas that no live record covers; empty if `is_clean`.
    pub(crate) gaps: Vec<Gap>,
    /// Bodies that the last two complete commits stored, as (segment, offset, length): they are
    /// written again (S7).
    pub(crate) bodies: Vec<(u32, u32, u32)>,
}

impl Recovery {
    /// Reads the disk and decides which records are live. Fails with `Io` if the disk cannot be
    /// read, and with `Corrupt` if the store is damaged beyond single records.
    pub(crate) fn judge(disk: &impl Disk, layout: &Layout, keys: &Keyring) -> Result<Self, OpenError> {
        let length = disk.length().map_err(|_| OpenError::Io)?;
        if length < SEGMENTS_AT {
            return Err(OpenError::Corrupt);
        }
        let cells = read_cells(disk, keys)?;
        let in_file = layout.segments_in(length);
        let named = cells.iter().map(|cell| cell.segments).max().ok_or(OpenError::Corrupt)?;
        if in_file < named {
            return Err(OpenError::Corrupt);
        }
        let scan = Scan::run(disk, layout, keys, in_file).map_err(|_| OpenError::Io)?;
        let torn = torn_commit(disk, layout, keys, &cells, &scan)?;
        Ok(Self::build(layout, &cells, scan, torn))
    }

    fn build(layout: &Layout, cells: &[Cell], scan: Scan, torn: Option<u64>) -> Self {
        let mut complete: Vec<&Cell> =
            cells.iter().filter(|cell| !cell.void && Some(cell.number) != torn).collect();
        complete.sort_unstable_by_key(|cell| Reverse(cell.number));
        let proofs = Proofs::of(layout, &scan, &complete);
        complete.truncate(2);
        let Scan { mut segments, mut found, dead, void, mut damaged, holes, .. } = scan;
        let mut marks = Vec::new();
        // S5: a torn commit leaves nothing behind.
        let mut voided: Vec<u64> = cells.iter().filter(|cell| cell.void).map(|cell| cell.number).collect();
        // S7: marks of an earlier recovery may have been seen in the page cache only.
        if !voided.is_empty() {
            marks.extend(void.iter().map(|at| (*at, Word::Void)));
        }
        voided.extend(torn);
        voided.dedup();
        found.retain(|found| {
            let is_undone = voided.contains(&found.head.commit);
            if is_undone {
                marks.push((found.at, Word::Void));
            }
            !is_undone
        });

        // S6: the records that the last two complete commits replaced or erased are dead, whatever reached the disk.
        let mut pending: HashMap<SlotAt, u64> = HashMap::new();
        for cell in &complete {
            for at in &cell.redo {
                let by = pending.entry(*at).or_insert(cell.number);
                *by = cell.number.max(*by);
            }
        }
        let mut open_segment: Option<(u64, u32)> = None;
        let last_two: Vec<u64> = complete.iter().map(|cell| cell.number).collect();
        let mut bodies = Vec::new();
        found.retain(|found| {
            open_segment = open_segment.max(Some((found.head.commit, found.at.segment)));
            // A slot younger than the list that names it belongs to a later generation of its segment.
            if pending.get(&found.at).is_some_and(|by| found.head.commit <= *by) {
                return false;
            }
            pending.remove(&found.at);
            if last_two.contains(&found.head.commit) {
                bodies.push((found.at.segment, found.head.offset, found.head.length));
            }
            true
        });
        // S4: of several versions the newest is live; of two copies of one version either.
        found.sort_unstable_by_key(|found| {
            let Head { key, order, commit, .. } = found.head;
            (key, Reverse((order, commit)), found.at)
        });
        found.dedup_by(|other, newest| {
            let is_same = other.head.key == newest.head.key;
            if is_same {
                marks.push((other.at, Word::Dead));
            }
            is_same
        });
        let in_file = |at: &SlotAt| size(at.segment) < segments.len() && at.slot < layout.slots;
        marks.extend(pending.keys().filter(|at| in_file(at)).map(|at| (*at, Word::Dead)));
        if complete.iter().any(|cell| cell.more_erases) {
            marks.extend(dead.iter().map(|at| (*at, Word::Dead)));
        }
        // Stable, so that of two marks for one slot the roll-back stays.
        marks.sort_by_key(|mark| mark.0);
        marks.dedup_by_key(|mark| mark.0);

        let located = found.iter().map(|found| (found.head.key, Located::new(&found.head, found.at)));
        let mut index = Index::of(located);
        for Found { at, head } in &found {
            if let Some(segment) = segments.get_mut(size(at.segment)) {
                segment.live += 1;
                segment.live_bytes += head.length;
            }
        }
        index.stamps = segments.iter().map(|segment| segment.stamp).collect();
        let mark_of = |at: &SlotAt| {
            let place = marks.binary_search_by_key(at, |mark| mark.0).ok()?;
            marks.get(place).map(|mark| mark.1)
        };
        let is_void = |at: &SlotAt| match mark_of(at) {
            Some(word) => word == Word::Void,
            None => void.binary_search(at).is_ok(),
        };
        damaged.extend(proofs.lost(&holes, &segments, is_void));
        let with = |slots: Vec<SlotAt>, word| slots.into_iter().map(move |at| (at, word));
        let slots = with(dead, Word::Dead).chain(with(void, Word::Void)).chain(with(damaged, Word::Damaged));
        // What was to be destroyed in any case is no loss.
        let slots = slots.filter(|(at, _)| mark_of(at).is_none()).chain(marks.iter().copied());
        tally(&mut segments, &mut index.counts, slots);
        index.counts.free_segments = count(segments.iter().filter(|s| s.is_free()).count());

        let next = cells.iter().map(|cell| cell.number).max().max(torn).unwrap_or(0) + 1;
        for segment in &mut segments {
            segment.last_death = next - 1;
        }
        let is_whole = torn.is_none() && marks.is_empty() && index.counts.damaged_slots == 0;
        let is_clean = is_whole && complete.first().is_some_and(|cell| cell.clean);
        let body = |Found { at, head }: &Found| Extent {
            segment: at.segment,
            offset: head.offset,
            length: head.length,
        };
        // Without a live record to tell, the last segment that was begun, but none with the marks of a generation before.
        let is_old = |number| !proofs.has(number) && holes.iter().any(|hole| hole.segment == number);
        let begun = |(number, segment): &(u32, &Segment)| segment.used > 0 && !is_old(*number);
        let begun = || (0..).zip(&segments).filter(begun).last().map(|(number, _)| number);
        let open_segment = open_segment.map(|(_, segment)| segment).or_else(begun);
        let gaps =
            if is_clean { Vec::new() } else { gaps(layout, &segments, found.iter().map(body).collect()) };
        let settled = torn.is_none()
            && marks.is_empty()
            && complete.first().is_some_and(|cell| cell.ranges.is_empty() && cell.redo.is_empty());
        let relied_on = complete.into_iter().cloned().collect();
        Self {
            index,
            segments,
            next,
            open_segment,
            settled,
            marks,
            voided,
            relied_on,
            is_clean,
            gaps,
            bodies,
        }
    }

    /// Writes the marks, writes the bytes again on which the judgement relied, and syncs (S7).
    /// After a crash anywhere inside, another recovery has the same result.
    pub(crate) fn settle(&self, disk: &impl Disk, layout: &Layout, keys: &Keyring) -> Result<(), OpenError> {
        self.write(disk, layout, keys).map_err(|_| OpenError::Io)
    }

    fn write(&self, disk: &impl Disk, layout: &Layout, keys: &Keyring) -> std::io::Result<()> {
        // The page cache may show what the disk lacks, after a failed sync of an earlier process.
        for cell in &self.relied_on {
            rewrite(disk, Cell::at(cell.number), PAGE)?;
            for range in cell.ranges.iter().filter(|range| is_inside(range, layout, self.segments.len())) {
                for table in 0..layout.tables() {
                    let first = SlotAt { segment: range.segment, slot: range.first };
                    rewrite(disk, layout.slot_at(first, table), size(range.count) * SLOT)?;
                }
            }
        }
        // A segment that no synced commit has used yet is as good as its header, of which some copies may be older.
        for number in (0..).zip(&self.segments).filter(|(_, s)| s.is_free()).map(|(number, _)| number) {
            let Some(stamp) = self.segments.get(size(number)).map(|segment| segment.stamp) else { continue };
            if let Some(keys) = keys.of(stamp.epoch) {
                segment::begin_generation(disk, layout, keys, number, stamp.generation)?;
            }
        }
        for (segment, offset, length) in &self.bodies {
            rewrite(disk, layout.body_at(*segment, *offset), size(*length))?;
        }
        for (at, word) in &self.marks {
            for table in 0..layout.tables() {
                disk.write_at(layout.slot_at(*at, table), &word.bytes())?;
            }
        }
        for &number in &self.voided {
            let cell = Cell::voided(number, count(self.segments.len()));
            if let Some(page) = cell.encode(keys.newest()) {
                disk.write_at(Cell::at(number), &page)?;
            }
        }
        disk.sync()
    }
}

/// Adds slots without a record to `counts`, and the void and dead ones of them to their segments.
/// The `used` of each segment then covers all of them, the damaged ones, too. Slots of segments
/// that are not ready are skipped.
fn tally(segments: &mut [Segment], counts: &mut Counts, slots: impl Iterator<Item = (SlotAt, Word)>) {
    for (at, word) in slots {
        let Some(segment) = segments.get_mut(size(at.segment)).filter(|segment| segment.is_ready()) else {
            continue;
        };
        segment.used = segment.used.max(at.slot + 1);
        match word {
            Word::Void => (segment.voided, counts.void_slots) = (segment.voided + 1, counts.void_slots + 1),
            Word::Damaged => counts.damaged_slots += 1,
            _ => (segment.dead, counts.dead_slots) = (segment.dead + 1, counts.dead_slots + 1),
        }
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn rewrite(disk: &impl Disk, at: u64, length: usize) -> std::io::Result<()> {
    let mut bytes = vec![0u8; length];
    disk.read_at(at, &mut bytes)?;
    disk.write_at(at, &bytes)
}

/// Returns all cells that verify and lie at the place of their number. Fails with `Io` if the disk
/// cannot be read.
pub(crate) fn read_cells(disk: &impl Disk, keys: &Keyring) -> Result<Vec<Cell>, OpenError> {
    let mut cells = Vec::new();
    for place in 0..CELLS {
        let mut page = [0u8; PAGE];
        disk.read_at(Cell::at(place), &mut page).map_err(|_| OpenError::Io)?;
        cells.extend(Cell::decode(keys, &page).filter(|cell| Cell::at(cell.number) == Cell::at(place)));
    }
    Ok(cells)
}

/// Returns the number of the last commit if it is not complete: a crash interrupted it (S5; by S1
/// only the last one can be), or an earlier recovery has rolled it back.
fn torn_commit(
    disk: &impl Disk,
    layout: &Layout,
    keys: &Keyring,
    cells: &[Cell],
    scan: &Scan,
) -> Result<Option<u64>, OpenError> {
    let in_cells = cells.iter().map(|cell| cell.number);
    let in_heads = scan.found.iter().map(|found| found.head.commit);
    let Some(last) = in_cells.chain(in_heads).max() else { return Ok(None) };
    let complete = match cells.iter().find(|cell| cell.number == last && !cell.void) {
        Some(cell) => is_complete(disk, layout, keys, cell, scan)?,
        None => false,
    };
    Ok((!complete).then_some(last))
}

/// Whether a commit is complete: each slot in the cell's ranges is dead, or opens together with its body (S5).
fn is_complete(
    disk: &impl Disk,
    layout: &Layout,
    keys: &Keyring,
    cell: &Cell,
    scan: &Scan,
) -> Result<bool, OpenError> {
    for range in &cell.ranges {
        if !is_inside(range, layout, scan.segments.len()) {
            return Ok(false);
        }
        for slot in range.first..range.first + range.count {
            let at = SlotAt { segment: range.segment, slot };
            let stamp = scan.segments.get(size(at.segment)).map_or(Stamp::default(), |segment| segment.stamp);
            let Some(keys) = keys.of(stamp.epoch) else { return Ok(false) };
            let copies = slot_copies(disk, layout, at).map_err(|_| OpenError::Io)?;
            let whole = match Seen::of(keys, &copies, at, stamp.generation) {
                Seen::Dead => true,
                Seen::Live(head, slot) if head.commit == cell.number => {
                    body_opens(disk, layout, keys, at, &head, &slot)?
                }
                _ => false,
            };
            if !whole {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

pub(crate) fn body_opens(
    disk: &impl Disk,
    layout: &Layout,
    keys: &StoreKeys,
    at: SlotAt,
    head: &Head,
    slot: &[u8; SLOT],
) -> Result<bool, OpenError> {
    if !layout.holds(head.offset, head.length) {
        return Ok(false);
    }
    let mut body = vec![0u8; size(head.length)];
    disk.read_at(layout.body_at(at.segment, head.offset), &mut body).map_err(|_| OpenError::Io)?;
    Ok(head.open_body(keys, slot, &mut body))
}

fn is_inside(range: &Range, layout: &Layout, segments: usize) -> bool {
    usize::try_from(range.segment).is_ok_and(|n| n < segments)
        && range.first.checked_add(range.count).is_some_and(|end| end <= layout.slots)
}
