//! The contents of a transfer file: a head, one frame for each record, and an end (spec/12-relay.md
//! section 12.3).

use super::error::MoveError;
use super::sealed::Opener;
use crate::data_dir::StoreSize;
use crate::names::StoreKey;
use deaddrop_link::RelaySeed;
use deaddrop_shred::geometry::{MAX_SEGMENTS, RESERVED_SEGMENTS};
use deaddrop_shred::record::MAX_BODY;
use deaddrop_shred::{Entry, Record, RecordKey};
use std::io::BufRead;
use zeroize::Zeroizing;

/// First byte of the contents: the version of their form.
const VERSION: u8 = 2;
/// First byte of the frame of a record, and of the end.
const RECORD: u8 = 1;
const END: u8 = 0;
/// Flag of a relay that demands a token for new mailboxes.
const NEEDS_TOKEN: u8 = 1;
/// Flag of a relay whose store key comes from a credential or the environment.
const KEY_ELSEWHERE: u8 = 2;
/// Maximum number of bytes of the limits that differ from the defaults, as TOML.
pub(super) const MAX_LIMITS: usize = 16_384;
/// Number of bytes of the head without the limits.
const HEAD_LEN: usize = 1 + 32 + 32 + 1 + 4 + 4 + 8 + 8 + 2;

/// A source of verified bytes.
pub(super) trait Source {
    /// Fills `bytes`. Fails with `Malformed` if there are fewer.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), MoveError>;

    /// Whether there are no more bytes.
    fn is_over(&self) -> bool;
}

impl<R: BufRead> Source for Opener<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), MoveError> {
        Self::fill(self, bytes)
    }

    fn is_over(&self) -> bool {
        Self::is_over(self)
    }
}

/// The head of the contents: all that is not a record.
pub(super) struct Head {
    pub(super) seed: RelaySeed,
    pub(super) store_key: StoreKey,
    /// Whether the old host demanded a token for new mailboxes. The token itself does not move.
    pub(super) needs_token: bool,
    /// Whether the store key was a file at the old host, and not a credential or in the environment.
    pub(super) has_key_in_file: bool,
    /// Sizes of the old store.
    pub(super) size: StoreSize,
    /// Number of records and of bytes of their bodies, at most: damaged ones are left out.
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// The limits that differ from the defaults, as TOML.
    pub(super) limits: String,
}

impl Head {
    /// Encodes the head. Limits that are longer than [`MAX_LIMITS`] are left out.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let limits = Some(&self.limits).filter(|limits| limits.len() <= MAX_LIMITS);
        let limits = limits.map_or("", String::as_str);
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_LEN + limits.len()));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.seed.expose());
        bytes.extend_from_slice(self.store_key.expose());
        let token = if self.needs_token { NEEDS_TOKEN } else { 0 };
        bytes.push(token | if self.has_key_in_file { 0 } else { KEY_ELSEWHERE });
        bytes.extend_from_slice(&self.size.segment_mib.to_le_bytes());
        bytes.extend_from_slice(&self.size.max_mib.to_le_bytes());
        bytes.extend_from_slice(&self.records.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&u16::try_from(limits.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(limits.as_bytes());
        bytes
    }

    /// Decodes the head.
    pub(super) fn read(from: &mut impl Source) -> Result<Self, MoveError> {
        let [version] = array(from)?;
        if version != VERSION {
            return Err(MoveError::NewerVersion); // the version of the contents.
        }
        let (mut seed, mut store_key) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        from.fill(seed.as_mut_slice())?;
        from.fill(store_key.as_mut_slice())?;
        let [flags] = array(from)?;
        let segment_mib = u32::from_le_bytes(array(from)?);
        let max_mib = u32::from_le_bytes(array(from)?);
        let records = u64::from_le_bytes(array(from)?);
        let bytes = u64::from_le_bytes(array(from)?);
        let mut limits = vec![0; usize::from(u16::from_le_bytes(array(from)?))];
        let has_sizes = (1..=256).contains(&segment_mib)
            && max_mib
                .checked_div(segment_mib)
                .is_some_and(|segments| (RESERVED_SEGMENTS + 1..=MAX_SEGMENTS).contains(&segments));
        // the form of the head.
        if flags > NEEDS_TOKEN | KEY_ELSEWHERE || !has_sizes || limits.len() > MAX_LIMITS {
            return Err(MoveError::Malformed);
        }
        from.fill(&mut limits)?;
        Ok(Self {
            seed: RelaySeed::copy_of(&seed),
            store_key: StoreKey::copy_of(&store_key),
            needs_token: flags & NEEDS_TOKEN != 0,
            has_key_in_file: flags & KEY_ELSEWHERE == 0,
            size: StoreSize { segment_mib, max_mib },
            records,
            bytes,
            limits: String::from_utf8(limits).map_err(|_| MoveError::Malformed)?,
        })
    }
}

/// One part of the contents behind the head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A live record of the old store.
    Record(Record),
    /// The end, with the number of records and of bytes of their bodies.
    End { records: u64, bytes: u64 },
}

/// Encodes the frame of a record without its body, which follows.
pub(super) fn encode_record(entry: &Entry) -> [u8; 33] {
    let mut frame = [0; 33];
    let parts: [&[u8]; 5] =
        [&[RECORD], &entry.key.0, &entry.meta, &entry.expiry_day.to_le_bytes(), &entry.length.to_le_bytes()];
    for (place, byte) in frame.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    frame
}

/// Encodes the end.
pub(super) fn encode_end(records: u64, bytes: u64) -> Vec<u8> {
    [&[END][..], &records.to_le_bytes(), &bytes.to_le_bytes()].concat()
}

/// Decodes the next frame.
pub(super) fn read_frame(from: &mut impl Source) -> Result<Frame, MoveError> {
    match array(from)? {
        [RECORD] => {
            let (key, meta) = (RecordKey(array(from)?), array(from)?);
            let expiry_day = u32::from_le_bytes(array(from)?);
            let length = usize::try_from(u32::from_le_bytes(array(from)?)).unwrap_or(usize::MAX);
            if length > MAX_BODY {
                return Err(MoveError::Malformed); // the length of a record.
            }
            let mut record = Record { key, meta, expiry_day, body: vec![0; length] };
            from.fill(&mut record.body)?;
            Ok(Frame::Record(record))
        }
        [END] => {
            let (records, bytes) = (u64::from_le_bytes(array(from)?), u64::from_le_bytes(array(from)?));
            // nothing follows the end.
            if from.is_over() { Ok(Frame::End { records, bytes }) } else { Err(MoveError::Malformed) }
        }
        // the kind of a frame.
        _ => Err(MoveError::Malformed),
    }
}

fn array<const N: usize>(from: &mut impl Source) -> Result<[u8; N], MoveError> {
    let mut bytes = [0; N];
    from.fill(&mut bytes).map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Source for &[u8] {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), MoveError> {
            let (now, rest) = self.split_at_checked(bytes.len()).ok_or(MoveError::Malformed)?;
            bytes.copy_from_slice(now);
            *self = rest;
            Ok(())
        }

        fn is_over(&self) -> bool {
            self.is_empty()
        }
    }

    fn sample() -> Head {
        Head {
            seed: RelaySeed::from_bytes([1; 32]),
            store_key: StoreKey::from_bytes([2; 32]),
            needs_token: true,
            has_key_in_file: false,
            size: StoreSize { segment_mib: 64, max_mib: 8_192 },
            records: 3,
            bytes: 4_200,
            limits: "puts_per_s = 7\n".to_owned(),
        }
    }

    #[test]
    fn a_head_comes_back_and_has_one_encoding() {
        let bytes = sample().encode();
        let read = Head::read(&mut &bytes[..]).unwrap();
        assert_eq!(&read.encode()[..], &bytes[..]);
        assert_eq!((read.needs_token, read.has_key_in_file), (true, false));
        assert_eq!((read.size.max_mib, read.records), (8_192, 3));
        for end in 0..bytes.len() {
            assert!(matches!(Head::read(&mut &bytes[..end]), Err(MoveError::Malformed)), "{end}");
        }
        let with = |at: usize, byte: u8| {
            let mut changed = bytes.clone();
            changed[at] = byte;
            Head::read(&mut &changed[..]).err()
        };
        assert!(matches!(with(0, 3), Some(MoveError::NewerVersion)));
        for (at, byte) in [(65, 4), (66, 0), (67, 1), (71, 0), (91, 0x41), (92, 0xff)] {
            assert!(matches!(with(at, byte), Some(MoveError::Malformed)), "{at}");
        }
        let long = Head { limits: "x".repeat(MAX_LIMITS + 1), ..sample() };
        assert_eq!(Head::read(&mut &long.encode()[..]).unwrap().limits, "");
    }

    #[test]
    fn frames_come_back() {
        let record = Record { key: RecordKey([3; 16]), meta: [4; 8], expiry_day: 20_000, body: vec![5; 70] };
        let entry = Entry { key: record.key, meta: [4; 8], length: 70, expiry_day: 20_000, order: 9 };
        let bytes = [&encode_record(&entry)[..], &record.body, &encode_end(1, 70)].concat();
        let mut from = &bytes[..];
        assert_eq!(read_frame(&mut from).unwrap(), Frame::Record(record));
        assert_eq!(read_frame(&mut from).unwrap(), Frame::End { records: 1, bytes: 70 });
        assert!(read_frame(&mut from).is_err());
        assert!(read_frame(&mut &[&encode_end(1, 70)[..], &[0]].concat()[..]).is_err(), "nothing follows");
        let huge = Entry { length: u32::MAX, ..entry };
        assert!(read_frame(&mut &encode_record(&huge)[..]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_what_encodes_to_them(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), is_known in any::<bool>(),
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut().filter(|_| is_known) {
                *first = VERSION;
            }
            let mut from = &bytes[..];
            if let Ok(head) = Head::read(&mut from) {
                let used = bytes.len() - from.len();
                prop_assert_eq!(&head.encode()[..], &bytes[..used]);
            }
            let mut from = &bytes[..];
            while let Ok(Frame::Record(record)) = read_frame(&mut from) {
                prop_assert!(record.body.len() <= bytes.len());
            }
        }

        #[test]
        fn a_flipped_bit_of_a_head_is_refused_or_another_head(at in 0_usize..107, bit in 0_u8..8) {
            let bytes = sample().encode();
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(head) = Head::read(&mut &changed[..]) {
                prop_assert_ne!(&head.encode()[..], &bytes[..]);
            }
        }
    }
}
