//! A rate that all prefixes share and no flood can use up, as a value (spec/12-relay.md section 7).
//!
//! Every prefix has a bucket of its own, and all share one. How deep a prefix may reach into the
//! shared bucket depends on how much it took recently: each doubling takes a sixteenth of the burst
//! away, down to half. Prefixes that took more can therefore never take the last tokens, and a
//! prefix that took less always finds some. Loopback and the proxies, which stand for many people,
//! have a part of the rate for themselves. A token is a handshake (of a link, or of TLS), a create
//! or change of a mailbox, a byte of a put, or an entry.

use super::Prefix;
use crate::bucket::Bucket;
use std::collections::{HashMap, VecDeque};

/// Number of milliseconds for which a prefix is remembered after its last request, and after which
/// half of what it took is forgotten (spec/12-relay.md section 7).
pub(crate) const REMEMBERED_MS: u64 = 600_000;
/// Maximum number of prefixes that are remembered (spec/12-relay.md section 7.1). When there are
/// more, one of the oldest is forgotten early.
pub(crate) const MAX_PREFIXES: usize = 32_768;
/// Maximum number of remembered prefixes that one request checks and may forget: above 1, because
/// each request can add one.
const FORGOTTEN_AT_ONCE: usize = 4;
/// Number of doublings of what a prefix took after which its reach falls no more: each takes a
/// sixteenth of the burst, so eight take half.
const MAX_DOUBLINGS: u64 = 8;

/// The rates of one kind of request: `per_s` and `burst` tokens over all prefixes together, and
/// `prefix_per_min` (a minute) and `prefix_burst` tokens of each prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) per_s: u64,
    pub(crate) burst: u64,
    pub(crate) prefix_per_min: u64,
    pub(crate) prefix_burst: u64,
    /// Number of tokens that count as one unit where doublings of what a prefix took are counted:
    /// 1,048,576 where a token is a byte, 128 where it is an entry, and else 1.
    pub(crate) unit: u64,
    /// Percent of `per_s` that is kept for loopback and the proxies; 0 if none is.
    pub(crate) proxies_percent: u8,
}

/// A bucket that all prefixes share, and what each prefix took from it recently.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    all: Bucket,
    /// Bucket of the tokens that are kept for loopback and the proxies, counted in hundredths of a
    /// token.
    of_proxies: Bucket,
    recent: HashMap<Prefix, Recent>,
    /// Every remembered prefix once, in the order in which they were first seen or last checked by
    /// `forget`.
    order: VecDeque<Prefix>,
}

/// The bucket of one prefix, and the amount that it took from the shared one recently.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    own: Bucket,
    /// Number of tokens that the prefix took, halved every [`REMEMBERED_MS`].
    taken: u64,
    halved_ms: u64,
    seen_ms: u64,
}

impl Shares {
    /// Takes tokens for this prefix, or returns the seconds to wait. A refusal takes no tokens.
    pub(crate) fn take(
        &mut self,
        prefix: Prefix,
        tokens: u64,
        rates: &Rates,
        now_ms: u64,
    ) -> Result<(), u16> {
        self.forget(now_ms);
        if !self.recent.contains_key(&prefix) {
            self.order.push_back(prefix);
        }
        let new = Recent { halved_ms: now_ms, ..Recent::default() };
        let recent = self.recent.entry(prefix).or_insert(new);
        recent.seen_ms = now_ms;
        let halvings = now_ms.saturating_sub(recent.halved_ms) / REMEMBERED_MS;
        recent.taken = recent.taken.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0);
        recent.halved_ms = recent.halved_ms.saturating_add(halvings.saturating_mul(REMEMBERED_MS));
        let mut own = recent.own;
        if !prefix.is_shared() {
            // In sixtieths of a token, so that a rate can be less than one a second.
            let (needed, burst) = (tokens.saturating_mul(60), rates.prefix_burst.saturating_mul(60));
            own.take(needed, rates.prefix_per_min, burst, now_ms)?;
        }
        let reach = reach(rates.burst, recent.taken / rates.unit.max(1));
        if let Err(wait) = self.all.take(tokens, rates.per_s, reach, now_ms) {
            // Many people may be behind it, and they took more than any flooder: a part of the rate is theirs.
            let (percent, needed) = (u64::from(rates.proxies_percent), tokens.saturating_mul(100));
            let rate = percent.saturating_mul(rates.per_s);
            let burst = (percent.saturating_mul(rates.burst) / 4).max(needed);
            if !prefix.is_shared()
                || percent == 0
                || self.of_proxies.take(needed, rate, burst, now_ms).is_err()
            {
                return Err(wait);
            }
            self.all.owe(tokens, rates.per_s, now_ms);
        }
        recent.own = own;
        recent.taken = recent.taken.saturating_add(tokens);
        Ok(())
    }

    /// Whether more than half of the shared burst is used up.
    pub(crate) fn is_strained(&self, rates: &Rates, now_ms: u64) -> bool {
        let mut all = self.all;
        all.take(1, rates.per_s, (rates.burst / 2).max(1), now_ms).is_err()
    }

    /// Forgets every prefix without a request in the last [`REMEMBERED_MS`].
    pub(crate) fn tidy(&mut self, now_ms: u64) {
        self.recent.retain(|_, recent| now_ms.saturating_sub(recent.seen_ms) < REMEMBERED_MS);
        self.order.retain(|prefix| self.recent.contains_key(prefix));
    }

    /// Checks the prefixes at the front of the order, at most [`FORGOTTEN_AT_ONCE`], and forgets
    /// those without a request in the last [`REMEMBERED_MS`], or any while there are
    /// [`MAX_PREFIXES`].
    fn forget(&mut self, now_ms: u64) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let Some(prefix) = self.order.front().copied() else { return };
            let seen_ms = self.recent.get(&prefix).map_or(0, |recent| recent.seen_ms);
            let is_old = now_ms.saturating_sub(seen_ms) >= REMEMBERED_MS;
            if !is_old && self.order.len() < MAX_PREFIXES {
                // Those behind it are looked at when it is their turn.
                self.order.rotate_left(1);
                continue;
            }
            self.order.pop_front();
            self.recent.remove(&prefix);
        }
    }
}

/// Returns the number of tokens of the shared burst that may be missing after a request of a prefix
/// that took `taken` units recently.
fn reach(burst: u64, taken: u64) -> u64 {
    let doublings = u64::from(taken.saturating_add(1).ilog2()).min(MAX_DOUBLINGS);
    (burst - burst.saturating_mul(doublings) / (2 * MAX_DOUBLINGS)).max(1)
}

#[cfg(test)]
mod tests;
