//! The scan of all slot tables: the content of each slot, before anything is judged.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::bytes::size;
use crate::cell::Range;
use crate::disk::Disk;
use crate::geometry::{Layout, SLOT, SlotAt};
use crate::keyring::Keyring;
use crate::keys::StoreKeys;
use crate::segment::{Condition, Segment, read_header};
use crate::slot::{Head, Word};
use std::io;
use std::num::NonZero;

/// Maximum number of threads that open heads.
const MAX_THREADS: usize = 4;

/// A slot whose head opens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) at: SlotAt,
    pub(crate) head: Head,
}

/// The segments and slots of a file, by their content. Each list is in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) segments: Vec<Segment>,
    pub(crate) found: Vec<Found>,
    pub(crate) dead: Vec<SlotAt>,
    pub(crate) void: Vec<SlotAt>,
    pub(crate) damaged: Vec<SlotAt>,
    /// Runs of slots that read as zeros, in front of slots of the same segment that do not.
    pub(crate) holes: Vec<Range>,
    /// For each segment, the number of slots up to and including the last one that is live, dead or
    /// void; 0 if none is. A damaged one does not count, because it may never have been used.
    pub(crate) ends: Vec<u32>,
}

/// The content of one slot, all its copies taken together: live if one opens, else dead if one is
/// dead, else void if one is void, empty if all are empty, and damaged otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen {
    Empty,
    Dead,
    Void,
    /// The head, and the copy of the slot it was in.
    Live(Head, [u8; SLOT]),
    Damaged,
}

impl Seen {
    pub(crate) fn of(keys: &StoreKeys, copies: &[[u8; SLOT]], at: SlotAt, generation: u32) -> Self {
        let mut seen = Self::Empty;
        for copy in copies {
            let word = Word::of(copy);
            if word == Word::Candidate
                && let Some(head) = Head::open(keys, copy, at, generation)
            {
                return Self::Live(head, *copy);
            }
            seen = match (seen, word) {
                (Self::Dead, _) | (_, Word::Dead) => Self::Dead,
                (Self::Void, _) | (_, Word::Void) => Self::Void,
                (Self::Empty, Word::Empty) => Self::Empty,
                _ => Self::Damaged,
            };
        }
        seen
    }
}

/// Reads the copies of one slot: one, or two in a mirrored store.
pub(crate) fn slot_copies(disk: &impl Disk, layout: &Layout, at: SlotAt) -> io::Result<Vec<[u8; SLOT]>> {
    (0..layout.tables())
        .map(|table| {
            let mut slot = [0u8; SLOT];
            disk.read_at(layout.slot_at(at, table), &mut slot)?;
            Ok(slot)
        })
        .collect()
}

/// Whether the slot tables of a segment are all zeros. If they are not, the segment had a header
/// once.
fn has_empty_tables(disk: &impl Disk, layout: &Layout, number: u32) -> io::Result<bool> {
    let mut tables = vec![0; size(layout.tables() * layout.table_bytes())];
    disk.read_at(layout.table_at(number, 0), &mut tables)?;
    Ok(tables.iter().all(|byte| *byte == 0))
}

impl Scan {
    /// Reads every slot table from end to end: after a crash, slots may be missing in front of others.
    pub(crate) fn run(disk: &impl Disk, layout: &Layout, keys: &Keyring, segments: u32) -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS);
        let share = segments.div_ceil(u32::try_from(threads).unwrap_or(1)).max(1);
        // Threads cost more than they bring for a few small tables.
        let many = u64::from(segments) * u64::from(layout.slots) >= 1 << 14;
        if threads == 1 || !many {
            return Self::part(disk, layout, keys, 0..segments);
        }
        let parts: Vec<io::Result<Self>> = std::thread::scope(|scope| {
            let starts = (0..segments).step_by(size(share));
            let spawned: Vec<_> = starts
                .map(|from| {
                    let to = (from + share).min(segments);
                    scope.spawn(move || Self::part(disk, layout, keys, from..to))
                })
                .collect();
            let lost = || Err(io::ErrorKind::Other.into());
            spawned.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).collect()
        });
        let mut whole = Self::default();
        for part in parts {
            let part = part?;
            whole.segments.extend(part.segments);
            whole.found.extend(part.found);
            whole.dead.extend(part.dead);
            whole.void.extend(part.void);
            whole.damaged.extend(part.damaged);
            whole.holes.extend(part.holes);
            whole.ends.extend(part.ends);
        }
        Ok(whole)
    }

    fn part(
        disk: &impl Disk,
        layout: &Layout,
        keys: &Keyring,
        segments: std::ops::Range<u32>,
    ) -> io::Result<Self> {
        let mut scan = Self::default();
        for segment in segments {
            scan.segment(disk, layout, keys, segment)?;
        }
        Ok(scan)
    }

    fn segment(&mut self, disk: &impl Disk, layout: &Layout, keys: &Keyring, number: u32) -> io::Result<()> {
        let (condition, stamp) = read_header(disk, layout, keys, number)?;
        let condition = match condition {
            Condition::Raw if !has_empty_tables(disk, layout, number)? => Condition::Damaged,
            condition => condition,
        };
        let mut segment = Segment::found(condition, stamp, layout);
        let mut end = 0;
        if condition == Condition::Ready
            && let Some(keys) = keys.of(stamp.epoch)
        {
            let mut tables = Vec::new();
            for table in 0..layout.tables() {
                let mut bytes = vec![0u8; size(layout.table_bytes())];
                disk.read_at(layout.table_at(number, table), &mut bytes)?;
                tables.push(bytes);
            }
            let mut copies = Vec::with_capacity(tables.len());
            let mut chunks: Vec<_> = tables.iter().map(|table| table.as_chunks::<SLOT>().0.iter()).collect();
            for slot in 0..layout.slots {
                copies.clear();
                copies.extend(chunks.iter_mut().filter_map(Iterator::next));
                let at = SlotAt { segment: number, slot };
                let seen = Seen::of(keys, &copies, at, stamp.generation);
                match seen {
                    Seen::Empty => continue,
                    Seen::Dead => self.dead.push(at),
                    Seen::Void => self.void.push(at),
                    Seen::Damaged => self.damaged.push(at),
                    Seen::Live(head, _) => {
                        let end = head.offset.saturating_add(head.length).min(layout.segment_bytes);
                        segment.body_end = segment.body_end.max(end);
                        self.found.push(Found { at, head });
                    }
                }
                if segment.used < slot {
                    let count = slot - segment.used;
                    self.holes.push(Range { segment: number, first: segment.used, count });
                }
                // S3: in order, so everything up to here counts as used.
                segment.used = slot + 1;
                // A slot that was never used may be damaged, too.
                end = if matches!(seen, Seen::Damaged) { end } else { slot + 1 };
            }
        }
        self.ends.push(end);
        self.segments.push(segment);
        Ok(())
    }
}
