//! The vault's rows, and a client without a network, for tests that bring bytes of their own. Rows hold secrets: never enable it
//! in an app.
//!
//! Behind the additive feature `hazmat`.

use crate::{
    engine::{Engine, MailboxName, PutJob},
    event::Event,
    vault::{
        AskedRow, BlockedRow, CalendarRow, ConfigRow, ConversationRow, DraftRow, EventRow, HeldRow,
        InviteRow, ItemRow, MailboxState, ParkedRow, PeerRow, PersonRow, RelaysRow, SeenRow, SentinelRow,
        Table, decode, encode,
    },
};
use deaddrop_shred::{Geometry, MasterKey, MemoryDisk, Shred, Unlock};
use deaddrop_wire::{Day, RelayAddress};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeSet, sync::Arc};

/// Decodes a row of the table with this number and encodes it again; `None` when it is refused, or when rows of the table
/// have no shape of the client's own.
#[must_use]
pub fn row(table: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
        encode(&decode::<T>(bytes).ok()?).ok().map(|bytes| bytes.to_vec())
    }
    match table {
        _ if table == Table::Config.code() => again::<ConfigRow>(bytes),
        _ if table == Table::Person.code() => again::<PersonRow>(bytes),
        _ if table == Table::Peer.code() => again::<PeerRow>(bytes),
        _ if table == Table::Conversation.code() => again::<ConversationRow>(bytes),
        _ if table == Table::Outbox.code() => again::<ItemRow>(bytes).or_else(|| again::<DraftRow>(bytes)),
        _ if table == Table::Held.code() => again::<HeldRow>(bytes),
        _ if table == Table::Parked.code() => again::<ParkedRow>(bytes),
        _ if table == Table::Seen.code() => again::<SeenRow>(bytes),
        _ if table == Table::Sentinel.code() => again::<SentinelRow>(bytes),
        _ if table == Table::Asked.code() => again::<AskedRow>(bytes),
        _ if table == Table::Calendar.code() => again::<CalendarRow>(bytes),
        _ if table == Table::Event.code() => again::<EventRow>(bytes),
        _ if table == Table::Invite.code() => again::<InviteRow>(bytes),
        _ if table == Table::Cursor.code() => again::<u64>(bytes),
        _ if table == Table::Shown.code() => again::<u64>(bytes),
        _ if table == Table::Used.code() => again::<u32>(bytes),
        _ if table == Table::Running.code() || table == Table::Moving.code() => again::<bool>(bytes),
        _ if table == Table::Relays.code() => again::<RelaysRow>(bytes),
        _ if table == Table::Blocked.code() => again::<BlockedRow>(bytes),
        _ => None,
    }
}

/// A client in memory that has invited one contact, and whose relay is the caller. `None` anywhere: its vault has stopped.
pub struct Secluded {
    disk: Arc<MemoryDisk>,
    engine: Engine<Arc<MemoryDisk>>,
    relay: String,
    /// The time of the last try of addresses that refused.
    stale_at: u64,
}

const NAME: &str = "peer";
const CONTACT: u32 = 1;

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

impl Secluded {
    /// Makes a person who invites the contact; the second value is the bundle, the third the secret of its link.
    #[must_use]
    pub fn invite(relay: &RelayAddress, today: Day) -> Option<(Self, Vec<u8>, [u8; 32])> {
        let geometry = Geometry {
            segment_bytes: 256 << 10,
            slots_per_segment: 512,
            max_segments: 256,
            ..Geometry::vault()
        };
        let disk = Arc::new(MemoryDisk::new());
        let store =
            Shred::create(Arc::clone(&disk), &geometry, &unlock(), &mut crate::random::SystemRandom).ok()?;
        let mut engine = Engine::create(store, Some(relay), today.unix_seconds()).ok()?;
        let id = engine.begin_invite(NAME, today, 7).ok().filter(|id| *id == CONTACT)?;
        let bundle = engine.publication(id)?.bundle;
        engine.published(id).ok()?;
        let link: deaddrop_e2ee::invite::InviteLink = engine.link_text(id)?.parse().ok()?;
        Some((Self { disk, engine, relay: relay.to_string(), stale_at: 0 }, bundle, *link.secret().expose()))
    }

    /// What its disk holds.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        self.disk.to_bytes()
    }

    /// A person from what a disk held.
    #[must_use]
    pub fn open(image: Vec<u8>, relay: &RelayAddress, today: Day) -> Option<Self> {
        let disk = Arc::new(MemoryDisk::from_bytes(image));
        let store = Shred::open(Arc::clone(&disk), &unlock(), &mut crate::random::SystemRandom).ok()?;
        Some(Self { disk, engine: Engine::open(store, today).ok()?, relay: relay.to_string(), stale_at: 0 })
    }

    /// All mailboxes that are wanted are made, all that are not are deleted; gives how many there are.
    #[must_use]
    pub fn make_mailboxes(&mut self) -> Option<usize> {
        for mailbox in self.engine.mailboxes_at(&self.relay) {
            match mailbox.state {
                MailboxState::Wanted | MailboxState::Lost => {
                    self.engine.mailbox_created(mailbox.name).ok()?
                }
                MailboxState::Retiring => self.engine.mailbox_gone(mailbox.name).ok()?,
                MailboxState::Live => {}
            }
        }
        Some(self.engine.mailboxes_at(&self.relay).len())
    }

    /// A blob comes by one of its mailboxes.
    #[must_use]
    pub fn deliver(&mut self, mailbox: u32, blob: &[u8], today: Day) -> Option<()> {
        self.engine.delivered(MailboxName { contact: CONTACT, mailbox }, blob, today).ok()?;
        if let Some(tag) = blob.first_chunk() {
            self.engine.acked(MailboxName { contact: CONTACT, mailbox }, tag);
        }
        Some(())
    }

    /// Takes a text into the outbox; `false` when it is refused as such.
    #[must_use]
    pub fn send(&mut self, text: &str) -> Option<bool> {
        use crate::error::ClientError;
        match self.engine.send_text(NAME, text, 0) {
            Ok(_) => Some(true),
            Err(ClientError::TextTooLong) => Some(false),
            Err(_) => None,
        }
    }

    /// Makes due receipts, and gives up to `most` envelopes to a relay, which takes or refuses them.
    #[must_use]
    pub fn put(&mut self, most: usize, taken: bool, today: Day) -> Option<Vec<Vec<u8>>> {
        for id in self.engine.receipts_due() {
            self.engine.seal_receipt(id, today).ok()?;
        }
        let jobs = self.engine.take_puts(CONTACT, &BTreeSet::new(), most);
        let puts: Vec<_> = jobs.iter().map(PutJob::sent).collect();
        if taken {
            self.engine.accepted(CONTACT, &puts, crate::engine::BlobLives::DEFAULT, today).ok()?;
        } else {
            for put in puts {
                self.engine.refused(CONTACT, &put, today).ok()?;
            }
            self.stale_at += 300;
            self.engine.retry_stale(self.stale_at).ok()?;
        }
        Some(jobs.into_iter().map(|job| job.envelope).collect())
    }

    /// A day begins.
    #[must_use]
    pub fn begin_day(&mut self, today: Day) -> Option<()> {
        self.engine.begin_day(today).ok()
    }

    /// Every event.
    #[must_use]
    pub fn events(&self) -> Option<Vec<Event>> {
        self.engine.events_after(0, usize::MAX).ok()
    }
}

impl core::fmt::Debug for Secluded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secluded(..)")
    }
}
