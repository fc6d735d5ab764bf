//! The export of a relay: its directory is marked as moved, then sealed to a transfer key.

use super::contents::{Head, encode_end, encode_record};
use super::error::MoveError;
use super::files::{create_private, demand_space, is_there, parent, remove, rename, with_ending};
use super::mark::MovedMark;
use super::progress::Progress;
use super::sealed::Sealer;
use super::steps::crash_point;
use super::transfer_key::TransferKey;
use crate::clock::{Calendar, system_day};
use crate::data_dir::{DataDir, StoreSize};
use crate::limits::Limits;
use crate::mailboxes::record::{self, Kind};
use deaddrop_shred::{Entry, FileDisk, ReadError, Shred};
use deaddrop_wire::Day;
use rand::CryptoRng;
use std::io;
use std::path::Path;

/// The result of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The mark that the directory has now.
    pub mark: MovedMark,
    /// Number of records in the file: mailboxes, blobs, and few others.
    pub records: u64,
    /// Number of bytes of their bodies.
    pub bytes: u64,
    /// Number of records that are damaged on the disk, and are not in the file.
    pub damaged: u64,
}

/// Number of bytes that the file needs beside the bodies, for each record: its frame, and its part
/// of the seal.
const RECORD_BYTES: u64 = 64;
/// Number of bytes that the file needs beside its records.
const FILE_BYTES: u64 = 128 << 10;

/// Marks a relay as moved to the URL of `key`, and then writes everything that lives in its store to
/// the new file `out`, sealed to `key`. The relay must not be serving. From the mark on, the
/// directory serves the new URL alone.
///
/// An interrupted export can be repeated with the same key: it gives another file with the same
/// contents. With another key it is refused, because two hosts could then serve the same blobs,
/// unless `abandoned` is the text of the earlier key's hash.
///
/// # Errors
/// Fails with [`MoveError`].
pub fn export(
    data: &DataDir,
    key: &TransferKey,
    out: &Path,
    abandoned: Option<&str>,
    rng: &mut (impl CryptoRng + ?Sized),
    tell: &mut dyn FnMut(Progress),
) -> Result<Exported, MoveError> {
    if MovedMark::read(data)?.is_some_and(|mark| mark.confirmed) {
        return Err(MoveError::Destroyed);
    }
    let config = data.config(None)?;
    let store = data.open_for_export(rng)?;
    if is_there(out)? {
        return Err(MoveError::FileExists);
    }
    let entries: Vec<Entry> = store.entries().collect();
    let (records, bytes) = (entries.len() as u64, entries.iter().map(|entry| u64::from(entry.length)).sum());
    demand_space(parent(out), u64::saturating_add(bytes, records * RECORD_BYTES + FILE_BYTES))?;
    let fresh = new_mark(&store, &entries, key);
    let mark = MovedMark::update(data, |mark| next_mark(mark, fresh, abandoned))?;
    let stats = store.stats();
    let segment_mib = (store.reader().segment_bytes() >> 20).clamp(1, 256);
    let head = Head {
        seed: data.seed()?,
        store_key: data.store_key()?,
        needs_token: config.create_token.is_some(),
        size: StoreSize { segment_mib, max_mib: stats.max_segments.saturating_mul(segment_mib) },
        records,
        bytes,
        limits: changed_limits(&config.limits),
    };
    let temporary = with_ending(out, ".part");
    let file = create_private(&temporary)?;
    crash_point();
    let written = Sealer::begin(file, key, rng).and_then(|mut sealer| {
        sealer.write(&head.encode())?;
        let counts = write_records(&mut sealer, &store, &entries, bytes, tell)?;
        let file = sealer.finish()?;
        crash_point();
        file.sync_all()?;
        Ok(counts)
    });
    let (records, bytes) = written.inspect_err(|_| {
        let _ = remove(&temporary);
    })?;
    crash_point();
    rename(&temporary, out)?;
    Ok(Exported { mark, records, bytes, damaged: entries.len() as u64 - records })
}

/// Returns the mark of a first export to `key`.
fn new_mark(store: &Shred<FileDisk>, entries: &[Entry], key: &TransferKey) -> MovedMark {
    let lives = |entry: &&Entry| matches!(record::kind(entry), Kind::Mailbox(_) | Kind::Blob { .. });
    let last_day = entries.iter().filter(lives).map(|entry| entry.expiry_day).max().unwrap_or(0);
    let stored = crate::inspect::calendar(&store.reader());
    let today = system_day();
    MovedMark {
        url: key.url().clone(),
        key: key.hash(),
        moved_on: today,
        calendar: stored.unwrap_or(Calendar { day: today, expires_from: Day::from_number(0) }),
        last_day: Day::from_number(last_day),
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
/// their bodies.
fn write_records(
    sealer: &mut Sealer<std::fs::File>,
    store: &Shred<FileDisk>,
    entries: &[Entry],
    total: u64,
    tell: &mut dyn FnMut(Progress),
) -> Result<(u64, u64), MoveError> {
    let (mut records, mut bytes) = (0, 0);
    for entry in entries {
        let body = match store.read_secret(&entry.key) {
            Ok(body) => body,
            Err(ReadError::Io) => return Err(io::Error::from(io::ErrorKind::Other).into()),
            // A damaged record is lost at the old host, too.
            Err(_) => continue,
        };
        sealer.write(&encode_record(entry))?;
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

    #[test]
    fn only_changed_limits_move() {
        assert_eq!(changed_limits(&Limits::DEFAULT), "");
        let limits = Limits { puts_per_s: 7, drain_ms: 1, ..Limits::DEFAULT };
        assert_eq!(changed_limits(&limits), "drain_ms = 1\nputs_per_s = 7\n");
    }
}
