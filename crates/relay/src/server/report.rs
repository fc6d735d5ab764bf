//! The reports of a running relay to its operator: counters, and notices of troubles at intervals.

use super::relay::Relay;
use crate::notices::{Intake, Notice, Notices};
use crate::store::{Census, Space, Store};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Interval at which [`watch`] checks for new troubles.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Logs troubles as they come, each kind at most once in `notice_every_ms` (a wrong clock once in
/// 60 times that), and when puts begin to be refused or accepted. Never returns.
pub(super) async fn watch<S: Store>(relay: &Relay<S>) {
    let (mut notices, mut intake) = (Notices::default(), Intake::default());
    loop {
        let (now_ms, every_ms) = (relay.clock.now().ms, relay.shared.limits.notice_every_ms);
        for (notice, count) in notices.due(relay.troubles(), now_ms, every_ms) {
            tracing::warn!(count, "{}", notice.text());
        }
        let census = relay.store.census();
        let trouble = census.put_trouble(&relay.shared.limits).filter(|_| !census.stopped);
        match intake.due(trouble, now_ms, every_ms) {
            Some(Some(trouble)) => {
                tracing::warn!("puts are refused: {}{}", trouble.text(), Filled(census.space));
            }
            Some(None) if !census.stopped => {
                tracing::warn!("puts are accepted again{}", Filled(census.space));
            }
            Some(None) | None => {}
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Counts of a running relay. `Display` writes them as one line.
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
    /// Logs the counters at the level `warn`, which is shown by default, because the operator asked
    /// for them.
    pub(super) fn report(&self) {
        tracing::warn!("counters: {}", self.counts());
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

    /// Returns how often each trouble has happened since the start, in the order of
    /// [`Notice::ALL`].
    pub(super) fn troubles(&self) -> [u64; Notice::ALL.len()] {
        let (places, refused_handshakes) = self.admission.totals();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Notice::ALL.map(|notice| match notice {
            Notice::NoDescriptors => load(&self.counters.no_descriptors),
            Notice::NotAccepted => load(&self.counters.not_accepted),
            Notice::WithoutUpgrade => load(&self.counters.without_upgrade),
            Notice::HalfOpenEnded => places.half_open_ended,
            Notice::LinksEnded => places.links_ended,
            Notice::ConnectionsRefused => places.refused,
            Notice::HandshakesRefused => refused_handshakes,
            Notice::TlsRefused => load(&self.counters.tls_refused),
            Notice::CreatesRefused => self.shared.creates_too_fast(),
            Notice::PutsRefused => self.shared.puts_too_fast(),
            Notice::LinksPaused => self.shared.entries_too_fast(),
            Notice::Busy => self.shared.busy(),
            Notice::NoRoom => self.store.census().without_room,
            Notice::Overdue => self.store.census().overdue,
            Notice::Damaged => self.store.census().damaged,
            Notice::ClockRefused => load(&self.counters.clock_refused),
        })
    }
}

/// The fill level of a store's file. `Display` writes it as the end of a line, and nothing without
/// a disk.
struct Filled(Option<Space>);

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(space) = self.0 else { return Ok(()) };
        let used = space.segments.saturating_sub(space.free_segments);
        write!(
            f,
            "; {used} of {} segments in use, {} dead bytes wait",
            space.max_segments, space.dead_bytes
        )?;
        match space.oldest_dead {
            Some(age) => write!(f, ", the oldest for {} s", age.as_secs()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { census, connections, links, records_in, records_out, breaches, troubles } = self;
        let Census { mailboxes, blobs, bytes, .. } = census;
        write!(
            f,
            "{mailboxes} mailboxes, {blobs} blobs, {bytes} bytes; {connections} connections; since the start {links} links, \
             {records_in} records in, {records_out} out, {breaches} breaches{}",
            Filled(census.space)
        )?;
        for (notice, count) in Notice::ALL.iter().zip(troubles).filter(|(_, count)| **count > 0) {
            write!(f, "; {}: {count}", notice.name())?;
        }
        Ok(())
    }
}
