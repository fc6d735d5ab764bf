//! Hints: a store tells a reader that another look may find something. Hints may be lost; a lost hint costs time only.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The reason why a subscription is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionEnd {
    /// Another reader has the mailbox.
    Displaced,
    /// The mailbox was deleted or its lease ended.
    Gone,
}

/// The hints since the last look.
#[derive(Debug, Default)]
pub struct News {
    /// Subscriptions into whose mailboxes blobs were put.
    pub changed: BTreeSet<u32>,
    /// Subscriptions of whose mailboxes blobs were destroyed that the reader did not ack.
    pub expired: BTreeSet<u32>,
    /// Subscriptions that are over, in order.
    pub ended: Vec<(u32, SubscriptionEnd)>,
}

/// The hints for one reader. The reader counts as connected while this exists.
#[derive(Debug, Default)]
pub struct Hints {
    news: Mutex<News>,
    notify: Notify,
}

impl Hints {
    /// Tells that a blob was put into the mailbox of this subscription.
    pub fn tell_changed(&self, sub: u32) {
        if self.locked().changed.insert(sub) {
            self.notify.notify_one();
        }
    }

    /// Tells that blobs of this subscription's mailbox were destroyed without an ack.
    pub fn tell_expired(&self, sub: u32) {
        if self.locked().expired.insert(sub) {
            self.notify.notify_one();
        }
    }

    /// Tells that this subscription is over.
    pub fn tell_ended(&self, sub: u32, end: SubscriptionEnd) {
        self.locked().ended.push((sub, end));
        self.notify.notify_one();
    }

    /// Waits for hints and takes them.
    pub async fn next(&self) -> News {
        loop {
            let heard = self.notify.notified();
            let news = std::mem::take(&mut *self.locked());
            if !(news.changed.is_empty() && news.expired.is_empty() && news.ended.is_empty()) {
                return news;
            }
            heard.await;
        }
    }

    fn locked(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
