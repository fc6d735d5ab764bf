//! No core dump of a relay: it would hold what the relay has destroyed elsewhere.

/// Forbids core dumps of this process. On Linux also forbids other processes of its user to read
/// its memory: only the administrator can do so then. Returns whether the system agrees to all of
/// this.
#[cfg(unix)]
pub(super) fn forbid() -> bool {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).is_ok() && make_undumpable()
}

/// Makes this process one that is never dumped. Needed beside the limit of 0 bytes, which does not
/// hold if the system pipes dumps into a program.
#[cfg(target_os = "linux")]
fn make_undumpable() -> bool {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}

#[cfg(all(unix, not(target_os = "linux")))]
const fn make_undumpable() -> bool {
    true
}

/// Returns `true`: this system makes no core dumps by itself.
#[cfg(not(unix))]
pub(super) const fn forbid() -> bool {
    true
}
