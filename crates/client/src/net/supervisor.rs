//! Starts readers and putters where they are needed, sends receipts when they are due, keeps the day.

use super::{
    fetch, putter, reader,
    shared::{Shared, closed},
};
use crate::{engine::Engine, error::ClientError};
use deaddrop_wire::Day;
use rand::RngExt;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// The engine is looked at at least so often.
const LOOK: Duration = Duration::from_secs(60);
/// The wait after the first failure to empty an invite mailbox, and the longest one.
const EMPTY_WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(900));

/// A vault that takes nothing is not asked again before this.
const VAULT_PAUSE: Duration = Duration::from_secs(5);

/// Outcomes of the supervisor's steps.
#[derive(Default)]
struct Steps {
    /// One had no room.
    is_short: bool,
}

impl Steps {
    /// `Err`: the vault has failed for good. `None`: it takes nothing for now.
    fn note<T>(&mut self, done: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.is_passing() => {
                self.is_short = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// What a task was for.
enum Ended {
    Reader(String),
    Putter(u32),
    Emptier(u32, bool),
}

/// Runs until the client closes, and ends all that it started.
pub(crate) async fn supervise(shared: Arc<Shared>) {
    let mut tasks: JoinSet<Ended> = JoinSet::new();
    let (mut readers, mut putters) = (BTreeSet::new(), BTreeSet::new());
    // When an invite mailbox is emptied next, and how often that has failed.
    let mut emptiers: BTreeMap<u32, (Instant, u32)> = BTreeMap::new();
    // When a receipt is made, and whether it was tried and could not be made.
    let mut receipts: BTreeMap<u32, (Instant, bool)> = BTreeMap::new();
    let mut changed = shared.changed.subscribe();
    let mut closing = shared.closing.subscribe();
    let mut flushes = shared.receipt_flushes();
    let Ok(mut day) = shared.look(Engine::believed_day) else { return };
    let mut stale = Instant::now();
    let mut steps = Steps::default();
    while !shared.is_closing() {
        changed.mark_unchanged();
        let Ok(today) = shared.look_at_clock().await else { return };
        // An own relay has confirmed the day, perhaps.
        if shared.look(|engine| engine.has_ended_invites(today)).unwrap_or(false)
            && steps.note(shared.step(|engine, today| engine.end_invites(today)).await).is_err()
        {
            return;
        }
        let wanted = shared.look(|engine| {
            (
                engine.reading_relays(),
                engine.contacts_with_puts(),
                engine.receipts_due(),
                engine.invites_to_empty(),
            )
        });
        let Ok((relays, contacts, due, taken)) = wanted else { break };
        for relay in relays {
            if readers.insert(relay.clone()) {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    outlive(reader::read(Arc::clone(&shared), relay.clone()), LOOK, &shared.closing).await;
                    Ended::Reader(relay)
                });
            }
        }
        for contact in contacts {
            if putters.insert(contact) {
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    outlive(putter::put(Arc::clone(&shared), contact), LOOK, &shared.closing).await;
                    Ended::Putter(contact)
                });
            }
        }
        for invite in taken {
            let (at, failures) = emptiers.get(&invite.contact).copied().unwrap_or((Instant::now(), 0));
            if at <= Instant::now() {
                emptiers.insert(invite.contact, (Instant::now() + LOOK, failures));
                let shared = Arc::clone(&shared);
                tasks.spawn(async move {
                    let mut closing = shared.closing.subscribe();
                    let is_done = tokio::select! {
                        done = fetch::empty(&shared, &invite.relay, &invite.read) => done.is_ok(),
                        () = closed(&mut closing) => false,
                    };
                    Ended::Emptier(invite.contact, is_done)
                });
            }
        }
        receipts.retain(|contact, _| due.contains(contact));
        let now = Instant::now();
        let is_flushing = *flushes.borrow_and_update() > 0;
        for contact in due {
            let (at, stuck) =
                receipts.entry(contact).or_insert_with(|| (now + receipt_delay(&shared), false));
            if *at > now && (*stuck || !is_flushing) {
                continue;
            }
            match steps.note(shared.step(move |engine, today| engine.seal_receipt(contact, today)).await) {
                // It waits for the peer's answer: not tried again at once.
                Ok(Some(false)) => (*at, *stuck) = (now + LOOK, true),
                Ok(Some(true)) => drop(receipts.remove(&contact)),
                Ok(None) => {}
                Err(_) => return,
            }
        }
        let time = shared.now();
        let is_due = shared.look(|engine| engine.is_missing_due(time)).unwrap_or(false);
        if is_due && steps.note(shared.step(move |engine, _| engine.resend_missing(time)).await).is_err() {
            return;
        }
        if shared.look(|engine| engine.resets_due(time, today)).unwrap_or(false)
            && steps.note(shared.step(move |engine, today| engine.reset_lost(time, today)).await).is_err()
        {
            return;
        }
        if shared.look(|engine| engine.is_sentinel_due(time)).unwrap_or(false)
            && steps.note(shared.step(move |engine, _| engine.renew_sentinel(time)).await).is_err()
        {
            return;
        }
        let Ok(gap_at) = steps.note(look_behind(&shared, time, today).await) else { return };
        let gap_at = gap_at.unwrap_or(Instant::now() + LOOK);
        if today != day {
            match steps.note(shared.step(|engine, today| engine.begin_day(today)).await) {
                Ok(done) => day = if done.is_some() { today } else { day },
                Err(_) => return,
            }
        }
        if stale <= now {
            stale = now + LOOK;
            if steps.note(shared.step(move |engine, _| engine.retry_stale(time)).await).is_err() {
                return;
            }
        }
        if std::mem::take(&mut steps.is_short) {
            let _ = tokio::time::timeout(VAULT_PAUSE, closed(&mut closing)).await;
        }
        let due = receipts.values().map(|(at, _)| *at).chain(emptiers.values().map(|(at, _)| *at));
        let wake = due.filter(|at| *at > now).chain([stale, gap_at, now + LOOK]).min();
        tokio::select! {
            _ = changed.changed() => {}
            _ = flushes.changed() => {}
            () = closed(&mut closing) => break,
            () = sleep_until(wake.unwrap_or(now + LOOK)) => {}
            Some(Ok(ended)) = tasks.join_next() => match ended {
                Ended::Reader(relay) => {
                    readers.remove(&relay);
                }
                Ended::Putter(contact) => {
                    putters.remove(&contact);
                }
                Ended::Emptier(contact, true) => {
                    emptiers.remove(&contact);
                    shared.set_emptied(contact, true);
                    let emptied = shared.step(move |engine, _| engine.invite_emptied(contact)).await;
                    if steps.note(emptied).is_err() {
                        return;
                    }
                }
                Ended::Emptier(contact, false) => {
                    let failures = emptiers.get(&contact).map_or(0, |(_, failures)| *failures);
                    let wait = EMPTY_WAITS.0.saturating_mul(1 << failures.min(10)).min(EMPTY_WAITS.1);
                    emptiers.insert(contact, (Instant::now() + wait, failures.saturating_add(1)));
                    shared.set_emptied(contact, false);
                }
            },
        }
    }
    // Links say goodbye if they can do so soon.
    let goodbye = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
}

/// Gives what has waited for long enough behind missing messages, and lets unused sessions go. Returns when to look again.
async fn look_behind(shared: &Arc<Shared>, time: u64, today: Day) -> Result<Instant, ClientError> {
    let wait = shared.gap_wait();
    let links = shared.progress.links();
    let read: BTreeSet<String> =
        links.into_iter().filter(|(_, link)| link.state.is_read()).map(|(relay, _)| relay).collect();
    let (due, tidy) =
        shared.look(|engine| (engine.gap_due(time, wait, &read), engine.is_tidy_due(&read, today)))?;
    if tidy {
        let read = read.clone();
        shared.step(move |engine, today| engine.tidy_read(&read, today)).await?;
    }
    let Some(left) = due else { return Ok(Instant::now() + LOOK) };
    if left == 0 {
        shared.step(move |engine, today| engine.show_gaps(time, wait, &read, today)).await?;
    }
    Ok(Instant::now() + Duration::from_secs(left.max(1)))
}

/// Runs a task's work. If it panics the task ends like any other, but only after a pause: it is started again, and not at once.
async fn outlive(
    work: impl Future<Output = ()> + Send + 'static,
    pause: Duration,
    closing: &watch::Sender<bool>,
) {
    // A set ends its tasks when it is dropped.
    let mut one = JoinSet::new();
    one.spawn(work);
    if one.join_next().await.is_some_and(|ended| ended.is_err()) {
        let mut closing = closing.subscribe();
        let _ = tokio::time::timeout(pause, closed(&mut closing)).await;
    }
}

fn receipt_delay(shared: &Shared) -> Duration {
    let range = &shared.config.receipt_delay;
    if range.is_empty() { range.start } else { rand::rng().random_range(range.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_ends_its_task_after_a_pause() {
        let (closing, pause) = (watch::Sender::new(false), Duration::from_millis(50));
        outlive(async {}, pause, &closing).await;
        let begin = Instant::now();
        outlive(async { panic!("a fault of the reader") }, pause, &closing).await;
        assert!(begin.elapsed() >= pause);
        closing.send_replace(true);
        outlive(async { panic!("a fault while closing") }, Duration::MAX, &closing).await;
    }
}
