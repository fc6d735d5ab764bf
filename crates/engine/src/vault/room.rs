//! The fill level of a vault, and what it has room for (spec/14-client.md section 2.3).

use super::port::StorageReport;
use core::time::Duration;

/// Number of equal parts into which the room of a vault is divided for the bounds below
/// (spec/14-client.md section 2.3).
const PARTS: u64 = 8;
/// Number of parts of the room that the user's own texts, contacts and invites may fill.
const SEND_PARTS: u64 = 5;
/// Number of parts of the room that received messages may fill. The rest is for receipts, for
/// changes of sessions, and for the work of the storage, which is sure to take rows up to about
/// seven eighths of its room.
const RECEIVE_PARTS: u64 = 6;

/// The kinds of rows for which a vault has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VaultRoom {
    /// There is room for rows of every kind.
    Enough,
    /// There is room for received messages, but not for a new text, contact or invite of the user.
    /// To make room, erase events or raise the limit.
    ReceivesOnly,
    /// There is room for receipts only. Messages are left at the relays until rows are erased.
    Full,
}

/// The fill level of the vault. A vault without room loses nothing: see
/// [`VaultError::Full`](crate::VaultError::Full).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaultStatus {
    /// Length of the vault's file in bytes.
    pub file_bytes: u64,
    /// Length in bytes to which the vault's file may grow.
    pub limit_bytes: u64,
    /// Number of bytes that the vault's rows take, each counted at least with its share of the
    /// file's tables.
    pub used_bytes: u64,
    /// Value of `used_bytes` up to which the user's own texts, contacts and invites may fill the
    /// vault.
    pub send_bytes: u64,
    /// Value of `used_bytes` up to which received messages may fill the vault.
    pub receive_bytes: u64,
    /// The kinds of rows for which the vault has room now.
    pub room: VaultRoom,
    /// Number of bytes of erased rows that are still in the file, encrypted under keys that are
    /// destroyed. They are overwritten within minutes while the vault is open.
    pub dead_bytes: u64,
    /// The time since the oldest of the erased rows that are still in the file was erased, as far
    /// as this process knows; `None` if there is none.
    pub oldest_dead: Option<Duration>,
}

impl VaultStatus {
    /// Returns the fill level in percent of the bytes that received messages may fill; at most 100.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let percent = self.used_bytes.saturating_mul(100).checked_div(self.receive_bytes).unwrap_or(100);
        u8::try_from(percent.min(100)).unwrap_or(100)
    }
}

/// Returns the number of bytes with which a row of this length in bytes counts: at least
/// `least_row`, because small rows take their share of the storage's tables.
pub(super) fn weight(least_row: u64, length: usize) -> u64 {
    least_row.max(u64::try_from(length).unwrap_or(u64::MAX))
}

/// Returns the fill level of a storage whose rows count `used_bytes` bytes.
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
