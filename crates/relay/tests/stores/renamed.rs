//! A store as another crate could write it, with handles of its own. It shows that the trait
//! `Store` and its contract need nothing private of the relay.

use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::store::*;
use deaddrop_relay::testing::contract::{StoreFactory, StoredCounts};
use deaddrop_wire::{Blob, OwnId, SendId};

/// A factory that wraps each store of another factory in [`OtherHandles`].
pub struct Renamed<F>(pub F);

/// A store whose handles are those of the inner store with each byte inverted.
pub struct OtherHandles<S>(S);

fn invert(handle: Handle) -> Handle {
    Handle::from_bytes(handle.to_bytes().map(|byte| !byte))
}

impl<F: StoreFactory> StoreFactory for Renamed<F> {
    type Store = OtherHandles<F::Store>;

    async fn create(&mut self, limits: Limits) -> Self::Store {
        OtherHandles(self.0.create(limits).await)
    }

    async fn reopen(&mut self, store: Self::Store, limits: Limits) -> Option<Self::Store> {
        self.0.reopen(store.0, limits).await.map(OtherHandles)
    }

    fn check_stored(&mut self, store: &Self::Store, stored: StoredCounts) {
        self.0.check_stored(&store.0, stored);
    }
}

impl<S: Store> Store for OtherHandles<S> {
    async fn create(&self, new: Vec<NewMailbox>, now: Now) -> Vec<Verdict> {
        self.0.create(new, now).await
    }

    async fn change(&self, changes: Vec<(OwnId, Change)>, now: Now) -> Vec<Verdict> {
        self.0.change(changes, now).await
    }

    async fn put(&self, puts: Vec<(SendId, Blob)>, now: Now) -> Vec<Verdict> {
        self.0.put(puts, now).await
    }

    async fn claim(
        &self,
        claims: Vec<Claim>,
        reader: &ConnectedReader,
        now: Now,
    ) -> Vec<Result<Claimed, NotClaimed>> {
        let claimed = self.0.claim(claims, reader, now).await.into_iter();
        let rename = |claimed: Claimed| Claimed { handle: invert(claimed.handle), ..claimed };
        claimed.map(|answer| answer.map(rename)).collect()
    }

    async fn release(&self, claims: Vec<(Handle, Fence)>) {
        let claims = claims.into_iter().map(|(handle, fence)| (invert(handle), fence));
        self.0.release(claims.collect()).await;
    }

    async fn peek(&self, peek: Peek, now: Now) -> Result<Peeked, Stale> {
        self.0.peek(Peek { handle: invert(peek.handle), ..peek }, now).await
    }

    async fn ack(&self, acks: Vec<(Handle, Fence, Vec<RecordId>)>, now: Now) -> Vec<Result<(), NotAcked>> {
        let acks = acks.into_iter().map(|(handle, fence, records)| (invert(handle), fence, records));
        self.0.ack(acks.collect(), now).await
    }

    async fn sweep(&self, now: Now, limit: usize) -> bool {
        self.0.sweep(now, limit).await
    }

    fn census(&self) -> Census {
        self.0.census()
    }
}
