//! A test of this machine and this build: is that which was acked really gone from the disk?
//!
//! A scratch store on the file system in question takes *canaries*, blobs of random bytes. Their
//! slots (which hold their keys) and sealed bodies are read from the raw file before they are acked
//! and searched afterwards: the slots at once, the bodies after `dead_bytes_s`. Besides, the store
//! key is tried at every position. A store that serves is never touched.

mod device;
mod error;
mod needles;
mod report;

pub use error::SelftestError;
pub use report::{DeviceReport, ResidueReport};

use crate::clock::{Clock, Now};
use crate::data_dir::{DataDir, StoreSize};
use crate::hints::Hints;
use crate::kept::{KeptStore, ShredBacking};
use crate::limits::Limits;
use crate::random::SystemRandom;
use crate::scratch::{Scratch, ScratchError};
use crate::store::{Claim, ConnectedReader, NewMailbox, Peek, Store, Verdict};
use deaddrop_shred::residue::{Place, places, scan};
use deaddrop_shred::{FileDisk, OpenError};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, MailboxId, OwnId, SendId, SizeClass};
use needles::Needles;
use rand::{Rng, RngExt};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Number of canaries of each size class: enough that their slots fill more than one sector.
const CANARIES: usize = 16;
/// Size of the scratch store, in MiB: the smallest, with room for all canaries.
const SIZE: StoreSize = StoreSize { segment_mib: 1, max_mib: 16 };
/// MiB of free space that the test asks for: the store, and as many for the file system.
const NEEDED_MIB: u64 = 32;
/// Time after `dead_bytes_s` at which the bodies are searched, in which the writer wakes up.
const GRACE: Duration = Duration::from_secs(1);

/// The settings of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResidueOptions {
    /// Limit `dead_bytes_s` of the scratch store.
    pub dead_bytes_s: u32,
    /// Time from the ack to the search for the bodies, without the second of grace; `dead_bytes_s` unless a
    /// test wants to see the search find something.
    pub wait: Duration,
    /// Whether the block device below the file system is searched, too. Needs the right to read it.
    pub device: bool,
}

/// Makes the folder of a test in `folder`, which must exist.
///
/// # Errors
/// Fails with [`ScratchError`] when the folder cannot be made, or the file system has too little
/// space.
pub fn scratch_in(folder: &Path) -> Result<Scratch, ScratchError> {
    Scratch::create_in(folder, "selftest", NEEDED_MIB)
}

/// Makes a store in the folder of a test, destroys canaries in it, and searches for what is left.
/// `tell` gets a line about each step.
///
/// # Errors
/// Fails with [`SelftestError`] when the test could not be made. Found remains are no error: see
/// [`ResidueReport::is_clean`].
pub async fn find_residue(
    scratch: &Scratch,
    options: ResidueOptions,
    mut tell: impl FnMut(&str),
) -> Result<ResidueReport, SelftestError> {
    let dir = DataDir::at(scratch.path().join("relay"));
    dir.init(SIZE, &mut SystemRandom)?;
    let limits = Limits { dead_bytes_s: options.dead_bytes_s, ..Limits::DEFAULT };
    let canaries = Canaries::put(dir.open(limits, &mut SystemRandom)?).await?;
    let (mut slots, mut bodies) = (Needles::new(), Needles::new());
    let before = remember(&dir, &mut slots, &mut bodies)?;
    let file = dir.store_path();
    let seen = |needles: &Needles| Ok::<_, io::Error>(needles.search(File::open(&file)?, |_, _| true)?.len());
    for needles in [&slots, &bodies] {
        let (seen, all) = (seen(needles)?, needles.len());
        if seen < all {
            return Err(SelftestError::Blind { seen, all, place: file.display().to_string() });
        }
    }
    tell(&format!(
        "{before} records with {} pieces of slots and {} of bodies are seen in the file",
        slots.len(),
        bodies.len()
    ));
    let device = if options.device { Some(device::Device::below(&file, &bodies, &mut tell)?) } else { None };
    canaries.ack().await?;
    let slots_left = seen(&slots)?;
    let opened = opening(&dir)?.saturating_sub(before - Canaries::NUMBER);
    let bodies_at_once = seen(&bodies)?;
    tell(&format!("acked; waiting for {} s until their bytes are zeroed", options.wait.as_secs()));
    tokio::time::sleep(options.wait.saturating_add(GRACE)).await;
    let bodies_left = seen(&bodies)?;
    let device = device.map(|device| device.search(&slots, &bodies, &mut tell)).transpose()?;
    drop(canaries);
    Ok(ResidueReport {
        canaries: Canaries::NUMBER,
        slots: slots.len(),
        slots_left,
        opened,
        bodies: bodies.len(),
        bodies_at_once,
        bodies_left,
        waited_s: options.wait.as_secs(),
        device,
    })
}

/// Adds the bytes of all records of the store to the needles. Returns the number of records.
fn remember(dir: &DataDir, slots: &mut Needles, bodies: &mut Needles) -> Result<usize, SelftestError> {
    let disk = FileDisk::open_read_only(dir.store_path()).map_err(|_| OpenError::Io)?;
    let all = places(&disk, &dir.store_key()?.unlock())?;
    let mut file = File::open(dir.store_path())?;
    let mut read = |range: &std::ops::Range<u64>| {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(0)];
        file.seek(SeekFrom::Start(range.start))?;
        file.read_exact(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    // The record of a mailbox is small, and stays.
    let is_canary = |place: &&Place| place.body.end - place.body.start >= SizeClass::Small.bytes() as u64;
    let canaries: Vec<&Place> = all.iter().filter(is_canary).collect();
    if canaries.len() != Canaries::NUMBER {
        return Err(SelftestError::Refused("keep one record for each canary"));
    }
    for place in canaries {
        for slot in &place.slots {
            slots.add(&read(slot)?);
        }
        bodies.add(&read(&place.body)?);
    }
    Ok(all.len())
}

/// Returns the number of records that the store key opens, at whatever position.
fn opening(dir: &DataDir) -> Result<usize, SelftestError> {
    let disk = FileDisk::open_read_only(dir.store_path()).map_err(|_| OpenError::Io)?;
    let found = scan(&disk, &dir.store_key()?.unlock())?;
    Ok(usize::try_from(found.bodies).unwrap_or(usize::MAX))
}

/// Canaries in mailboxes of the scratch store, delivered to a reader.
struct Canaries {
    store: KeptStore<ShredBacking>,
    now: Now,
    acks: Vec<(crate::store::Handle, crate::store::Fence, Vec<crate::store::RecordId>)>,
}

impl Canaries {
    /// Number of all canaries.
    const NUMBER: usize = 3 * CANARIES;

    /// Puts the canaries, one mailbox for each size class, and delivers them.
    async fn put(store: KeptStore<ShredBacking>) -> Result<Self, SelftestError> {
        let clock =
            Clock::start(None, true).map_err(|_| SelftestError::Refused("believe the system's clock"))?;
        let now = clock.now();
        let reader = ConnectedReader {
            token: ClientToken::from_bytes(SystemRandom.random()),
            hints: Arc::new(Hints::default()),
        };
        let mut acks = Vec::new();
        for class in [SizeClass::Small, SizeClass::Medium, SizeClass::Large] {
            let (read, send) =
                (MailboxId::from_bytes(SystemRandom.random()), SendId::from_bytes(SystemRandom.random()));
            let new = NewMailbox {
                own: OwnId::from_bytes(SystemRandom.random()),
                read,
                sends: vec![SendGrant { send, via: 0 }],
                lease: LeaseClass::Month,
                quota: QuotaClass::Many,
                flags: CreateFlags::NONE,
            };
            if store.create(vec![new], now).await != [Verdict::Done] {
                return Err(SelftestError::Refused("make a mailbox"));
            }
            let bodies: Vec<Vec<u8>> = (0..CANARIES).map(|_| random_bytes(class.bytes())).collect();
            let blobs = bodies.iter().filter_map(|body| Blob::new(body.clone()).ok());
            let verdicts = store.put(blobs.map(|blob| (send, blob)).collect(), now).await;
            if verdicts != [Verdict::Done; CANARIES] {
                return Err(SelftestError::Refused("take a canary"));
            }
            let claimed = store.claim(vec![Claim { read, sub: 0 }], &reader, now).await;
            let Some(Ok(claimed)) = claimed.first().copied() else {
                return Err(SelftestError::Refused("let the reader claim a mailbox"));
            };
            let (handle, fence) = (claimed.handle, claimed.fence);
            let peek = Peek {
                handle,
                fence,
                in_flight: Vec::new(),
                blobs: CANARIES,
                bytes: usize::MAX,
                any_first: true,
            };
            let found = store.peek(peek, now).await.map_err(|_| SelftestError::Refused("deliver"))?;
            let delivered = found.blobs.iter().map(|stored| stored.blob.as_bytes());
            if !delivered.eq(bodies.iter().map(Vec::as_slice)) {
                return Err(SelftestError::Refused("deliver the canaries as they were put"));
            }
            acks.push((handle, fence, found.blobs.iter().map(|stored| stored.record).collect()));
        }
        Ok(Self { store, now, acks })
    }

    /// Acks all canaries, and returns when the store says that they are destroyed.
    async fn ack(&self) -> Result<(), SelftestError> {
        let results = self.store.ack(self.acks.clone(), self.now).await;
        if results.iter().all(Result::is_ok) { Ok(()) } else { Err(SelftestError::Refused("take an ack")) }
    }
}

fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SystemRandom.fill_bytes(&mut bytes);
    bytes
}
