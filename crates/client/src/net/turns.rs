//! Waiting for a turn to open a link: only a few links to one address of a relay are opened at
//! once, so that a slow line gets each done.

use super::moved::Moved;
use deaddrop_engine::conversation::{Haste, Ticket, TurnQueues};
use deaddrop_wire::RelayAddress;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The queues in which tasks wait for a turn to open a link, one for each address of a relay.
/// Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Waiting>>);

/// The queues, and the tasks that wait, each by its place in a queue.
#[derive(Default)]
struct Waiting {
    queues: TurnQueues,
    tasks: BTreeMap<Ticket, Waiter>,
}

struct Waiter {
    given: oneshot::Sender<()>,
    moved: Moved,
}

/// The right to open one link, or a place in the queue for it. Dropping it lets the next task have
/// its turn.
pub(crate) struct Turn {
    turns: Turns,
    relay: RelayAddress,
    haste: Haste,
    ticket: Ticket,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn to open a link to a relay. Safe to cancel. Whenever another task opens its
    /// link to the same address meanwhile, progress is noted in `moved`.
    pub(crate) async fn take(&self, relay: &RelayAddress, haste: Haste, moved: &Moved) -> Turn {
        let (turn, awaited) = {
            let mut waiting = self.lock();
            let (ticket, is_turn) = waiting.queues.enter(relay, haste);
            let awaited = (!is_turn).then(|| {
                let (given, awaited) = oneshot::channel();
                waiting.tasks.insert(ticket, Waiter { given, moved: moved.clone() });
                awaited
            });
            (Turn { turns: self.clone(), relay: relay.clone(), haste, ticket }, awaited)
        };
        if let Some(awaited) = awaited {
            // The sender is dropped only when it has sent: the place in the queue stays as long as the turn.
            let _ = awaited.await;
        }
        turn
    }
}

impl Turn {
    /// Returns the urgency with which the turn was asked for.
    pub(super) const fn haste(&self) -> Haste {
        self.haste
    }

    /// Notes that this turn's link was opened: progress for all that wait in the same queue.
    pub(super) fn note_opened(&self) {
        let waiting = self.turns.lock();
        for ticket in waiting.queues.waiting(&self.relay) {
            if let Some(waiter) = waiting.tasks.get(&ticket) {
                waiter.moved.note();
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut waiting = self.turns.lock();
        waiting.tasks.remove(&self.ticket);
        let next = waiting.queues.leave(&self.relay, self.ticket);
        if let Some(waiter) = next.and_then(|next| waiting.tasks.remove(&next)) {
            // If it has gone at this very moment, its own turn is dropped, too.
            let _ = waiter.given.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{pin::pin, time::Duration};
    use tokio::time::{advance, timeout};

    const FINGERPRINT: &str = "#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn relay(port: u16) -> RelayAddress {
        format!("ws://relay.example:{port}/{FINGERPRINT}").parse().unwrap()
    }

    async fn is_given(taking: impl Future<Output = Turn>) -> Option<Turn> {
        timeout(Duration::from_millis(1), taking).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn turns_go_round_in_order_of_arrival_and_errands_first() {
        let (turns, moved, relay) = (Turns::default(), Moved::default(), relay(1));
        let take = |haste| turns.take(&relay, haste, &moved);
        let first = take(Haste::Background).await;
        let second = take(Haste::Background).await;
        let (mut third, mut fourth) = (pin!(take(Haste::Background)), pin!(take(Haste::Background)));
        let (mut errand, mut errand_2) = (pin!(take(Haste::Errand)), pin!(take(Haste::Errand)));
        assert!(is_given(&mut third).await.is_none() && is_given(&mut fourth).await.is_none());
        assert!(is_given(&mut errand).await.is_none() && is_given(&mut errand_2).await.is_none());
        drop(first);
        assert!(is_given(&mut third).await.is_none() && is_given(&mut errand_2).await.is_none());
        let given = is_given(&mut errand).await.unwrap();
        drop((second, given));
        assert!(is_given(&mut fourth).await.is_none());
        let (_other_errand, given) =
            (is_given(&mut errand_2).await.unwrap(), is_given(&mut third).await.unwrap());
        drop(given);
        assert!(is_given(&mut fourth).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_cancelled_gives_its_turn_back() {
        let (turns, moved, relay) = (Turns::default(), Moved::default(), relay(1));
        let take = || turns.take(&relay, Haste::Background, &moved);
        let held = (take().await, take().await);
        {
            let mut cancelled = Box::pin(take());
            let mut given_and_cancelled = Box::pin(take());
            let mut late = Box::pin(take());
            assert!(is_given(&mut cancelled).await.is_none());
            assert!(is_given(&mut given_and_cancelled).await.is_none());
            assert!(is_given(&mut late).await.is_none());
            drop(cancelled);
            drop(held);
            // Both turns were handed over, and no task took one.
            drop((given_and_cancelled, late));
        }
        let held = (is_given(take()).await.unwrap(), is_given(take()).await.unwrap());
        assert!(is_given(take()).await.is_none());
        drop(held);
        assert!(
            turns.lock().queues.is_empty() && turns.lock().tasks.is_empty(),
            "an unused queue takes no room"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn relays_do_not_wait_for_each_other_and_a_queue_that_gets_on_moves() {
        let (turns, moved) = (Turns::default(), Moved::default());
        let held = [
            turns.take(&relay(1), Haste::Background, &moved).await,
            turns.take(&relay(1), Haste::Background, &moved).await,
        ];
        assert!(is_given(turns.take(&relay(2), Haste::Background, &moved)).await.is_some());
        let waiting = Moved::default();
        let here = relay(1);
        let mut taking = pin!(turns.take(&here, Haste::Background, &waiting));
        assert!(is_given(&mut taking).await.is_none() && !waiting.is_moving());
        held[0].note_opened();
        assert!(waiting.is_moving());
        advance(super::super::moved::MOVING).await;
        assert!(!waiting.is_moving());
        drop(held);
        assert!(is_given(&mut taking).await.is_some());
    }
}
