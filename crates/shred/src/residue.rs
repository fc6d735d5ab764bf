//! Proof of erasure: counts the records of a store that still open with its key, without trusting
//! its index.

use crate::disk::Disk;
use crate::error::OpenError;
use crate::geometry::{SLOT, SlotAt};
use crate::keys::Unlock;
use crate::recovery::body_opens;
use crate::scan::slot_copies;
use crate::segment::read_header;
use crate::slot::Head;
use crate::superblock::Superblock;
use std::ops::Range;

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

/// The places in the file of one record whose body opens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Positions of the copies of its slot, which holds its key: one, or two in a mirrored store.
    pub slots: Vec<Range<u64>>,
    /// Position of its sealed body.
    pub body: Range<u64>,
}

/// Tries every slot position of every segment with the store's own key, whatever index, commit
/// cells, marks and headers say, and counts what opens. In a segment that was used again, tries its
/// present generation and the four before. Writes nothing and takes no lock.
///
/// # Errors
/// Fails with [`OpenError`] when the store cannot be opened with `unlock`, or the disk fails.
pub fn scan<D: Disk + ?Sized>(disk: &D, unlock: &Unlock) -> Result<Residue, OpenError> {
    visit(disk, unlock, |_| ())
}

/// Returns the places of all records whose bodies open, found like those that [`scan`] counts.
/// Writes nothing and takes no lock.
///
/// # Errors
/// Fails with [`OpenError`] when the store cannot be opened with `unlock`, or the disk fails.
pub fn places<D: Disk + ?Sized>(disk: &D, unlock: &Unlock) -> Result<Vec<Place>, OpenError> {
    let mut places = Vec::new();
    visit(disk, unlock, |place| places.push(place))?;
    Ok(places)
}

/// Tries every slot position, counts what opens, and calls `found` for each record whose body
/// opens.
fn visit<D: Disk + ?Sized>(
    disk: &D,
    unlock: &Unlock,
    mut found: impl FnMut(Place),
) -> Result<Residue, OpenError> {
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
                if body_opens(disk, &layout, keys, at, &head, copy)? {
                    residue.bodies += 1;
                    let slot = |table| layout.slot_at(at, table)..layout.slot_at(at, table) + SLOT as u64;
                    let body = layout.body_at(segment, head.offset);
                    found(Place {
                        slots: (0..layout.tables()).map(slot).collect(),
                        body: body..body + u64::from(head.length),
                    });
                }
            }
        }
    }
    Ok(residue)
}
