//! How full a vault is, and what it still takes (spec/14-client.md section 2.3).

use super::port::StorageReport;
use core::time::Duration;

/// Of so many parts of the room ...
const PARTS: u64 = 8;
/// ... the user's own calls may fill these,
const SEND_PARTS: u64 = 5;
/// ... and what is received these. The rest is for receipts, for what moves sessions on, and for the store's own work: it surely packs
/// rows into about seven eighths of its segments.
const RECEIVE_PARTS: u64 = 6;

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

/// How full the vault is. A vault without room loses nothing: see [`VaultError::Full`](crate::VaultError::Full).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaultStatus {
    /// Bytes of the vault's file.
    pub file_bytes: u64,
    /// Bytes that the file may grow to.
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

/// The weight of a row of this length, in bytes: small rows take their share of the storage's tables.
pub(super) fn weight(least_row: u64, length: usize) -> u64 {
    least_row.max(u64::try_from(length).unwrap_or(u64::MAX))
}

/// How full a storage is whose rows weigh `used_bytes`.
pub(super) fn status(storage: &StorageReport, used_bytes: u64) -> VaultStatus {
    let bytes_of = |parts| storage.room_bytes / PARTS * parts;
    let (send_bytes, receive_bytes) = (bytes_of(SEND_PARTS), bytes_of(RECEIVE_PARTS));
    let room = match used_bytes {
        used if used >= receive_bytes => VaultRoom::Full,
        used if used >= send_bytes => VaultRoom::ReceivesOnly,
        _ => VaultRoom::Enough,
    };
    VaultStatus {
        file_bytes: storage.file_bytes,
        limit_bytes: storage.limit_bytes,
        used_bytes,
        send_bytes,
        receive_bytes,
        room,
        dead_bytes: storage.dead_bytes,
        oldest_dead: storage.oldest_dead,
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
        ] {
            assert!(spec.contains(&row), "{row}");
        }
    }
}
