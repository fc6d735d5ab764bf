//! Runs the schedule: starts the links that it wants, does its steps of the engine, and ends all
//! links with the client.

use super::{
    drive::{sleep_to, step_error},
    fetch, putter, reader,
    shared::{Shared, closed},
};
use crate::engine::Engine;
use deaddrop_engine::{
    InviteToEmpty,
    conversation::{Duty, LOOK_INTERVAL, PassSituation, Schedule, StepError},
};
use deaddrop_wire::Day;
use std::{ops::ControlFlow, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet};

/// The name of a task that has ended: reading at a relay (by address), putting for a contact (by
/// number), or emptying a contact's invite mailbox (by number, and whether it is empty now).
enum Ended {
    Reader(String),
    Putter(u32),
    Emptier(u32, bool),
}

/// Runs until the client closes or the vault fails, and then ends all tasks that it started, for
/// which it waits at most 2 s.
pub(crate) async fn supervise(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    let mut closing = shared.closing.subscribe();
    let mut flushes = shared.receipt_flushes();
    let Ok(day) = shared.look(Engine::believed_day) else { return };
    let schedule = Schedule::new(day, shared.config.receipt_delay.clone(), shared.moment());
    let mut supervisor = Supervisor { shared: Arc::clone(&shared), schedule, tasks: JoinSet::new() };
    while !shared.is_closing() {
        changed.mark_unchanged();
        let flushes_receipts = *flushes.borrow_and_update() > 0;
        let Ok(today) = shared.look_at_clock().await else { return };
        if supervisor.pass(today, flushes_receipts).await.is_break() {
            return;
        }
        if let Some(pause) = supervisor.schedule.pause() {
            let _ = tokio::time::timeout(pause, closed(&mut closing)).await;
        }
        let deadline = shared.instant(supervisor.schedule.deadline(shared.moment()));
        tokio::select! {
            _ = changed.changed() => {}
            _ = flushes.changed() => {}
            () = closed(&mut closing) => break,
            () = sleep_to(deadline) => {}
            Some(Ok(ended)) = supervisor.tasks.join_next() => supervisor.note_end(ended),
        }
    }
    // Links say goodbye if they can do so soon.
    let goodbye = async { while supervisor.tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), goodbye).await;
}

struct Supervisor {
    shared: Arc<Shared>,
    schedule: Schedule,
    tasks: JoinSet<Ended>,
}

impl Supervisor {
    /// Does all that the schedule wants now. `flushes_receipts`: receipts leave at once instead of
    /// after a random wait. Returns `Break` if the vault has failed.
    async fn pass(&mut self, today: Day, flushes_receipts: bool) -> ControlFlow<()> {
        let links = self.shared.progress.links();
        let read = links.into_iter().filter(|(_, link)| link.state.is_read()).map(|(relay, _)| relay);
        let mut at = PassSituation {
            now: self.shared.moment(),
            time: self.shared.now(),
            today,
            flushes_receipts,
            gap_wait_s: self.shared.gap_wait(),
            read: read.collect(),
        };
        self.schedule.begin_pass();
        loop {
            let schedule = &mut self.schedule;
            let next = self.shared.look(|engine| schedule.next_duty(engine, &at, &mut rand::rng()));
            let Ok(next) = next else { return ControlFlow::Break(()) };
            match next {
                None => return ControlFlow::Continue(()),
                Some(Duty::Read(relay)) => self.read(relay),
                Some(Duty::Put(contact)) => self.put(contact),
                Some(Duty::Empty(invite)) => self.empty(invite),
                Some(Duty::ShowEmptied(contact, is_emptied)) => {
                    self.shared.set_emptied(contact, is_emptied);
                }
                Some(Duty::Step(step)) => {
                    let time = at.time;
                    let done = self.shared.step(move |engine, today| step.run(engine, time, today)).await;
                    at.now = self.shared.moment();
                    if self.schedule.on_step(done.map_err(step_error), &at) == Err(StepError::Stopped) {
                        return ControlFlow::Break(());
                    }
                }
            }
        }
    }

    fn note_end(&mut self, ended: Ended) {
        match ended {
            Ended::Reader(relay) => self.schedule.on_read_end(&relay),
            Ended::Putter(contact) => self.schedule.on_put_end(contact),
            Ended::Emptier(contact, is_emptied) => {
                self.schedule.on_empty_end(contact, is_emptied, self.shared.moment());
            }
        }
    }

    fn read(&mut self, relay: String) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            outlive(reader::read(Arc::clone(&shared), relay.clone()), LOOK_INTERVAL, &shared.closing).await;
            Ended::Reader(relay)
        });
    }

    fn put(&mut self, contact: u32) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            outlive(putter::put(Arc::clone(&shared), contact), LOOK_INTERVAL, &shared.closing).await;
            Ended::Putter(contact)
        });
    }

    fn empty(&mut self, invite: InviteToEmpty) {
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let mut closing = shared.closing.subscribe();
            let is_emptied = tokio::select! {
                done = fetch::empty(&shared, &invite.relay, &invite.read) => done.is_ok(),
                () = closed(&mut closing) => false,
            };
            Ended::Emptier(invite.contact, is_emptied)
        });
    }
}

/// Runs the work of a task. If it panics, waits for `pause`, or until the client closes, so that
/// the task is not started again at once.
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

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
