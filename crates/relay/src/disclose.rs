//! The answer to a lawful request: what a stopped relay's directory holds about a mailbox, or about
//! all (spec/12-relay.md section 10.5).
//!
//! The operator of the relay cannot give more than this program can find: the answer holds all of
//! it, with exact numbers, and says what is not there and why.

mod export;
mod notes;
mod request;
mod text;

pub use export::{ExportError, export_blobs};
pub use notes::{ABSENT, ELSEWHERE, Note, WHILE_RUNNING};
pub use request::{Asked, AskedBytes, Door, Match, Request, RightForm};

use crate::data_dir::{DataDir, DataDirError};
use crate::index_record;
use crate::inspect::{self, StoreReport};
use crate::limits::Limits;
use crate::mailboxes::record::{self, Kind, Lasting};
use crate::moving::MovedMark;
use crate::names::{Handle, Name};
use deaddrop_shred::{Disk, Entry, FileDisk, Reader, RecordKey};
use deaddrop_wire::item::CreateFlags;
use deaddrop_wire::{Day, SizeClass};
use serde::{Serialize, Serializer};
use std::collections::{HashMap, HashSet};

/// The answer to a request.
#[derive(Debug, Serialize)]
pub struct Disclosure {
    /// Fingerprint of the relay's identity, by which its clients know it.
    pub fingerprint: String,
    /// The kind of the request.
    pub asked: Asked,
    /// The day that the store remembers; `None` if it remembers none.
    #[serde(serialize_with = "day")]
    pub day: Option<Day>,
    /// First day on which things expire again; `None` unless expiry pauses after a large step of the
    /// clock.
    #[serde(serialize_with = "day")]
    pub expires_from: Option<Day>,
    /// The move of the relay to another host, after which this store is no longer the newest; `None`
    /// if it has not moved.
    pub moved: Option<DisclosedMove>,
    /// The mailboxes that match.
    pub mailboxes: Vec<DisclosedMailbox>,
    /// Number of blobs whose mailbox has no readable record, whatever was asked for: no right opens
    /// them any more, and one of them may have been in the mailbox that was asked for.
    pub blobs_without_mailbox_count: u64,
    /// The blobs whose mailbox has no readable record. Empty unless all mailboxes were asked for, as
    /// they may belong to others.
    pub blobs_without_mailbox: Vec<DisclosedBlob>,
    /// Number of days of which the store holds statistics. The counts of mailboxes have
    /// noise that hides each single mailbox, the total of blobs only a single blob.
    pub statistics_days: usize,
    /// Number of records that are no mailbox, no blob, and no part of the relay's own state.
    pub other_records: u64,
    /// Number of mailboxes whose record is damaged. If there are any, a mailbox that is not found
    /// may be one of these.
    pub damaged_mailboxes: u64,
    /// The figures of the store's file.
    pub store: StoreReport,
    /// Data that is not there, and the reason for it.
    pub not_there: &'static [Note],
    /// Data that a running relay holds in memory besides, and that is gone now.
    pub while_running: &'static [Note],
    /// Places other than the relay at which traces may be.
    pub elsewhere: &'static [Note],
}

/// The mark that a move to another host has left in the directory.
#[derive(Debug, Serialize)]
pub struct DisclosedMove {
    /// The URL at which the relay serves now.
    pub url: String,
    /// The day of the export.
    #[serde(serialize_with = "some_day")]
    pub moved_on: Day,
    /// Hash of the transfer key.
    pub key_hash: String,
}

/// All that the store holds about one mailbox.
#[derive(Debug, Serialize)]
pub struct DisclosedMailbox {
    /// The right that was asked for, as this mailbox has it; `None` if all mailboxes were asked for.
    pub matched: Option<Match>,
    /// The random number of the mailbox in this store, in hexadecimal digits.
    pub handle: String,
    /// Number of the mailbox's record in the order in which the store got its records; that of the
    /// last change, if the record was changed.
    pub order: u64,
    /// Keyed hash of the owner's id, in hexadecimal digits.
    pub owner: String,
    /// Keyed hash of the reader's id, in hexadecimal digits.
    pub reader: String,
    /// The senders.
    pub doors: Vec<DisclosedDoor>,
    /// Length of the lease in days.
    pub lease_days: u32,
    /// Last day of the lease.
    #[serde(serialize_with = "some_day")]
    pub lease_ends: Day,
    /// Whether the lease is fixed: reading does not renew it.
    pub fixed: bool,
    /// Whether blobs are kept in the memory of the process only.
    pub volatile: bool,
    /// Whether any blob was ever put into the mailbox, or any reader has subscribed to it.
    pub used: bool,
    /// Last day on which the mailbox may still be unused; `None` once it was used.
    #[serde(serialize_with = "day")]
    pub unused_until: Option<Day>,
    /// Maximum number of blobs.
    pub quota_blobs: u32,
    /// Maximum number of bytes of blobs.
    pub quota_bytes: u32,
    /// Numbers of blobs by size class.
    pub counts: BlobCounts,
    /// Number of bytes of blobs.
    pub bytes: u64,
    /// The blobs, oldest first.
    pub blobs: Vec<DisclosedBlob>,
}

/// A sender of a mailbox.
#[derive(Debug, Serialize)]
pub struct DisclosedDoor {
    /// The number that the owner gave to this sender (`via`).
    pub number: u8,
    /// Keyed hash of the sender's id, in hexadecimal digits.
    pub sender: String,
}

/// Numbers of blobs by size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BlobCounts {
    /// Number of blobs of 4 KiB.
    pub small: u64,
    /// Number of blobs of 16 KiB.
    pub medium: u64,
    /// Number of blobs of 64 KiB.
    pub large: u64,
}

/// A blob that was not acked yet.
#[derive(Debug, Serialize)]
pub struct DisclosedBlob {
    /// Number of the blob in the order in which the store got its records.
    pub order: u64,
    /// Number of bytes, which are sealed for keys that the relay never had.
    pub bytes: u64,
    /// The number of the sender (`via`) at the time of the put.
    pub door: u8,
    /// Last day on which the blob is delivered.
    #[serde(serialize_with = "some_day")]
    pub last_day: Day,
    /// The day of the put, if the limits for the age of blobs were always those of today; `None` if
    /// the lease of the mailbox is not known, on which it depends.
    #[serde(serialize_with = "day")]
    pub put_on: Option<Day>,
    /// Keyed hash of the blob, in hexadecimal digits.
    pub hash: String,
    /// Name of the file to which the bytes were written; `None` if they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether the bytes could not be read, so that there is no file; `None` if they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<bool>,
    /// Key of the record.
    #[serde(skip)]
    key: RecordKey,
}

/// Opens the store of a stopped relay, locked and without writing to it, and answers the request.
/// Returns the opened store, too, for [`export_blobs`].
///
/// # Errors
/// Fails with [`DataDirError`] when the store or a key cannot be read, or another process has the
/// store open.
pub fn disclose(data: &DataDir, request: &Request) -> Result<(Disclosure, Reader<FileDisk>), DataDirError> {
    let reader = data.look_locked()?;
    let moved = MovedMark::read(data).map_err(|_| DataDirError::Io)?.map(|mark| DisclosedMove {
        url: mark.url.as_str().to_owned(),
        moved_on: mark.moved_on,
        key_hash: mark.key.to_string(),
    });
    let identity = data.identity()?;
    let fingerprint = identity.fingerprint();
    let index =
        index_record::find(&reader, &data.store_key()?).map_err(|lost| DataDirError::Ready(lost.into()))?;
    let candidates = request.candidates(fingerprint, &index);
    let limits = data.config(None)?.limits;
    let mut answer = of_store(&reader, &limits, request.asked(), |lasting| match &candidates {
        None => Some(None),
        Some(candidates) => candidates.find(lasting).map(Some),
    });
    answer.fingerprint = fingerprint.to_string();
    answer.moved = moved;
    Ok((answer, reader))
}

/// Collects the mailboxes for which `matched` returns a value, with their blobs; the blobs without a
/// readable mailbox only if all was asked for.
fn of_store<D: Disk>(
    reader: &Reader<D>,
    limits: &Limits,
    asked: Asked,
    matched: impl Fn(&Lasting) -> Option<Option<Match>>,
) -> Disclosure {
    let entries: Vec<Entry> = reader.entries().collect();
    let mut places: HashMap<Handle, usize> = HashMap::new();
    let (mut readable, mut lost, mut lost_count) = (HashSet::new(), Vec::new(), 0);
    let (mut mailboxes, mut other_records, mut damaged_mailboxes) = (Vec::new(), 0, 0);
    for entry in &entries {
        match record::kind(entry) {
            Kind::Mailbox(handle) => {
                let Some(lasting) = reader.read(&entry.key).ok().and_then(|body| record::decode(&body))
                else {
                    damaged_mailboxes += 1;
                    continue;
                };
                readable.insert(handle);
                if let Some(matched) = matched(&lasting) {
                    places.insert(handle, mailboxes.len());
                    mailboxes.push(DisclosedMailbox::of(entry.order, handle, &lasting, matched));
                }
            }
            Kind::Blob { .. } | Kind::Day(_) | Kind::IndexKey | Kind::Statistics => {}
            Kind::Unknown => other_records += 1,
        }
    }
    for entry in &entries {
        if let Kind::Blob { handle, via, class } = record::kind(entry) {
            if let Some(mailbox) = places.get(&handle).and_then(|place| mailboxes.get_mut(*place)) {
                mailbox.add(entry, via, class, limits);
            } else if !readable.contains(&handle) {
                lost_count += 1;
                if asked == Asked::All {
                    lost.push(DisclosedBlob::of(entry, via, class, limits, None));
                }
            }
        }
    }
    let calendar = inspect::calendar(reader);
    Disclosure {
        fingerprint: String::new(),
        asked,
        day: calendar.map(|calendar| calendar.day),
        expires_from: calendar.filter(|now| now.expires_from > now.day).map(|now| now.expires_from),
        moved: None,
        mailboxes,
        blobs_without_mailbox_count: lost_count,
        blobs_without_mailbox: lost,
        statistics_days: inspect::statistics(reader).days.len(),
        other_records,
        damaged_mailboxes,
        store: inspect::report(reader, None, None).store,
        not_there: ABSENT,
        while_running: WHILE_RUNNING,
        elsewhere: ELSEWHERE,
    }
}

impl DisclosedMailbox {
    fn of(order: u64, handle: Handle, lasting: &Lasting, matched: Option<Match>) -> Self {
        let Lasting { own, read, sends, lease, quota, flags, ends, unused_until } = lasting;
        let door = |(Name(sender), number): (Name, u8)| DisclosedDoor { number, sender: hex(&sender) };
        Self {
            matched,
            handle: hex(&handle.to_bytes()),
            order,
            owner: hex(&own.0),
            reader: hex(&read.0),
            doors: sends.iter().map(door).collect(),
            lease_days: lease.days().unwrap_or(0),
            lease_ends: *ends,
            fixed: flags.contains(CreateFlags::FIXED),
            volatile: flags.contains(CreateFlags::VOLATILE),
            used: unused_until.is_none(),
            unused_until: *unused_until,
            quota_blobs: quota.blobs().unwrap_or(0),
            quota_bytes: quota.bytes().unwrap_or(0),
            counts: BlobCounts::default(),
            bytes: 0,
            blobs: Vec::new(),
        }
    }

    fn add(&mut self, entry: &Entry, door: u8, class: SizeClass, limits: &Limits) {
        let count = match class {
            SizeClass::Small => &mut self.counts.small,
            SizeClass::Medium => &mut self.counts.medium,
            SizeClass::Large => &mut self.counts.large,
        };
        *count += 1;
        self.bytes += class.bytes() as u64;
        self.blobs.push(DisclosedBlob::of(entry, door, class, limits, Some(self.lease_days)));
    }
}

impl DisclosedBlob {
    /// Makes the answer about a blob in a mailbox with a lease of `lease_days`, if it is known.
    fn of(entry: &Entry, door: u8, class: SizeClass, limits: &Limits, lease_days: Option<u32>) -> Self {
        let days = match class {
            SizeClass::Small | SizeClass::Medium => limits.blob_days,
            SizeClass::Large => limits.large_blob_days,
        };
        let kept = lease_days.map(|lease| lease.min(days.into()));
        Self {
            order: entry.order,
            bytes: class.bytes() as u64,
            door,
            last_day: Day::from_number(entry.expiry_day),
            put_on: kept.map(|kept| Day::from_number(entry.expiry_day.saturating_sub(kept))),
            hash: hex(&entry.key.0),
            file: None,
            damaged: None,
            key: entry.key,
        }
    }
}

/// Formats bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn some_day<S: Serializer>(day: &Day, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn day<S: Serializer>(day: &Option<Day>, serializer: S) -> Result<S::Ok, S::Error> {
    match day {
        Some(day) => serializer.collect_str(day),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Calendar;
    use deaddrop_shred::{Batch, Geometry, MemoryDisk, Record, Shred};
    use deaddrop_testkit::rng;
    use deaddrop_wire::item::{LeaseClass, QuotaClass};
    use std::sync::Arc;

    const DAY: Day = Day::from_number(20_000);

    /// Makes a store with these records, and looks at it.
    fn store_of(puts: Vec<Record>) -> Reader<Arc<MemoryDisk>> {
        let (disk, rng) = (Arc::new(MemoryDisk::new()), &mut rng(1));
        let unlock = crate::names::StoreKey::from_bytes([9; 32]).unlock();
        let geometry = Geometry {
            segment_bytes: 1 << 20,
            slots_per_segment: 256,
            max_segments: 4,
            ..Geometry::server()
        };
        let mut shred = Shred::create(disk, &geometry, &unlock, rng).unwrap();
        shred.commit(Batch { puts, erases: Vec::new() }, rng).unwrap();
        shred.reader()
    }

    #[test]
    fn blobs_of_a_damaged_mailbox_are_told_with_all_and_counted_with_one() {
        let (handle, last) = (Handle::from_bytes([7; 6]), DAY.plus(30));
        let lasting = Lasting {
            own: Name([1; 16]),
            read: Name([2; 16]),
            sends: [(Name([3; 16]), 3)].into_iter().collect(),
            lease: LeaseClass::Month,
            quota: QuotaClass::Many,
            flags: CreateFlags::NONE,
            ends: last,
            unused_until: None,
        };
        let mut damaged = record::mailbox(handle, &lasting);
        damaged.body.truncate(3);
        let blob = record::blob(RecordKey([1; 16]), handle, 3, last, vec![5; 4_096]);
        let reader = store_of(vec![damaged, blob]);

        let mut told = of_store(&reader, &Limits::DEFAULT, Asked::All, |_| Some(None));
        assert!(told.mailboxes.is_empty() && told.other_records == 0);
        assert_eq!((told.damaged_mailboxes, told.blobs_without_mailbox_count), (1, 1));
        let [blob] = &told.blobs_without_mailbox[..] else { panic!("{told:?}") };
        assert_eq!((blob.bytes, blob.door, blob.last_day, blob.put_on), (4_096, 3, last, None));
        assert!(told.to_string().contains("1 blobs belong to mailboxes whose records are damaged"), "{told}");
        let folder = tempfile::tempdir().unwrap();
        export_blobs(&mut told, &reader, &folder.path().join("all")).unwrap();
        let file = told.blobs_without_mailbox[0].file.clone().unwrap();
        assert_eq!(std::fs::read(folder.path().join("all").join(file)).unwrap(), vec![5; 4_096]);

        // They may be another person's: a request for one mailbox gets their number alone.
        let mut told = of_store(&reader, &Limits::DEFAULT, Asked::Mailbox, |_| None);
        assert_eq!((told.damaged_mailboxes, told.blobs_without_mailbox_count), (1, 1));
        assert!(told.blobs_without_mailbox.is_empty());
        assert!(told.to_string().contains("1 blobs belong to mailboxes whose records are damaged"), "{told}");
        export_blobs(&mut told, &reader, &folder.path().join("one")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("one")).unwrap().count(), 0);
    }

    #[test]
    fn a_pause_of_expiry_is_told() {
        for (from, told_day) in [(DAY, None), (DAY.plus(7), Some(DAY.plus(7)))] {
            let reader = store_of(vec![record::day(Calendar { day: DAY, expires_from: from })]);
            let told = of_store(&reader, &Limits::DEFAULT, Asked::All, |_| Some(None));
            assert_eq!((told.day, told.expires_from), (Some(DAY), told_day));
            assert_eq!(told.to_string().contains("Nothing expires before"), told_day.is_some(), "{told}");
        }
    }
}
