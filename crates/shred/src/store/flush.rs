//! One commit: its writes, its sync, its publication (S1).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::Shred;
use crate::bytes::{PAGE, padded, size};
use crate::cell::Cell;
use crate::commit::Group;
use crate::disk::Disk;
use crate::error::CommitError;
use crate::geometry::{DeadRecord, SLOT, SlotAt};
use crate::index::Located;
use crate::slot::Word;
use std::io;
use std::sync::Arc;
use zeroize::Zeroizing;

impl<D: Disk> Shred<D> {
    /// Writes the commit, syncs once, and publishes it to readers (S1). Returns its number. Does
    /// nothing if the commit would change nothing, and returns the number of the next one. Fails
    /// with `Stopped` if the store has stopped, or if the disk fails, which stops it.
    pub(crate) fn flush(&mut self, group: Group) -> Result<u64, CommitError> {
        if self.stopped {
            return Err(CommitError::Stopped);
        }
        // Nothing is asked for that is not so already, and no one waits for an older version's end.
        if group.is_empty() && !(group.forced || group.names_erased && !self.pending.is_empty()) {
            return Ok(self.next);
        }
        // A commit that a crash cuts short may leave bodies, or marks in the place of slots, and no cell: the last one must not say by
        // then that nothing dead is left.
        if self.is_clean && !group.is_empty() {
            self.is_clean = false;
            self.commit_empty()?;
        }
        let number = self.next;
        if self.write(&group, number).is_err() {
            // S13: what reached the disk is unknown, and asking again would not tell.
            self.stopped = true;
            return Err(CommitError::Stopped);
        }
        self.publish(group, number);
        Ok(number)
    }

    fn write(&self, group: &Group, number: u64) -> io::Result<()> {
        let core = self.reader.core();
        let (disk, layout, keys) = (&core.disk, &core.layout, core.keys());
        for (segment, offset, bytes) in group.body_runs() {
            disk.write_at(layout.body_at(segment, offset), &bytes)?;
        }
        for (first, bytes) in group.slot_runs(&keys, &self.segments, number) {
            // A page begun here is written whole, so that the kernel need not read it first: behind the last
            // slot there is nothing but zeros.
            let start = size(first.slot) * SLOT;
            let end = start + bytes.len();
            let whole = end.next_multiple_of(PAGE);
            let fresh = start.is_multiple_of(PAGE) || end.div_ceil(PAGE) > start.div_ceil(PAGE);
            let bytes = match bytes {
                bytes if fresh => Zeroizing::new(padded(bytes.to_vec(), whole - start)),
                bytes => bytes,
            };
            for table in 0..layout.tables() {
                disk.write_at(layout.slot_at(first, table), &bytes)?;
            }
        }
        let mut dead: Vec<SlotAt> = self.pending.iter().map(|dead| dead.at).collect();
        dead.extend(group.erases.iter().map(|erase| erase.1.at));
        dead.sort_unstable();
        for run in dead.chunk_by(|a, b| a.segment == b.segment && a.slot + 1 == b.slot) {
            let marks = Word::Dead.bytes().repeat(run.len());
            if let Some(at) = run.first() {
                for table in 0..layout.tables() {
                    disk.write_at(layout.slot_at(*at, table), &marks)?;
                }
            }
        }
        let ranges = group.ranges().to_vec();
        let mut redo: Vec<SlotAt> = group.redo.iter().map(|dead| dead.at).collect();
        let room = Cell::room(ranges.len()).saturating_sub(redo.len());
        redo.extend(group.erases.iter().map(|erase| erase.1.at).take(room));
        let more_erases = group.erases.len() > room;
        let segments = self.segments.number();
        let cell = Cell { number, void: false, more_erases, clean: group.clean, segments, ranges, redo };
        let page = cell.encode(&keys).ok_or(io::ErrorKind::InvalidInput)?;
        disk.write_at(Cell::at(number), &page)?;
        disk.sync()
    }

    fn publish(&mut self, group: Group, number: u64) {
        let core = Arc::clone(self.reader.core());
        if let Some((open, used, body_end)) = group.end() {
            for range in group.ranges() {
                self.segments.change(range.segment, |segment| {
                    segment.used = range.first + range.count;
                    segment.live += range.count;
                });
            }
            for put in &group.puts {
                self.segments.change(put.at.segment, |segment| {
                    segment.body_end = segment.body_end.max(put.body_end());
                    segment.live_bytes += put.body_len();
                });
                if !put.is_copy() {
                    self.upkeep.store(put.body_len());
                }
            }
            self.segments.change(open, |segment| (segment.used, segment.body_end) = (used, body_end));
            self.open_segment = Some(open);
        }
        self.upkeep.synced();
        if !group.is_empty() {
            self.upkeep.committed();
        }
        let dead: Vec<DeadRecord> =
            self.pending.iter().copied().chain(group.erases.iter().map(|erase| erase.1)).collect();
        for dead in &dead {
            self.segments.change(dead.at.segment, |segment| {
                segment.live = segment.live.saturating_sub(1);
                segment.dead += 1;
                segment.live_bytes = segment.live_bytes.saturating_sub(dead.length);
                segment.last_death = number;
            });
            self.upkeep.note_dead(dead);
        }
        (self.settled, self.is_clean) = (group.is_empty(), group.clean);
        self.next = number + 1;
        let mut index = core.publishing();
        for (n, put) in group.puts.iter().enumerate() {
            index.insert(put.key(), Located::new(&put.head(number, n), put.at));
        }
        for key in group.removes.iter().chain(group.erases.iter().map(|erase| &erase.0)) {
            index.remove(key);
        }
        self.pending = group.redo;
        index.counts.dead_slots += dead.len() as u64;
        index.counts.pending_erases = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        index.counts.free_segments = self.free_segments();
        (index.counts.dead_bytes, index.counts.oldest_dead) = self.upkeep.debt();
    }
}
