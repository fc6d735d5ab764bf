//! The vault's rows, and a client without a network, for tests that bring bytes of their own. Rows hold secrets: never enable
//! this feature in an app.
//!
//! Behind the additive feature `hazmat`.

pub use deaddrop_engine::hazmat::row;

use crate::{
    engine::{Engine, create_in},
    random::SystemRandom,
    vault::ShredVault,
};
use deaddrop_engine::{BlobLives, EngineError, Event, MailboxName, MailboxState, PutJob};
use deaddrop_shred::{Geometry, MasterKey, MemoryDisk, Shred, Unlock};
use deaddrop_wire::{Day, RelayAddress};
use std::{collections::BTreeSet, sync::Arc};

/// A client without a network, on a vault in memory. The client has invited one contact, and the
/// caller plays the relay and the contact.
///
/// A method returns `None` if the vault has stopped.
pub struct OfflineClient {
    disk: Arc<MemoryDisk>,
    engine: Engine<Arc<MemoryDisk>>,
    relay: String,
    /// Time of the last retry of addresses that refused an envelope, in seconds since 1970-01-01.
    stale_at: u64,
}

const NAME: &str = "peer";
const CONTACT: u32 = 1;

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

impl OfflineClient {
    /// Makes a person who invites the contact. Returns the client, the bundle of the invite, and
    /// the secret of its link; `None` if one of the steps fails.
    #[must_use]
    pub fn invite(relay: &RelayAddress, today: Day) -> Option<(Self, Vec<u8>, [u8; 32])> {
        let geometry = Geometry {
            segment_bytes: 256 << 10,
            slots_per_segment: 512,
            max_segments: 256,
            ..Geometry::vault()
        };
        let disk = Arc::new(MemoryDisk::new());
        let store = Shred::create(Arc::clone(&disk), &geometry, &unlock(), &mut SystemRandom).ok()?;
        let mut engine = create_in(store, Some(relay), today.unix_seconds()).ok()?;
        let id = engine.begin_invite(NAME, today, 7).ok().filter(|id| *id == CONTACT)?;
        let bundle = engine.publication(id)?.bundle;
        engine.published(id).ok()?;
        let link: deaddrop_e2ee::invite::InviteLink = engine.link_text(id)?.parse().ok()?;
        Some((Self { disk, engine, relay: relay.to_string(), stale_at: 0 }, bundle, *link.secret().expose()))
    }

    /// Returns all bytes of the client's disk.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        self.disk.to_bytes()
    }

    /// Opens a person from the bytes of a disk (see [`image`](Self::image)); `None` if no vault can
    /// be opened from them.
    #[must_use]
    pub fn open(image: Vec<u8>, relay: &RelayAddress, today: Day) -> Option<Self> {
        let disk = Arc::new(MemoryDisk::from_bytes(image));
        let store = Shred::open(Arc::clone(&disk), &unlock(), &mut SystemRandom).ok()?;
        let engine = Engine::open_on_day(ShredVault::start(store).ok()?, SystemRandom, today).ok()?;
        Some(Self { disk, engine, relay: relay.to_string(), stale_at: 0 })
    }

    /// Notes that the relay has made all mailboxes that are wanted, and has deleted those that are
    /// not wanted any more. Returns the number of mailboxes that are left; `None` if the vault
    /// fails.
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

    /// Delivers a blob from the client's own mailbox with this number, into which the contact puts,
    /// and the relay's word that it is destroyed. Returns `None` if the vault fails.
    #[must_use]
    pub fn deliver(&mut self, mailbox: u32, blob: &[u8], today: Day) -> Option<()> {
        self.engine.delivered(MailboxName { contact: CONTACT, mailbox }, blob, today).ok()?;
        if let Some(tag) = blob.first_chunk() {
            self.engine.acked(MailboxName { contact: CONTACT, mailbox }, tag);
        }
        Some(())
    }

    /// Queues a text for the contact. Returns `false` if the text is too long; `None` on any other
    /// error.
    #[must_use]
    pub fn send(&mut self, text: &str) -> Option<bool> {
        match self.engine.send_text(NAME, text, 0) {
            Ok(_) => Some(true),
            Err(EngineError::TextTooLong) => Some(false),
            Err(_) => None,
        }
    }

    /// Makes the receipts that the client owes, and returns up to `most` of the envelopes that
    /// wait, oldest first; `None` if the vault fails. The relay stores them (`taken`), or refuses
    /// them as being for an address that it does not know: then they are encrypted again for the
    /// same address, and later calls return these.
    #[must_use]
    pub fn put(&mut self, most: usize, taken: bool, today: Day) -> Option<Vec<Vec<u8>>> {
        for id in self.engine.receipts_due() {
            self.engine.seal_receipt(id, today).ok()?;
        }
        let jobs = self.engine.take_puts(CONTACT, &BTreeSet::new(), most);
        let puts: Vec<_> = jobs.iter().map(PutJob::sent).collect();
        if taken {
            self.engine.mark_stored_at_relay(CONTACT, &puts, BlobLives::DEFAULT, today).ok()?;
        } else {
            for put in puts {
                self.engine.refused(CONTACT, &put, today).ok()?;
            }
            self.stale_at += 300;
            self.engine.retry_stale(self.stale_at).ok()?;
        }
        Some(jobs.into_iter().map(|job| job.envelope).collect())
    }

    /// Does the work of a new day: erases what is too old, and sends again what has expired at the
    /// relay. Returns `None` if the vault fails.
    #[must_use]
    pub fn begin_day(&mut self, today: Day) -> Option<()> {
        self.engine.begin_day(today).ok()
    }

    /// Returns all events, oldest first; `None` if the vault cannot be read.
    #[must_use]
    pub fn events(&self) -> Option<Vec<Event>> {
        self.engine.events_after(0, usize::MAX).ok()
    }
}

impl core::fmt::Debug for OfflineClient {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OfflineClient(..)")
    }
}
