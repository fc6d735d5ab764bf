//! An established link: items in, records out, and back (spec/10-link.md sections 5 and 6).

use crate::record::{Direction, FIRST_RECORD_LEN, RecordKey, is_record_len, padded};
use deaddrop_primitives::aead::TAG_LEN;
use deaddrop_wire::{
    DecodeError, Features, Item, Received, Version, encode_item,
    item::Hello,
    limits::{MAX_ITEMS, MAX_LIST_ENTRIES},
};

/// Both directions of a link after the handshake.
#[derive(Debug)]
pub struct LinkSession {
    seal: SealHalf,
    open: OpenHalf,
    version: Version,
    features: Features,
}

impl LinkSession {
    pub(crate) fn new(
        outgoing: RecordKey,
        incoming: RecordKey,
        version: Version,
        features: Features,
    ) -> Self {
        let seal = SealHalf { direction: Direction::new(outgoing) };
        let open = OpenHalf { direction: Some(Direction::new(incoming)) };
        Self { seal, open, version, features }
    }

    /// Seals record 0 once more, with another plaintext, for tests.
    #[cfg(test)]
    pub(crate) fn reseal_first(self, plaintext: &[u8]) -> Vec<u8> {
        let mut first = self.seal.direction.restarted();
        let mut record = plaintext.to_vec();
        assert!(first.seal(&mut record).is_ok());
        record
    }

    /// Seals items, as [`SealHalf::seal`] does.
    ///
    /// # Errors
    /// Fails as [`SealHalf::seal`] does.
    pub fn seal(&mut self, items: &[Item]) -> Result<Vec<Vec<u8>>, SealError> {
        self.seal.seal(items)
    }

    /// Opens a record, as [`OpenHalf::open`] does.
    ///
    /// # Errors
    /// Fails as [`OpenHalf::open`] does.
    pub fn open(&mut self, record: &[u8]) -> Result<Received, RecordError> {
        self.open.open(record)
    }

    /// Returns the version that both sides speak.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the features that both sides offered.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// Separates the two directions, so that a writer and a reader can each own one.
    #[must_use]
    pub fn split(self) -> (SealHalf, OpenHalf) {
        (self.seal, self.open)
    }

    /// Seals the client's first record, which has the length [`FIRST_RECORD_LEN`]; fails if the
    /// Hello does not fit.
    pub(crate) fn seal_hello(&mut self, hello: &Hello) -> Result<Vec<u8>, SealError> {
        let mut record = Vec::new();
        encode_item(&Item::Hello(*hello), &mut record).map_err(|_| SealError::TooMany)?;
        self.seal.direction.seal(&mut record).map_err(|_| SealError::Exhausted)?;
        if record.len() == FIRST_RECORD_LEN { Ok(record) } else { Err(SealError::TooMany) }
    }
}

/// The outgoing direction of a link.
pub struct SealHalf {
    direction: Direction,
}

/// The error of items that were not sealed. Unless it is [`Exhausted`](Self::Exhausted), the link
/// can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// An item is longer than a record, or a list in it is longer than the protocol allows. No item
    /// was sealed: send the list in parts.
    #[error("a list is longer than the protocol allows; send it in parts")]
    TooMany,
    /// The link has carried all the records that it can: open a new one.
    #[error("the keys of the link are used up; open a new link")]
    Exhausted,
}

impl SealHalf {
    /// Seals items in their order into as few records as padding makes sensible. Returns the
    /// records: each is one WebSocket message, and they must be sent in order. Without items there
    /// is no record.
    ///
    /// # Errors
    /// Fails with [`SealError`].
    pub fn seal(&mut self, items: &[Item]) -> Result<Vec<Vec<u8>>, SealError> {
        let mut records = pack(items)?;
        for record in &mut records {
            self.direction.seal(record).map_err(|_| SealError::Exhausted)?;
        }
        Ok(records)
    }
}

impl core::fmt::Debug for SealHalf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SealHalf(..)")
    }
}

/// The incoming direction of a link. It refuses every record after its first failure, because it
/// cannot find the next record then.
pub struct OpenHalf {
    direction: Option<Direction>,
}

/// The error of a record that was refused. The link is dead: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The length is none of those that records have.
    #[error("record of impossible length; close the link")]
    Length,
    /// The record is not the next one of this peer: it was changed, repeated or out of order, or
    /// one before it was lost.
    #[error("record changed, lost, repeated or out of order; close the link")]
    Unauthentic,
    /// The record opened, but its items are malformed: the peer's software is at fault.
    #[error("peer sent a malformed record; close the link")]
    Malformed(#[from] DecodeError),
    /// An earlier record was refused, so this one is refused, too.
    #[error("the link failed before; close it")]
    Dead,
}

impl OpenHalf {
    /// Opens the next record, and returns its items.
    ///
    /// # Errors
    /// Fails with [`RecordError`]; every later call fails.
    pub fn open(&mut self, record: &[u8]) -> Result<Received, RecordError> {
        // Nothing is copied for a length that no record has.
        let copied = if is_record_len(record.len()) { record } else { &[] };
        self.open_in_place(&mut copied.to_vec())
    }

    /// Opens the next record in place, and returns its items. The plaintext in the buffer is wiped.
    ///
    /// # Errors
    /// Fails with [`RecordError`]; every later call fails.
    pub fn open_in_place(&mut self, record: &mut [u8]) -> Result<Received, RecordError> {
        let mut direction = self.direction.take().ok_or(RecordError::Dead)?; // K-17: no way back after a failure.
        if !is_record_len(record.len()) {
            return Err(RecordError::Length); // K-15: records have few lengths.
        }
        let plaintext = direction.open(record).ok_or(RecordError::Unauthentic)?; // K-16: key and number fit.
        let received = deaddrop_wire::decode_items(plaintext);
        plaintext.fill(0);
        core::hint::black_box(plaintext);
        let received = received.map_err(RecordError::Malformed)?;
        self.direction = Some(direction);
        Ok(received)
    }
}

impl core::fmt::Debug for OpenHalf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OpenHalf(..)")
    }
}

/// Packs items into plaintexts of records, not yet padded. An item begins a new record if the
/// current one, padded, would grow by more bytes than a record of its own has, or would exceed a
/// limit of a record. Fails if an item does not fit into a record, or has too long a list.
fn pack(items: &[Item]) -> Result<Vec<Vec<u8>>, SealError> {
    let mut records = Vec::new();
    let mut current: Vec<u8> = Vec::new();
    let (mut count, mut entries) = (0, 0);
    for item in items {
        let before = current.len();
        let more = encode_item(item, &mut current).map_err(|_| SealError::TooMany)?;
        let len = current.len().saturating_sub(before);
        let alone = padded(len).ok_or(SealError::TooMany)?;
        let joins = count < MAX_ITEMS && entries + more <= MAX_LIST_ENTRIES;
        let sensible = match (padded(before), padded(current.len())) {
            (Some(old), Some(new)) => new.saturating_sub(old) <= alone,
            _ => false,
        };
        if before != 0 && !(joins && sensible) {
            let mut next = Vec::with_capacity(alone.saturating_add(TAG_LEN));
            if let Some(moved) = current.get_mut(before..) {
                next.extend_from_slice(moved);
                moved.fill(0);
                core::hint::black_box(moved);
            }
            current.truncate(before);
            records.push(core::mem::replace(&mut current, next));
            (count, entries) = (0, 0);
        }
        count += 1;
        entries += more;
    }
    if !current.is_empty() {
        records.push(current);
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
