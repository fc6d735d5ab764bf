//! The export of a relay: its directory is marked as moved, then sealed to a transfer key.

use super::contents::{Head, encode_end, encode_record};
use super::error::MoveError;
use super::files::{create_private, demand_space, is_there, parent, remove, rename, with_ending};
use super::mark::MovedMark;
use super::progress::Progress;
use super::sealed::Sealer;
use super::steps::crash_point;
use super::transfer_key::TransferKey;
use crate::clock::{Calendar, MAX_STEP, system_day};
use crate::data_dir::{DataDir, KeySource, StoreSize};
use crate::index_record;
use crate::limits::Limits;
use crate::mailboxes::record::{self, Kind};
use deaddrop_shred::{Disk, Entry, ReadError, Reader};
use deaddrop_wire::Day;
use rand::CryptoRng;
use std::fs::File;
use std::path::Path;

/// The options of an export.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExportOptions<'a> {
    /// Text of the hash of an earlier key, whose file no host has imported.
    pub abandoned: Option<&'a str>,
    /// Path of the configuration with which the relay served, if it is not the directory's own.
    pub config: Option<&'a Path>,
    /// Whether records are left out that the disk cannot read.
    pub skips_unreadable: bool,
}

/// The result of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The mark that the directory has now.
    pub mark: MovedMark,
    /// Number of records in the file: mailboxes, blobs, and few others.
    pub records: u64,
    /// Number of bytes of their bodies.
    pub bytes: u64,
    /// Number of records that are damaged or unreadable on the disk, and are not in the file.
    pub damaged: u64,
}

/// Number of bytes that the file needs beside the bodies, for each record: its frame, and its part
/// of the seal.
const RECORD_BYTES: u64 = 64;
/// Number of bytes that the file needs beside its records.
const FILE_BYTES: u64 = 128 << 10;
/// Minimum number of days for which the old store is kept without a receipt, so that the export can
/// be repeated.
const KEEP_DAYS: u32 = 30;

/// Marks a relay as moved to the URL of `key`, and then writes everything that lives in its store to
/// the new file `out`, sealed to `key`. The relay must not be serving. From the mark on, the
/// directory serves the new URL alone.
///
/// An interrupted export can be repeated with the same key: it gives another file with the same
/// contents. With another key it is refused, because two hosts could then serve the same blobs,
/// unless `abandoned` is the text of the earlier key's hash.
///
/// All that can be tested is tested before the mark: both keys, the key of the index, the place of
/// the file, and each body, which is read once more for the file.
///
/// # Errors
/// Fails with [`MoveError`]; with [`MoveError::Unfinished`] alone if the relay has the mark, and no
/// file yet.
pub fn export(
    data: &DataDir,
    key: &TransferKey,
    out: &Path,
    options: ExportOptions<'_>,
    rng: &mut (impl CryptoRng + ?Sized),
    tell: &mut dyn FnMut(Progress),
) -> Result<Exported, MoveError> {
    if MovedMark::read(data)?.is_some_and(|mark| mark.confirmed) {
        return Err(MoveError::Destroyed);
    }
    let config = data.config(options.config)?;
    let store = data.open_for_export(rng)?;
    if is_there(out)? {
        return Err(MoveError::FileExists);
    }
    let entries: Vec<Entry> = store.entries().collect();
    let (records, bytes) = (entries.len() as u64, entries.iter().map(|entry| u64::from(entry.length)).sum());
    demand_space(parent(out), u64::saturating_add(bytes, records * RECORD_BYTES + FILE_BYTES))?;
    let stats = store.stats();
    let reader = store.reader();
    let segment_mib = (reader.segment_bytes() >> 20).clamp(1, 256);
    let store_key = data.store_key()?;
    index_record::find(&reader, &store_key).map_err(|_| MoveError::LostIndexKey)?;
    let head = Head {
        seed: data.seed()?,
        store_key,
        needs_token: config.create_token.is_some(),
        has_key_in_file: matches!(data.store_key_source()?, KeySource::File(_)),
        size: StoreSize { segment_mib, max_mib: stats.max_segments.saturating_mul(segment_mib) },
        records,
        bytes,
        limits: changed_limits(&config.limits),
    };
    let unreadable = count_unreadable(&reader, &entries, bytes, tell);
    if unreadable > 0 && !options.skips_unreadable {
        return Err(MoveError::Unreadable { records: unreadable });
    }
    let fresh = new_mark(&reader, &entries, key);
    let temporary = with_ending(out, ".part");
    let file = create_private(&temporary)?;
    crash_point();
    let mark =
        MovedMark::update(data, |mark| next_mark(mark, fresh, options.abandoned)).inspect_err(|_| {
            let _ = remove(&temporary);
        })?;
    let written = Sealer::begin(file, key, rng).and_then(|mut sealer| {
        sealer.write(&head.encode())?;
        let counts = write_records(&mut sealer, &reader, &entries, options.skips_unreadable, tell)?;
        let file = sealer.finish()?;
        crash_point();
        file.sync_all()?;
        crash_point();
        rename(&temporary, out)?;
        Ok(counts)
    });
    let (records, bytes) = written.map_err(|error| {
        let _ = remove(&temporary);
        MoveError::Unfinished { reason: Box::new(error) }
    })?;
    Ok(Exported { mark, records, bytes, damaged: entries.len() as u64 - records })
}

/// Reads all bodies. Returns the number of records that the disk cannot read. Damaged ones do not
/// count: they are lost already.
fn count_unreadable<D: Disk>(
    reader: &Reader<D>,
    entries: &[Entry],
    total: u64,
    tell: &mut dyn FnMut(Progress),
) -> u64 {
    let (mut unreadable, mut done) = (0, 0);
    for entry in entries {
        if matches!(reader.read_secret(&entry.key), Err(ReadError::Io)) {
            unreadable += 1;
        }
        done += u64::from(entry.length);
        tell(Progress { done, total });
    }
    unreadable
}

/// Returns the mark of a first export to `key`.
fn new_mark<D: Disk>(reader: &Reader<D>, entries: &[Entry], key: &TransferKey) -> MovedMark {
    let lives = |entry: &&Entry| matches!(record::kind(entry), Kind::Mailbox(_) | Kind::Blob { .. });
    let last_day = entries.iter().filter(lives).map(|entry| entry.expiry_day).max().unwrap_or(0);
    let today = system_day();
    let stored = crate::inspect::calendar(reader);
    let calendar = stored.unwrap_or(Calendar { day: today, expires_from: Day::from_number(0) });
    MovedMark {
        url: key.url().clone(),
        key: key.hash(),
        // A clock that is not believed must not end the time for which the new URL is served.
        moved_on: calendar.day.max(today.min(calendar.day.plus(MAX_STEP))),
        calendar,
        last_day: Day::from_number(last_day).max(calendar.day.plus(KEEP_DAYS)),
        confirmed: false,
    }
}

/// Returns the mark after an export to the key of `fresh`: the same as before if it is the same key.
fn next_mark(
    before: Option<MovedMark>,
    fresh: MovedMark,
    abandoned: Option<&str>,
) -> Result<MovedMark, MoveError> {
    let Some(before) = before else {
        return if abandoned.is_none() { Ok(fresh) } else { Err(MoveError::NotAbandoned) };
    };
    if before.confirmed {
        return Err(MoveError::Destroyed);
    }
    if before.key == fresh.key {
        return Ok(before);
    }
    match abandoned {
        Some(text) if before.key.has_text(text) => Ok(MovedMark { calendar: before.calendar, ..fresh }),
        Some(_) => Err(MoveError::NotAbandoned),
        None => {
            Err(MoveError::OtherTarget { hash: before.key.to_string(), url: before.url.as_str().to_owned() })
        }
    }
}

/// Writes all records that can be read, and the end. Returns the number of these, and of bytes of
/// their bodies. The calendar is written also if the body of its record is damaged.
fn write_records<D: Disk>(
    sealer: &mut Sealer<File>,
    reader: &Reader<D>,
    entries: &[Entry],
    skips_unreadable: bool,
    tell: &mut dyn FnMut(Progress),
) -> Result<(u64, u64), MoveError> {
    let total = entries.iter().map(|entry| u64::from(entry.length)).sum();
    let (mut records, mut bytes) = (0, 0);
    for entry in entries {
        let (body, mut entry) = (reader.read_secret(&entry.key), *entry);
        let body = match body {
            Ok(body) => body,
            Err(ReadError::Io) if !skips_unreadable => return Err(MoveError::Unreadable { records: 1 }),
            Err(_) if entry.key == record::DAY_KEY => {
                let Some(calendar) = crate::inspect::calendar(reader) else { continue };
                let body = record::day(calendar).body.clone();
                entry.length = u32::try_from(body.len()).unwrap_or(0);
                body.into()
            }
            // A damaged record is lost at the old host, too.
            Err(_) => continue,
        };
        sealer.write(&encode_record(&entry))?;
        sealer.write(&body)?;
        records += 1;
        bytes += body.len() as u64;
        tell(Progress { done: bytes, total });
    }
    sealer.write(&encode_end(records, bytes))?;
    Ok((records, bytes))
}

/// Returns the limits that differ from the defaults, as TOML.
fn changed_limits(limits: &Limits) -> String {
    let table = |limits: &Limits| toml::Table::try_from(limits).unwrap_or_default();
    let defaults = table(&Limits::DEFAULT);
    let changed: toml::Table =
        table(limits).into_iter().filter(|(name, value)| defaults.get(name) != Some(value)).collect();
    changed.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::StoreKey;
    use deaddrop_shred::{Batch, MemoryDisk, Record, RecordKey, Shred};
    use deaddrop_testkit::rng;
    use deaddrop_wire::RelayUrl;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A disk in memory whose reads fail while `fails` is set.
    #[derive(Default)]
    struct Failing {
        disk: MemoryDisk,
        fails: AtomicBool,
    }

    impl Disk for Failing {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            if self.fails.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Other.into());
            }
            self.disk.read_at(offset, buffer)
        }

        fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
            self.disk.write_at(offset, bytes)
        }

        fn sync(&self) -> io::Result<()> {
            self.disk.sync()
        }

        fn length(&self) -> io::Result<u64> {
            self.disk.length()
        }

        fn set_length(&self, length: u64) -> io::Result<()> {
            self.disk.set_length(length)
        }
    }

    #[test]
    fn unreadable_records_are_counted_and_left_out_only_on_demand() {
        let (disk, mut rng, key) = (Arc::new(Failing::default()), rng(1), StoreKey::from_bytes([1; 32]));
        let size = StoreSize { segment_mib: 1, max_mib: 8 }.geometry();
        let mut store = Shred::create(Arc::clone(&disk), &size, &key.unlock(), &mut rng).unwrap();
        let calendar = Calendar { day: Day::from_number(20_000), expires_from: Day::from_number(20_010) };
        let other = Record { key: RecordKey([3; 16]), meta: [9; 8], expiry_day: 20_000, body: vec![5; 70] };
        let puts = vec![record::day(calendar), other];
        store.commit(Batch { puts, erases: Vec::new() }, &mut rng).unwrap();
        let (reader, entries) = (store.reader(), store.entries().collect::<Vec<_>>());
        let dir = tempfile::tempdir().unwrap();
        let to = crate::moving::TransferSecret::generate(RelayUrl::new("wss://a/").unwrap(), &mut rng).key();
        let mut write = |skips| {
            let file = create_private(&dir.path().join("file")).unwrap();
            let mut sealer = Sealer::begin(file, &to, &mut rng).unwrap();
            write_records(&mut sealer, &reader, &entries, skips, &mut |_| ())
        };
        assert_eq!(count_unreadable(&reader, &entries, 74, &mut |_| ()), 0);
        assert_eq!(write(false).unwrap(), (2, 74));
        disk.fails.store(true, Ordering::Relaxed);
        assert_eq!(count_unreadable(&reader, &entries, 74, &mut |_| ()), 2);
        assert!(matches!(write(false), Err(MoveError::Unreadable { records: 1 })));
        assert_eq!(write(true).unwrap(), (1, 4), "the calendar is written, with a pause");
    }

    #[test]
    fn only_changed_limits_move() {
        assert_eq!(changed_limits(&Limits::DEFAULT), "");
        let limits = Limits { puts_per_s: 7, drain_ms: 1, ..Limits::DEFAULT };
        assert_eq!(changed_limits(&limits), "drain_ms = 1\nputs_per_s = 7\n");
    }
}
