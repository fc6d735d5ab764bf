//! Admission of connections and handshakes (spec/12-relay.md section 7).
//!
//! Decisions depend on the network of a peer (its *prefix*), on the stage of its connection, and on
//! the requests from that network in the last ten minutes. They do not depend on anything that a
//! peer says about itself. All of this is in memory. C1 is the first message of a client in the
//! handshake of a link, S1 the relay's answer; a connection is *half-open* until this handshake is
//! over; a *place* is one of the limited number of connections.

mod connections;
mod prefix;
mod ranked;
mod shares;

pub(crate) use connections::{Signal, Signals, Totals};
pub use prefix::Prefix;
pub(crate) use shares::{Rates, Shares};

use crate::bucket::Bucket;
use crate::limits::Limits;
use connections::{Connections, Stage};
use prefix::PrefixKey;
use rand::CryptoRng;
use ranked::Id;
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Decides which connections and handshakes are admitted.
pub(crate) struct Admission {
    key: PrefixKey,
    gate: Mutex<Gate>,
}

/// The changing state of an [`Admission`]: connections, rates and counts.
#[derive(Default)]
struct Gate {
    connections: Connections,
    handshakes: Shares,
    tls_handshakes: Shares,
    /// Bucket from which each valid C1 takes a token, with and without a cookie.
    first_messages: Bucket,
    refused_handshakes: u64,
}

/// The place of one admitted connection. The connection counts against the limits until this is
/// dropped.
pub(crate) struct Connected {
    admission: Arc<Admission>,
    id: Id,
    prefix: Prefix,
    signals: Arc<Signals>,
    /// The last values that `note_use` was given: whether the link has a subscription, and the time
    /// of its last use in whole seconds.
    told: Option<(bool, u32)>,
}

/// The decision on a client's C1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// The relay answers with S1.
    Answer,
    /// The relay asks the client to send C1 again with a cookie.
    AskForCookie,
    /// Too many handshakes are made. The relay sends no S1 to this client now, but asks for a
    /// cookie, so that the client tries once more.
    Refuse,
}

impl Admission {
    pub(crate) fn new(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self { key: PrefixKey::draw(rng), gate: Mutex::default() }
    }

    /// Returns the prefix by which connections from this address are counted.
    pub(crate) fn prefix(&self, address: IpAddr) -> Prefix {
        self.key.prefix(address)
    }

    /// Gives a new connection from `prefix` a place, for which another connection may lose its own.
    /// Returns `None` if the new connection gets no place.
    pub(crate) fn connect(self: &Arc<Self>, prefix: Prefix, limits: &Limits) -> Option<Connected> {
        let (id, signals) = self.locked().connections.connect(prefix, limits)?;
        Some(Connected { admission: Arc::clone(self), id, prefix, signals, told: None })
    }

    /// Counts a valid C1 and decides on it. `cookie`: the client has shown with a cookie that it
    /// receives what is sent to its address.
    pub(crate) fn handshake(&self, prefix: Prefix, cookie: bool, limits: &Limits, now_ms: u64) -> Handshake {
        let mut gate = self.locked();
        let gate = &mut *gate;
        let rates = Rates {
            per_s: limits.handshakes_per_s.into(),
            burst: limits.handshakes_per_s.into(),
            prefix_per_min: u64::from(limits.handshakes_per_s_per_prefix) * 60,
            prefix_burst: limits.handshake_burst_per_prefix.into(),
            unit: 1,
            proxies_percent: limits.proxies_percent,
        };
        // Each C1 counts, whatever else is true of it. A bucket that holds nothing lets the first one through.
        let per_s = limits.cookie_above_per_s.into();
        let too_fast = gate.first_messages.take(1, per_s, per_s, now_ms).is_err() || per_s == 0;
        let many = too_fast
            || gate.connections.half_open() as u64 > limits.cookie_above_half_open.into()
            || gate.handshakes.is_strained(&rates, now_ms);
        // under load, the address is real.
        if many && !cookie && !prefix.is_shared() {
            return Handshake::AskForCookie;
        }
        // not too many in a short time: of one prefix, and over all in fair shares.
        match gate.handshakes.take(prefix, 1, &rates, now_ms) {
            Ok(()) => Handshake::Answer,
            Err(_) => {
                gate.refused_handshakes += 1;
                Handshake::Refuse
            }
        }
    }

    /// Counts a TLS handshake and returns whether it may begin. R-84: no prefix makes too many in a
    /// short time, and all together have fair shares.
    pub(crate) fn admit_tls(&self, prefix: Prefix, limits: &Limits, now_ms: u64) -> bool {
        let rates = Rates {
            per_s: limits.tls_handshakes_per_s.into(),
            burst: limits.tls_handshakes_per_s.into(),
            prefix_per_min: u64::from(limits.tls_handshakes_per_s_per_prefix) * 60,
            prefix_burst: limits.tls_handshake_burst_per_prefix.into(),
            unit: 1,
            proxies_percent: limits.proxies_percent,
        };
        self.locked().tls_handshakes.take(prefix, 1, &rates, now_ms).is_ok()
    }

    /// Ends a connection that can be spared, because the system has no descriptors left. Returns
    /// `false` if no connection can be spared.
    pub(crate) fn give_one_up(&self, limits: &Limits) -> bool {
        self.locked().connections.give_one_up(limits)
    }

    /// Forgets prefixes of which no handshake came in the last ten minutes.
    pub(crate) fn tidy(&self, now_ms: u64) {
        let mut gate = self.locked();
        gate.handshakes.tidy(now_ms);
        gate.tls_handshakes.tidy(now_ms);
    }

    /// Tells all connections that the relay stops.
    pub(crate) fn leave_all(&self) {
        self.locked().connections.leave_all();
    }

    /// Returns the number of open connections.
    pub(crate) fn connections(&self) -> usize {
        self.locked().connections.len()
    }

    /// Returns the number of open connections, and of those among them whose handshake is not over.
    pub(crate) fn open(&self) -> (usize, usize) {
        let gate = self.locked();
        (gate.connections.len(), gate.connections.half_open())
    }

    /// Returns the numbers since the start: of ended and refused connections, and of refused
    /// handshakes of links.
    pub(crate) fn totals(&self) -> (Totals, u64) {
        let gate = self.locked();
        (gate.connections.totals, gate.refused_handshakes)
    }

    fn locked(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connected {
    /// Notes progress of a half-open connection: it has sent the head of a request, or has become a
    /// WebSocket.
    pub(crate) fn came_on(&self, limits: &Limits) {
        self.admission.locked().connections.progress(self.id, Stage::Silent, limits);
    }

    /// Notes that the peer has sent a valid C1.
    pub(crate) fn began_handshake(&self, limits: &Limits) {
        self.admission.locked().connections.progress(self.id, Stage::Shaking, limits);
    }

    /// Notes that the handshake is over: the connection is a link from now on.
    pub(crate) fn established(&self, limits: &Limits) {
        self.signals.becomes_link();
        self.admission.locked().connections.progress(self.id, Stage::Resting, limits);
    }

    /// Counts the connection for `prefix`, the network that a proxy named. Returns `false` if that
    /// network has no room: the connection has then lost its place.
    pub(crate) fn came_from(&mut self, prefix: Prefix, limits: &Limits) -> bool {
        self.prefix = prefix;
        self.admission.locked().connections.relocate(self.id, prefix, limits)
    }

    /// Notes whether the link has a subscription, and the time of its last use in milliseconds.
    /// Cheap when neither has changed, counted in whole seconds.
    pub(crate) fn note_use(&mut self, reading: bool, used_ms: u64, limits: &Limits) {
        let now = (reading, u32::try_from(used_ms / 1_000).unwrap_or(u32::MAX));
        if self.told.replace(now) != Some(now) {
            let stage = if reading { Stage::Reading } else { Stage::Resting };
            self.admission.locked().connections.progress(self.id, stage, limits);
        }
    }

    /// Waits for a signal to the task of the link.
    pub(crate) fn signal(&self) -> impl Future<Output = Signal> + Send + '_ {
        poll_fn(|context| self.signals.poll(context))
    }

    /// Returns the signals to this connection.
    pub(crate) fn signals(&self) -> Arc<Signals> {
        Arc::clone(&self.signals)
    }

    pub(crate) const fn prefix(&self) -> Prefix {
        self.prefix
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.admission.locked().connections.leave(self.id);
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

    #[test]
    fn a_dropped_connection_is_not_counted_and_an_evicted_one_is_told() {
        let gate = gate();
        let limits = Limits { half_open: 2, ..Limits::DEFAULT };
        let first = gate.connect(Prefix::SHARED, &limits).unwrap();
        let signals = first.signals();
        let second = gate.connect(Prefix::SHARED, &limits).unwrap();
        let context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(signals.poll_half_open(&context).is_ready(), "the first silent connection lost its place");
        assert_eq!(gate.connections(), 1);
        drop(first);
        assert_eq!(gate.connections(), 1, "its place was given away already");
        drop(second);
        assert_eq!(gate.connections(), 0);
        assert_eq!(gate.totals().0, Totals { half_open_ended: 1, ..Totals::default() });
    }

    #[test]
    fn load_asks_for_cookies() {
        let limits = Limits {
            cookie_above_per_s: 1,
            handshakes_per_s: 300,
            handshake_burst_per_prefix: 3,
            ..Limits::DEFAULT
        };
        let gate = gate();
        let far = Prefix::numbered(1);
        assert_eq!(gate.handshake(far, false, &limits, 0), Handshake::Answer);
        assert_eq!(gate.handshake(far, false, &limits, 0), Handshake::AskForCookie);
        assert_eq!(gate.handshake(far, true, &limits, 0), Handshake::Answer);
        assert_eq!(gate.handshake(far, true, &limits, 0), Handshake::Answer);
        assert_eq!(gate.handshake(far, true, &limits, 0), Handshake::Refuse);
        assert_eq!(gate.handshake(far, false, &limits, 5_000), Handshake::Answer);
    }

    #[test]
    fn every_valid_c1_counts_towards_cookies_and_a_limit_of_0_asks_every_client() {
        let limits = Limits { cookie_above_per_s: 4, cookie_above_half_open: 0, ..Limits::DEFAULT };
        let gate = gate();
        let far = Prefix::numbered(1);
        let half_open = [0, 1].map(|_| gate.connect(Prefix::SHARED, &limits).unwrap());
        // Two that are asked for another reason, one with a cookie, one of loopback.
        for (prefix, cookie) in [(far, false), (far, false), (far, true), (Prefix::SHARED, false)] {
            gate.handshake(prefix, cookie, &limits, 0);
        }
        drop(half_open);
        assert_eq!(gate.handshake(far, false, &limits, 0), Handshake::AskForCookie);
        assert_eq!(gate.handshake(far, false, &limits, 1_000), Handshake::Answer);
        let limits = Limits { cookie_above_per_s: 0, ..Limits::DEFAULT };
        let gate = self::gate();
        assert_eq!(gate.handshake(far, false, &limits, 0), Handshake::AskForCookie);
        assert_eq!(gate.handshake(far, true, &limits, 0), Handshake::Answer);
        assert_eq!(gate.handshake(Prefix::SHARED, false, &limits, 0), Handshake::Answer);
    }

    #[test]
    fn a_flood_of_tls_handshakes_leaves_the_others_theirs() {
        let (gate, limits) = (gate(), Limits::DEFAULT);
        let honest = Prefix::numbered(9);
        let mut served = 0;
        for ms in 0..20_000_u64 {
            for flooder in 1..=8 {
                served += u64::from(gate.admit_tls(Prefix::numbered(flooder), &limits, ms));
            }
            if ms % 1_000 == 999 {
                assert!(gate.admit_tls(honest, &limits, ms), "{ms}");
            }
        }
        let lasting = u64::from(limits.tls_handshakes_per_s_per_prefix);
        let burst = u64::from(limits.tls_handshake_burst_per_prefix);
        assert!(served <= 8 * (20 * lasting + burst), "{served}");
    }

    #[test]
    fn a_flood_of_handshakes_leaves_the_others_theirs() {
        let (gate, limits) = (gate(), Limits::DEFAULT);
        let honest = Prefix::numbered(9);
        let mut served = 0;
        for ms in 0..20_000_u64 {
            // Two thousand a second from one place that has no limit of its own.
            for _ in 0..2 {
                served += u64::from(gate.handshake(Prefix::SHARED, false, &limits, ms) == Handshake::Answer);
            }
            if ms % 1_000 == 999 {
                let asked = gate.handshake(honest, false, &limits, ms);
                assert_eq!(asked, Handshake::AskForCookie, "an answer, not silence");
                assert_eq!(gate.handshake(honest, true, &limits, ms), Handshake::Answer);
            }
        }
        assert!((9_000..=10_500).contains(&served), "the flood gets the rate over all: {served}");
    }
}
