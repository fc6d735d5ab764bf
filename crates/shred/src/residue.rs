//! Proof of erasure: counts the records of a store that still open with its key, without trusting
//! its index.

use crate::disk::Disk;
use crate::error::OpenError;
use crate::geometry::SlotAt;
use crate::keys::Unlock;
use crate::recovery::body_opens;
use crate::scan::slot_copies;
use crate::segment::read_header;
use crate::slot::Head;
use crate::superblock::Superblock;

/// The result of a scan of every slot position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Residue {
    /// Number of slot positions tried. Both copies of a mirrored slot count.
    pub positions: u64,
    /// Number of slots of which the head opened.
    pub heads: u64,
    /// Number of heads of which the body opened, too.
    pub bodies: u64,
}

/// Number of generations before the present one that are tried, too. Heads of older ones are not
/// found.
const PAST_GENERATIONS: u32 = 4;

/// Tries every slot position of every segment with the store's own key, whatever index, commit
/// cells, marks and headers say, and counts what opens. In a segment that was used again, tries its
/// present generation and the four before. Writes nothing and takes no lock.
///
/// # Errors
/// Fails with [`OpenError`] when the store cannot be opened with `unlock`, or the disk fails.
pub fn scan<D: Disk + ?Sized>(disk: &D, unlock: &Unlock) -> Result<Residue, OpenError> {
    // `Disk` is asked for by the helpers as a sized type; a reference to one is one.
    let disk = &disk;
    let (block, keyring) = Superblock::open(disk, unlock)?;
    let layout = block.layout;
    let mut residue = Residue::default();
    let length = disk.length().map_err(|_| OpenError::Io)?;
    for segment in 0..layout.segments_in(length) {
        let (_, stamp) = read_header(disk, &layout, &keyring, segment).map_err(|_| OpenError::Io)?;
        let newest = stamp.generation.max(1);
        for slot in 0..layout.slots {
            let at = SlotAt { segment, slot };
            let copies = slot_copies(disk, &layout, at).map_err(|_| OpenError::Io)?;
            residue.positions += copies.len() as u64;
            // A mirrored slot is one record, however many of its copies open.
            let opened = copies.iter().find_map(|copy| {
                keyring.oldest_first().find_map(|keys| {
                    let mut generations = newest.saturating_sub(PAST_GENERATIONS).max(1)..=newest;
                    generations.find_map(|g| Head::open(keys, copy, at, g)).map(|head| (keys, head, copy))
                })
            });
            if let Some((keys, head, copy)) = opened {
                residue.heads += 1;
                residue.bodies += u64::from(body_opens(disk, &layout, keys, at, &head, copy)?);
            }
        }
    }
    Ok(residue)
}
