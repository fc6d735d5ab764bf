//! The engine, which keeps the rules of a client, over this crate's storage and randomness.

use crate::{error::OpenError, random::SystemRandom, vault::ShredVault};
use deaddrop_shred::{Disk, FileDisk, Shred};
use deaddrop_wire::RelayAddress;

/// The engine of a client, with its vault on a disk of type `D` and the system's random source.
pub(crate) type Engine<D = FileDisk> = deaddrop_engine::Engine<ShredVault<D>, SystemRandom>;

/// Makes a new person in an empty store. `now` is in seconds since 1970-01-01.
pub(crate) fn create_in<D: Disk + 'static>(
    store: Shred<D>,
    relay: Option<&RelayAddress>,
    now: u64,
) -> Result<Engine<D>, OpenError> {
    Ok(Engine::create(ShredVault::start(store)?, SystemRandom, relay, now)?)
}

/// Loads the person of a store, and begins the day that is believed (see
/// [`ClockStatus::believed`](crate::ClockStatus::believed)). `now` is in seconds since 1970-01-01.
pub(crate) fn open_in<D: Disk + 'static>(store: Shred<D>, now: u64) -> Result<Engine<D>, OpenError> {
    Ok(Engine::open(ShredVault::start(store)?, SystemRandom, now)?)
}
