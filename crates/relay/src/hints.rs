//! Hints: a store tells a reader that another *look* into a mailbox (a peek) may find something.
//! Hints may be lost; a lost hint costs time only. Subscriptions are named by the numbers that the
//! client gave them.

use futures_util::task::AtomicWaker;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// The reason for which a subscription has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionEnd {
    /// Another reader has the mailbox.
    Displaced,
    /// The mailbox was deleted or its lease ended.
    Gone,
}

/// The hints that came since the last call of [`Hints::next`].
#[derive(Debug, Default)]
pub struct News {
    /// Numbers of the subscriptions into whose mailboxes blobs were put.
    pub changed: BTreeSet<u32>,
    /// Numbers of the subscriptions in whose mailboxes blobs were destroyed that the reader did not
    /// ack.
    pub expired: BTreeSet<u32>,
    /// Numbers of the subscriptions that have ended, each with the reason, in the order of their
    /// ends.
    pub ended: Vec<(u32, SubscriptionEnd)>,
}

/// The channel of hints from a store to one reader. The reader counts as connected while it holds
/// an `Arc` of this.
#[derive(Debug, Default)]
pub struct Hints {
    news: Mutex<News>,
    waker: AtomicWaker,
}

impl Hints {
    /// Tells the reader that a blob was put into the mailbox of the subscription `sub`.
    pub fn tell_changed(&self, sub: u32) {
        if self.locked().changed.insert(sub) {
            self.waker.wake();
        }
    }

    /// Tells the reader that blobs in the mailbox of the subscription `sub` were destroyed without
    /// an ack.
    pub fn tell_expired(&self, sub: u32) {
        if self.locked().expired.insert(sub) {
            self.waker.wake();
        }
    }

    /// Tells the reader that the subscription `sub` has ended.
    pub fn tell_ended(&self, sub: u32, end: SubscriptionEnd) {
        self.locked().ended.push((sub, end));
        self.waker.wake();
    }

    /// Waits until there is a hint, and takes all hints. The future may be dropped before it
    /// resolves; no hint is lost. One task waits at a time: the last one that polled is woken.
    pub fn next(&self) -> impl Future<Output = News> + Send + '_ {
        poll_fn(|context| {
            self.waker.register(context.waker());
            let mut news = self.locked();
            if news.changed.is_empty() && news.expired.is_empty() && news.ended.is_empty() {
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut *news))
        })
    }

    fn locked(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
