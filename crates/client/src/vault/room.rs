//! How full a vault is, and what it still takes (spec/14-client.md section 2.3).

use deaddrop_shred::{Geometry, Stats, geometry::RESERVED_SEGMENTS};
use std::time::Duration;

/// Of so many parts of the room ...
pub(crate) const PARTS: u64 = 8;
/// ... the user's own calls may fill these,
pub(crate) const SEND_PARTS: u64 = 5;
/// ... and what is received these. The rest is for receipts, for what moves sessions on, and for the store's own work: it surely packs
/// rows into about seven eighths of its segments.
pub(crate) const RECEIVE_PARTS: u64 = 6;

/// Bytes before the first segment of a store.
const HEAD: u64 = 10 * 4_096;

/// How much a vault has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VaultRoom {
    /// Everything.
    Enough,
    /// Received messages still have room; a new text, contact or invite of the user has none. Erase events, or raise the limit.
    ReceivesOnly,
    /// Receipts, and erasing; what lies at the relays is left there.
    Full,
}

/// How full the vault is. A vault without room is not lost: see [`ClientError::VaultFull`](crate::ClientError::VaultFull).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaultStatus {
    /// Bytes of the vault's file.
    pub file_bytes: u64,
    /// Bytes that the file may grow to: [`Config::vault_mib`](crate::Config::vault_mib) when the vault was made.
    pub limit_bytes: u64,
    /// Bytes that the vault's records take, each counted with its share of the file's tables at least.
    pub used_bytes: u64,
    /// Of these so many are for the user's own texts, contacts and invites.
    pub send_bytes: u64,
    /// Received messages may fill the rows up to this many bytes.
    pub receive_bytes: u64,
    /// How much the vault has room for now.
    pub room: VaultRoom,
    /// Bytes of erased records that lie in the file still, encrypted under keys that are destroyed. They are overwritten within minutes
    /// while the vault is open.
    pub dead_bytes: u64,
    /// For how long the oldest of them has lain there, as far as this process knows: at least since the vault was opened.
    pub oldest_dead: Option<Duration>,
}

impl VaultStatus {
    /// How full the vault is, in hundredths of what received messages may fill; not above 100.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let percent = self.used_bytes.saturating_mul(100).checked_div(self.receive_bytes).unwrap_or(100);
        u8::try_from(percent.min(100)).unwrap_or(100)
    }
}

/// The sizes of a store's segments: they never change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    segment: u64,
    /// Bytes of bodies in a segment.
    bodies: u64,
    /// The least that a record counts: its share of the bodies of a segment whose slots are all used.
    share: u64,
}

impl Sizes {
    pub(super) fn of(geometry: &Geometry) -> Self {
        let segment = u64::from(geometry.segment_bytes);
        let slots = u64::from(geometry.slots_per_segment);
        let tables = if geometry.mirror { 2 } else { 1 };
        let before = (4_096 + tables * slots * 128).next_multiple_of(4_096);
        let bodies = segment.saturating_sub(before);
        Self { segment, bodies, share: bodies.checked_div(slots).unwrap_or(0) }
    }

    /// The weight of a record of this length, in bytes. A segment in which no more records have room holds at least as much as its bodies, so
    /// that all records together need no more segments than this says.
    pub(super) fn weight(&self, length: usize) -> u64 {
        self.share.max(u64::try_from(length).unwrap_or(u64::MAX))
    }

    /// The bytes of bodies that the store may come to hold.
    fn bodies_of(&self, stats: &Stats) -> u64 {
        u64::from(stats.max_segments.saturating_sub(RESERVED_SEGMENTS)).saturating_mul(self.bodies)
    }

    pub(super) fn status(&self, stats: &Stats, used_bytes: u64) -> VaultStatus {
        let parts = |parts| self.bodies_of(stats) / PARTS * parts;
        let (send_bytes, receive_bytes) = (parts(SEND_PARTS), parts(RECEIVE_PARTS));
        let room = match used_bytes {
            used if used >= receive_bytes => VaultRoom::Full,
            used if used >= send_bytes => VaultRoom::ReceivesOnly,
            _ => VaultRoom::Enough,
        };
        let bytes = |segments: u32| HEAD.saturating_add(u64::from(segments).saturating_mul(self.segment));
        VaultStatus {
            file_bytes: bytes(stats.segments),
            limit_bytes: bytes(stats.max_segments),
            used_bytes,
            send_bytes,
            receive_bytes,
            room,
            dead_bytes: stats.dead_bytes,
            oldest_dead: stats.oldest_dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_names_the_marks() {
        let spec = include_str!("../../../../spec/14-client.md");
        for row in [
            format!("| the user's own texts, contacts and invites | {SEND_PARTS}/{PARTS} of the room |"),
            format!("| what is received | {RECEIVE_PARTS}/{PARTS} of the room |"),
            format!("| least weight of a row | {} bytes |", Sizes::of(&Geometry::vault()).share),
        ] {
            assert!(spec.contains(&row), "{row}");
        }
    }
}
