//! Every bound of the wire format, in one place (spec/09-wire.md section 6).

/// The longest padded plaintext of a record: four times the largest ordinary size.
pub const MAX_RECORD: usize = 264_192;
/// Items in one record, known and unknown together.
pub const MAX_ITEMS: usize = 1_024;
/// Entries of all lists of one record together, those of lists within lists too: as many as the largest `Ack` has.
/// Bounds what a parser allocates beside the blobs.
pub const MAX_LIST_ENTRIES: usize = MAX_ACKS * (1 + MAX_ALSO);
/// Send capabilities granted at creation.
pub const MAX_SENDS: usize = 4;
/// Bytes of an anti-abuse token at creation.
pub const MAX_TOKEN: usize = 256;
/// Mailboxes in one `Subscribe`, `Unsubscribe` or `Subscribed`.
pub const MAX_SUBSCRIBE: usize = 4_096;
/// Subscriptions in one `Ack` or `Acked`.
pub const MAX_ACKS: usize = 256;
/// Tags beyond the cumulative one, per subscription of an `Ack`.
pub const MAX_ALSO: usize = 64;
/// Versions in one offer.
pub const MAX_VERSIONS: usize = 8;
/// Bytes of a relay's URL, so that a mailbox address (32 + 32 + 2 + URL) stays within 512 bytes.
pub const MAX_URL: usize = 446;
/// Bytes of a relay's description of itself.
pub const MAX_ABOUT: usize = 4_096;
