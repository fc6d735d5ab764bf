//! Migrates a contact of format 1: it becomes a person, a peer, a conversation, and a contact of
//! the e2ee crate.

use super::{Work, rows};
use crate::{
    error::VaultError,
    vault::{
        ConversationRow, InStream, OutStream, PeerKind, PeerRow, PersonRow, RowKey, SessionSlot, Table,
        Vault, format1, key, parts,
    },
};
use deaddrop_e2ee::{
    LoadError,
    contact::Contact,
    content::StreamDigest,
    identity::IdentityHash,
    session::{Session, SkippedId},
};
use rand_core::CryptoRng;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The slot (sub number of rows) of the only session and of the only incoming stream that a contact
/// has in format 1.
const SLOT: u8 = 0;

impl<V: Vault, R: CryptoRng> Work<'_, V, R> {
    /// Returns, for each contact, the keys of the rows that hold keys of skipped messages.
    pub(super) fn skipped_keys(&self) -> BTreeMap<u32, Vec<RowKey>> {
        let mut skipped: BTreeMap<u32, Vec<RowKey>> = BTreeMap::new();
        for row in self.vault.keys(Table::Skipped) {
            skipped.entry(parts(&row).0).or_default().push(row);
        }
        skipped
    }

    /// Replaces the row of a contact by those of format 2 (three, or four if its identity is
    /// known), and erases its control message: the engine makes it again.
    pub(super) fn contact(&mut self, id: u32, skipped: &[RowKey]) -> Result<(), VaultError> {
        let mut old: format1::ContactRow = super::old(self.vault, &key(Table::Person, id, 0))?;
        let control = key(Table::Outbox, id, rows::CONTROL);
        if self.vault.has(&control) {
            let item: format1::ItemRow = super::old(self.vault, &control)?;
            // A Hello has no content here, a receipt has.
            old.receipt_due |= !item.content.is_empty();
            self.changes.erase(control);
        }
        let session = match &old.identity {
            Some(identity) => self.session(id, identity, skipped)?,
            None => None,
        };
        let slots: Vec<_> =
            session.iter().map(|session| SessionSlot { slot: SLOT, session: session.id().0 }).collect();
        if let Some(identity) = old.identity {
            let ratchet = match session {
                Some(session) => Contact::adopt(session, old.verified),
                None => {
                    let mut lost = Contact::new(IdentityHash::from_bytes(identity));
                    // The whole row is stored below.
                    let _ = lost.set_verified(old.verified);
                    lost
                }
            };
            self.changes.put_bytes(key(Table::Ratchet, id, 0), ratchet.row());
        }
        let clock = self.clocks.get(&id).copied().unwrap_or(0);
        let mut stream = [0; 16];
        if let Some(rng) = self.rng.as_mut() {
            rng.fill_bytes(&mut stream);
        }
        let (person, peer) = split(old, id, slots, stream);
        self.changes.put(key(Table::Person, id, 0), &person)?;
        self.changes.put(key(Table::Peer, id, 0), &peer)?;
        self.changes.put(key(Table::Conversation, id, 0), &ConversationRow::new(id, clock))
    }

    /// Loads the session with a contact; `None` if its snapshot or its reset secrets are damaged or
    /// missing, or if it is with another identity. Leaves out damaged rows in `skipped`. Fails with
    /// [`VaultError::NewerVersion`] if a row of it is newer.
    fn session(
        &self,
        id: u32,
        identity: &[u8; 32],
        skipped: &[RowKey],
    ) -> Result<Option<Session>, VaultError> {
        let snapshot = self.unless_damaged(&key(Table::Session, id, 0))?;
        let resets = self.unless_damaged(&key(Table::Resets, id, 0))?;
        let (Some(snapshot), Some(resets)) = (snapshot, resets) else { return Ok(None) };
        let mut bodies = Vec::with_capacity(skipped.len());
        for row in skipped {
            // Without its key one message cannot be read; all others can.
            if let Some(body) = self.unless_damaged(row)? {
                bodies.push((skipped_id(parts(row).1), body));
            }
        }
        let rows = bodies.iter().map(|(id, body)| (*id, body.as_slice()));
        match Session::load(&snapshot, &resets, rows) {
            Ok(session) if session.peer().as_bytes() == identity => Ok(Some(session)),
            Err(LoadError::NewerVersion) => Err(VaultError::NewerVersion),
            _ => Ok(None),
        }
    }

    fn unless_damaged(&self, row: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        match self.vault.read_bytes(row) {
            Err(VaultError::Corrupt) => Ok(None),
            body => body,
        }
    }
}

/// Splits the number in the key of a skipped message's row into the turn and the number of the
/// message in it.
#[expect(clippy::cast_possible_truncation, reason = "two halves of 32 bits each")]
const fn skipped_id(number: u64) -> SkippedId {
    SkippedId { turn: (number >> 32) as u32, message_number: number as u32 }
}

fn split(
    old: format1::ContactRow,
    id: u32,
    slots: Vec<SessionSlot>,
    stream: [u8; 16],
) -> (PersonRow, PeerRow) {
    let person = PersonRow {
        name: old.name,
        root: old.identity,
        main_peer: id,
        conversation: id,
        contested: old.contested,
    };
    let incoming = old.in_stream.map(|stream| InStream {
        slot: SLOT,
        id: stream,
        low_water: old.low_water,
        digest: StreamDigest::empty(),
        has_digest: false,
        sparse: old.sparse,
        shown: old.low_water,
        beyond: 0,
        waits_since: None,
        used_on: 0,
        receipt_due: old.receipt_due,
    });
    let peer = PeerRow {
        person: id,
        leaf: old.identity,
        kind: PeerKind::Contact,
        slots,
        established: old.established,
        unreachable: old.unreachable,
        mailboxes: old.mailboxes,
        next_mailbox: old.next_mailbox,
        addresses: old.addresses,
        outgoing: OutStream::new(stream),
        incoming: incoming.into_iter().collect(),
        hello_due: old.hello_due,
        reset_due: false,
        troubled_on: 0,
        unread: 0,
        unacked: old.unacked,
        junk: old.junk,
        accepted_invite: old.accepted_invite,
    };
    (person, peer)
}
