//! Room: how full the store is, what ends first, and whether the disk has room for the rest.

use super::finding::Finding;
use crate::data_dir::{DataDir, RelayConfig};
use crate::inspect::Report;
use std::path::Path;

/// Percent of a limit from which on the operator is warned.
const NEARLY_FULL: u64 = 80;

pub(super) fn check(data: &DataDir, settings: &RelayConfig, report: &Report) -> Vec<Finding> {
    vec![damage(report), fill(settings, report), disk(data, report)]
}

fn damage(report: &Report) -> Finding {
    match report.store.damaged {
        0 => Finding::good("store", format!("it opens: {}", report.store)),
        damaged => Finding::fault(
            "store",
            format!(
                "{damaged} records of the store are damaged, and what they held is lost; check the disk. All others are \
                 not affected: the relay can go on; {}",
                report.store
            ),
        ),
    }
}

/// Tells which limit of the store is reached first. Nothing is known about when: the store keeps no
/// history.
fn fill(settings: &RelayConfig, report: &Report) -> Finding {
    let limits = &settings.limits;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let percent = |have: u64, most: u64| have.saturating_mul(100).div_ceil(most.max(1));
    let parts = [
        ("mailboxes", percent(count(report.mailboxes), limits.mailboxes)),
        ("blobs", percent(count(report.blobs), limits.blobs)),
        ("bytes of blobs (`store_bytes`)", percent(report.bytes, limits.store_bytes)),
        ("segments of the store's file (`init --max-mib`)", report.store.percent_in_use.into()),
    ];
    let list: Vec<String> =
        parts.iter().map(|(name, percent)| format!("{percent} % of the {name}")).collect();
    let (first, most) = parts.into_iter().max_by_key(|(_, percent)| *percent).unwrap_or_default();
    let text = format!("{}; the {first} end first", list.join(", "));
    if most < NEARLY_FULL {
        let when = "when, the metrics show (the store keeps no history)";
        return Finding::good("fill", format!("{text}; {when}"));
    }
    let (create, put) = (limits.create_percent, limits.put_percent);
    Finding::warning(
        "fill",
        format!(
            "{text}: new mailboxes are refused from {create} % on, blobs from {put} %; raise that limit, or move to a larger disk"
        ),
    )
}

/// Compares the free room of the disk with what the store's file may still grow.
fn disk(data: &DataDir, report: &Report) -> Finding {
    let store = &report.store;
    let length = std::fs::metadata(data.store_path()).map_or(0, |file| file.len());
    let segment = length / u64::from(store.segments.max(1));
    let growth = segment.saturating_mul(store.max_segments.saturating_sub(store.segments).into());
    let Some(free) = free_bytes(data.path()) else {
        return Finding::warning(
            "disk",
            "this system does not tell how much room the disk has; look yourself",
        );
    };
    let (free_mib, growth_mib) = (free >> 20, growth >> 20);
    if free >= growth {
        return Finding::good(
            "disk",
            format!("{free_mib} MiB are free, and the store may grow by {growth_mib} MiB"),
        );
    }
    let text = format!(
        "the disk ends before the store does: {free_mib} MiB are free, and the store may grow by {growth_mib} MiB; then puts are \
         refused and nothing is lost. Make room"
    );
    if free < segment && store.free_segments == 0 {
        Finding::fault("disk", text)
    } else {
        Finding::warning("disk", text)
    }
}

/// Returns the number of bytes of the file system that this user may still write; `None` if the
/// system does not tell.
#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(path).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

/// Returns `None`: this system is not asked.
#[cfg(not(unix))]
fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;
    use crate::inspect::StoreReport;
    use crate::limits::Limits;

    #[test]
    fn the_limit_that_ends_first_is_named() {
        let limits = Limits { mailboxes: 100, blobs: 1_000, store_bytes: 10_000, ..Limits::DEFAULT };
        let settings = RelayConfig { limits, ..RelayConfig::default() };
        let report = |blobs, percent_in_use| Report {
            mailboxes: 10,
            blobs,
            bytes: 100,
            store: StoreReport { percent_in_use, ..StoreReport::default() },
            ..Report::default()
        };
        let few = fill(&settings, &report(200, 3));
        assert!(few.level == Level::Good && few.text.contains("the blobs end first"), "{few}");
        let many = fill(&settings, &report(200, 81));
        assert!(
            many.level == Level::Warning && many.text.contains("the segments of the store's file"),
            "{many}"
        );
    }

    #[test]
    fn a_disk_without_room_for_the_next_segment_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::at(dir.path());
        let file = std::fs::File::create(data.store_path()).unwrap();
        file.set_len(1 << 42).unwrap();
        let store = StoreReport { segments: 1, max_segments: 1, ..StoreReport::default() };
        let report =
            |max_segments| Report { store: StoreReport { max_segments, ..store }, ..Report::default() };
        assert_eq!(disk(&data, &report(1)).level, Level::Good);
        let full = disk(&data, &report(4));
        assert!(full.level == Level::Fault && full.text.contains("may grow by 12582912 MiB"), "{full}");
    }
}
