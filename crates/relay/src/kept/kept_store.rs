//! A store that decides in memory by the rules of mailboxes ([`Mailboxes`]) and keeps its records
//! in a *backing* (disk or memory). A *job* is the records that one decision stores and erases.
//!
//! There are two locks. `order` is held while a request is decided and its job is submitted, so
//! that jobs reach the backing in the order of the decisions. `state` is held for the decision
//! alone, and while a job is reported as durable. Besides, `changes` is the *turn of owners*: it is
//! held from the decision on an owner's change until this change is durable or has found no room.

use super::backing::Backing;
use super::memory::MemoryBacking;
use crate::clock::Now;
use crate::limits::Limits;
use crate::mailboxes::{
    AckStep, ChangeStep, Found, Job, Mailboxes, Medium, PeekStep, PutStep, SweepStep, Waiter,
};
use crate::names::{Handle, IndexKey, StoreKey};
use crate::store::{
    Census, Change, Claim, Claimed, CommitFigures, Commits, ConnectedReader, Fence, NewMailbox, NotAcked,
    NotClaimed, OpenCommit, Peek, Peeked, RecordId, Stale, Store, Stored, Verdict,
};
use deaddrop_shred::{CommitError, ReadError};
use deaddrop_wire::{Blob, OwnId, SendId};
use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, oneshot};

/// A store whose records lie in the backing `B`. Blobs of volatile mailboxes lie in memory instead.
#[derive(Debug)]
pub struct KeptStore<B> {
    order: Mutex<()>,
    state: Arc<State>,
    changes: Arc<tokio::sync::Mutex<()>>,
    backing: B,
    volatile: MemoryBacking,
    dead_bytes: Duration,
    commits: Arc<Commits>,
}

/// The rules of mailboxes behind the lock `state`.
#[derive(Debug)]
struct State(Mutex<Mailboxes>);

impl State {
    /// Locks the rules. A panic while they were locked may have left them inconsistent: then the
    /// store stops.
    fn locked(&self) -> MutexGuard<'_, Mailboxes> {
        self.0.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            state.stop();
            state
        })
    }
}

/// An answer that is known now, or arrives later.
enum Awaited<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

impl<T> Awaited<T> {
    /// Waits for the answer. If the sender was dropped, because the mailbox was deleted, returns
    /// `gone`.
    async fn or(self, gone: T) -> T {
        match self {
            Self::Now(answer) => answer,
            Self::Later(receiver) => receiver.await.unwrap_or(gone),
        }
    }
}

impl KeptStore<MemoryBacking> {
    /// Makes an empty store in memory. Nothing of it survives the process.
    #[must_use]
    pub fn in_memory(limits: Limits, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let key = StoreKey::generate(rng);
        Self::new(MemoryBacking::default(), key.index_key(), limits, true, rng)
    }
}

impl<B: Backing> KeptStore<B> {
    pub(super) fn new(
        backing: B,
        key: IndexKey,
        limits: Limits,
        in_memory: bool,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let dead_bytes = limits.dead_bytes();
        let state = Mailboxes::new(key, limits, in_memory, StdRng::from_rng(rng));
        let state = Arc::new(State(Mutex::new(state)));
        let (order, changes, volatile) = (Mutex::default(), Arc::default(), MemoryBacking::default());
        Self { order, state, changes, backing, volatile, dead_bytes, commits: Arc::default() }
    }

    pub(super) const fn backing(&self) -> &B {
        &self.backing
    }

    pub(super) fn restore<T>(&self, restore: impl FnOnce(&mut Mailboxes) -> T) -> T {
        restore(&mut self.state.locked())
    }

    /// Locks the order of decisions. A panic while it was locked may have lost a job that was
    /// decided: then the store stops.
    fn in_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(|poisoned| {
            self.state.locked().stop();
            poisoned.into_inner()
        })
    }

    /// Submits a job to the backing of `medium`. When the job is durable or has failed, `report` is
    /// called with the locked rules; what it returns is sent to the receiver.
    fn submit<T: Send + 'static>(
        &self,
        medium: Medium,
        job: Job,
        report: impl FnOnce(&mut Mailboxes, Result<u64, CommitError>) -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        let state = Arc::clone(&self.state);
        // An empty job needs no room.
        let is_lasting = medium == Medium::Lasting && !(job.puts.is_empty() && job.erases.is_empty());
        let commit = is_lasting.then(|| OpenCommit::begin(&self.commits));
        let done = move |result: Result<u64, CommitError>| {
            drop(commit);
            let mut state = state.locked();
            match result {
                Ok(_) if is_lasting => state.note_room(false),
                Err(CommitError::Full) if is_lasting => state.note_room(true),
                Err(CommitError::Busy) => state.note_overdue(),
                Ok(_) | Err(CommitError::Full) => {}
                // Every other error is a fault of this program: to continue would break promises.
                Err(_) => state.stop(),
            }
            let answer = report(&mut state, result);
            drop(state);
            // The caller may have gone.
            let _ = sender.send(answer);
        };
        match medium {
            Medium::Lasting => self.backing.submit(job, done),
            Medium::Volatile => self.volatile.submit(job, done),
        }
        receiver
    }

    /// Submits a job that writes the record of the mailbox `handle` after reading or a first use
    /// has changed it. No answer depends on this job; if it fails, the rules note that the record
    /// is not saved.
    fn save(&self, handle: Handle, job: Job) -> oneshot::Receiver<()> {
        self.submit(Medium::Lasting, job, move |state, result| {
            if result.is_err() {
                state.note_unsaved(handle);
            }
        })
    }

    /// Waits until the owner's change before is durable or has found no room, and takes the turn of
    /// owners.
    async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.changes).lock_owned().await
    }

    fn write_change(&self, step: ChangeStep, turn: Option<OwnedMutexGuard<()>>) -> Awaited<Verdict> {
        let lasting = Medium::Lasting;
        match step {
            ChangeStep::Answer(verdict) => Awaited::Now(verdict),
            ChangeStep::AsBefore(handle) => {
                Awaited::Later(self.submit(lasting, Job::default(), move |state, result| {
                    // A record that was written before may have found no room.
                    if result.is_ok() && !state.is_saved(handle) { Verdict::Busy } else { verdict(result) }
                }))
            }
            ChangeStep::Write(planned, job) => {
                Awaited::Later(self.submit(lasting, job, move |state, result| {
                    let is_there = state.finish_change(planned, result.is_ok());
                    drop(turn);
                    if is_there { verdict(result) } else { Verdict::Refused }
                }))
            }
            ChangeStep::Delete { lasting: erases, volatile } => {
                if !volatile.erases.is_empty() {
                    drop(self.submit(Medium::Volatile, volatile, |_, _| ()));
                }
                Awaited::Later(self.submit(lasting, erases, |_, result| verdict(result)))
            }
        }
    }

    /// Decides one put and submits its writes. If the put depends on an owner's change that is
    /// under way, it is decided after that change.
    async fn put_one(&self, send: SendId, blob: Blob, now: Now) -> Awaited<Verdict> {
        let begin = |blob: Blob| {
            let _order = self.in_order();
            let overdue = self.is_overdue();
            let (sender, verdict) = oneshot::channel();
            let waiter = Waiter::new(move |verdict| {
                // The caller may have gone.
                let _ = sender.send(verdict);
            });
            let step = self.state.locked().put(&send, blob, overdue, now, waiter);
            self.write_put(step, verdict)
        };
        let mut step = begin(blob);
        loop {
            match step {
                Ok(awaited) => return awaited,
                Err(blob) => {
                    let _turn = self.turn().await;
                    step = begin(blob);
                }
            }
        }
    }

    /// Whether the disk must zero dead bytes before it takes more blobs.
    fn is_overdue(&self) -> bool {
        self.backing.space().is_some_and(|space| space.is_overdue(self.dead_bytes))
    }

    /// Whether expiry must wait until dead bytes are zeroed.
    fn has_debt(&self) -> bool {
        self.backing.space().is_some_and(|space| space.has_debt(self.dead_bytes))
    }

    /// Submits the writes of a put that was decided. Fails with the blob if the put must be decided
    /// again after an owner's change. `verdict` resolves when the commit of the put is durable.
    fn write_put(
        &self,
        step: PutStep,
        verdict: oneshot::Receiver<Verdict>,
    ) -> Result<Awaited<Verdict>, Blob> {
        match step {
            PutStep::Answer(verdict) => Ok(Awaited::Now(verdict)),
            PutStep::Join => Ok(Awaited::Later(verdict)),
            PutStep::AfterChange(blob) => Err(blob),
            PutStep::Write { handle, key, medium, blob, mailbox, first_use } => {
                if let Some(mailbox) = mailbox {
                    drop(self.save(handle, mailbox));
                }
                drop(self.submit(medium, blob, move |state, result| match result {
                    Ok(order) => state.finish_put(handle, key, RecordId(order), first_use),
                    Err(_) => state.undo_put(handle, key, first_use),
                }));
                Ok(Awaited::Later(verdict))
            }
        }
    }

    fn write_ack(&self, step: AckStep) -> oneshot::Receiver<Result<(), NotAcked>> {
        let AckStep { handle, medium, job, dying, renewal } = step;
        if let Some(renewal) = renewal {
            drop(self.save(handle, renewal));
        }
        self.submit(medium, job, move |state, result| {
            if result.is_err() {
                return Err(NotAcked::Stopped);
            }
            state.note_destroyed(handle, &dying);
            Ok(())
        })
    }

    /// Submits the job that destroys blobs without an ack: expired or damaged ones. When they are
    /// destroyed, the reader gets a hint.
    fn write_expiry(&self, step: AckStep) -> oneshot::Receiver<()> {
        let AckStep { handle, medium, job, dying, renewal: _ } = step;
        self.submit(medium, job, move |state, result| {
            if result.is_ok() {
                state.note_expired(handle, &dying);
            }
        })
    }

    /// Reads into `found` the blobs whose bytes are not in memory, and keeps the order. Damaged
    /// blobs are erased. Returns whether the disk could not read some now.
    async fn bodies(&self, handle: Handle, found: &mut [Found]) -> bool {
        let mut unreadable = false;
        for medium in [Medium::Lasting, Medium::Volatile] {
            let wanted: Vec<_> =
                found.iter_mut().filter(|found| found.medium == medium && found.hot.is_none()).collect();
            let keys: Vec<_> = wanted.iter().map(|found| found.key).collect();
            if keys.is_empty() {
                continue;
            }
            let bodies = match medium {
                Medium::Lasting => self.backing.read(keys).await,
                Medium::Volatile => self.volatile.read(keys).await,
            };
            for (found, body) in wanted.into_iter().zip(bodies) {
                match body {
                    Ok(body) => found.hot = Blob::new(body).ok(),
                    Err(ReadError::Corrupt) => self.discard(handle, found.id),
                    Err(ReadError::NotFound) => {}
                    Err(_) => unreadable = true,
                }
            }
        }
        unreadable
    }

    fn discard(&self, handle: Handle, record: RecordId) {
        let _order = self.in_order();
        let step = self.state.locked().discard(handle, record);
        if let Some(step) = step {
            drop(self.write_expiry(step));
        }
    }
}

fn verdict(result: Result<u64, CommitError>) -> Verdict {
    match result {
        Ok(_) => Verdict::Done,
        Err(CommitError::Full | CommitError::Busy) => Verdict::Busy,
        Err(_) => Verdict::Stopped,
    }
}

impl<B: Backing> Store for KeptStore<B> {
    async fn create(&self, new: Vec<NewMailbox>, now: Now) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(new.len());
        for new in &new {
            let turn = self.turn().await;
            let awaited = {
                let _order = self.in_order();
                let step = self.state.locked().create(new, now);
                self.write_change(step, Some(turn))
            };
            verdicts.push(awaited.or(Verdict::Refused).await);
        }
        verdicts
    }

    async fn change(&self, changes: Vec<(OwnId, Change)>, now: Now) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(changes.len());
        for (own, change) in &changes {
            // A delete does not wait for other changes.
            let turn = if *change == Change::Delete { None } else { Some(self.turn().await) };
            let awaited = {
                let _order = self.in_order();
                let step = self.state.locked().change(own, *change, now);
                self.write_change(step, turn)
            };
            verdicts.push(awaited.or(Verdict::Refused).await);
        }
        verdicts
    }

    async fn put(&self, puts: Vec<(SendId, Blob)>, now: Now) -> Vec<Verdict> {
        let mut awaited = Vec::with_capacity(puts.len());
        for (send, blob) in puts {
            awaited.push(self.put_one(send, blob, now).await);
        }
        let state = &self.state;
        all(awaited, || if state.locked().is_stopped() { Verdict::Stopped } else { Verdict::Refused }).await
    }

    async fn claim(
        &self,
        claims: Vec<Claim>,
        reader: &ConnectedReader,
        now: Now,
    ) -> Vec<Result<Claimed, NotClaimed>> {
        let begin = |claim: &Claim| {
            let _order = self.in_order();
            let (claimed, renewal) = self.state.locked().claim(claim, reader, now)?;
            if let Some(renewal) = renewal {
                drop(self.save(claimed.handle, renewal));
            }
            Ok(claimed)
        };
        claims.iter().map(begin).collect()
    }

    async fn release(&self, claims: Vec<(Handle, Fence)>) {
        let mut state = self.state.locked();
        for (handle, fence) in claims {
            state.release(handle, fence);
        }
    }

    async fn peek(&self, peek: Peek, now: Now) -> Result<Peeked, Stale> {
        let mut failed = false;
        loop {
            let PeekStep { mut found, gone, more, unread } = self.state.locked().peek(&peek, now)?;
            failed |= self.bodies(peek.handle, &mut found).await;
            let is_lost = |found: &&Found| found.hot.is_none();
            let lost: Vec<RecordId> = found.iter().filter(is_lost).map(|found| found.id).collect();
            if unread || !lost.is_empty() {
                self.state.locked().note_unread(peek.handle, &lost, more);
            }
            // A look of which nothing could be read goes on behind that: such a blob keeps no other waiting.
            if more && !lost.is_empty() && lost.len() == found.len() {
                continue;
            }
            let stored = |found: Found| Some(Stored { record: found.id, via: found.via, blob: found.hot? });
            let blobs = found.into_iter().filter_map(stored).collect();
            return Ok(Peeked { blobs, gone, more, unread: unread || failed });
        }
    }

    async fn ack(&self, acks: Vec<(Handle, Fence, Vec<RecordId>)>, now: Now) -> Vec<Result<(), NotAcked>> {
        let begin = |(handle, fence, records): &(Handle, Fence, Vec<RecordId>)| {
            let _order = self.in_order();
            let step = self.state.locked().ack(*handle, *fence, records, now);
            match step {
                Ok(step) => Awaited::Later(self.write_ack(step)),
                Err(error) => Awaited::Now(Err(error)),
            }
        };
        let awaited: Vec<_> = acks.iter().map(begin).collect();
        all(awaited, || Err(NotAcked::Stopped)).await
    }

    async fn sweep(&self, now: Now, limit: usize) -> bool {
        let mut waiting = Vec::new();
        let more = {
            let _order = self.in_order();
            // Expiry, for which no caller waits, goes no faster than its bytes are zeroed.
            let (limit, waits) = if self.has_debt() { (0, true) } else { (limit, false) };
            let SweepStep { day, statistics, unsaved, mailboxes, blobs, more } =
                self.state.locked().sweep(now, limit);
            waiting.extend(statistics.map(|job| {
                self.submit(Medium::Lasting, job, |state, result| {
                    if result.is_ok() {
                        state.note_statistics();
                    }
                })
            }));
            waiting.extend(day.map(|(day, job)| {
                self.submit(Medium::Lasting, job, move |state, result| {
                    if result.is_ok() {
                        state.note_day(day);
                    }
                })
            }));
            waiting.extend(unsaved.into_iter().map(|(handle, job)| self.save(handle, job)));
            for (lasting, volatile) in mailboxes {
                drop(self.submit(Medium::Volatile, volatile, |_, _| ()));
                waiting.push(self.submit(Medium::Lasting, lasting, |_, _| ()));
            }
            waiting.extend(blobs.into_iter().map(|step| self.write_expiry(step)));
            more || waits
        };
        for done in waiting {
            let _ = done.await;
        }
        more
    }

    fn census(&self) -> Census {
        Census { space: self.backing.space(), ..self.state.locked().census() }
    }

    fn commits(&self) -> CommitFigures {
        self.commits.figures()
    }
}

async fn all<T>(awaited: Vec<Awaited<T>>, gone: impl Fn() -> T) -> Vec<T> {
    let mut answers = Vec::with_capacity(awaited.len());
    for one in awaited {
        answers.push(match one {
            Awaited::Now(answer) => answer,
            later @ Awaited::Later(_) => later.or(gone()).await,
        });
    }
    answers
}

#[cfg(test)]
mod tests;
