//! The mark of a relay that has moved: `moved.json` in its directory.

use super::error::MoveError;
use super::files::{read_bounded, replace};
use super::key_hash::KeyHash;
use crate::clock::Calendar;
use crate::data_dir::{CONFIG, DataDir, MOVED};
use deaddrop_wire::{Day, RelayUrl};
use serde::{Deserialize, Serialize};
use std::fs::File;

/// Number of days after an export for which the old host must go on serving the new URL: clients
/// that are away longer cannot find the relay any more. A lease is renewed by reading, so a client
/// that is away for three months has lost all mailboxes but those of the longest lease.
pub const SERVE_DAYS: u32 = 90;
/// Version of the form of the mark.
const VERSION: u8 = 1;
/// Maximum number of bytes of the mark.
const MAX_LEN: usize = 4_096;

/// The mark of a relay that has moved: the target, and the state of the old store.
///
/// A directory with a mark serves the new URL and never a blob, whatever the mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovedMark {
    /// URL at which the new host serves.
    pub url: RelayUrl,
    /// Hash of the key to which the relay was exported.
    pub key: KeyHash,
    /// Day of the export: that of the system's clock, if the stored day lets it be believed.
    pub moved_on: Day,
    /// The calendar that the relay believes.
    pub calendar: Calendar,
    /// Day after which no mailbox and no blob of the old store is alive.
    pub last_day: Day,
    /// Whether the old store may be destroyed: a receipt was shown, or all of it has expired.
    pub confirmed: bool,
}

/// The mark as JSON. Days are `YYYY-MM-DD`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u8,
    url: String,
    key: String,
    moved_on: String,
    day: String,
    expires_from: String,
    last_day: String,
    confirmed: bool,
}

impl MovedMark {
    /// Reads the mark of a relay's directory; `None` if the relay has not moved.
    ///
    /// # Errors
    /// Fails with [`MoveError::BadMark`] when the mark is damaged: the relay must not be served
    /// then.
    pub fn read(data: &DataDir) -> Result<Option<Self>, MoveError> {
        let Some(bytes) = read_bounded(&data.path().join(MOVED), MAX_LEN)? else { return Ok(None) };
        Self::decode(&bytes).map(Some).ok_or(MoveError::BadMark)
    }

    /// Returns the day until which the old host must serve the new URL.
    #[must_use]
    pub fn serve_until(&self) -> Day {
        self.moved_on.plus(SERVE_DAYS)
    }

    /// Replaces the mark by what `change` makes of the present one, durably, while no other process
    /// changes it. Returns the new mark.
    pub(super) fn update(
        data: &DataDir,
        change: impl FnOnce(Option<Self>) -> Result<Self, MoveError>,
    ) -> Result<Self, MoveError> {
        let lock = File::open(data.path().join(CONFIG))?;
        lock.lock()?;
        let before = Self::read(data)?;
        let after = change(before.clone())?;
        if before.as_ref() != Some(&after) {
            replace(&data.path().join(MOVED), &after.encode())?;
        }
        drop(lock);
        Ok(after)
    }

    fn encode(&self) -> Vec<u8> {
        let stored = Stored {
            version: VERSION,
            url: self.url.as_str().to_owned(),
            key: self.key.to_hex(),
            moved_on: self.moved_on.to_string(),
            day: self.calendar.day.to_string(),
            expires_from: self.calendar.expires_from.to_string(),
            last_day: self.last_day.to_string(),
            confirmed: self.confirmed,
        };
        let mut bytes = serde_json::to_vec_pretty(&stored).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_LEN {
            return None;
        }
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        // the form of the mark.
        if stored.version != VERSION {
            return None;
        }
        let url = RelayUrl::new(&stored.url).ok()?;
        let day = |text: &str| text.parse::<Day>().ok();
        Some(Self {
            key: KeyHash::from_hex(&stored.key)?,
            moved_on: day(&stored.moved_on)?,
            calendar: Calendar { day: day(&stored.day)?, expires_from: day(&stored.expires_from)? },
            last_day: day(&stored.last_day)?,
            confirmed: stored.confirmed,
            url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> MovedMark {
        MovedMark {
            url: RelayUrl::new("wss://new.example/").unwrap(),
            key: KeyHash([7; 32]),
            moved_on: Day::from_number(20_786),
            calendar: Calendar { day: Day::from_number(20_786), expires_from: Day::from_number(0) },
            last_day: Day::from_number(20_900),
            confirmed: false,
        }
    }

    #[test]
    fn a_mark_comes_back_and_a_damaged_one_is_no_mark() {
        let text = String::from_utf8(sample().encode()).unwrap();
        assert_eq!(MovedMark::decode(text.as_bytes()), Some(sample()));
        assert!(text.contains("\"moved_on\": \"2026-11-29\""), "{text}");
        assert_eq!(sample().serve_until().to_string(), "2027-02-27");
        for (part, instead) in [
            ("\"version\": 1", "\"version\": 2"),
            ("wss:", "https:"),
            ("0707", "07"),
            ("2026-11-29", "2026-11-31"),
            ("\"confirmed\": false", "\"confirmed\": 0"),
            ("\"confirmed\": false", "\"confirmed\": false, \"more\": 1"),
        ] {
            assert!(text.contains(part), "{part}");
            assert_eq!(MovedMark::decode(text.replace(part, instead).as_bytes()), None, "{instead}");
        }
        assert_eq!(MovedMark::decode(format!("{text}{}", " ".repeat(MAX_LEN)).as_bytes()), None);
    }

    #[test]
    fn a_directory_with_a_damaged_mark_has_moved() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::at(dir.path());
        assert!(matches!(MovedMark::read(&data), Ok(None)));
        std::fs::write(dir.path().join(MOVED), "{}").unwrap();
        assert!(matches!(MovedMark::read(&data), Err(MoveError::BadMark)));
        assert!(data.has_moved());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_a_mark(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mark) = MovedMark::decode(&bytes) {
                prop_assert_eq!(MovedMark::decode(&mark.encode()), Some(mark));
            }
        }
    }
}
