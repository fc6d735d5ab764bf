//! Segment headers, and the writer's knowledge about each segment.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::bytes::{PAGE, Take, padded};
use crate::disk::Disk;
use crate::geometry::{HEADER, Layout};
use crate::keyring::Keyring;
use crate::keys::StoreKeys;
use crate::labels;
use std::io;

const MAGIC: &[u8; 8] = b"shredseg";
const SECTOR: usize = 512;
/// Number of bytes of a header copy that its check covers.
const COVERED: usize = 24;
/// Generation of a segment that was never used again (S10).
const FIRST_GENERATION: u32 = 1;
/// Number of bytes of zeros in one write: large, so that few calls write a segment.
const ZEROS: usize = 1 << 20;

/// The state of a segment, as its header tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// The segment has a header; its slots count.
    Ready,
    /// The segment was never formatted: the file grew and then the power failed. It holds nothing.
    Raw,
    /// No header copy verifies, yet the segment is not empty. Nothing is ever put there. Recovery
    /// may write the bytes there again on which it relies, and the end of a replacement of the data
    /// key zeroes the slot tables.
    Damaged,
}

/// One segment, as far as the writer needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) condition: Condition,
    pub(crate) stamp: Stamp,
    /// Number of slots used so far. They are used in order, once per generation (S3).
    pub(crate) used: u32,
    /// The end of the used part of the body area, in bytes from the start of the segment.
    pub(crate) body_end: u32,
    /// Number of records whose keys are not destroyed. Those that the next commit destroys are
    /// counted, too.
    pub(crate) live: u32,
    /// Number of bytes of the bodies of live slots.
    pub(crate) live_bytes: u32,
    /// Number of the last commit that destroyed a record of this segment; 0 if none did. When a
    /// store is opened, each segment gets the number of the last commit before that.
    pub(crate) last_death: u64,
    /// Number of slots that are marked as dead.
    pub(crate) dead: u32,
    /// Number of slots that a recovery rolled back.
    pub(crate) voided: u32,
    /// Whether a live record of the segment cannot be copied, because its slot or its body does not
    /// open.
    pub(crate) is_unreadable: bool,
}

/// Generation and data key of a segment, from its header. Slots are bound to both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// The number of times that the segment was begun (S10).
    pub(crate) generation: u32,
    /// The epoch of the data key.
    pub(crate) epoch: u32,
}

impl Segment {
    /// Makes an empty segment that was begun for the first time.
    pub(crate) fn fresh(layout: &Layout, epoch: u32) -> Self {
        Self {
            condition: Condition::Ready,
            stamp: Stamp { generation: FIRST_GENERATION, epoch },
            used: 0,
            body_end: layout.body_start(),
            live: 0,
            live_bytes: 0,
            last_death: 0,
            dead: 0,
            voided: 0,
            is_unreadable: false,
        }
    }

    /// Makes an empty segment of this condition, with the stamp that recovery found.
    pub(crate) fn found(condition: Condition, stamp: Stamp, layout: &Layout) -> Self {
        Self { condition, stamp, ..Self::fresh(layout, stamp.epoch) }
    }

    /// Whether the segment is in its first generation: it was never used again.
    pub(crate) fn is_first_generation(&self) -> bool {
        self.stamp.generation == FIRST_GENERATION
    }

    /// Whether the segment has a header that verifies.
    pub(crate) fn is_ready(&self) -> bool {
        self.condition == Condition::Ready
    }

    /// Whether none of the segment's records lives. A damaged slot never opens again, so it does not keep the segment.
    pub(crate) fn is_wholly_dead(&self) -> bool {
        self.condition == Condition::Ready && self.used > 0 && self.live == 0
    }

    pub(crate) fn is_free(&self) -> bool {
        self.condition == Condition::Ready && self.used == 0
    }
}

/// Reads the header of a segment: its condition, and its stamp if that is `Ready`. Fails only if
/// the disk cannot be read.
pub(crate) fn read_header(
    disk: &impl Disk,
    layout: &Layout,
    keys: &Keyring,
    segment: u32,
) -> io::Result<(Condition, Stamp)> {
    let mut page = [0u8; PAGE];
    disk.read_at(layout.segment_at(segment), &mut page)?;
    // Each sector holds a whole copy: a flipped bit costs one of eight; of an interrupted rewrite the newer wins.
    let newest = page.chunks_exact(SECTOR).filter_map(|copy| decode(copy, keys, segment)).max();
    Ok(match newest {
        Some(stamp) => (Condition::Ready, stamp),
        None if page.iter().all(|&byte| byte == 0) => (Condition::Raw, Stamp::default()),
        None => (Condition::Damaged, Stamp::default()),
    })
}

fn decode(copy: &[u8], keys: &Keyring, segment: u32) -> Option<Stamp> {
    let mut take = Take(copy);
    let magic: [u8; 8] = take.array()?;
    let (number, generation, epoch, _reserved) = (take.u32()?, take.u32()?, take.u32()?, take.u32()?);
    let check = take.array()?;
    let whole = magic == *MAGIC
        && number == segment
        && generation >= FIRST_GENERATION
        && keys.of(epoch)?.verify(labels::SEGMENT, copy.get(..COVERED)?, &check);
    whole.then_some(Stamp { generation, epoch })
}

fn encode(keys: &StoreKeys, segment: u32, generation: u32) -> Vec<u8> {
    let mut copy = Vec::with_capacity(PAGE);
    copy.extend_from_slice(MAGIC);
    for field in [segment, generation, keys.epoch, 0] {
        copy.extend_from_slice(&field.to_le_bytes());
    }
    let check = keys.check(labels::SEGMENT, &copy);
    copy.extend_from_slice(&check);
    padded(copy, SECTOR).repeat(PAGE / SECTOR)
}

/// Writes the header of a segment with this generation. A caller that begins a new generation syncs
/// before it zeroes the slot tables.
pub(crate) fn begin_generation(
    disk: &impl Disk,
    layout: &Layout,
    keys: &StoreKeys,
    segment: u32,
    generation: u32,
) -> io::Result<()> {
    disk.write_at(layout.segment_at(segment), &encode(keys, segment, generation))
}

/// Writes a segment's zeros and header: real zeros, so that no later commit waits for the file system to allocate
/// (S12). The caller syncs before anything is put there.
pub(crate) fn format(disk: &impl Disk, layout: &Layout, keys: &StoreKeys, segment: u32) -> io::Result<()> {
    let start = layout.segment_at(segment);
    let end = start + u64::from(layout.segment_bytes);
    let zeros = vec![0u8; ZEROS];
    let mut at = start + u64::from(HEADER);
    while at < end {
        let piece = usize::try_from(end - at).unwrap_or(ZEROS).min(ZEROS);
        disk.write_at(at, zeros.get(..piece).unwrap_or(&zeros))?;
        at += piece as u64;
    }
    disk.write_at(start, &encode(keys, segment, FIRST_GENERATION))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryDisk;
    use crate::geometry::Geometry;

    fn ring(file_id: u8, data: u8) -> Keyring {
        Keyring::one(StoreKeys::new(&[data; 32], [file_id; 16], 1))
    }

    fn setup() -> (MemoryDisk, Layout, Keyring) {
        let geometry = Geometry { segment_bytes: 16 << 10, slots_per_segment: 32, ..Geometry::vault() };
        let (disk, layout) = (MemoryDisk::new(), geometry.layout().unwrap());
        let keys = ring(2, 1);
        format(&disk, &layout, keys.newest(), 0).unwrap();
        format(&disk, &layout, keys.newest(), 1).unwrap();
        (disk, layout, keys)
    }

    #[test]
    fn one_copy_of_eight_is_enough() {
        let (disk, layout, keys) = setup();
        let at = layout.segment_at(1);
        let first = Stamp { generation: 1, epoch: 1 };
        for sector in 0..7 {
            disk.write_at(at + sector * 512, &[0xff; 512]).unwrap();
            assert_eq!(read_header(&disk, &layout, &keys, 1).unwrap(), (Condition::Ready, first));
        }
        disk.write_at(at + 7 * 512, &[0xff; 512]).unwrap();
        assert_eq!(read_header(&disk, &layout, &keys, 1).unwrap().0, Condition::Damaged);
        disk.write_at(at, &[0; PAGE]).unwrap();
        assert_eq!(read_header(&disk, &layout, &keys, 1).unwrap().0, Condition::Raw);
    }

    #[test]
    fn a_header_is_bound_to_key_and_place() {
        let (disk, layout, keys) = setup();
        let mut page = [0u8; PAGE];
        disk.read_at(layout.segment_at(0), &mut page).unwrap();
        disk.write_at(layout.segment_at(1), &page).unwrap();
        assert_eq!(read_header(&disk, &layout, &keys, 1).unwrap().0, Condition::Damaged);
        let other = ring(2, 9);
        assert_eq!(read_header(&disk, &layout, &other, 0).unwrap().0, Condition::Damaged);
    }
}
