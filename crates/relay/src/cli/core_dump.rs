//! No core dump of a relay: it would hold what the relay forgets.

/// Forbids core dumps of this process, and that other processes of its user read its memory. Only the administrator can then take an
/// image. Returns whether the system agrees.
#[cfg(unix)]
pub(super) fn forbid() -> bool {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).is_ok() && make_undumpable()
}

/// A limit of 0 bytes does not hold for a program that the system pipes the image into.
#[cfg(target_os = "linux")]
fn make_undumpable() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(all(unix, not(target_os = "linux")))]
const fn make_undumpable() -> bool {
    true
}

/// Forbids core dumps. This system makes none by itself.
#[cfg(not(unix))]
pub(super) const fn forbid() -> bool {
    true
}
