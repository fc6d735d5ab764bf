//! The number of files and connections that the system lets this process have open.

/// Maximum number of descriptors that the relay keeps for other things than connections: its
/// store, its sockets, the runtime, and connections that are being refused.
const KEPT: u64 = 64;

/// Returns the number of connections for which this many open files suffice; `None` if any number
/// of connections has room.
pub(super) fn places(files: u64) -> Option<u32> {
    u32::try_from(files.saturating_sub(KEPT.min(files / 4)).max(1)).ok()
}

/// Raises the soft limit of open files to the hard one. Returns the limit that holds then; `None`
/// if there is no limit.
#[cfg(unix)]
pub(super) fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Returns `None`: this system has no limit of open files.
#[cfg(not(unix))]
pub(super) const fn raise_limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_descriptors_are_kept_for_the_relay() {
        assert_eq!(places(64), Some(48));
        assert_eq!(places(1_024), Some(960));
        assert_eq!((places(0), places(u64::MAX)), (Some(1), None));
    }
}
