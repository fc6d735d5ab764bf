//! The number of files and connections that the system lets this process have open.

/// Raises the soft limit of open files to the hard one. Returns the limit; `None` if there is none, or if the system does not tell.
#[cfg(unix)]
pub(super) fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Returns `None`: this system has no such limit.
#[cfg(not(unix))]
pub(super) const fn raise_limit() -> Option<u64> {
    None
}
