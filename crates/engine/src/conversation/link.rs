//! A link after its handshake: records and items, pings, and the silence after which its relay is
//! taken for lost.

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

/// Seconds between two pings of this client, as it proposes them to the relay in its Hello
/// (spec/14-client.md section 6).
pub(super) const PING_S: u16 = 45;

/// An encrypted record that is to be sent.
pub struct SealedRecord {
    /// The bytes of the record.
    pub bytes: Vec<u8>,
    /// Number of bytes of the record that answer items of the relay: all but those of blobs that
    /// this client puts. The records of one call of [`Link::seal`] are counted as one: the bytes of
    /// its blobs are taken to be at its end.
    pub reply_bytes: usize,
}

/// The decrypted content of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OpenedRecord {
    /// The items for the conversation: all but pings and items of unknown kinds.
    pub items: Vec<Item>,
    /// Items to be sent back at once: a Pong for each Ping, and an Error for each item of an
    /// unknown kind that is marked critical.
    pub replies: Vec<Item>,
}

/// A link whose handshake is done: its keys, and the times of its pings.
pub struct Link {
    seal: SealHalf,
    open: OpenHalf,
    opened: LinkInfo,
    pulse: Pulse,
}

impl Link {
    /// Creates the link to a relay whose Hello has just come. `period` is the time between two
    /// pings, `bytes_read` the number of bytes that have come over the connection so far.
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

    /// Returns the facts from the relay's Hello, and the IP address at which the relay was reached.
    pub const fn opened(&self) -> LinkInfo {
        self.opened
    }

    /// Encrypts items, in their order, into records. Fails if a list in an item is too long to be
    /// encoded, or if the keys of the link are used up.
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

    /// Decrypts the next record in place. Fails if it is not authentic, or if its items are
    /// malformed.
    pub fn open(&mut self, record: &mut [u8]) -> Result<OpenedRecord, LinkClosed> {
        self.open.open_in_place(record).map(sort).map_err(|_| LinkClosed)
    }

    /// Returns a ping if one is due and nothing else is queued on the line; `None` otherwise. Fails
    /// if the relay has been silent for too long. Called at the [`deadline`](Self::deadline), or
    /// earlier.
    pub fn look(&mut self, line: &LineState, now: Moment) -> Result<Option<Ping>, LinkClosed> {
        self.pulse.look(line, now)
    }

    /// Returns the time at which [`look`](Self::look) is to be called.
    pub fn deadline(&self) -> Moment {
        self.pulse.deadline()
    }
}

/// Separates the items for the conversation from those that the link itself answers, and makes the
/// answers.
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

/// Returns the length of the blob of a Put, in bytes; 0 for another item.
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
    /// The time of the last look at which a byte had come from the relay since the look before, or
    /// bytes were still queued for it; at first, the time at which the link was opened.
    heard: Moment,
    /// Number of bytes that had come from the relay by the time `heard`.
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

    /// Returns the time without a byte from the relay after which it is taken for lost: 2.5 periods
    /// of pings, and at least 2.5 times [`PING_S`]. A relay that asks for more frequent pings does
    /// not shorten that minimum, because an answer takes long on a slow line.
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

    /// Looks at the pulse at each of its deadlines. Returns the seconds at which pings were sent,
    /// and the second at which the relay was taken for lost; `None` if it was not by the second
    /// `until`.
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
