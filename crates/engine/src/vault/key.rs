//! Keys of rows: table (1 byte), owner (4), number (8), sub number (1), two zero bytes, all
//! big-endian, so that the rows of a table sort by them. The owner is the number of a contact where
//! nothing else is said. spec/14-client.md section 2 has the list.

use super::port::RowKey;

/// The table to which a row belongs. One row: the table has no other, and owner and number are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// One row: the seed of this user's identity, the relay that is set, counters.
    Config,
    /// A contact as a person: name and identity.
    Person,
    /// The snapshot of a session. The sub number is the session's slot, different for each session
    /// of a contact.
    Session,
    /// The secrets by which a session proves a reset. The sub number is the session's slot.
    Resets,
    /// The key of a skipped message. The sub number is the session's slot, the number the turn
    /// (upper 32 bits) and the message number in it.
    Skipped,
    /// The outbox. Sub number 0: an item, with its number in the stream; number 0: the control
    /// message (see [`ItemKind::Control`](super::ItemKind::Control)). Sub number 1: a draft, which
    /// has no number in the stream yet; the number is its place among the drafts.
    Outbox,
    /// An event for the app. The owner is 0, the number that of the event.
    Event,
    /// A received item above the low-water mark of its stream, with its number. The sub number is
    /// the stream's slot, different for each incoming stream of a contact.
    Held,
    /// A content that is kept for a newer version. The number is that of the event that reports it.
    Parked,
    /// The secrets of an open invite, on the inviter's side.
    Invite,
    /// One row: the number up to which a simple app has shown events.
    Cursor,
    /// The count of starts of processing a blob that have not ended. Owner and number are the
    /// blob's first 12 bytes.
    Attempt,
    /// One row, which exists while the vault is open: an opening that finds it comes after a crash.
    Running,
    /// A blob that was put aside, because its processing was begun several times and never ended.
    /// The number is its first 8 bytes.
    Aside,
    /// A contact as the one device with which this client communicates: mailboxes, addresses,
    /// streams.
    Peer,
    /// The row of the e2ee crate's `Contact`: the contact's sessions and their relation.
    Ratchet,
    /// A contact as a conversation: its clocks.
    Conversation,
    /// The id of a message that was shown, by which a repeat is recognised. The number is a hash of
    /// author and id.
    Seen,
    /// One row: what the user has allowed and set for relays.
    Relays,
    /// The IP address to which a contact's address leads, and to which the client does not connect.
    Blocked,
    /// One row: the format of the vault's rows.
    Format,
    /// One row: the time at which addresses that refused were last tried again.
    StaleTried,
    /// A note that a receipt showed an item of the outbox to be missing. The number is the item's.
    Missing,
    /// Number of bytes that were sent again to a contact in one hour of the machine's clock. One
    /// row for each contact: that of a later hour replaces it.
    Again,
    /// An envelope that is read only after the user's decision. The number is its place in the
    /// order of arrival, from 1.
    Asked,
    /// One row: the sentinel mailboxes, which show whether this vault was put back from a copy.
    Sentinel,
    /// The number up to which a simple app has shown a contact's events. Owner 0: of the events
    /// that concern no contact.
    Shown,
    /// One row, which exists while contacts are being moved to the relay that is set.
    Moving,
    /// The number of the newest private mailbox that a contact has used, as long as older ones
    /// exist.
    Used,
    /// One row: the day that is believed.
    Calendar,
    /// The moves of relays that links have learnt. Owner 0: the reading links; otherwise the links
    /// that put to this contact.
    MovedRelays,
}

impl Table {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Config => 1,
            Self::Person => 2,
            Self::Session => 3,
            Self::Resets => 4,
            Self::Skipped => 5,
            Self::Outbox => 6,
            Self::Event => 7,
            Self::Held => 8,
            Self::Parked => 9,
            Self::Invite => 10,
            Self::Cursor => 11,
            Self::Attempt => 12,
            Self::Running => 13,
            Self::Aside => 14,
            Self::Peer => 15,
            Self::Ratchet => 16,
            Self::Conversation => 17,
            Self::Seen => 19,
            Self::Relays => 25,
            Self::Blocked => 26,
            Self::Format => 27,
            Self::StaleTried => 28,
            Self::Missing => 29,
            Self::Again => 30,
            Self::Asked => 31,
            Self::Sentinel => 32,
            Self::Shown => 33,
            Self::Moving => 34,
            Self::Used => 35,
            Self::Calendar => 36,
            Self::MovedRelays => 37,
        }
    }
}

/// Returns the key of a row with the sub number 0.
pub(crate) const fn key(table: Table, owner: u32, number: u64) -> RowKey {
    sub_key(table, owner, number, 0)
}

/// Returns the key of a row.
pub(crate) const fn sub_key(table: Table, owner: u32, number: u64, sub: u8) -> RowKey {
    let [a, b, c, d] = owner.to_be_bytes();
    let [e, f, g, h, i, j, k, l] = number.to_be_bytes();
    RowKey([table.code(), a, b, c, d, e, f, g, h, i, j, k, l, sub, 0, 0])
}

/// Returns the owner and the number in a key.
pub(crate) const fn parts(key: &RowKey) -> (u32, u64) {
    let [_, a, b, c, d, e, f, g, h, i, j, k, l, ..] = key.0;
    (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes([e, f, g, h, i, j, k, l]))
}

/// Returns the sub number in a key.
pub(crate) const fn sub(key: &RowKey) -> u8 {
    let [.., sub, _, _] = key.0;
    sub
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_sort() {
        let k = sub_key(Table::Outbox, 7, 1 << 40, 3);
        assert_eq!((parts(&k), sub(&k)), ((7, 1 << 40), 3));
        assert_eq!(key(Table::Outbox, 7, 1), sub_key(Table::Outbox, 7, 1, 0));
        assert!(key(Table::Outbox, 7, 255) < key(Table::Outbox, 7, 256));
        assert!(key(Table::Outbox, 7, u64::MAX) < key(Table::Outbox, 8, 0));
        assert!(sub_key(Table::Held, 7, 1, 3) < key(Table::Held, 7, 2));
    }
}
