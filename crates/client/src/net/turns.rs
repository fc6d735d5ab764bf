//! A queue for opening links to a relay. Handshakes that run at once share a slow line, and all of them would run into their
//! deadlines (spec/14-client.md section 6).

use super::moved::Moved;
use deaddrop_wire::RelayAddress;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// Maximum number of links that are being opened to one address at once.
pub(super) const MAX_OPENING: usize = 2;

/// Who wants to open a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// A user waits for it: it goes before all that are not errands.
    Errand,
    /// A task that goes on by itself.
    Background,
}

/// The queues for all relays.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<BTreeMap<String, Queue>>>);

/// Those who open links to one address. The address counts and not the fingerprint alone: a contact could name another relay's
/// fingerprint at an address that never answers, and hold its turns.
#[derive(Default)]
struct Queue {
    /// Turns that are taken, or handed over and not looked at yet.
    taken: usize,
    errands: VecDeque<Waiter>,
    others: VecDeque<Waiter>,
}

struct Waiter {
    given: oneshot::Sender<Turn>,
    moved: Moved,
}

/// The right to open one link. Dropping it gives it to the next one.
pub(crate) struct Turn {
    turns: Turns,
    relay: String,
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn. Safe to cancel. As long as others open their links, this counts as moving.
    pub(crate) async fn take(&self, relay: &RelayAddress, haste: Haste, moved: &Moved) -> Turn {
        let relay = relay.to_string();
        let awaited = {
            let mut queues = self.lock();
            let queue = queues.entry(relay.clone()).or_default();
            if queue.taken < MAX_OPENING {
                queue.taken += 1;
                None
            } else {
                let (given, awaited) = oneshot::channel();
                let waiter = Waiter { given, moved: moved.clone() };
                match haste {
                    Haste::Errand => queue.errands.push_back(waiter),
                    Haste::Background => queue.others.push_back(waiter),
                }
                Some(awaited)
            }
        };
        let own = || Turn { turns: self.clone(), relay: relay.clone() };
        match awaited {
            None => own(),
            // The sender is dropped only with its queue, which stays as long as somebody waits in it.
            Some(awaited) => awaited.await.unwrap_or_else(|_| own()),
        }
    }
}

impl Turn {
    /// The link stands: the queue behind it gets on.
    pub(super) fn note_opened(&self) {
        let queues = self.turns.lock();
        let Some(queue) = queues.get(&self.relay) else { return };
        queue.errands.iter().chain(&queue.others).for_each(|waiter| waiter.moved.note());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut queues = self.turns.lock();
            let Some(queue) = queues.get_mut(&self.relay) else { return };
            let mut next = None;
            while next.is_none()
                && let Some(waiter) = queue.errands.pop_front().or_else(|| queue.others.pop_front())
            {
                // One that has gone meanwhile is passed over.
                next = Some(waiter.given).filter(|given| !given.is_closed());
            }
            if next.is_none() {
                queue.taken = queue.taken.saturating_sub(1);
                if queue.taken == 0 {
                    queues.remove(&self.relay);
                }
            }
            next
        };
        if let Some(next) = next {
            // If it goes at this very moment, the turn comes back and is dropped again.
            drop(next.send(Self { turns: self.turns.clone(), relay: self.relay.clone() }));
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
        assert!(turns.lock().is_empty(), "an unused queue takes no room");
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
