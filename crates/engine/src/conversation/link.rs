//! A link after its handshake: records and items, pings, and the silence after which its relay is taken for lost.

use super::{
    end::LinkClosed,
    line::{LineState, LinkInfo},
    moment::Moment,
};
use deaddrop_link::{OpenHalf, SealHalf};
use deaddrop_wire::{
    Item, Received, Unsupported,
    item::{Ping, Pong},
};
use std::time::Duration;

/// Seconds between pings that this client asks for.
pub(super) const PING_S: u16 = 45;

/// A record that is to be sent.
pub struct SealedRecord {
    /// The record.
    pub bytes: Vec<u8>,
    /// Number of its bytes that answer items of the relay.
    pub reply_bytes: usize,
}

/// The content of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OpenedRecord {
    /// The items, without those that concern the link alone.
    pub items: Vec<Item>,
    /// The answers to the items that concern the link alone.
    pub replies: Vec<Item>,
}

/// An open link.
pub struct Link {
    seal: SealHalf,
    open: OpenHalf,
    opened: LinkInfo,
    pulse: Pulse,
}

impl Link {
    /// Creates the link to a relay whose Hello has just come. `period` is the time between two pings, `bytes_read` the number of
    /// bytes that have come so far.
    pub(super) fn new(
        seal: SealHalf,
        open: OpenHalf,
        opened: LinkInfo,
        period: Duration,
        bytes_read: u64,
        now: Moment,
    ) -> Self {
        Self { seal, open, opened, pulse: Pulse::new(period, bytes_read, now) }
    }

    /// Returns what the relay's Hello says, and the address at which the relay was reached.
    pub const fn opened(&self) -> LinkInfo {
        self.opened
    }

    /// Seals items in their order; fails if a list is too long, or if the keys of the link are used up.
    pub fn seal(&mut self, items: &[Item]) -> Result<Vec<SealedRecord>, LinkClosed> {
        let records = self.seal.seal(items).map_err(|_| LinkClosed)?;
        // All but the blobs that we put are replies to the relay.
        let put: usize = items.iter().map(put_bytes).sum();
        let mut replies = records.iter().map(Vec::len).sum::<usize>().saturating_sub(put);
        let record = |bytes: Vec<u8>| {
            let reply_bytes = replies.min(bytes.len());
            replies -= reply_bytes;
            SealedRecord { bytes, reply_bytes }
        };
        Ok(records.into_iter().map(record).collect())
    }

    /// Opens the next record; fails if it does not open, or if its items are malformed.
    pub fn open(&mut self, record: &mut [u8]) -> Result<OpenedRecord, LinkClosed> {
        self.open.open_in_place(record).map(sort).map_err(|_| LinkClosed)
    }

    /// Looks at the line: returns a ping that is due. Fails if the relay has been silent for too long.
    pub fn look(&mut self, line: &LineState, now: Moment) -> Result<Option<Ping>, LinkClosed> {
        self.pulse.look(line, now)
    }

    /// Returns the time of the next look, which is due without an event.
    pub fn deadline(&self) -> Moment {
        self.pulse.deadline()
    }
}

/// Answers the items that concern the link alone, and returns the others.
pub(super) fn sort(received: Received) -> OpenedRecord {
    // Only a relay answers a Put, so one that came here gets no answer.
    let is_unknown = |unsupported: &&Unsupported| matches!(unsupported, Unsupported::Kind(_));
    let unknown = received.unsupported.iter().filter(is_unknown).map(|unsupported| unsupported.answer());
    let mut incoming =
        OpenedRecord { items: Vec::with_capacity(received.items.len()), replies: unknown.collect() };
    for item in received.items {
        match item {
            Item::Ping(ping) => incoming.replies.push(Pong { nonce: ping.nonce }.into()),
            other => incoming.items.push(other),
        }
    }
    incoming
}

/// Returns the number of bytes of a blob that this client puts; 0 for another item.
fn put_bytes(item: &Item) -> usize {
    match item {
        Item::Put(put) => put.blob.as_bytes().len(),
        _ => 0,
    }
}

/// The pings of a link, and the time at which its relay was last heard.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    /// Time between two pings.
    period: Duration,
    next_ping: Moment,
    /// The last time at which the relay was heard, or at which something still waited for it.
    heard: Moment,
    /// Number of bytes that had come at that time.
    heard_bytes: u64,
}

impl Pulse {
    const fn new(period: Duration, bytes_read: u64, now: Moment) -> Self {
        Self { period, next_ping: now.plus(period), heard: now, heard_bytes: bytes_read }
    }

    fn look(&mut self, line: &LineState, now: Moment) -> Result<Option<Ping>, LinkClosed> {
        // While something waits the pace decides; a relay that is still taking it cannot answer what stands behind.
        if line.is_sending || line.read != self.heard_bytes {
            (self.heard, self.heard_bytes) = (now, line.read);
        }
        if now >= self.heard.plus(self.silence()) {
            return Err(LinkClosed);
        }
        if now < self.next_ping {
            return Ok(None);
        }
        self.next_ping = now.plus(self.period);
        // A ping is needless then: the relay hears what waits.
        Ok((!line.is_sending).then_some(Ping { nonce: 0 }))
    }

    fn deadline(&self) -> Moment {
        self.next_ping.min(self.heard.plus(self.silence()))
    }

    /// Returns the silence after which the relay is taken for lost. A relay that wants pings more often does not shorten it: on a
    /// slow line an answer takes its time.
    fn silence(&self) -> Duration {
        self.period.max(Duration::from_secs(PING_S.into())) * 5 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn after(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    /// Looks at each deadline. Returns the seconds of the pings, and the second at which the relay is taken for lost.
    fn pings(period: u64, is_answered: bool, until: u64) -> (Vec<u64>, Option<u64>) {
        let mut pulse = Pulse::new(Duration::from_secs(period), 0, after(0));
        let (mut pings, mut line) = (Vec::new(), LineState::default());
        loop {
            let now = pulse.deadline();
            if now > after(until) {
                return (pings, None);
            }
            match pulse.look(&line, now) {
                Ok(Some(_)) => {
                    pings.push(now.since_start().as_secs());
                    line.read += u64::from(is_answered);
                }
                Ok(None) => {}
                Err(LinkClosed) => return (pings, Some(now.since_start().as_secs())),
            }
        }
    }

    #[test]
    fn a_relay_is_pinged_and_left_when_it_is_silent_for_two_and_a_half_periods() {
        assert_eq!(pings(45, true, 1_000), ((1..=22).map(|n| 45 * n).collect(), None));
        assert_eq!(pings(45, false, 1_000), (vec![45, 90], Some(112)));
        assert_eq!(pings(100, false, 1_000), (vec![100, 200], Some(250)));
        let (often, lost) = pings(2, false, 1_000);
        assert_eq!((often.len(), lost), (56, Some(112)), "pings that a relay wants often do not shorten it");
    }

    #[test]
    fn a_line_that_takes_what_is_queued_is_neither_silent_nor_pinged() {
        let mut pulse = Pulse::new(Duration::from_secs(45), 0, after(0));
        let line = LineState { is_sending: true, ..LineState::default() };
        for second in (10..1_000).step_by(10) {
            assert_eq!(pulse.look(&line, after(second)), Ok(None));
        }
        assert_eq!(pulse.look(&LineState::default(), after(1_102)), Ok(Some(Ping { nonce: 0 })));
        assert_eq!(pulse.look(&LineState::default(), after(1_103)), Err(LinkClosed));
    }

    #[test]
    fn pings_and_unknown_items_are_answered_by_the_link() {
        let items = vec![Ping { nonce: 7 }.into(), Pong { nonce: 8 }.into()];
        let received = Received { items, unsupported: vec![Unsupported::Kind(0x8f)], ..Received::default() };
        let incoming = sort(received);
        assert_eq!(incoming.items, [Pong { nonce: 8 }.into()]);
        assert_eq!(incoming.replies, [Unsupported::Kind(0x8f).answer(), Pong { nonce: 7 }.into()]);
    }
}
