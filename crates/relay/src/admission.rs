//! Who may connect and shake hands (spec/12-relay.md section 7).
//!
//! Address prefixes are known by a keyed hash, in memory, for ten minutes after they were last seen; the key is drawn
//! at each start. Loopback is not counted: a proxy lives there.

use crate::bucket::Bucket;
use crate::labels;
use crate::limits::Limits;
use deaddrop_primitives::{hash::sha256, secret_bytes};
use rand::CryptoRng;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

secret_bytes! {
    struct PrefixKey[32];
}

/// Milliseconds for which a prefix is remembered.
const REMEMBERED_MS: u64 = 600_000;
/// Prefixes remembered; when there are more, those without connections are forgotten early.
const MOST_PREFIXES: usize = 65_536;

/// What an address counts as.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Prefix(Option<[u8; 16]>);

impl Prefix {
    /// What a cookie is bound to.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| bytes.as_slice())
    }
}

impl std::fmt::Debug for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prefix(..)")
    }
}

/// The gate.
pub(crate) struct Admission {
    key: PrefixKey,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: u32,
    half_open: u32,
    handshakes: Bucket,
    unasked: Bucket,
    prefixes: HashMap<[u8; 16], Seen>,
}

#[derive(Default)]
struct Seen {
    connections: u32,
    handshakes: Bucket,
    seen_ms: u64,
}

/// A connection that counts until this is dropped.
pub(crate) struct Connected {
    admission: Arc<Admission>,
    prefix: Prefix,
    half_open: bool,
}

/// What a handshake may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// Go on.
    Answer,
    /// Only with a cookie.
    AskForCookie,
    /// Not now.
    Refuse,
}

impl Admission {
    pub(crate) fn new(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { key: PrefixKey::generate(rng), counts: Mutex::default() }
    }

    /// What this address counts as.
    pub(crate) fn prefix(&self, address: IpAddr) -> Prefix {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Prefix(None);
        }
        let hash = |kind: u8, bytes: &[u8]| {
            let hash = sha256(&[labels::RELAY_PREFIX, self.key.expose(), &[kind], bytes]);
            hash.first_chunk().copied()
        };
        Prefix(match address {
            IpAddr::V4(v4) => hash(4, v4.octets().first_chunk::<3>().map_or(&[], |prefix| prefix)),
            IpAddr::V6(v6) => hash(6, v6.octets().first_chunk::<7>().map_or(&[], |prefix| prefix)),
        })
    }

    /// Counts a connection, if there is room for it.
    pub(crate) fn connect(
        self: &Arc<Self>,
        prefix: Prefix,
        limits: &Limits,
        now_ms: u64,
    ) -> Option<Connected> {
        let mut counts = self.locked();
        // as many connections as the limits say, over all, half open, and of one prefix.
        if counts.connections >= limits.connections || counts.half_open >= limits.half_open {
            return None;
        }
        if let Some(prefix) = prefix.0 {
            counts.forget(now_ms);
            let seen = counts.prefixes.entry(prefix).or_default();
            if seen.connections >= limits.connections_per_prefix {
                return None;
            }
            seen.connections += 1;
            seen.seen_ms = now_ms;
        }
        counts.connections += 1;
        counts.half_open += 1;
        Some(Connected { admission: Arc::clone(self), prefix, half_open: true })
    }

    /// Counts a handshake. With `cookie`, the client has shown that it receives what is sent to its address.
    pub(crate) fn handshake(&self, prefix: Prefix, cookie: bool, limits: &Limits, now_ms: u64) -> Handshake {
        let mut counts = self.locked();
        let per_s = limits.cookie_above_per_s.into();
        let many = counts.half_open > limits.cookie_above_half_open
            || counts.unasked.take(1, per_s, per_s, now_ms).is_err();
        // under load, whose address is real.
        if many && !cookie && prefix.0.is_some() {
            return Handshake::AskForCookie;
        }
        // not too many in a short time, of one prefix and over all.
        let (rate, burst) =
            (limits.handshakes_per_s_per_prefix.into(), limits.handshake_burst_per_prefix.into());
        let seen = prefix.0.and_then(|prefix| counts.prefixes.get_mut(&prefix));
        let of_prefix = seen.is_none_or(|seen| seen.handshakes.take(1, rate, burst, now_ms).is_ok());
        let all = limits.handshakes_per_s.into();
        match of_prefix && counts.handshakes.take(1, all, all, now_ms).is_ok() {
            true => Handshake::Answer,
            false => Handshake::Refuse,
        }
    }

    /// Connections now.
    pub(crate) fn connections(&self) -> u32 {
        self.locked().connections
    }

    fn locked(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn forget(&mut self, now_ms: u64) {
        if self.prefixes.len() < 1_024 {
            return;
        }
        let crowded = self.prefixes.len() >= MOST_PREFIXES;
        self.prefixes.retain(|_, seen| {
            seen.connections > 0 || !crowded && now_ms.saturating_sub(seen.seen_ms) < REMEMBERED_MS
        });
    }
}

impl Connected {
    /// The handshake is over.
    pub(crate) fn established(&mut self) {
        if std::mem::take(&mut self.half_open) {
            let mut counts = self.admission.locked();
            counts.half_open = counts.half_open.saturating_sub(1);
        }
    }

    pub(crate) const fn prefix(&self) -> Prefix {
        self.prefix
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.established();
        let mut counts = self.admission.locked();
        counts.connections = counts.connections.saturating_sub(1);
        if let Some(seen) = self.prefix.0.and_then(|prefix| counts.prefixes.get_mut(&prefix)) {
            seen.connections = seen.connections.saturating_sub(1);
        }
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Arc<Admission> {
        Arc::new(Admission::new(&mut deaddrop_testkit::rng(1)))
    }

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn neighbours_share_a_prefix_and_loopback_has_none() {
        let gate = gate();
        assert!(gate.prefix(at("192.0.2.1")) == gate.prefix(at("::ffff:192.0.2.255")));
        assert!(gate.prefix(at("192.0.2.1")) != gate.prefix(at("192.0.3.1")));
        assert!(gate.prefix(at("2001:db8:0:1ff::1")) == gate.prefix(at("2001:db8:0:100::2")));
        assert!(gate.prefix(at("2001:db8:0:1ff::1")) != gate.prefix(at("2001:db8:0:200::1")));
        assert!(gate.prefix(at("127.0.0.1")).0.is_none() && gate.prefix(at("::1")).0.is_none());
    }

    #[test]
    fn connections_are_counted_while_they_live() {
        let limits = Limits { connections: 3, connections_per_prefix: 2, half_open: 2, ..Limits::DEFAULT };
        let gate = gate();
        let (near, far) = (gate.prefix(at("192.0.2.1")), gate.prefix(at("198.51.100.1")));
        let mut one = gate.connect(near, &limits, 0).unwrap();
        let mut two = gate.connect(near, &limits, 0).unwrap();
        assert!(gate.connect(far, &limits, 0).is_none(), "half open");
        one.established();
        two.established();
        assert!(gate.connect(near, &limits, 0).is_none(), "of one prefix");
        let three = gate.connect(far, &limits, 0).unwrap();
        assert!(gate.connect(gate.prefix(at("::1")), &limits, 0).is_none(), "over all");
        drop((one, three));
        assert!(gate.connect(near, &limits, 0).is_some());
        assert_eq!(gate.connections(), 1);
    }

    #[test]
    fn load_asks_for_cookies() {
        let limits = Limits { cookie_above_per_s: 1, handshakes_per_s: 3, ..Limits::DEFAULT };
        let gate = gate();
        let far = gate.prefix(at("198.51.100.1"));
        assert_eq!(gate.handshake(far, false, &limits, 0), Handshake::Answer);
        assert_eq!(gate.handshake(far, false, &limits, 0), Handshake::AskForCookie);
        assert_eq!(gate.handshake(far, true, &limits, 0), Handshake::Answer);
        assert_eq!(gate.handshake(far, true, &limits, 0), Handshake::Answer);
        assert_eq!(gate.handshake(far, true, &limits, 0), Handshake::Refuse);
        assert_eq!(gate.handshake(far, false, &limits, 5_000), Handshake::Answer);
    }
}
