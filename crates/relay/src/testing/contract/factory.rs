//! The maker of the stores under test.

use crate::limits::Limits;
use crate::store::Store;
use std::future::Future;

/// Makes and reopens the stores for the checks.
pub trait StoreFactory {
    /// The type of the stores under test.
    type Store: Store;

    /// Creates an empty store with these limits.
    fn create(&mut self, limits: Limits) -> impl Future<Output = Self::Store>;

    /// Stops the store as a crash does, without a clean end, and opens it again on its stable
    /// storage, with these limits. Returns `None` if nothing of this kind of store survives its
    /// process.
    fn reopen(&mut self, store: Self::Store, limits: Limits) -> impl Future<Output = Option<Self::Store>>;

    /// Called with a store that has no request under way, and with the numbers of records that it
    /// must hold on stable storage. A factory that can look there checks that nothing else can be
    /// read from it. The default does nothing.
    fn check_stored(&mut self, _store: &Self::Store, _stored: StoredCounts) {}
}

/// Numbers of records that a store must hold on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredCounts {
    /// Number of records of mailboxes.
    pub mailboxes: u64,
    /// Number of records of blobs: those of mailboxes that are not volatile.
    pub blobs: u64,
    /// Whether there is a record of the calendar: the store has made a mailbox or was swept.
    pub has_day: bool,
}
