//! Keys of messages that have not arrived yet: separate rows, bounded by count and by age
//! (spec/05-ratchet.md section 3).

use super::keys::MessageKey;
use crate::load_error::LoadError;
use alloc::{collections::BTreeMap, vec::Vec};
use deaddrop_primitives::assert_secret;
use deaddrop_wire::Day;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Maximum number of skipped message keys of one session. Those of the oldest turns, and of these
/// the lowest numbers, are dropped first.
pub const MAX_SKIPPED_KEYS: usize = 4_000;
/// Number of days after which a skipped message key is dropped. A key whose day lies further in the
/// future than this number is dropped, too, so that an error of the clock does not keep a key for
/// years.
pub const MAX_SKIP_AGE: u32 = 35;

const VERSION: u8 = 1;
const ROW_LEN: usize = 1 + 4 + MessageKey::LEN;

/// The id of a skipped key within its session: turn and message number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkippedId {
    /// Number of the turn.
    pub turn: u32,
    /// Number of the message in the turn, from 0.
    pub message_number: u32,
}

/// The row of a skipped key, to be stored under its id.
pub struct SkippedRow {
    /// Id of the key.
    pub id: SkippedId,
    /// The row: version 1 byte, day on which the key was kept 4, key 32.
    pub bytes: Zeroizing<Vec<u8>>,
}

// Its bytes wipe themselves.
impl ZeroizeOnDrop for SkippedRow {}
assert_secret!(SkippedRow);

impl core::fmt::Debug for SkippedRow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SkippedRow").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A skipped key and its id.
pub(super) struct SkippedKey {
    pub(super) id: SkippedId,
    pub(super) key: MessageKey,
}

/// The skipped keys of a session, each with the day on which it was kept.
#[derive(Default)]
pub(super) struct SkippedKeys(BTreeMap<SkippedId, (MessageKey, Day)>);

impl SkippedKeys {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn find(&self, id: SkippedId) -> Option<&MessageKey> {
        self.0.get(&id).map(|(key, _)| key)
    }

    pub(super) fn remove(&mut self, id: SkippedId) {
        self.0.remove(&id);
    }

    pub(super) fn holds_turn(&self, turn: u32) -> bool {
        self.0.range(turn_range(turn)).next().is_some()
    }

    /// Adds keys. Returns the rows to store, and the ids of the keys that were removed because
    /// there were more than [`MAX_SKIPPED_KEYS`].
    pub(super) fn add(&mut self, keys: Vec<SkippedKey>, today: Day) -> (Vec<SkippedRow>, Vec<SkippedId>) {
        let rows = keys.iter().map(|SkippedKey { id, key }| row(*id, key, today)).collect();
        self.0.extend(keys.into_iter().map(|SkippedKey { id, key }| (id, (key, today))));
        let mut removed = Vec::new();
        while self.0.len() > MAX_SKIPPED_KEYS {
            removed.extend(self.0.pop_first().map(|(id, _)| id));
        }
        (rows, removed)
    }

    pub(super) fn drop_turn(&mut self, turn: u32) -> Vec<SkippedId> {
        let ids: Vec<_> = self.0.range(turn_range(turn)).map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.remove(*id));
        ids
    }

    pub(super) fn expire(&mut self, today: Day) -> Vec<SkippedId> {
        let old =
            self.0.iter().filter(|(_, (_, day))| today.since(*day).max(day.since(today)) > MAX_SKIP_AGE);
        let ids: Vec<_> = old.map(|(id, _)| *id).collect();
        ids.iter().for_each(|id| self.remove(*id));
        ids
    }

    pub(super) fn rows(&self) -> Vec<SkippedRow> {
        self.0.iter().map(|(id, (key, day))| row(*id, key, *day)).collect()
    }

    /// Loads a stored row. A damaged row is left out; one of a newer version is an error.
    pub(super) fn load(&mut self, id: SkippedId, bytes: &[u8]) -> Result<(), LoadError> {
        if bytes.first().is_some_and(|version| *version > VERSION) {
            return Err(LoadError::NewerVersion);
        }
        self.0.extend(parse(bytes).map(|entry| (id, entry)));
        Ok(())
    }
}

fn parse(row: &[u8]) -> Option<(MessageKey, Day)> {
    let (&VERSION, rest) = row.split_first()? else { return None };
    let (day, key) = rest.split_first_chunk()?;
    let key = MessageKey::copy_of(key.as_array()?);
    Some((key, Day::from_number(u32::from_le_bytes(*day))))
}

fn turn_range(turn: u32) -> core::ops::RangeInclusive<SkippedId> {
    SkippedId { turn, message_number: 0 }..=SkippedId { turn, message_number: u32::MAX }
}

fn row(id: SkippedId, key: &MessageKey, day: Day) -> SkippedRow {
    let mut bytes = Zeroizing::new(Vec::with_capacity(ROW_LEN));
    bytes.push(VERSION);
    bytes.extend_from_slice(&day.number().to_le_bytes());
    bytes.extend_from_slice(key.expose());
    SkippedRow { id, bytes }
}
