//! The pause after a blob had no room in its mailbox (spec/12-relay.md section 4.3, R-13).

use deaddrop_wire::SizeClass;

/// The pause of a mailbox: the mailbox takes no blob of the class `from` or a larger one before
/// `until_ms`, and after that only once half of its quota is free.
///
/// Without the pause a sender could find out when the reader has fetched something, by asking again
/// and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    from: SizeClass,
    until_ms: u64,
}

impl Closed {
    /// Makes a pause for `from` and all larger classes until `until_ms`.
    pub(super) const fn new(from: SizeClass, until_ms: u64) -> Self {
        Self { from, until_ms }
    }

    /// Whether a blob of this class is refused while the pause lasts.
    pub(super) fn refuses(&self, class: SizeClass) -> bool {
        class >= self.from
    }

    /// Returns the time in milliseconds from which on the pause ends as soon as half of the quota
    /// is free.
    pub(super) const fn until_ms(&self) -> u64 {
        self.until_ms
    }
}
