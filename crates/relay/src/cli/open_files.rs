//! The number of files and connections that the system lets this process have open.

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
