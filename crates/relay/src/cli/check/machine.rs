//! The machine: open files, memory, core dumps, swap, and the service that keeps the clock right.

use super::finding::Finding;
use crate::cli::{core_dump, open_files};
use crate::data_dir::RelayConfig;
use crate::limits::Limits;
use std::fs;

/// Number of bytes of memory that a link takes with TLS, besides its buffers (measured).
const LINK_BYTES: u64 = 6_000;
/// Number of bytes of memory that an idle mailbox takes (measured).
const MAILBOX_BYTES: u64 = 240;

pub(super) fn check(settings: &RelayConfig) -> Vec<Finding> {
    vec![files(&settings.limits), memory(&settings.limits, total_memory()), core_dumps(), swap(has_swap())]
}

fn files(limits: &Limits) -> Finding {
    let topic = "open_files";
    let Some(files) = open_files::raise_limit() else {
        return Finding::good(topic, "this system has no limit of open files");
    };
    match open_files::places(files) {
        Some(places) if places < limits.connections => Finding::warning(
            topic,
            format!(
                "the limit here is {files}, so the relay would serve {places} connections instead of {}: raise it \
                 (LimitNOFILE=8192 in a systemd unit, `ulimit -n` in a shell), or lower `connections`",
                limits.connections
            ),
        ),
        _ => Finding::good(
            topic,
            format!("the limit of {files} suffices for {} connections", limits.connections),
        ),
    }
}

/// Compares the memory that the limits allow with that of the machine, in bytes.
fn memory(limits: &Limits, total: Option<u64>) -> Finding {
    let Limits { connections, mailboxes, memory_bytes, hot_bytes, buffer_bytes, .. } = limits;
    let links = LINK_BYTES.saturating_mul((*connections).into());
    let idle = MAILBOX_BYTES.saturating_mul(*mailboxes);
    let most =
        [links, idle, *memory_bytes, *hot_bytes, *buffer_bytes].into_iter().fold(0, u64::saturating_add);
    let text = format!("the limits allow {} MiB at most", most >> 20);
    match total {
        Some(total) if most > total => Finding::warning(
            "memory",
            format!(
                "{text}, and this machine has {} MiB: lower `mailboxes`, `memory_bytes`, `buffer_bytes` or `connections`",
                total >> 20
            ),
        ),
        Some(total) => Finding::good("memory", format!("{text}, of {} MiB", total >> 20)),
        None => Finding::good("memory", text),
    }
}

fn core_dumps() -> Finding {
    if core_dump::forbid() {
        Finding::good(
            "core_dumps",
            "the relay forbids those of its process, also to a program that collects them",
        )
    } else {
        Finding::warning(
            "core_dumps",
            "the system does not let the relay forbid them: one would hold what the relay forgets; set LimitCORE=0",
        )
    }
}

fn swap(is_used: bool) -> Finding {
    if is_used {
        Finding::warning(
            "swap",
            "this machine moves memory to a disk, where parts of keys and blobs can stay: encrypt the swap with a key of each boot, \
             switch it off, or set MemorySwapMax=0 in the systemd unit",
        )
    } else {
        Finding::good("swap", "no memory is moved to a disk")
    }
}

fn has_swap() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

/// Returns the bytes of memory of the machine; `None` if the system does not tell.
fn total_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// Returns whether a service of the system keeps the clock right, as far as the system shows it to
/// all of its users, and a text about it. No packet is sent. Systems other than Linux show nothing,
/// and are believed.
pub(super) fn time_service() -> (bool, &'static str) {
    if fs::exists("/run/systemd/timesync/synchronized").unwrap_or(false) {
        (true, "systemd-timesyncd has synchronised it")
    } else if ["/run/chrony", "/run/chronyd", "/run/ntpd.pid", "/run/openntpd"]
        .iter()
        .any(|path| fs::exists(path).unwrap_or(false))
    {
        (true, "a time service runs (chrony or ntpd); ask it whether it is synchronised")
    } else {
        (
            !cfg!(target_os = "linux"),
            "no time service is seen: run one (systemd-timesyncd, chrony), because the relay's day follows this clock",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn limits_above_the_memory_of_the_machine_are_told() {
        let limits = Limits { memory_bytes: 1 << 40, ..Limits::DEFAULT };
        assert_eq!(memory(&limits, Some(1 << 34)).level, Level::Warning);
        assert_eq!(memory(&Limits::DEFAULT, Some(1 << 34)).level, Level::Good);
        assert_eq!(memory(&limits, None).level, Level::Good);
        assert_eq!((swap(true).level, swap(false).level), (Level::Warning, Level::Good));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_of_the_machine_is_read() {
        assert!(total_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
