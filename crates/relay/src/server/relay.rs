//! The state that all tasks of a server share.

use super::pages::Pages;
use super::paths::BasePath;
use super::tls::Tls;
use crate::admission::Admission;
use crate::clock::Clock;
use crate::memory::Memory;
use crate::proxy::Proxies;
use crate::session::SessionContext;
use deaddrop_link::{CookieKey, RelayIdentity};
use deaddrop_wire::Offer;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::Notify;

/// A running relay: its store, its rules and its counters. All tasks of the server share it.
pub(super) struct Relay<S> {
    pub(super) store: S,
    pub(super) shared: Arc<SessionContext>,
    pub(super) identity: RelayIdentity,
    pub(super) offer: Offer,
    pub(super) clock: Clock,
    pub(super) cookies: CookieKey,
    pub(super) admission: Arc<Admission>,
    pub(super) proxies: Proxies,
    pub(super) base: BasePath,
    pub(super) tls: Option<Tls>,
    pub(super) memory: Arc<Memory>,
    pub(super) counters: Counters,
    pub(super) pages: Pages,
    /// The signal that the store has failed.
    pub(super) failed: Notify,
    /// Whether the relay stops: its links get time to finish, and it takes no new ones.
    pub(super) is_stopping: AtomicBool,
}

/// Counters of a running relay since its start. They say nothing about a person or a mailbox, so a
/// log line may hold them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Number of links that have begun.
    pub(super) links: AtomicU64,
    /// Number of records of clients, after the handshake, that have come.
    pub(super) records_in: AtomicU64,
    /// Number of records that were queued for clients.
    pub(super) records_out: AtomicU64,
    /// Number of links that ended because the client broke the rules.
    pub(super) breaches: AtomicU64,
    /// Number of requests for a WebSocket that lost their header Upgrade on the way.
    pub(super) without_upgrade: AtomicU64,
    /// Number of TLS handshakes that were refused because they came too fast.
    pub(super) tls_refused: AtomicU64,
    /// Number of connections that the system refused because it had no descriptors or no memory.
    pub(super) no_descriptors: AtomicU64,
    /// Number of connections that could not be accepted for other reasons, as after a peer that
    /// broke off.
    pub(super) not_accepted: AtomicU64,
    /// Number of times that the system's clock was read and not believed.
    pub(super) clock_refused: AtomicU64,
}

impl<S> Relay<S> {
    /// Handles an error of accepting a connection: if the system has run out of descriptors or
    /// memory, ends a connection that can be spared. Returns whether the caller must pause before
    /// it accepts again: not after a peer that broke off, or peers could stop all others by
    /// breaking off.
    pub(super) fn note_not_accepted(&self, error: &io::Error) -> bool {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if is_out_of_descriptors(error) {
            self.counters.no_descriptors.fetch_add(1, Ordering::Relaxed);
            self.admission.give_one_up(&self.shared.limits);
        } else {
            self.counters.not_accepted.fetch_add(1, Ordering::Relaxed);
        }
        !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
    }
}

/// Whether the system has no descriptors or no memory for another connection.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    // ENOMEM, ENFILE, EMFILE, ENOBUFS: numbers of Linux and the BSDs (ENOBUFS differs).
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(12 | 23 | 24 | 55 | 105))
}

impl<S> std::fmt::Debug for Relay<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay(..)")
    }
}
