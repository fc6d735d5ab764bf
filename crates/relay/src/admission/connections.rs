//! The choice of the connection that ends when there is no room for another, as a value
//! (spec/12-relay.md section 7.2, also for the words below). A *place* is one of the limited number
//! of connections; *progress* renews a connection's age; a connection is *half-open* until the
//! handshake of its link is over. The *oldest* of a kind is the one whose progress is longest ago,
//! of the prefix that holds most of this kind.

use super::Prefix;
use super::ranked::{Id, Ranked, Turn};
use crate::limits::Limits;
use futures_util::task::AtomicWaker;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// The stage that a connection has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The connection has not sent a valid C1.
    Silent,
    /// The connection has sent a valid C1.
    Shaking,
    /// A link without a subscription.
    Resting,
    /// A link with a subscription.
    Reading,
}

/// The signals to the task of a connection: it has lost its place and must end, or the relay stops.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    is_evicted: AtomicBool,
    is_leaving: AtomicBool,
    is_link: AtomicBool,
    waker: AtomicWaker,
}

/// A signal to the task of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The link has lost its place and must end.
    Evicted,
    /// The relay stops. Signalled once.
    Leave,
}

impl Signals {
    fn evict(&self) {
        self.is_evicted.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Notes that the handshake is over. From then on [`poll_half_open`](Self::poll_half_open) is
    /// never ready, and the task of the link uses [`poll`](Self::poll).
    pub(crate) fn becomes_link(&self) {
        self.is_link.store(true, Ordering::Release);
    }

    /// Polls for a signal to the task of a link.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Signal> {
        self.waker.register(context.waker());
        if self.is_evicted.load(Ordering::Acquire) {
            Poll::Ready(Signal::Evicted)
        } else if self.is_leaving.swap(false, Ordering::AcqRel) {
            Poll::Ready(Signal::Leave)
        } else {
            Poll::Pending
        }
    }

    /// Is ready when the connection has lost its place before it became a link, and otherwise never.
    /// The same task polls this and [`poll`](Self::poll).
    pub(crate) fn poll_half_open(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_link.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.waker.register(context.waker());
        if self.is_evicted.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }
}

struct Entry {
    prefix: Prefix,
    stage: Stage,
    turn: Turn,
    signals: Arc<Signals>,
}

/// Numbers of ended and refused connections since the start of the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Number of half-open connections that lost their place.
    pub(crate) half_open_ended: u64,
    /// Number of links that lost their place.
    pub(crate) links_ended: u64,
    /// Number of connections that got no place.
    pub(crate) refused: u64,
}

/// All connections that have a place, by stage and by prefix.
#[derive(Default)]
pub(super) struct Connections {
    entries: HashMap<Id, Entry>,
    /// Number of connections of each prefix that has any.
    of_prefix: HashMap<Prefix, u32>,
    silent: Ranked,
    shaking: Ranked,
    resting: Ranked,
    reading: Ranked,
    next: u64,
    pub(super) totals: Totals,
}

impl Connections {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells all connections that the relay stops.
    pub(super) fn leave_all(&self) {
        self.entries.values().for_each(|entry| entry.signals.leave());
    }

    pub(super) const fn half_open(&self) -> usize {
        self.silent.len() + self.shaking.len()
    }

    /// Adds a silent connection from `prefix` and returns its number and its signal; another
    /// connection may lose its place for it. Returns `None` if the new connection gets no place.
    pub(super) fn connect(&mut self, prefix: Prefix, limits: &Limits) -> Option<(Id, Arc<Signals>)> {
        // as many connections as the limits say: of one prefix, silent, and over all.
        if !self.make_room_in(prefix, limits) {
            self.totals.refused += 1;
            return None;
        }
        let (id, signals) = (self.next_number(), Arc::<Signals>::default());
        let entry = Entry { prefix, stage: Stage::Silent, turn: id, signals: Arc::clone(&signals) };
        self.ranked(Stage::Silent).insert(prefix, id, id);
        self.entries.insert(id, entry);
        *self.of_prefix.entry(prefix).or_default() += 1;
        let places = silent_places(limits);
        if self.silent.len() > places
            && let Some(worst) = self.silent.worst_beyond(kept_for_proxies(places, limits))
        {
            self.evict(worst);
        }
        if self.entries.len() > usize_of(limits.connections) {
            match self.to_give_up(id, prefix, limits) {
                Some(victim) => self.evict(victim),
                None => {
                    self.leave(id);
                    self.totals.refused += 1;
                    return None;
                }
            }
        }
        Some((id, signals))
    }

    /// Counts the connection `id` for another prefix from now on. Returns `false` if that prefix
    /// has no room: the connection has then lost its place. Also returns `false` if it lost its
    /// place before.
    pub(super) fn relocate(&mut self, id: Id, prefix: Prefix, limits: &Limits) -> bool {
        let Some(entry) = self.entries.get(&id) else { return false };
        if entry.prefix != prefix {
            if !self.make_room_in(prefix, limits) {
                self.totals.refused += 1;
                self.leave(id);
                return false;
            }
            let Some(Entry { stage, signals, .. }) = self.take_out(id) else { return false };
            let turn = self.next_number();
            self.ranked(stage).insert(prefix, turn, id);
            *self.of_prefix.entry(prefix).or_default() += 1;
            self.entries.insert(id, Entry { prefix, stage, turn, signals });
        }
        true
    }

    /// Notes that the connection has reached `stage`, or has made progress in it: its age is
    /// renewed. If too many half-open connections have sent a valid C1 then, one of these ends.
    pub(super) fn progress(&mut self, id: Id, stage: Stage, limits: &Limits) {
        let turn = self.next_number();
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (prefix, before) = (entry.prefix, (entry.stage, entry.turn));
        (entry.stage, entry.turn) = (stage, turn);
        self.ranked(before.0).remove(prefix, before.1);
        self.ranked(stage).insert(prefix, turn, id);
        let shaking_places = usize_of(limits.half_open).saturating_sub(silent_places(limits)).max(1);
        if self.shaking.len() > shaking_places
            && let Some(worst) = self.shaking.worst_beyond(kept_for_proxies(shaking_places, limits))
        {
            self.evict(worst);
        }
    }

    /// Removes a connection that has ended. Does nothing if it lost its place before.
    pub(super) fn leave(&mut self, id: Id) {
        self.take_out(id);
    }

    /// Ends one connection because the system is out of descriptors: the oldest silent one, else
    /// the oldest link without a subscription, else the oldest half-open one, else a subscribed
    /// link of a prefix that holds more than its share. Returns `false` if there is none.
    pub(super) fn give_one_up(&mut self, limits: &Limits) -> bool {
        let victim = self.silent.worst().or_else(|| self.resting.worst()).or_else(|| self.shaking.worst());
        let victim = victim.or_else(|| self.reading_beyond_share(limits));
        victim.map(|id| self.evict(id)).is_some()
    }

    /// Makes room for one more connection of this prefix, if it has reached its limit, by ending
    /// one of its own. Returns `false` if none of its connections can be spared.
    fn make_room_in(&mut self, prefix: Prefix, limits: &Limits) -> bool {
        if prefix.is_shared() || self.count(prefix) < u64::from(limits.connections_per_prefix) {
            return true;
        }
        let oldest = |ranked: &Ranked| ranked.oldest_of(prefix);
        let victim = oldest(&self.silent).or_else(|| oldest(&self.resting)).or_else(|| oldest(&self.shaking));
        victim.map(|id| self.evict(id)).is_some()
    }

    /// Returns the connection that gives its place to the connection `newcomer` from `prefix` when
    /// there are too many; `None` if the newcomer itself must be refused.
    fn to_give_up(&self, newcomer: Id, prefix: Prefix, limits: &Limits) -> Option<Id> {
        let other = |id: &Id| *id != newcomer;
        // a prefix that holds more than its share pays for its own newcomers, with what can be spared.
        if self.holds_too_many(prefix, limits) {
            return self.resting.oldest_of(prefix).or_else(|| self.silent.oldest_of(prefix).filter(other));
        }
        let kept = kept_for_proxies(usize_of(limits.connections), limits);
        let reading = || self.reading_beyond_share(limits);
        // otherwise a link without a subscription; then one of a prefix that holds more than its share.
        let silent = || self.silent.worst_beyond(kept).filter(other);
        self.resting.worst().or_else(reading).or_else(silent)
    }

    /// Returns the oldest subscribed link of the prefix that holds most subscribed links (for
    /// loopback and the proxies see [`Ranked::largest_beyond`]); `None` if this prefix holds at
    /// most its share of the connections, or if there is no subscribed link.
    fn reading_beyond_share(&self, limits: &Limits) -> Option<Id> {
        let kept = kept_for_proxies(usize_of(limits.connections), limits);
        let prefix =
            self.reading.largest_beyond(kept).filter(|prefix| self.holds_too_many(*prefix, limits))?;
        self.reading.oldest_of(prefix)
    }

    /// Whether this prefix holds more than its share: all connections, divided among the prefixes
    /// that have some. Loopback and the proxies do not hold too many, and are left out of the sum,
    /// while they hold at most `proxies_percent` of the places.
    fn holds_too_many(&self, prefix: Prefix, limits: &Limits) -> bool {
        let (mut all, mut prefixes) = (self.entries.len() as u64, self.of_prefix.len() as u64);
        let shared = [Prefix::SHARED, Prefix::ANNOUNCED].map(|one| self.count(one));
        let of_proxies: u64 = shared.iter().sum();
        if of_proxies > 0 && of_proxies <= kept_for_proxies(usize_of(limits.connections), limits) as u64 {
            if prefix.is_shared() {
                return false;
            }
            let groups = shared.iter().filter(|count| **count > 0).count() as u64;
            (all, prefixes) = (all.saturating_sub(of_proxies), prefixes.saturating_sub(groups));
        }
        self.count(prefix).saturating_mul(prefixes) > all
    }

    fn count(&self, prefix: Prefix) -> u64 {
        self.of_prefix.get(&prefix).copied().unwrap_or(0).into()
    }

    fn evict(&mut self, id: Id) {
        let Some(entry) = self.take_out(id) else { return };
        match entry.stage {
            Stage::Silent | Stage::Shaking => self.totals.half_open_ended += 1,
            Stage::Resting | Stage::Reading => self.totals.links_ended += 1,
        }
        entry.signals.evict();
    }

    fn take_out(&mut self, id: Id) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.ranked(entry.stage).remove(entry.prefix, entry.turn);
        if let Some(count) = self.of_prefix.get_mut(&entry.prefix) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_prefix.remove(&entry.prefix);
            }
        }
        Some(entry)
    }

    const fn ranked(&mut self, stage: Stage) -> &mut Ranked {
        match stage {
            Stage::Silent => &mut self.silent,
            Stage::Shaking => &mut self.shaking,
            Stage::Resting => &mut self.resting,
            Stage::Reading => &mut self.reading,
        }
    }

    const fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Returns how many of `places` are kept for loopback and the proxies.
fn kept_for_proxies(places: usize, limits: &Limits) -> usize {
    places.saturating_mul(limits.proxies_percent.into()) / 100
}

/// Returns the number of places for silent connections: half of the half-open places. The others
/// are for peers that have sent a valid C1.
fn silent_places(limits: &Limits) -> usize {
    usize_of(limits.half_open / 2).max(1)
}

fn usize_of(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
