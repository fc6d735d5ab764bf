//! The metrics of a running relay, and the socket on which they are read (spec/12-relay.md section
//! 10.2).

use super::connection::Connection;
use super::listeners::{ACCEPT_PAUSE, Listeners};
use super::pages;
use super::peeked_stream::PeekedStream;
use super::relay::Relay;
use super::status;
use super::stream::Stream;
use crate::metrics::{
    BYTES_STEP, COUNT_STEP, Day, Exposition, Limit, MemoryHolder, Metric, Request, Segment, Stage, Version,
    round_down,
};
use crate::notices::Notice;
use crate::store::Store;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Maximum number of connections for metrics that are served at the same time (spec/12-relay.md
/// section 10.2). Others are closed at once.
pub(super) const AT_ONCE: usize = 8;
/// Time that such a connection has to send its request and take the answer (spec/12-relay.md
/// section 10.2).
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Serves the socket for metrics. Never returns.
pub(super) async fn serve<S: Store>(relay: Arc<Relay<S>>, listeners: Box<Listeners>) {
    let mut answers = JoinSet::new();
    loop {
        let accepted = listeners.accept().await;
        while answers.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) if answers.len() < AT_ONCE => {
                let relay = Arc::clone(&relay);
                answers.spawn(async move {
                    let _ = tokio::time::timeout(PATIENCE, answer(relay, stream)).await;
                });
            }
            Ok(_) => tracing::debug!("a connection for metrics was refused: too many are open"),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Reads the one request of a connection, and answers it. Returns `None` if no request comes.
async fn answer<S: Store>(relay: Arc<Relay<S>>, stream: Stream) -> Option<()> {
    let stream = PeekedStream::read_head(Connection::Plain(stream)).await?;
    pages::serve_one(stream, move |path| match path {
        "/metrics" => Some(exposed(exposition(&relay))),
        "/health" => Some(status::health()),
        "/ready" => Some(status::ready(&relay)),
        _ => None,
    })
    .await;
    Some(())
}

fn exposed(exposition: Exposition) -> Response {
    let kind = [(header::CONTENT_TYPE, Exposition::CONTENT_TYPE)];
    (StatusCode::OK, kind, exposition.into_text()).into_response()
}

/// Writes the metrics of this moment. Without a disk, those of the store's file are missing.
fn exposition<S: Store>(relay: &Relay<S>) -> Exposition {
    let (census, limits) = (relay.store.census(), &relay.shared.limits);
    let commits = relay.store.commits();
    let (puts, creates) = (census.put_trouble(limits), census.create_trouble(limits));
    let mut all = Exposition::default();
    all.numbers(Metric::BuildInfo, |Version| 1);
    all.numbers(Metric::Takes, |request| {
        let trouble = match request {
            Request::Puts => puts,
            Request::Creates => creates,
        };
        u64::from(trouble.is_none() && !census.stopped && relay.shared.moved_to().is_none())
    });
    if let Some(space) = census.space {
        all.numbers(Metric::Segments, |segment| match segment {
            Segment::Used => space.segments.saturating_sub(space.free_segments).into(),
            Segment::Free => space.free_segments.into(),
        });
        all.number(Metric::SegmentsLimit, space.max_segments.into());
        all.number(Metric::DeadBytes, round_down(space.dead_bytes, BYTES_STEP));
        all.number(Metric::OldestDeadByte, status::oldest_dead_byte(&census, limits.dead_bytes_s));
    }
    all.ratios(Metric::Used, |limit| match limit {
        Limit::Mailboxes => (round_down(census.mailboxes, COUNT_STEP), limits.mailboxes),
        Limit::Blobs => (round_down(census.blobs, COUNT_STEP), limits.blobs),
        Limit::StoreBytes => (round_down(census.bytes, BYTES_STEP), limits.store_bytes),
        Limit::MemoryBytes => (round_down(census.volatile_bytes, BYTES_STEP), limits.memory_bytes),
    });
    all.numbers(Metric::MemoryBytes, |holder| {
        let bytes = match holder {
            MemoryHolder::Links => relay.memory.all(),
            MemoryHolder::VolatileBlobs => census.volatile_bytes,
            MemoryHolder::HotBlobs => census.hot_bytes,
        };
        round_down(bytes, BYTES_STEP)
    });
    all.latencies(Metric::CommitDuration, &commits);
    all.number(Metric::WaitingCommits, round_down(commits.waiting, COUNT_STEP));
    let (connections, half_open) = relay.admission.open();
    all.numbers(Metric::Connections, |stage| {
        let count = match stage {
            Stage::HalfOpen => half_open,
            Stage::Link => connections.saturating_sub(half_open),
        };
        round_down(count as u64, COUNT_STEP)
    });
    let troubles = relay.troubles();
    all.numbers(Metric::Refusals, |reason: Notice| {
        Notice::ALL.iter().zip(troubles).find(|(notice, _)| **notice == reason).map_or(0, |(_, count)| count)
    });
    let days = (relay.clock.now().day, relay.clock.wall_day());
    all.numbers(Metric::DayTimestamp, |day| match day {
        Day::Believed => days.0.unix_seconds(),
        Day::System => days.1.unix_seconds(),
    });
    all
}
