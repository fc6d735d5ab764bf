//! The things that clients do in a history: requests, floods, acks and breaches, chosen at random.

use super::chance::Chance;
use super::link::SubModel;
use super::{Asked, History, OWNERS, READERS, SENDERS, Said};
use deaddrop_wire::item::*;

/// Blobs whose number is a multiple of this one are acked only when the history ends. So some blobs
/// are never acked while the history runs.
const NEVER_ACKED: u32 = 9;

impl History {
    /// Returns one to three random items, for one record of the client of link `at`.
    pub(super) fn items(&mut self, at: usize, chance: &mut Chance) -> Vec<Said> {
        (0..=chance.below(3)).map(|_| self.item(at, chance)).collect()
    }

    fn item(&mut self, at: usize, chance: &mut Chance) -> Said {
        match chance.below(24) {
            0..12 => {
                let put = self.put(chance);
                self.asked(put)
            }
            12 => {
                let change = self.change(chance);
                self.asked(change)
            }
            13..18 => self.subscribe(at, chance),
            18 | 19 => {
                let number = self.number();
                let subs = self.links[at].model.subs.keys().copied();
                let named = subs.filter(|_| chance.below(3) == 0).chain([number]).collect();
                Said::Unsubscribe(self.number(), named)
            }
            20 | 21 => {
                let (blobs, bytes) = chance.window();
                Said::Window(blobs, bytes)
            }
            22 => Said::About(self.number()),
            _ => Said::Ping(self.number()),
        }
    }

    /// Returns a put of a new blob, or of one that is stored already.
    fn put(&mut self, chance: &mut Chance) -> Asked {
        let send = chance.number(1, OWNERS);
        let send = if chance.below(5) == 0 { chance.number(1, SENDERS) } else { send };
        if self.blobs > 0 && chance.below(6) == 0 {
            let stored = self.relay.mailboxes.iter().flat_map(|mailbox| &mailbox.blobs);
            let stored: Vec<_> = stored.map(|blob| (blob.number, blob.class)).collect();
            if !stored.is_empty() {
                let (number, class) = chance.pick(&stored);
                return Asked::Put { send, number, class };
            }
        }
        self.blobs += 1;
        Asked::Put { send, number: self.blobs, class: chance.class() }
    }

    fn change(&mut self, chance: &mut Chance) -> Asked {
        let own = chance.number(1, OWNERS);
        let (send, read) = (chance.number(1, SENDERS), chance.number(1, READERS));
        match chance.below(16) {
            0..7 => {
                let sends = (0..chance.below(4)).map(|_| (chance.number(1, SENDERS), chance.number(0, 9)));
                let sends = sends.chain([(own, own)]).collect();
                let quotas =
                    [QuotaClass::Few, QuotaClass::Single, QuotaClass::Usual, QuotaClass::from_code(9)];
                let read = if chance.below(3) == 0 { read } else { own };
                chance.create(own, read, sends, &quotas)
            }
            7..10 => Asked::Grant { own, send, via: chance.number(0, 9) },
            10 => Asked::Revoke { own, send },
            11 | 12 => Asked::Renew { own },
            13 | 14 => Asked::Rekey { own, read },
            _ => Asked::Delete { own },
        }
    }

    fn subscribe(&mut self, at: usize, chance: &mut Chance) -> Said {
        let model = &self.links[at].model;
        let have = model.subs.keys().filter(|sub| model.is_live_or_claimed(**sub)).count();
        let most = (self.relay.limits.subscriptions as usize).saturating_sub(have).min(4);
        let count = if most == 0 { 0 } else { chance.below(most + 1) };
        let subs = (0..count).map(|_| (self.number(), chance.number(1, READERS))).collect();
        Said::Subscribe(self.number(), subs)
    }

    /// Lets the client of link `at` send 4, 16 or 30 puts, or as many requests of owners, in one
    /// record: often more than the rates allow.
    pub(super) fn flood(&mut self, at: usize, chance: &mut Chance) -> Result<(), String> {
        let is_put = chance.below(3) > 0;
        let send = chance.number(1, OWNERS);
        let mut said = Vec::new();
        for _ in 0..chance.pick(&[4, 16, 30]) {
            let asked = if is_put {
                self.blobs += 1;
                Asked::Put { send, number: self.blobs, class: chance.class() }
            } else {
                self.change(chance)
            };
            said.push(self.asked(asked));
        }
        self.say(at, said)
    }

    /// Lets the client of link `at` ack some or all of the blobs in flight to it, except those of
    /// [`NEVER_ACKED`].
    pub(super) fn ack_some(&mut self, at: usize, chance: &mut Chance) -> Result<(), String> {
        let all = chance.below(2) == 0;
        let mut entries = Vec::new();
        for (number, sub) in self.links[at].model.live() {
            let is_kept = |tag: &u32| {
                let blob = sub.claim.and_then(|claim| self.relay.blob(claim, sub.blob_of(*tag)));
                blob.is_some_and(|blob| blob.number % NEVER_ACKED == 0)
            };
            let free: Vec<u32> = sub.unacked.iter().copied().filter(|tag| !is_kept(tag)).collect();
            let first_kept = sub.unacked.iter().copied().find(is_kept);
            let upto = match first_kept {
                Some(kept) => kept - 1,
                None => sub.last_tag(),
            };
            let also = free.into_iter().filter(|_| all || chance.below(2) == 0).take(64).collect();
            let upto = if all || chance.below(3) == 0 { upto } else { 0 };
            entries.push(AckEntry { sub: number, upto, also });
        }
        self.say(at, vec![Said::Ack(entries)])
    }

    /// Returns an entry of an Ack that has no effect: of a subscription that has ended, never
    /// existed or is being claimed, or of blobs that were acked before, or of no blobs.
    pub(super) fn late_ack(&mut self, at: usize, chance: &mut Chance) -> AckEntry {
        let model = &self.links[at].model;
        let subs: Vec<u32> = model.subs.keys().copied().chain([0]).collect();
        let sub = chance.pick(&subs);
        let last = model.subs.get(&sub).map_or(1, SubModel::last_tag);
        let is_held = model.subs.get(&sub).is_some_and(|sub| !sub.unacked.is_empty());
        let upto = if is_held || model.is_claiming(sub) { 0 } else { last };
        AckEntry { sub, upto, also: vec![] }
    }

    /// Lets the client of link `at` send a record with valid items and, behind them, one that
    /// breaks a rule.
    pub(super) fn breach(&mut self, at: usize, chance: &mut Chance) -> Result<(), String> {
        let model = &self.links[at].model;
        let live: Vec<(u32, u32)> = model.live().map(|(number, sub)| (number, sub.last_tag())).collect();
        let fresh = self.numbers + 1_000;
        let wrong = match chance.below(5) {
            0 => Said::Hello,
            1 => Said::CaughtUp,
            2 => Said::Subscribe(fresh, (0..9).map(|number| (fresh + number, 1)).collect()),
            3 => Said::Subscribe(fresh, vec![(fresh, 1), (fresh, 2)]),
            _ if live.is_empty() => Said::Subscribe(fresh, vec![(fresh, 1), (fresh, 1)]),
            _ => {
                let (sub, last) = chance.pick(&live);
                let (upto, also) = chance.pick(&[(last + 1, None), (0, Some(0)), (0, Some(last + 1))]);
                Said::Ack(vec![AckEntry { sub, upto, also: also.into_iter().collect() }])
            }
        };
        let mut said = self.items(at, chance);
        said.push(wrong);
        self.say(at, said)
    }
}
