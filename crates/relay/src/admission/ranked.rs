//! Connections of one stage, grouped by prefix, so that the one to end is found without looking at
//! all of them. Each connection has a *turn*, which orders connections by their last progress.

use super::Prefix;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Number of a connection, unique since the start.
pub(super) type Id = u64;
/// Number of a step of progress of a connection: a greater one is later. Each number is used once.
pub(super) type Turn = u64;

/// Connections in groups, one group a prefix. Every operation takes logarithmic time.
#[derive(Default)]
pub(super) struct Ranked {
    groups: HashMap<Prefix, BTreeMap<Turn, Id>>,
    /// The groups, each as its size, its oldest turn and its prefix. The last entry is the largest
    /// group, and among equal ones the one with the oldest turn.
    order: BTreeSet<(usize, Reverse<Turn>, Prefix)>,
    len: usize,
}

impl Ranked {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, prefix: Prefix, turn: Turn, id: Id) {
        self.change(prefix, |group| group.insert(turn, id).is_none());
    }

    pub(super) fn remove(&mut self, prefix: Prefix, turn: Turn) {
        self.change(prefix, |group| group.remove(&turn).is_some());
    }

    /// Returns the connection with the oldest turn of the prefix that holds most connections;
    /// `None` if there are no connections.
    pub(super) fn worst(&self) -> Option<Id> {
        let (_, _, prefix) = self.order.last()?;
        self.oldest_of(*prefix)
    }

    /// Returns the connection with the oldest turn of the prefix that
    /// [`largest_beyond`](Self::largest_beyond) returns; `None` if there are no connections.
    pub(super) fn worst_beyond(&self, kept: usize) -> Option<Id> {
        self.oldest_of(self.largest_beyond(kept)?)
    }

    /// Returns the prefix that holds most connections; `None` if there are none. Loopback and the
    /// proxies are passed over while they hold at most `kept` together and another prefix holds any.
    pub(super) fn largest_beyond(&self, kept: usize) -> Option<Prefix> {
        let of_proxies: usize = [Prefix::SHARED, Prefix::ANNOUNCED]
            .iter()
            .filter_map(|one| self.groups.get(one))
            .map(BTreeMap::len)
            .sum();
        let is_spared =
            |(_, _, prefix): &&(usize, Reverse<Turn>, Prefix)| prefix.is_shared() && of_proxies <= kept;
        let mut largest_first = self.order.iter().rev();
        let group = largest_first.find(|group| !is_spared(group)).or_else(|| self.order.last());
        group.map(|(_, _, prefix)| *prefix)
    }

    /// Returns the connection of this prefix with the oldest turn; `None` if it has no connection.
    pub(super) fn oldest_of(&self, prefix: Prefix) -> Option<Id> {
        self.groups.get(&prefix)?.first_key_value().map(|(_, id)| *id)
    }

    fn change(&mut self, prefix: Prefix, change: impl FnOnce(&mut BTreeMap<Turn, Id>) -> bool) {
        let group = self.groups.entry(prefix).or_default();
        let rank = |group: &BTreeMap<Turn, Id>| {
            group.first_key_value().map(|(turn, _)| (group.len(), Reverse(*turn), prefix))
        };
        let before = (group.len(), rank(group));
        let changed = change(group);
        let after = (group.len(), rank(group));
        debug_assert!(changed, "turns are unique and known");
        if let Some(rank) = before.1 {
            self.order.remove(&rank);
        }
        match after.1 {
            Some(rank) => {
                self.order.insert(rank);
            }
            None => {
                self.groups.remove(&prefix);
            }
        }
        self.len = self.len + after.0 - before.0;
    }
}
