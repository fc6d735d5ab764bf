//! The whole measurement.

use super::error::BenchError;
use super::floor::Floor;
use super::load::{Load, LoadEnd, LoadResult};
use super::process::{BenchRelay, MAX_STORE_MIB, Storage};
use super::report::{ConnectionsReport, CycleReport, Report};
use crate::scratch::{Scratch, ScratchError};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::{block_in_place, yield_now};

/// Number of pairs of clients in the parts of the measurement where each puts as fast as it can.
pub const PAIRS: u8 = 8;
/// Number of pairs of clients in the part where each puts one blob at a time: 64 connections.
const PATIENT_PAIRS: u8 = 32;
/// Maximum time for which the floor of one load is measured; otherwise a tenth of the whole time.
const FLOOR_TIME: Duration = Duration::from_secs(2);
/// MiB of free space that a measurement asks for: the store's maximum, and 64 for the floor and the
/// file system.
const NEEDED_MIB: u64 = MAX_STORE_MIB as u64 + 64;

/// Makes the folder of a measurement in `folder`, which must exist.
///
/// # Errors
/// Fails with [`ScratchError`] when the folder cannot be made, or the file system has too little
/// space.
pub fn scratch_in(folder: &Path) -> Result<Scratch, ScratchError> {
    Scratch::create_in(folder, "bench", NEEDED_MIB)
}

/// Runs the whole measurement for about `time`, with relays that the program file `program` runs in
/// `scratch`. `tell` gets a line when a load begins or ends, and when the floor is measured. Needs
/// a runtime with several threads. The future may be dropped; the relay ends then.
///
/// # Errors
/// Fails with [`BenchError`] when a relay does not start, a load does not run to its end, or the
/// floor cannot be measured.
pub async fn measure(
    program: &Path,
    scratch: &Scratch,
    time: Duration,
    tell: impl Fn(&str),
) -> Result<Report, BenchError> {
    let begun = Instant::now();
    let run = async |name: &str, relay: &BenchRelay, pairs: u8, unanswered: usize, percent: u32| {
        let time = time * percent / 100;
        tell(&format!("{name}: {} connections, {:.1} s", 2 * u16::from(pairs), time.as_secs_f64()));
        let result = Load { pairs, unanswered, end: LoadEnd::After(time) }.run(relay).await?;
        tell(&format!("{name}: {} blobs, {:.0} a second", result.cycles, result.per_s()));
        Ok::<LoadResult, BenchError>(result)
    };
    let relay = start(program, scratch, Storage::Disk).await?;
    let on_disk = run("on disk", &relay, PAIRS, usize::MAX, 30).await?;
    let patient = run("on disk, one put at a time", &relay, PATIENT_PAIRS, 1, 25).await?;
    drop(relay);
    let relay = start(program, scratch, Storage::Memory).await?;
    let in_memory = run("in memory", &relay, PAIRS, usize::MAX, 25).await?;
    drop(relay);
    tell("the floor: the same bytes with nothing around them");
    let disk_floor = floor(&on_disk, Storage::Disk, scratch, time).await?;
    let memory_floor = floor(&in_memory, Storage::Memory, scratch, time).await?;
    let disk = CycleReport::new(PAIRS, &on_disk, disk_floor);
    let memory = CycleReport::new(PAIRS, &in_memory, memory_floor);
    Ok(Report::new(begun.elapsed(), disk, memory, ConnectionsReport::new(2 * PATIENT_PAIRS, patient)))
}

async fn start(program: &Path, scratch: &Scratch, storage: Storage) -> Result<BenchRelay, BenchError> {
    let relay = block_in_place(|| BenchRelay::start(program, scratch, storage))?;
    // A caller that waits for an interrupt, too, sees it here.
    yield_now().await;
    Ok(relay)
}

async fn floor(
    load: &LoadResult,
    storage: Storage,
    scratch: &Scratch,
    time: Duration,
) -> Result<Floor, BenchError> {
    let time = (time / 10).min(FLOOR_TIME);
    let floor = block_in_place(|| Floor::measure(load, storage, scratch, time))?;
    yield_now().await;
    Ok(floor)
}
