//! What a running relay tells its operator: counters, and each trouble once in a while.

use super::Relay;
use crate::notices::{Notice, Notices};
use crate::store::{Census, Store};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time between two looks at what there is to tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Logs troubles as they come, each at most once in the time that the limits say. Never ends.
pub(super) async fn watch<S: Store>(relay: &Relay<S>) {
    let mut notices = Notices::default();
    loop {
        let every_ms = relay.shared.limits.notice_every_ms;
        for (notice, count) in notices.due(relay.troubles(), relay.clock.now().ms, every_ms) {
            tracing::warn!(count, "{}", notice.text());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Counts of a running relay, as one line shows them.
pub(super) struct Counts {
    census: Census,
    connections: usize,
    links: u64,
    records_in: u64,
    records_out: u64,
    breaches: u64,
    troubles: [u64; Notice::ALL.len()],
}

impl<S: Store> Relay<S> {
    /// Logs the counters with a level that is shown by default: the operator asked.
    pub(super) fn report(&self) {
        tracing::warn!("asked for: {}", self.counts());
    }

    pub(super) fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            census: self.store.census(),
            connections: self.admission.connections(),
            links: load(&self.counters.links),
            records_in: load(&self.counters.records_in),
            records_out: load(&self.counters.records_out),
            breaches: load(&self.counters.breaches),
            troubles: self.troubles(),
        }
    }

    /// How often each trouble has happened since the start.
    fn troubles(&self) -> [u64; Notice::ALL.len()] {
        let (places, refused_handshakes) = self.admission.totals();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Notice::ALL.map(|notice| match notice {
            Notice::NoDescriptors => load(&self.counters.no_descriptors),
            Notice::NotAccepted => load(&self.counters.not_accepted),
            Notice::HalfOpenEnded => places.half_open_ended,
            Notice::LinksEnded => places.links_ended,
            Notice::ConnectionsRefused => places.refused,
            Notice::HandshakesRefused => refused_handshakes,
            Notice::CreatesRefused => self.shared.creates_too_fast(),
            Notice::Busy => self.shared.busy(),
            Notice::NoRoom => self.store.census().without_room,
            Notice::ClockRefused => load(&self.counters.clock_refused),
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { census, connections, links, records_in, records_out, breaches, troubles } = self;
        let Census { mailboxes, blobs, bytes, .. } = census;
        write!(
            f,
            "{mailboxes} mailboxes, {blobs} blobs, {bytes} bytes; {connections} connections; since the start {links} links, \
             {records_in} records in, {records_out} out, {breaches} breaches"
        )?;
        for (notice, count) in Notice::ALL.iter().zip(troubles).filter(|(_, count)| **count > 0) {
            write!(f, "; {}: {count}", notice.name())?;
        }
        Ok(())
    }
}
