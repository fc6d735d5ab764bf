//! The report on a store for its operator (spec/12-relay.md section 10).
//!
//! Mailboxes have no names here, come in another order each time, and have counts in steps, so that
//! a row of reports does not show the activity of one mailbox. Handles, hashes and record keys are
//! left out: they mean something only to this store, and to a person who has its key and a right to
//! compare them with.

use crate::clock::Calendar;
use crate::mailboxes::record::{self, Kind};
use crate::names::Handle;
use crate::statistics::{self, History};
use crate::store::Space;
use deaddrop_shred::{Disk, ReadError, Reader};
use deaddrop_wire::item::CreateFlags;
use deaddrop_wire::{Day, SizeClass};
use rand::{CryptoRng, seq::SliceRandom};
use serde::Serialize;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The report on the contents of a store.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The day that the store remembers, counted from 1970-01-01; `None` if it remembers none.
    pub day: Option<u32>,
    /// The first day on which things expire again, counted from 1970-01-01; `None` unless expiry
    /// pauses after a large step of the clock.
    pub expires_from: Option<u32>,
    /// Number of mailboxes.
    pub mailboxes: usize,
    /// Number of blobs.
    pub blobs: usize,
    /// Number of bytes of blobs.
    pub bytes: u64,
    /// The mailboxes, in an order that is drawn for each report; `None` in a summary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<Vec<MailboxReport>>,
    /// The figures of the store's file.
    pub store: StoreReport,
}

/// The report on one mailbox.
#[derive(Debug, Default, Serialize)]
pub struct MailboxReport {
    /// Length of the lease in days.
    pub lease_days: u32,
    /// Maximum number of blobs that the mailbox holds.
    pub quota_blobs: u32,
    /// Lower bound of the number of senders that may put into the mailbox: 0, 1, 4, 16
    /// and so on.
    pub senders_at_least: u32,
    /// Whether the lease is fixed: reading does not renew it.
    pub fixed: bool,
    /// Whether the blobs are kept in memory only; then they are not in this report.
    pub volatile: bool,
    /// Whether any blob was ever put into the mailbox, or any reader has subscribed to it.
    pub used: bool,
    /// Lower bounds of the numbers of blobs.
    pub blobs_at_least: BlobSteps,
}

/// Lower bounds of the numbers of a mailbox's blobs by size class: 0, 1, 4, 16 and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BlobSteps {
    /// Lower bound of the number of blobs of 4 KiB.
    pub small: u32,
    /// Lower bound of the number of blobs of 16 KiB.
    pub medium: u32,
    /// Lower bound of the number of blobs of 64 KiB.
    pub large: u32,
}

/// The report on the store's file, in which records lie in segments.
#[derive(Debug, Default, Serialize)]
pub struct StoreReport {
    /// Number of live records.
    pub records: u64,
    /// Number of bytes of the bodies of live records.
    pub live_bytes: u64,
    /// Number of segments in the file.
    pub segments: u32,
    /// Number of segments in the file that hold nothing.
    pub free_segments: u32,
    /// Maximum number of segments of the file.
    pub max_segments: u32,
    /// Percent of `max_segments` that hold something.
    pub percent_in_use: u32,
    /// Number of bytes of destroyed records that are still on the disk, under keys that are
    /// destroyed (*dead bytes*).
    pub dead_bytes: u64,
    /// The time of the last write to the store, in seconds since 1970-01-01 UTC; `None` without
    /// dead bytes. All of these were destroyed before this time. The store keeps no times itself.
    pub erased_before: Option<u64>,
    /// Number of slots (the entries of records in the file) whose key was destroyed, in segments
    /// that were not used again since.
    pub destroyed: u64,
    /// Number of slots that are damaged.
    pub damaged: u64,
}

/// Returns the calendar that the store remembers; `None` if there is none.
#[must_use]
pub fn calendar<D: Disk>(reader: &Reader<D>) -> Option<Calendar> {
    let key = record::DAY_KEY;
    match record::kind(&reader.entry(&key)?) {
        Kind::Day(day) => Some(record::calendar(day, reader.read(&key).ok().as_deref())),
        _ => None,
    }
}

/// Returns the statistics that the store holds. If their record is damaged or cannot be read, the
/// report says so and has no days.
#[must_use]
pub fn statistics<D: Disk>(reader: &Reader<D>) -> statistics::Report {
    match reader.read(&record::STATISTICS_KEY) {
        Ok(body) => statistics::Report::of(History::decode(&body).as_ref()),
        Err(ReadError::NotFound) => statistics::Report::of(Some(&History::default())),
        Err(_) => statistics::Report::of(None),
    }
}

/// Makes the report on a store. `written` is the time of the last write to the store's file, read
/// after `reader` was opened. The order of the mailboxes is drawn from `order`; without it, the
/// report is a summary.
#[must_use]
pub fn report<D: Disk>(
    reader: &Reader<D>,
    written: Option<SystemTime>,
    order: Option<&mut dyn CryptoRng>,
) -> Report {
    let stats = reader.stats();
    let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|age| age.as_secs());
    let store = StoreReport {
        records: stats.records,
        live_bytes: stats.live_bytes,
        segments: stats.segments,
        free_segments: stats.free_segments,
        percent_in_use: Space::of(&stats).percent_in_use(),
        dead_bytes: stats.dead_bytes,
        erased_before: written.filter(|_| stats.dead_bytes > 0),
        max_segments: stats.max_segments,
        destroyed: stats.dead_slots,
        damaged: stats.damaged_slots,
    };
    let calendar = calendar(reader);
    let pause = calendar.filter(|calendar| calendar.expires_from > calendar.day);
    let mut report = Report {
        day: calendar.map(|calendar| calendar.day.number()),
        expires_from: pause.map(|calendar| calendar.expires_from.number()),
        store,
        ..Report::default()
    };
    let mut places: HashMap<Handle, usize> = HashMap::new();
    let mut each = Vec::new();
    let entries: Vec<_> = reader.entries().collect();
    for entry in &entries {
        if let Kind::Mailbox(handle) = record::kind(entry) {
            let Some(lasting) = reader.read(&entry.key).ok().and_then(|body| record::decode(&body)) else {
                continue;
            };
            places.insert(handle, each.len());
            each.push(MailboxReport {
                lease_days: lasting.lease.days().unwrap_or(0),
                quota_blobs: lasting.quota.blobs().unwrap_or(0),
                senders_at_least: step(u32::try_from(lasting.sends.len()).unwrap_or(u32::MAX)),
                fixed: lasting.flags.contains(CreateFlags::FIXED),
                volatile: lasting.flags.contains(CreateFlags::VOLATILE),
                used: lasting.unused_until.is_none(),
                blobs_at_least: BlobSteps::default(),
            });
        }
    }
    for entry in &entries {
        if let Kind::Blob { handle, class, .. } = record::kind(entry) {
            report.blobs += 1;
            report.bytes += class.bytes() as u64;
            // Counted exactly here, and put into steps below.
            if let Some(mailbox) = places.get(&handle).and_then(|place| each.get_mut(*place)) {
                *mailbox.blobs_at_least.of_mut(class) += 1;
            }
        }
    }
    report.mailboxes = each.len();
    report.each = order.map(|order| {
        for mailbox in &mut each {
            for class in [SizeClass::Small, SizeClass::Medium, SizeClass::Large] {
                let count = mailbox.blobs_at_least.of_mut(class);
                *count = step(*count);
            }
        }
        each.shuffle(order);
        each
    });
    report
}

/// Returns the greatest of 0, 1, 4, 16, 64 and so on that is at most `count`.
const fn step(count: u32) -> u32 {
    match count.checked_ilog(4) {
        Some(power) => 4_u32.pow(power),
        None => 0,
    }
}

impl BlobSteps {
    const fn of_mut(&mut self, class: SizeClass) -> &mut u32 {
        match class {
            SizeClass::Small => &mut self.small,
            SizeClass::Medium => &mut self.medium,
            SizeClass::Large => &mut self.large,
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} mailboxes, {} blobs, {} bytes of blobs", self.mailboxes, self.blobs, self.bytes)?;
        for mailbox in self.each.iter().flatten() {
            let BlobSteps { small, medium, large } = mailbox.blobs_at_least;
            writeln!(
                f,
                "a mailbox: at least {small} x 4 KiB, {medium} x 16 KiB, {large} x 64 KiB; at least {} senders, lease {} days{}{}",
                mailbox.senders_at_least,
                mailbox.lease_days,
                if mailbox.fixed { ", fixed" } else { "" },
                if mailbox.volatile { ", volatile" } else { "" },
            )?;
        }
        writeln!(f, "store: {}", self.store)?;
        f.write_str("The store also holds handles, hashes and the sealed bytes of blobs; they are left out here. It has no field for a person, a sender, a reader or a network address.")
    }
}

impl std::fmt::Display for StoreReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            records, segments, free_segments, max_segments, percent_in_use, destroyed, damaged, ..
        } = self;
        write!(
            f,
            "{records} records in {} of {max_segments} segments ({percent_in_use} %), {segments} in the file; {destroyed} destroyed, {damaged} \
             damaged; ",
            segments.saturating_sub(*free_segments)
        )?;
        if self.dead_bytes == 0 {
            return f.write_str("dead bytes: none");
        }
        write!(f, "dead bytes: {}", amount(self.dead_bytes))?;
        if let Some(seconds) = self.erased_before {
            let (day, minutes) = (Day::of_unix_seconds(seconds), seconds / 60 % (24 * 60));
            let (hour, minute) = (minutes / 60, minutes % 60);
            write!(f, ", erased before {day} {hour:02}:{minute:02} UTC (the store was last written then)")?;
        }
        f.write_str("; a relay that runs is zeroing them, another does when it starts")
    }
}

/// Formats a number of bytes in a suitable unit, rounded up.
fn amount(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes * 10).div_ceil(unit);
    match bytes {
        0..0x400 => format!("{bytes} B"),
        0x400..0x10_0000 => format!("{}.{} KiB", tenths(1 << 10) / 10, tenths(1 << 10) % 10),
        _ => format!("{}.{} MiB", tenths(1 << 20) / 10, tenths(1 << 20) % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_in_steps() {
        let told = [0, 1, 3, 4, 15, 16, 63, 64, u32::MAX].map(step);
        assert_eq!(told, [0, 1, 1, 4, 4, 16, 16, 64, 1 << 30]);
    }

    #[test]
    fn dead_bytes_are_told_with_the_time_before_which_they_died() {
        let told = |dead_bytes, erased_before| {
            let text = StoreReport { dead_bytes, erased_before, ..StoreReport::default() }.to_string();
            text.split_once("; dead").map(|(_, told)| told.to_owned())
        };
        assert_eq!(told(0, None).as_deref(), Some(" bytes: none"));
        assert_eq!(
            told(1_258_000, Some(1_795_874_580)).as_deref(),
            Some(
                " bytes: 1.2 MiB, erased before 2026-11-28 14:03 UTC (the store was last written then); a relay that runs is \
                 zeroing them, another does when it starts"
            )
        );
        assert_eq!(
            (amount(900), amount(1_500), amount(1 << 20)),
            ("900 B".into(), "1.5 KiB".into(), "1.0 MiB".into())
        );
    }
}
