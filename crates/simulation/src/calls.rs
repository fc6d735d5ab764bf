//! The calls of a relay's links to its store, and the planted faults of stores.

use crate::{
    planted::Planted,
    relay_parts::{
        Acking, Call, ConnectedReader, Fence, Handle, Now, Outcome, QuotaClass, RelayStore, Store, Verdict,
    },
    sim::Sim,
};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// A call to the store that is under way.
pub(crate) type RunningCall = Pin<Box<dyn Future<Output = Outcome>>>;

/// The calls of the links of one relay, and what planted faults must know of them.
#[derive(Default)]
pub(crate) struct Calls {
    /// The newest fence of each mailbox, for the planted fault `ForgottenFence`.
    fences: BTreeMap<Handle, Fence>,
}

impl Calls {
    /// Begins a call, changed by the planted fault of the run if it is one of stores.
    pub(crate) fn run(
        &mut self,
        mut call: Call,
        store: &Arc<RelayStore>,
        reader: &ConnectedReader,
        now: Now,
        sim: &mut Sim,
    ) -> RunningCall {
        match (&mut call, sim.planted) {
            (Call::Create { new, .. }, Some(Planted::UncountedQuota)) => new.quota = QuotaClass::Many,
            (Call::Put(puts), Some(Planted::AnswerBeforeDurable)) => {
                let answers = puts.iter().map(|(req, ..)| (*req, Verdict::Done)).collect();
                let bytes = puts.iter().map(|(_, _, blob)| blob.as_bytes().len() as u64).sum();
                return answer_at_once(begin(call, store, reader, now), Outcome::Put { answers, bytes });
            }
            (Call::Peek { peek, .. }, Some(Planted::EraseBeforeAck)) => {
                return erase_what_is_given(
                    peek.handle,
                    peek.fence,
                    begin(call, store, reader, now),
                    store,
                    now,
                );
            }
            (Call::Ack(acking), Some(Planted::KeptAfterAck)) if sim.below(4) == 0 => {
                let acking = std::mem::take(acking);
                let done = acking.into_iter().map(|one| (one, Ok(()))).collect();
                return Box::pin(std::future::ready(Outcome::Acked(done)));
            }
            (Call::Ack(acking), Some(Planted::ForgottenFence)) => {
                return self.ack_with_newest(std::mem::take(acking), store, now);
            }
            _ => {}
        }
        begin(call, store, reader, now)
    }

    /// Notes the fences in the outcome of a call.
    pub(crate) fn note(&mut self, outcome: &Outcome) {
        if let Outcome::Claimed { claimed, .. } = outcome {
            for claimed in claimed.iter().filter_map(|(_, claimed)| claimed.as_ref().ok()) {
                self.fences.insert(claimed.handle, claimed.fence);
            }
        }
    }

    fn ack_with_newest(&self, acking: Vec<Acking>, store: &Arc<RelayStore>, now: Now) -> RunningCall {
        let newest = |one: &Acking| self.fences.get(&one.handle).copied().unwrap_or(one.fence);
        let acks: Vec<_> = acking.iter().map(|one| (one.handle, newest(one), one.records.clone())).collect();
        let store = Arc::clone(store);
        Box::pin(async move {
            let results = store.ack(acks, now).await;
            Outcome::Acked(acking.into_iter().zip(results).collect())
        })
    }
}

fn begin(call: Call, store: &Arc<RelayStore>, reader: &ConnectedReader, now: Now) -> RunningCall {
    let (store, reader) = (Arc::clone(store), reader.clone());
    Box::pin(async move { call.run(&*store, &reader, now).await })
}

/// Begins puts, and answers at once as if they were done (a planted fault).
fn answer_at_once(mut running: RunningCall, done: Outcome) -> RunningCall {
    // The begun puts happen nevertheless.
    match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Box::pin(std::future::ready(outcome)),
        Poll::Pending => Box::pin(std::future::ready(done)),
    }
}

fn erase_what_is_given(
    handle: Handle,
    fence: Fence,
    running: RunningCall,
    store: &Arc<RelayStore>,
    now: Now,
) -> RunningCall {
    let store = Arc::clone(store);
    Box::pin(async move {
        let outcome = running.await;
        if let Outcome::Peeked { peeked: Ok(peeked), .. } = &outcome {
            let records: Vec<_> = peeked.blobs.iter().map(|stored| stored.record).collect();
            if !records.is_empty() {
                let _ = store.ack(vec![(handle, fence, records)], now).await;
            }
        }
        outcome
    })
}
