//! A store: the rules in memory, their records in a backing.
//!
//! Two locks. `order` is held while something is decided and submitted, so that jobs reach the backing in the order of
//! the decisions. `state` is held for the decision alone, and by whoever reports that a job is durable.

use super::backing::Backing;
use super::memory::MemoryBacking;
use super::{
    Census, Change, Claim, Claimed, Fence, Handle, NewMailbox, NotAcked, NotClaimed, Peek, Peeked, Reader,
    RecordId, Stale, Store, Stored, Verdict,
};
use crate::clock::Now;
use crate::limits::Limits;
use crate::mailboxes::{AckStep, ChangeStep, Found, Job, Mailboxes, Medium, PeekStep, PutStep, SweepStep};
use crate::names::IndexKey;
use deaddrop_shred::{CommitError, ReadError};
use deaddrop_wire::{Blob, OwnId, SendId};
use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// A store over a backing.
#[derive(Debug)]
pub struct KeptStore<B> {
    order: Mutex<()>,
    state: Arc<State>,
    backing: B,
    volatile: MemoryBacking,
}

#[derive(Debug)]
struct State(Mutex<Mailboxes>);

impl State {
    /// A panic while the rules were held may have left them torn: then nothing more is promised.
    fn locked(&self) -> MutexGuard<'_, Mailboxes> {
        self.0.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            state.stop();
            state
        })
    }
}

/// An answer that is known, or will be.
enum Awaited<T> {
    Now(T),
    Later(oneshot::Receiver<T>),
}

impl<T> Awaited<T> {
    /// What is never answered was taken away with its mailbox.
    async fn or(self, gone: T) -> T {
        match self {
            Self::Now(answer) => answer,
            Self::Later(receiver) => receiver.await.unwrap_or(gone),
        }
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
        let state = Mailboxes::new(key, limits, in_memory, StdRng::from_rng(rng));
        let state = Arc::new(State(Mutex::new(state)));
        Self { order: Mutex::new(()), state, backing, volatile: MemoryBacking::default() }
    }

    pub(super) const fn backing(&self) -> &B {
        &self.backing
    }

    pub(super) fn restore(&self, restore: impl FnOnce(&mut Mailboxes)) {
        restore(&mut self.state.locked());
    }

    /// A panic in here may have lost a job that was decided.
    fn in_order(&self) -> MutexGuard<'_, ()> {
        self.order.lock().unwrap_or_else(|poisoned| {
            self.state.locked().stop();
            poisoned.into_inner()
        })
    }

    /// Submits a job; its end is reported to the rules first, then to whoever waits.
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
        let done = move |result: Result<u64, CommitError>| {
            let mut state = state.locked();
            // Whatever else goes wrong is a fault of this program: going on would break promises.
            if result.is_err_and(|error| error != CommitError::Full) {
                state.stop();
            }
            if is_lasting {
                state.note_room(result == Err(CommitError::Full));
            }
            let answer = report(&mut state, result);
            drop(state);
            // Whoever asked may have gone.
            let _ = sender.send(answer);
        };
        match medium {
            Medium::Lasting => self.backing.submit(job, done),
            Medium::Volatile => self.volatile.submit(job, done),
        }
        receiver
    }

    fn submit_mailbox(&self, handle: Handle, job: Job) -> oneshot::Receiver<Verdict> {
        self.submit(Medium::Lasting, job, move |state, result| {
            state.mailbox_written(handle, result.is_ok());
            verdict(result)
        })
    }

    fn write_change(&self, step: ChangeStep) -> Awaited<Verdict> {
        match step {
            ChangeStep::Answer(verdict) => Awaited::Now(verdict),
            ChangeStep::Write { handle, lasting, volatile } => {
                if !volatile.erases.is_empty() {
                    drop(self.submit(Medium::Volatile, volatile, |_, _| ()));
                }
                Awaited::Later(self.submit_mailbox(handle, lasting))
            }
        }
    }

    fn write_put(&self, step: PutStep) -> Awaited<Verdict> {
        match step {
            PutStep::Answer(verdict) => Awaited::Now(verdict),
            PutStep::Join(done) => Awaited::Later(done),
            PutStep::Write { handle, key, medium, blob, mailbox, done } => {
                if let Some(mailbox) = mailbox {
                    drop(self.submit_mailbox(handle, mailbox));
                }
                drop(self.submit(medium, blob, move |state, result| match result {
                    Ok(order) => state.put_is_durable(handle, key, RecordId(order)),
                    Err(_) => state.put_found_no_room(handle, key),
                }));
                Awaited::Later(done)
            }
        }
    }

    fn write_ack(&self, step: AckStep) -> oneshot::Receiver<Result<(), NotAcked>> {
        let AckStep { handle, medium, job, dying, renewal } = step;
        if let Some(renewal) = renewal {
            drop(self.submit_mailbox(handle, renewal));
        }
        self.submit(medium, job, move |state, result| {
            if result.is_err() {
                return Err(NotAcked::Stopped);
            }
            state.destroyed(handle, &dying);
            Ok(())
        })
    }

    /// Destroys blobs that no reader acked.
    fn write_expiry(&self, step: AckStep) -> oneshot::Receiver<()> {
        let AckStep { handle, medium, job, dying, renewal: _ } = step;
        self.submit(medium, job, move |state, result| {
            if result.is_ok() {
                state.note_expired(handle, &dying);
            }
        })
    }

    /// Reads what is not in memory; keeps the order.
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
        tracing::warn!("a damaged blob was let go");
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
        Err(CommitError::Full) => Verdict::Busy,
        Err(_) => Verdict::Stopped,
    }
}

impl<B: Backing> Store for KeptStore<B> {
    async fn create(&self, new: Vec<NewMailbox>, now: Now) -> Vec<Verdict> {
        let begin = |new: &NewMailbox| {
            let _order = self.in_order();
            let step = self.state.locked().create(new, now);
            self.write_change(step)
        };
        let awaited: Vec<_> = new.iter().map(begin).collect();
        all(awaited, || Verdict::Refused).await
    }

    async fn change(&self, changes: Vec<(OwnId, Change)>, now: Now) -> Vec<Verdict> {
        let begin = |(own, change): &(OwnId, Change)| {
            let _order = self.in_order();
            let step = self.state.locked().change(own, *change, now);
            self.write_change(step)
        };
        let awaited: Vec<_> = changes.iter().map(begin).collect();
        all(awaited, || Verdict::Refused).await
    }

    async fn put(&self, puts: Vec<(SendId, Blob)>, now: Now) -> Vec<Verdict> {
        let begin = |(send, blob): (SendId, Blob)| {
            let _order = self.in_order();
            let step = self.state.locked().put(&send, blob, now);
            self.write_put(step)
        };
        let awaited: Vec<_> = puts.into_iter().map(begin).collect();
        let state = &self.state;
        all(awaited, || if state.locked().is_stopped() { Verdict::Stopped } else { Verdict::Refused }).await
    }

    async fn claim(&self, claims: Vec<Claim>, reader: &Reader, now: Now) -> Vec<Result<Claimed, NotClaimed>> {
        let begin = |claim: &Claim| {
            let _order = self.in_order();
            let (claimed, renewal) = self.state.locked().claim(claim, reader, now)?;
            if let Some(renewal) = renewal {
                // A lease is renewed behind the reader's back: nothing depends on when.
                drop(self.submit_mailbox(claimed.handle, renewal));
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
        let PeekStep { mut found, gone, more } = self.state.locked().peek(&peek, now)?;
        let unread = self.bodies(peek.handle, &mut found).await;
        // Not at once again.
        let more = more && !unread;
        let stored = |found: Found| Some(Stored { record: found.id, via: found.via, blob: found.hot? });
        Ok(Peeked { blobs: found.into_iter().filter_map(stored).collect(), gone, more, unread })
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
        let (mut waiting, mut dying) = (Vec::new(), Vec::new());
        let more = {
            let _order = self.in_order();
            let SweepStep { day, mailboxes, blobs, more } = self.state.locked().sweep(now, limit);
            let nobody = Handle::from_bytes([0; 6]);
            waiting.extend(day.map(|job| self.submit_mailbox(nobody, job)));
            for (lasting, volatile) in mailboxes {
                drop(self.submit(Medium::Volatile, volatile, |_, _| ()));
                waiting.push(self.submit_mailbox(nobody, lasting));
            }
            dying.extend(blobs.into_iter().map(|step| self.write_expiry(step)));
            more
        };
        for done in waiting {
            let _ = done.await;
        }
        for done in dying {
            let _ = done.await;
        }
        more
    }

    fn census(&self) -> Census {
        self.state.locked().census()
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
mod tests {
    use super::*;
    use crate::hints::Hints;
    use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
    use deaddrop_wire::{ClientToken, Day, MailboxId};
    use futures_util::FutureExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn store() -> KeptStore<MemoryBacking> {
        KeptStore::in_memory(Limits::default(), &mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn a_store_whose_rules_are_torn_has_stopped() {
        let store = store();
        assert!(!store.census().stopped);
        let torn = catch_unwind(AssertUnwindSafe(|| store.restore(|_| panic!("a fault of the rules"))));
        assert!(torn.is_err() && store.census().stopped);
    }

    /// A reader that looked before the blob was destroyed would find it in flight still, and not look again for long.
    #[tokio::test]
    async fn a_reader_is_told_of_an_expiry_once_the_blob_is_destroyed() {
        let store = store();
        let (today, later) = (Now::new(Day::from_number(20_000), 1), Now::new(Day::from_number(20_031), 2));
        let new = NewMailbox {
            own: OwnId::from_bytes([1; 32]),
            read: MailboxId::from_bytes([1; 32]),
            sends: vec![SendGrant { send: SendId::from_bytes([1; 32]), via: 0 }],
            lease: LeaseClass::Year,
            quota: QuotaClass::Many,
            flags: CreateFlags::NONE,
        };
        let blob = Blob::new(vec![0; 4_096]).unwrap();
        store.create(vec![new], today).await;
        store.put(vec![(SendId::from_bytes([1; 32]), blob)], today).await;
        let hints = Arc::new(Hints::default());
        let reader = Reader { token: ClientToken::from_bytes([1; 16]), hints: Arc::clone(&hints) };
        let claim = Claim { read: MailboxId::from_bytes([1; 32]), sub: 7 };
        store.claim(vec![claim], &reader, today).await[0].unwrap();
        let step = store.state.locked().sweep(later, 10).blobs.remove(0);
        assert!(hints.next().now_or_never().is_none(), "it is still there");
        store.write_expiry(step).await.unwrap();
        assert!(hints.next().now_or_never().unwrap().expired.contains(&7));
    }

    #[test]
    fn a_store_that_may_have_lost_a_job_has_stopped() {
        let store = store();
        let torn = catch_unwind(AssertUnwindSafe(|| {
            let _order = store.in_order();
            panic!("a fault between a decision and its job");
        }));
        drop(store.in_order());
        assert!(torn.is_err() && store.census().stopped);
    }
}
