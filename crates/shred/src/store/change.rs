//! Changes of the key that opens a store, and of the key that seals its records (S15).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::Shred;
use super::compact::{SLOWEST_STEP, STEP_BYTES};
use super::length::Grown;
use super::replacement::Replacement;
use super::space::bounded;
use crate::bytes::size;
use crate::disk::Disk;
use crate::error::{ChangeError, CommitError, OpenError};
use crate::geometry::{CELLS, RESERVED_SEGMENTS};
use crate::keyring::Keyring;
use crate::keys::{PassphraseCost, Unlock};
use crate::segment::{self, Condition, Segment, Stamp};
use crate::superblock::Superblock;
use rand_core::CryptoRng;
use std::io;
use std::sync::Arc;
use zeroize::Zeroizing;

impl<D: Disk> Shred<D> {
    /// Changes what opens the store: another key or passphrase, or the same passphrase at another cost. When this returns, the old one
    /// opens nothing, and its superblock is overwritten; a crash before that leaves a store that one of the two opens. Records are
    /// not written again. A thief with a copy of the old superblock and the old key can open the file
    /// with them, as it was and as it is, until the data key is replaced ([`replace_data_key`](Self::replace_data_key)).
    ///
    /// # Errors
    /// Fails with [`ChangeError`]. Except after `Stopped`, nothing has changed.
    pub fn change_unlock(
        &mut self,
        unlock: &Unlock,
        cost: PassphraseCost,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), ChangeError> {
        if self.stopped {
            return Err(ChangeError::Stopped);
        }
        if matches!(unlock, Unlock::Passphrase(_)) && !cost.is_bounded() {
            return Err(ChangeError::BadCost);
        }
        self.reseal(&self.block.clone(), unlock, cost, rng)
    }

    /// Changes the maximum number of segments of the file, as
    /// [`set_max_segments`](Self::set_max_segments) does, and for later openings, too. `unlock`
    /// must open the store: its superblock is sealed again. Returns the number that is used:
    /// `segments`, moved into the bounds of
    /// [`Geometry::max_segments`](crate::Geometry::max_segments).
    ///
    /// # Errors
    /// Fails with [`ChangeError`]. Except after `Stopped`, nothing has changed.
    pub fn change_max_segments(
        &mut self,
        segments: u32,
        unlock: &Unlock,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<u32, ChangeError> {
        if self.stopped {
            return Err(ChangeError::Stopped);
        }
        if !self.block.is_opened_by(unlock).ok_or(ChangeError::OutOfMemory)? {
            return Err(ChangeError::WrongKey);
        }
        let segments = bounded(segments);
        let block = self.block.with_max_segments(segments);
        self.reseal(&block, unlock, block.cost(), rng)?;
        Ok(self.set_max_segments(segments))
    }

    /// Seals a superblock again and makes it the store's. Fails with `OutOfMemory` if there is too
    /// little memory for the passphrase, and with `Stopped` if the disk fails.
    fn reseal(
        &mut self,
        block: &Superblock,
        unlock: &Unlock,
        cost: PassphraseCost,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), ChangeError> {
        let core = Arc::clone(self.reader.core());
        let keys = core.keyring();
        let seal = |block: &Superblock, keys: &Keyring, salt| {
            block.resealed(cost, unlock, keys, salt).ok_or(ChangeError::OutOfMemory)
        };
        let block = seal(block, &keys, draw(rng))?;
        let last = self.replacement.is_some().then(|| seal(&block, &keys.only_newest(), draw(rng)));
        let last = last.transpose()?;
        let written = block.write(&core.disk);
        self.or_stop(written).map_err(|_| ChangeError::Stopped)?;
        self.block = block;
        if let (Some(replacement), Some(last)) = (&mut self.replacement, last) {
            replacement.last = last;
        }
        Ok(())
    }

    /// Begins to replace the data key, from which the keys of all records are derived. From now on records are sealed
    /// under a new one; `maintain` copies the records under the old one, and destroys the old one when nothing is left
    /// of it ([`Stats::is_replacing_key`](crate::Stats::is_replacing_key)). A damaged record that cannot be copied is
    /// given up. `unlock` must open the store. A crash at any time loses nothing, and the next opening continues.
    ///
    /// # Errors
    /// Fails with [`ChangeError`]. Except after `Stopped`, nothing has changed.
    pub fn replace_data_key(
        &mut self,
        unlock: &Unlock,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), ChangeError> {
        if self.stopped {
            return Err(ChangeError::Stopped);
        }
        if self.replacement.is_some() {
            return Err(ChangeError::UnderWay);
        }
        if !self.block.is_opened_by(unlock).ok_or(ChangeError::OutOfMemory)? {
            return Err(ChangeError::WrongKey);
        }
        let core = Arc::clone(self.reader.core());
        let before = core.keyring();
        let mut data = Zeroizing::new([0; 32]);
        rng.fill_bytes(data.as_mut_slice());
        let newest = before.newest().next(&data).ok_or(ChangeError::UnderWay)?;
        let keys = before.followed_by(newest);
        let cost = self.block.cost();
        let seal = |block: &Superblock, keys: &Keyring, salt| {
            block.resealed(cost, unlock, keys, salt).ok_or(ChangeError::OutOfMemory)
        };
        let block = seal(&self.block, &keys, draw(rng))?;
        let last = seal(&block, &keys.only_newest(), draw(rng))?;
        let written = self.finish_renewal().and_then(|()| {
            let written = block.write(&core.disk);
            self.or_stop(written)
        });
        written.map_err(|_| ChangeError::Stopped)?;
        core.set_keyring(keys);
        self.block = block;
        self.go_on_replacing(Some(last)).map_err(|_| ChangeError::Stopped)
    }

    /// Prepares the replacement of the data key, which `maintain` then continues. `last` is the
    /// superblock without the old key, which is written at the end; with `None`, no key is being
    /// replaced and nothing is done.
    pub(super) fn go_on_replacing(&mut self, last: Option<Superblock>) -> Result<(), CommitError> {
        let Some(last) = last else { return Ok(()) };
        self.uncut()?;
        self.compaction = None;
        self.replacement = Some(Replacement { last, cells_from: self.next + CELLS });
        if self.open_segment.is_some_and(|open| self.is_under_old_key(open)) {
            self.open_segment = None;
        }
        self.restart_free_segments()?;
        self.publish_segments();
        Ok(())
    }

    /// Gives free segments a new generation under the newest data key, so that no commit uses an old one.
    pub(super) fn restart_free_segments(&mut self) -> Result<(), CommitError> {
        let core = Arc::clone(self.reader.core());
        let keys = core.keys();
        // Those at the end that wait to be cut are in the file still.
        let cut = self.cut.iter().flat_map(|cut| &cut.segments);
        let all = (0..).zip(self.segments.iter().chain(cut));
        let old = all.filter(|(_, segment)| segment.is_free() && segment.stamp.epoch != keys.epoch);
        let old: Vec<(u32, Stamp)> = old.map(|(number, segment)| (number, segment.stamp)).collect();
        let begun_any = !old.is_empty();
        for (number, stamp) in old {
            let generation = stamp.generation.saturating_add(1);
            let begun = segment::begin_generation(&core.disk, &core.layout, &keys, number, generation);
            self.or_stop(begun)?;
            let stamp = Stamp { generation, epoch: keys.epoch };
            let place = size(number.saturating_sub(self.segments.number()));
            if number < self.segments.number() {
                self.segments.change(number, |segment| segment.stamp = stamp);
            } else if let Some(segment) = self.cut.as_mut().and_then(|cut| cut.segments.get_mut(place)) {
                segment.stamp = stamp;
            }
        }
        let synced = if begun_any { core.disk.sync() } else { Ok(()) };
        self.or_stop(synced)
    }

    /// Does one step of replacing the data key. Returns `false` if there is nothing to do now.
    pub(crate) fn replace_a_little(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        let Some(replacement) = &self.replacement else { return Ok(false) };
        let cells_from = replacement.cells_from;
        let epoch = self.reader.core().keys().epoch;
        let pending: Vec<u32> = self.pending.iter().map(|dead| dead.at.segment).collect();
        let (mut is_left, mut has_live) = (false, false);
        for number in 0..self.segments.number() {
            let Some(segment) = self.segments.get(size(number)) else { continue };
            if !segment.is_ready() || segment.stamp.epoch == epoch {
                continue;
            }
            is_left = true;
            let dying = pending.iter().filter(|at| **at == number).count();
            has_live |= size(segment.live) > dying;
        }
        if has_live {
            // Copies need room, too.
            if self.free_segments() < RESERVED_SEGMENTS && self.grow_a_little(STEP_BYTES)? != Grown::No {
                return Ok(true);
            }
            let step = if self.upkeep.is_quiet() { STEP_BYTES } else { SLOWEST_STEP };
            return self.compact(step, rng);
        }
        if is_left {
            return Ok(false);
        }
        if self.next < cells_from {
            return self.commit_empty().map(|()| true);
        }
        let Some(Replacement { last, .. }) = self.replacement.take() else { return Ok(false) };
        let zeroed = self.zero_damaged_tables();
        self.or_stop(zeroed)?;
        let core = Arc::clone(self.reader.core());
        let written = last.write(&core.disk);
        self.or_stop(written)?;
        self.block = last;
        core.set_keyring(core.keyring().only_newest());
        self.publish_segments();
        Ok(true)
    }

    /// Zeroes the slot tables of segments whose header is damaged: slots there may be sealed under
    /// the old data key.
    fn zero_damaged_tables(&self) -> io::Result<()> {
        let core = self.reader.core();
        let zeros = vec![0; size(core.layout.table_bytes())];
        let cut = self.cut.iter().flat_map(|cut| &cut.segments);
        for (number, segment) in (0..).zip(self.segments.iter().chain(cut)) {
            if segment.condition == Condition::Damaged {
                for table in 0..core.layout.tables() {
                    core.disk.write_at(core.layout.table_at(number, table), &zeros)?;
                }
            }
        }
        core.disk.sync()
    }

    pub(crate) fn is_replacing_key(&self) -> bool {
        self.replacement.is_some()
    }

    pub(super) fn is_under_old_key(&self, number: u32) -> bool {
        let epoch = self.reader.core().keys().epoch;
        self.segments.get(size(number)).is_some_and(|segment: &Segment| segment.stamp.epoch != epoch)
    }
}

fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> [u8; 32] {
    let mut salt = [0; 32];
    rng.fill_bytes(&mut salt);
    salt
}

/// Finishes or undoes a change of the superblock that a crash cut short: writes the copy that
/// opened over both; brings an old store to the present version. Returns the superblock and, if the
/// data key is being replaced, the one without the old key.
pub(super) fn finish(
    disk: &impl Disk,
    block: Superblock,
    keys: &Keyring,
    unlock: &Unlock,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(Superblock, Option<Superblock>), OpenError> {
    let of_disk = |_: io::Error| OpenError::Io;
    let mut seal = |block: &Superblock, keys: &Keyring| {
        block.resealed(block.cost(), unlock, keys, draw(rng)).ok_or(OpenError::OutOfMemory)
    };
    let block = if block.is_old() { seal(&block, keys)? } else { block };
    if block.differs(disk).map_err(of_disk)? {
        block.write(disk).map_err(of_disk)?;
    }
    let last = keys.is_replacing().then(|| seal(&block, &keys.only_newest())).transpose()?;
    Ok((block, last))
}
