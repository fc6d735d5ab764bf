//! The contact's stored row (spec/08-snapshots.md section 3).

use super::{
    Contact, Hour,
    reset_bundle::{MAX_OWN_BUNDLES, MAX_PEER_BUNDLES, PeerBundle, PendingReset},
    sessions::{Generation, MAX_SESSIONS, Origin, SessionEntry, SessionState, Sessions},
};
use crate::{
    identity::IdentityHash,
    load_error::LoadError,
    reader::Reader,
    session::{Session, SessionId, SkippedId, reset_proofs::ResetSecrets},
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_wire::Day;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
/// Stored number that stands for a missing day or hour.
const NONE: u32 = u32::MAX;
const ENTRY_LEN: usize = 16 + 4 + 1 + 4 + 4;

/// The stored rows of one session: the newest of all that its change sets contained.
pub struct StoredSession<'a> {
    /// The id of the session.
    pub id: SessionId,
    /// The newest snapshot; empty if it is gone.
    pub snapshot: &'a [u8],
    /// The newest row of reset secrets; empty if it is gone.
    pub reset_secrets: &'a [u8],
    /// The rows of skipped keys that were added and not removed since, each under its id.
    pub skipped: Vec<(SkippedId, &'a [u8])>,
}

impl core::fmt::Debug for StoredSession<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StoredSession").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Contact {
    /// Loads a contact from its row and the rows of its sessions. Rows of sessions that the contact
    /// does not hold are ignored.
    ///
    /// A session whose snapshot is missing or damaged in its form is kept as lost: with its reset
    /// secrets it can be reset ([`is_lost`](Self::is_lost), [`reset`](Self::reset)). Only damage to
    /// the form is seen: keep rows under an AEAD or a checksum, so that any changed byte is
    /// noticed.
    ///
    /// # Errors
    /// Fails with [`LoadError::Corrupt`] if `row` is damaged, and with [`LoadError::NewerVersion`]
    /// if any row of the contact or its sessions is newer; do not overwrite any stored row.
    pub fn load<'a>(
        row: &[u8],
        sessions: impl IntoIterator<Item = StoredSession<'a>>,
    ) -> Result<Self, LoadError> {
        if row.first().is_some_and(|version| *version > VERSION) {
            return Err(LoadError::NewerVersion);
        }
        let mut contact = parse(Reader(row)).ok_or(LoadError::Corrupt)?;
        for stored in sessions {
            let Some(entry) = contact.sessions.iter_mut().find(|entry| entry.id == stored.id) else {
                continue;
            };
            entry.state = load(&stored, &contact.peer)?;
        }
        Ok(contact)
    }

    /// Encodes the contact's row as it is now, for an app that stores whole states instead of
    /// changes.
    #[must_use]
    pub fn row(&self) -> Zeroizing<Vec<u8>> {
        let bundles: usize = self.peer_bundles.iter().map(|bundle| 3 + bundle.as_bytes().len()).sum();
        let own: usize = self.own_bundles.iter().map(PendingReset::len).sum();
        let len = 1 + 32 + 1 + 4 + 4 + 3 + self.sessions.len() * ENTRY_LEN + own + bundles;
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.peer.as_bytes());
        bytes.push(
            u8::from(self.verified)
                | u8::from(self.bundle_answered) << 1
                | u8::from(self.peer_ever_answered) << 2,
        );
        bytes.extend_from_slice(&self.last_reset.map_or(NONE, Hour::number).to_le_bytes());
        day(&mut bytes, self.bundle_made);
        count(&mut bytes, self.sessions.len());
        for entry in self.sessions.iter() {
            bytes.extend_from_slice(&entry.id.0);
            bytes.extend_from_slice(&entry.era.to_le_bytes());
            let generation = match entry.generation {
                Generation::Current => 0,
                Generation::LeftBehind => 1,
                Generation::Superseded => 2,
            };
            bytes.push(
                u8::from(entry.origin == Origin::Reset) | u8::from(entry.peer_replied) << 1 | generation << 2,
            );
            day(&mut bytes, entry.reply_deadline);
            day(&mut bytes, entry.unused_since);
        }
        count(&mut bytes, self.own_bundles.len());
        self.own_bundles.iter().for_each(|bundle| bundle.write(&mut bytes));
        count(&mut bytes, self.peer_bundles.len());
        for bundle in &self.peer_bundles {
            let len = u16::try_from(bundle.as_bytes().len()).unwrap_or_default();
            bytes.push(bundle.tries);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(bundle.as_bytes());
        }
        bytes
    }
}

/// Loads one session. A snapshot that is missing, damaged, or of another session or peer makes it
/// lost. Damaged reset secrets are taken as none, and damaged skipped rows are left out. Rows of a
/// newer version are an error, so that they are not overwritten.
fn load(stored: &StoredSession<'_>, peer: &IdentityHash) -> Result<SessionState, LoadError> {
    let skipped = || stored.skipped.iter().copied();
    let loaded = match Session::load(stored.snapshot, stored.reset_secrets, skipped()) {
        // A session without its reset secrets is still usable: the next turns make new ones.
        Err(LoadError::Corrupt) => {
            Session::load(stored.snapshot, &ResetSecrets::default().to_bytes(), skipped())
        }
        loaded => loaded,
    };
    match loaded {
        Ok(session) if session.id() == stored.id && session.peer() == peer => {
            Ok(SessionState::Live(Box::new(session)))
        }
        Err(LoadError::NewerVersion) => Err(LoadError::NewerVersion),
        _ => Ok(SessionState::Lost(ResetSecrets::from_bytes(stored.reset_secrets).unwrap_or_default())),
    }
}

fn parse(mut reader: Reader<'_>) -> Option<Contact> {
    reader.u8().filter(|version| *version == VERSION)?;
    let peer = IdentityHash::from_bytes(reader.array()?);
    let flags = reader.u8().filter(|flags| *flags < 8)?;
    let last_reset = reader.u32()?;
    let bundle_made = read_day(&mut reader)?;
    let mut sessions = Sessions::new();
    for _ in 0..reader.u8().filter(|count| usize::from(*count) <= MAX_SESSIONS)? {
        let id = SessionId(reader.array()?);
        let era = reader.u32()?;
        let flags = reader.u8()?;
        let generation = match flags >> 2 {
            0 => Generation::Current,
            1 => Generation::LeftBehind,
            2 => Generation::Superseded,
            _ => return None,
        };
        let origin = if flags & 1 == 0 { Origin::Invite } else { Origin::Reset };
        let peer_replied = flags & 2 != 0;
        let (reply_deadline, unused_since) = (read_day(&mut reader)?, read_day(&mut reader)?);
        let state = SessionState::Lost(ResetSecrets::default());
        sessions.push(SessionEntry {
            id,
            era,
            origin,
            peer_replied,
            generation,
            reply_deadline,
            unused_since,
            state,
        });
    }
    let mut own_bundles = Vec::new();
    for _ in 0..reader.u8().filter(|count| usize::from(*count) <= MAX_OWN_BUNDLES)? {
        own_bundles.push(PendingReset::read(&mut reader)?);
    }
    let mut peer_bundles = Vec::new();
    for _ in 0..reader.u8().filter(|count| usize::from(*count) <= MAX_PEER_BUNDLES)? {
        let (tries, len) = (reader.u8()?, reader.u16()?);
        peer_bundles.push(PeerBundle::from_stored(tries, reader.bytes(usize::from(len))?));
    }
    reader.0.is_empty().then_some(Contact {
        peer,
        verified: flags & 1 != 0,
        sessions,
        own_bundles,
        peer_bundles,
        last_reset: (last_reset != NONE).then(|| Hour::from_number(last_reset)),
        bundle_made,
        bundle_answered: flags & 2 != 0,
        peer_ever_answered: flags & 4 != 0,
    })
}

fn count(bytes: &mut Vec<u8>, count: usize) {
    bytes.push(u8::try_from(count).unwrap_or(u8::MAX));
}

fn day(bytes: &mut Vec<u8>, day: Option<Day>) {
    bytes.extend_from_slice(&day.map_or(NONE, Day::number).to_le_bytes());
}

fn read_day(reader: &mut Reader<'_>) -> Option<Option<Day>> {
    let number = reader.u32()?;
    Some((number != NONE).then(|| Day::from_number(number)))
}
