//! The bytes of the relay's records (spec/12-relay.md section 3).

use super::queue::Resident;
use super::sends::Sends;
use crate::clock::Calendar;
use crate::names::{Handle, IndexKey, Name};
use crate::statistics::History;
use crate::store::RecordId;
use deaddrop_shred::{Entry, Record, RecordKey};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass};
use deaddrop_wire::{Day, SizeClass};

/// First byte of `meta` of a mailbox's record. This byte tells the kind of a record without its
/// body; the next constants are those of a blob, of the day, of the statistics and of the index key.
const MAILBOX: u8 = 1;
const BLOB: u8 = 2;
const DAY: u8 = 3;
const STATISTICS: u8 = 4;
const INDEX: u8 = 5;

/// Key of the record that remembers the calendar (the day).
pub(crate) const DAY_KEY: RecordKey = RecordKey([0xff; 16]);
/// Key of the record that holds the statistics of the last days.
pub(crate) const STATISTICS_KEY: RecordKey = RecordKey([0xfe; 16]);
/// Keys of the two records that hold the same index key.
pub(crate) const INDEX_KEYS: [RecordKey; 2] = [RecordKey([0xfc; 16]), RecordKey([0xfd; 16])];

/// First byte of the body of a mailbox's record: the version of its format.
const VERSION: u8 = 1;
/// Maximum number of senders that a mailbox's record can hold: their count is one byte.
pub(crate) const MAX_RECORDED_SENDS: usize = 255;

/// The lasting part of a mailbox: the contents of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lasting {
    pub(crate) own: Name,
    pub(crate) read: Name,
    pub(crate) sends: Sends,
    pub(crate) lease: LeaseClass,
    pub(crate) quota: QuotaClass,
    pub(crate) flags: CreateFlags,
    /// Last day of the lease.
    pub(crate) ends: Day,
    /// Last day on which the mailbox may still be unused; `None` once it was used.
    pub(crate) unused_until: Option<Day>,
}

/// The kind of a record of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mailbox(Handle),
    Blob {
        handle: Handle,
        via: u8,
        class: SizeClass,
    },
    /// The record that remembers the calendar, with the day in its head. Its body holds the day
    /// from which on things expire.
    Day(Day),
    /// One of the records that hold the key of the index.
    IndexKey,
    /// The record that holds the statistics of the last days.
    Statistics,
    /// Another first byte of `meta`, or a blob whose length is that of no class.
    Unknown,
}

pub(crate) fn kind(entry: &Entry) -> Kind {
    let [kind, via, handle @ ..] = entry.meta;
    let handle = Handle::from_bytes(handle);
    match kind {
        MAILBOX => Kind::Mailbox(handle),
        BLOB => match usize::try_from(entry.length).ok().and_then(SizeClass::of_len) {
            Some(class) => Kind::Blob { handle, via, class },
            None => Kind::Unknown,
        },
        DAY => Kind::Day(Day::from_number(entry.expiry_day)),
        INDEX => Kind::IndexKey,
        STATISTICS => Kind::Statistics,
        _ => Kind::Unknown,
    }
}

pub(crate) fn mailbox_key(handle: Handle) -> RecordKey {
    let mut key = [0; 16];
    if let Some(place) = key.first_chunk_mut() {
        *place = handle.to_bytes();
    }
    RecordKey(key)
}

pub(crate) fn mailbox(handle: Handle, lasting: &Lasting) -> Record {
    Record {
        key: mailbox_key(handle),
        meta: meta(MAILBOX, 0, handle),
        expiry_day: lasting.ends.number(),
        body: encode(lasting),
    }
}

pub(crate) fn blob(key: RecordKey, handle: Handle, via: u8, expiry: Day, body: Vec<u8>) -> Record {
    Record { key, meta: meta(BLOB, via, handle), expiry_day: expiry.number(), body }
}

/// Makes the record that remembers a calendar. Its body is empty unless expiry pauses.
pub(crate) fn day(calendar: Calendar) -> Record {
    let no_mailbox = Handle::from_bytes([0; 6]);
    let Calendar { day, expires_from } = calendar;
    let body = if expires_from > day { expires_from.number().to_le_bytes().to_vec() } else { Vec::new() };
    Record { key: DAY_KEY, meta: meta(DAY, 0, no_mailbox), expiry_day: day.number(), body }
}

/// Makes a record that holds the key of the index and never expires.
pub(crate) fn index_key(at: RecordKey, key: &IndexKey) -> Record {
    let no_mailbox = Handle::from_bytes([0; 6]);
    Record { key: at, meta: meta(INDEX, 0, no_mailbox), expiry_day: 0, body: key.expose().to_vec() }
}

/// Makes the record that holds these statistics, with their newest day in its head.
pub(crate) fn statistics(history: &History) -> Record {
    let no_mailbox = Handle::from_bytes([0; 6]);
    let newest = history.newest().unwrap_or(Day::from_number(0));
    let (key, meta) = (STATISTICS_KEY, meta(STATISTICS, 0, no_mailbox));
    Record { key, meta, expiry_day: newest.number(), body: history.encode() }
}

/// Decodes the record that remembers the calendar, with the day `day` in its head. `body` is `None`
/// if it could not be read: this counts as a pause of expiry that begins on `day`.
pub(crate) fn calendar(day: Day, body: Option<&[u8]>) -> Calendar {
    match body {
        Some([]) => Calendar { day, expires_from: Day::from_number(0) },
        Some(&[a, b, c, d]) => {
            Calendar { day, expires_from: Day::from_number(u32::from_le_bytes([a, b, c, d])) }
        }
        // a body that says something else is taken for a pause that begins today.
        _ => Calendar::after_large_step(day),
    }
}

/// Whether the record's key is a hash of its body. This is so for blobs alone.
pub(crate) fn names_body(record: &Record) -> bool {
    record.meta.first() == Some(&BLOB)
}

/// Makes the entry of a durable blob from the head of its record.
pub(crate) fn resident(entry: &Entry, via: u8, class: SizeClass) -> Resident {
    Resident {
        id: RecordId(entry.order),
        key: entry.key,
        class,
        via,
        expiry: Day::from_number(entry.expiry_day),
        hot: None,
        dying: false,
    }
}

fn meta(kind: u8, via: u8, handle: Handle) -> [u8; 8] {
    let [a, b, c, d, e, f] = handle.to_bytes();
    [kind, via, a, b, c, d, e, f]
}

fn encode(lasting: &Lasting) -> Vec<u8> {
    let Lasting { own, read, sends, lease, quota, flags, ends, unused_until } = lasting;
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&own.0);
    bytes.extend_from_slice(&read.0);
    bytes.extend_from_slice(&[lease.code(), quota.code(), flags.0]);
    bytes.extend_from_slice(&ends.number().to_le_bytes());
    bytes.extend_from_slice(&unused_until.map_or(u32::MAX, Day::number).to_le_bytes());
    // The limit on senders is far below.
    bytes.push(u8::try_from(sends.len()).unwrap_or(u8::MAX));
    for (name, via) in sends.iter().take(MAX_RECORDED_SENDS) {
        bytes.extend_from_slice(&name.0);
        bytes.push(via);
    }
    bytes
}

/// Decodes a mailbox's record; `None` if it is malformed. Strict: every mailbox has one encoding.
pub(crate) fn decode(bytes: &[u8]) -> Option<Lasting> {
    let (&VERSION, rest) = bytes.split_first()? else { return None };
    let (own, rest) = rest.split_first_chunk()?;
    let (read, rest) = rest.split_first_chunk()?;
    let (&[lease, quota, flags], rest) = rest.split_first_chunk()?;
    let (ends, rest) = rest.split_first_chunk()?;
    let (unused, rest) = rest.split_first_chunk()?;
    let (&count, rest) = rest.split_first()?;
    let (lease, quota, flags) =
        (LeaseClass::from_code(lease), QuotaClass::from_code(quota), CreateFlags(flags));
    // a record of a mailbox has known classes and flags, and as many senders as it says.
    if lease.days().is_none() || quota.blobs().is_none() || flags.has_unknown() {
        return None;
    }
    let (entries, []) = rest.as_chunks::<17>() else { return None };
    if entries.len() != usize::from(count) {
        return None;
    }
    let sends = entries.iter().filter_map(|entry| {
        let (name, [via]) = entry.split_first_chunk::<16>()? else { return None };
        Some((Name(*name), *via))
    });
    let unused = u32::from_le_bytes(*unused);
    Some(Lasting {
        own: Name(*own),
        read: Name(*read),
        sends: sends.collect(),
        lease,
        quota,
        flags,
        ends: Day::from_number(u32::from_le_bytes(*ends)),
        unused_until: (unused != u32::MAX).then_some(Day::from_number(unused)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Lasting {
        Lasting {
            own: Name([1; 16]),
            read: Name([2; 16]),
            sends: [(Name([3; 16]), 4), (Name([5; 16]), 6)].into_iter().collect(),
            lease: LeaseClass::Month,
            quota: QuotaClass::Usual,
            flags: CreateFlags::FIXED,
            ends: Day::from_number(20_000),
            unused_until: None,
        }
    }

    #[test]
    fn a_mailbox_has_one_encoding() {
        let bytes = encode(&sample());
        assert_eq!(decode(&bytes), Some(sample()));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None);
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn kinds_are_told_from_the_head() {
        let handle = Handle::from_bytes([7; 6]);
        let entry = |record: Record| Entry {
            key: record.key,
            meta: record.meta,
            length: u32::try_from(record.body.len()).unwrap(),
            expiry_day: record.expiry_day,
            order: 1,
        };
        assert_eq!(kind(&entry(mailbox(handle, &sample()))), Kind::Mailbox(handle));
        let blob = blob(RecordKey([1; 16]), handle, 9, Day::from_number(5), vec![0; 4_096]);
        assert_eq!(kind(&entry(blob.clone())), Kind::Blob { handle, via: 9, class: SizeClass::Small });
        assert_eq!(kind(&entry(Record { body: vec![0; 5], ..blob.clone() })), Kind::Unknown);
        let plain = Calendar { day: Day::from_number(8), expires_from: Day::from_number(0) };
        assert_eq!(kind(&entry(day(plain))), Kind::Day(Day::from_number(8)));
        let statistics = statistics(&History::default());
        assert_eq!(kind(&entry(statistics.clone())), Kind::Statistics);
        let others = [mailbox(handle, &sample()), day(plain), statistics];
        assert!(names_body(&blob) && !others.iter().any(names_body));
    }

    #[test]
    fn the_day_has_a_body_while_expiry_pauses() {
        let read = |record: &Record| calendar(Day::from_number(record.expiry_day), Some(&record.body));
        let plain = Calendar { day: Day::from_number(20_000), expires_from: Day::from_number(0) };
        assert!(day(plain).body.is_empty());
        assert_eq!(read(&day(plain)), plain);
        let pausing = Calendar::after_large_step(plain.day);
        assert_eq!(day(pausing).body, 20_007_u32.to_le_bytes());
        assert_eq!(read(&day(pausing)), pausing);
        let over = Calendar { expires_from: Day::from_number(19_999), ..plain };
        assert_eq!(read(&day(over)), plain);
        for body in [None, Some(&[1, 2, 3][..]), Some(&[0; 5])] {
            assert_eq!(calendar(plain.day, body), pausing, "whatever it says, nothing is destroyed at once");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_what_encodes_to_them(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let bytes = [vec![VERSION], bytes].concat();
            if let Some(lasting) = decode(&bytes) {
                prop_assert_eq!(encode(&lasting), bytes);
            }
        }

        #[test]
        fn a_flipped_bit_is_refused_or_another_mailbox(at in 0_usize..79, bit in 0_u8..8) {
            let mut bytes = encode(&sample());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_ne!(decode(&bytes), Some(sample()));
        }
    }
}
