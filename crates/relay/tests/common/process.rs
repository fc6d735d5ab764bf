//! Figures that the system tells of a process.
#![allow(dead_code, missing_docs, unreachable_pub)]

/// Returns the resident memory of the process `pid` in KiB; 0 on systems without `/proc`.
pub fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Returns the processor time of the process `pid` so far, user and system, in hundredths of a
/// second: the unit of Linux on each architecture we know. Returns `None` on systems without
/// `/proc`.
pub fn processor_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in brackets, may hold spaces.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(fields.next()?.ok()? + fields.next()?.ok()?)
}
