//! Loads contacts from their rows.

use super::peer::{Asked, Peer};
use crate::{
    error::VaultError,
    vault::{
        AskedRow, BlockedRow, ConversationRow, InviteRow, MovedRelaysRow, PeerRow, PersonRow, RowKey, Rows,
        Table, Vault, key, parts, sub, sub_key,
    },
};
use deaddrop_e2ee::{
    contact::StoredSession,
    identity::IdentityHash,
    invite::PendingInvite,
    session::{Session, SessionId, SkippedId},
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Maximum number of rows of [`Table::Attempt`] (counts of starts of processing a blob) that are
/// kept when the vault is opened; the oldest are erased.
pub(super) const MAX_ATTEMPT_ROWS: usize = 64;

/// The keys of skipped messages of one session, encoded, with their ids.
type Skipped = Vec<(SkippedId, Zeroizing<Vec<u8>>)>;

/// Loads all contacts, by number.
pub(super) fn contacts<V: Vault>(vault: &Rows<V>) -> Result<BTreeMap<u32, Peer>, VaultError> {
    let mut skipped: BTreeMap<(u32, u8), Skipped> = BTreeMap::new();
    for row in vault.keys(Table::Skipped) {
        let (owner, number) = parts(&row);
        // One that is damaged costs its message alone.
        if let Some(bytes) = read_if_whole(vault, &row)? {
            skipped.entry((owner, sub(&row))).or_default().push((skipped_id(number), bytes));
        }
    }
    let mut contacts = BTreeMap::new();
    for id in vault.keys(Table::Person).iter().map(|key| parts(key).0) {
        contacts.insert(id, contact(vault, id, &skipped)?);
    }
    for row in vault.keys(Table::Outbox) {
        let (owner, number) = parts(&row);
        let Some(contact) = contacts.get_mut(&owner) else { continue };
        match sub(&row) {
            0 => drop(contact.items.insert(number, read(vault, &row)?)),
            _ => drop(contact.drafts.insert(number, read(vault, &row)?)),
        }
    }
    for row in vault.keys(Table::Missing) {
        let (owner, number) = parts(&row);
        if let Some(contact) = contacts.get_mut(&owner) {
            contact.missing.insert(number, read(vault, &row)?);
        }
    }
    for row in vault.keys_by_age(Table::Seen) {
        if let Some(contact) = contacts.get_mut(&parts(&row).0) {
            contact.seen.push_back(row);
        }
    }
    for row in vault.keys_by_age(Table::Aside) {
        if let Some(contact) = contacts.get_mut(&parts(&row).0) {
            contact.aside.push_back(row);
        }
    }
    for row in vault.keys(Table::Parked) {
        if let Some(contact) = contacts.get_mut(&parts(&row).0) {
            contact.parked += 1;
        }
    }
    for row in vault.keys(Table::Asked) {
        let (owner, number) = parts(&row);
        if let Some(contact) = contacts.get_mut(&owner) {
            contact.asked.insert(number, Asked::of(&read::<AskedRow, V>(vault, &row)?));
        }
    }
    Ok(contacts)
}

/// Returns the moves of relays, by the owner of their row.
pub(super) fn moved_relays<V: Vault>(vault: &Rows<V>) -> Result<BTreeMap<u32, MovedRelaysRow>, VaultError> {
    let rows = vault.keys(Table::MovedRelays);
    rows.iter().map(|row| Ok((parts(row).0, read(vault, row)?))).collect()
}

/// Returns for each contact that has one the number up to which a simple app has shown its events.
pub(super) fn shown<V: Vault>(vault: &Rows<V>) -> Result<BTreeMap<u32, u64>, VaultError> {
    let rows = vault.keys(Table::Shown);
    rows.iter().map(|row| Ok((parts(row).0, read(vault, row)?))).collect()
}

/// Returns the keys of rows to be erased when the vault is opened: rows of dropped sessions and
/// streams that a crash has left, and the oldest of too many counts of starts.
pub(super) fn left_over<V: Vault>(vault: &Rows<V>, contacts: &BTreeMap<u32, Peer>) -> Vec<RowKey> {
    let is_left = |row: &RowKey, in_use: &dyn Fn(&PeerRow, u8) -> bool| {
        contacts.get(&parts(row).0).is_some_and(|contact| !in_use(&contact.row, sub(row)))
    };
    let of_stream = |row: &PeerRow, slot| row.incoming.iter().any(|stream| stream.slot == slot);
    let of_session = |row: &PeerRow, slot| row.slots.iter().any(|session| session.slot == slot);
    let held = vault.keys(Table::Held).into_iter().filter(|row| is_left(row, &of_stream));
    let skipped = vault.keys(Table::Skipped).into_iter().filter(|row| is_left(row, &of_session));
    // Of blobs that a relay has not brought again after a crash.
    let mut attempts = vault.keys_by_age(Table::Attempt);
    attempts.truncate(attempts.len().saturating_sub(MAX_ATTEMPT_ROWS));
    held.chain(skipped).chain(attempts).collect()
}

fn read<T: DeserializeOwned, V: Vault>(vault: &Rows<V>, row: &RowKey) -> Result<T, VaultError> {
    vault.read(row)?.ok_or(VaultError::Corrupt)
}

/// Returns the bytes of a row; `None` if there is no such row, or if it is damaged.
fn read_if_whole<V: Vault>(vault: &Rows<V>, row: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
    match vault.read_bytes(row) {
        Err(VaultError::Corrupt) => Ok(None),
        read => read,
    }
}

fn contact<V: Vault>(
    vault: &Rows<V>,
    id: u32,
    skipped: &BTreeMap<(u32, u8), Skipped>,
) -> Result<Peer, VaultError> {
    let person: PersonRow = read(vault, &key(Table::Person, id, 0))?;
    let conversation: ConversationRow = read(vault, &key(Table::Conversation, id, 0))?;
    let mut row: PeerRow = read(vault, &key(Table::Peer, id, 0))?;
    let ratchet = ratchet(vault, id, &row, skipped)?;
    // Rows that a damaged disk has cost; a reset is tried at once.
    row.reset_due |= ratchet.as_ref().is_some_and(|ratchet| ratchet.is_lost() || ratchet.sending().is_none());
    let invite = match vault.read::<InviteRow>(&key(Table::Invite, id, 0))? {
        None => None,
        Some(row) => {
            let pending = PendingInvite::from_bytes(&row.pending)?;
            Some((row, pending))
        }
    };
    let blocked = vault.read::<BlockedRow>(&key(Table::Blocked, id, 0))?;
    let again = vault.read(&key(Table::Again, id, 0))?;
    let uses_mailbox = vault.read(&key(Table::Used, id, 0))?;
    let sends_in = ratchet.as_ref().and_then(|ratchet| ratchet.sending()).map(Session::id);
    Ok(Peer {
        sends_in,
        blocked: blocked.map(|row| row.address),
        ratchet,
        invite,
        again,
        uses_mailbox,
        ..Peer::new(person, conversation, row)
    })
}

fn ratchet<V: Vault>(
    vault: &Rows<V>,
    id: u32,
    row: &PeerRow,
    skipped: &BTreeMap<(u32, u8), Skipped>,
) -> Result<Option<deaddrop_e2ee::contact::Contact>, VaultError> {
    let Some(leaf) = row.leaf else { return Ok(None) };
    let Some(stored) = read_if_whole(vault, &key(Table::Ratchet, id, 0))? else {
        return Ok(Some(deaddrop_e2ee::contact::Contact::new(IdentityHash::from_bytes(leaf))));
    };
    let mut sessions = Vec::with_capacity(row.slots.len());
    for slot in &row.slots {
        let bytes = |table| -> Result<_, VaultError> {
            Ok(read_if_whole(vault, &sub_key(table, id, 0, slot.slot))?.unwrap_or_default())
        };
        sessions.push((slot, bytes(Table::Session)?, bytes(Table::Resets)?));
    }
    let sessions = sessions.iter().map(|(slot, snapshot, reset_secrets)| {
        let skipped = skipped.get(&(id, slot.slot)).map(Vec::as_slice).unwrap_or_default();
        StoredSession {
            id: SessionId(slot.session),
            snapshot,
            reset_secrets,
            skipped: skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect(),
        }
    });
    deaddrop_e2ee::contact::Contact::load(&stored, sessions).map(Some).map_err(VaultError::from)
}

pub(super) const fn skipped_number(id: SkippedId) -> u64 {
    ((id.turn as u64) << 32) | id.message_number as u64
}

#[expect(clippy::cast_possible_truncation, reason = "splits what skipped_number has joined")]
const fn skipped_id(number: u64) -> SkippedId {
    SkippedId { turn: (number >> 32) as u32, message_number: number as u32 }
}
