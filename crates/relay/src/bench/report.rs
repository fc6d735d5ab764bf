//! The figures of a measurement, for people and as JSON.

use super::floor::Floor;
use super::judgement::Judgement;
use super::latencies::Latencies;
use super::load::{BLOB_BYTES, LoadResult};
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A whole measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Bytes of each blob.
    pub blob_bytes: usize,
    /// Seconds that the measurement took.
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
    /// Number of processors that this process may use.
    pub processors: usize,
    /// Pairs that put as fast as they can, into a store on the disk.
    pub disk: CycleReport,
    /// The same in memory.
    pub memory: CycleReport,
    /// Many connections, of which each puts one blob at a time.
    pub connections: ConnectionsReport,
    /// The figures in words.
    pub judgement: Judgement,
}

/// The figures of pairs that put as fast as they can.
#[derive(Clone, Debug, Serialize)]
pub struct CycleReport {
    /// Number of pairs.
    pub pairs: u8,
    /// Number of blobs that were put, stored, delivered, acked and destroyed.
    pub cycles: u32,
    /// Number of puts that the relay refused for the moment.
    pub refused: u32,
    /// Cycles in a second by the clock. Clients and relay share the processors.
    #[serde(serialize_with = "rounded")]
    pub per_s: f64,
    /// Cycles in a second of the relay's processor time, which is the rate that one core carries; `None` if it is not told.
    pub per_core_s: Option<f64>,
    /// The parts of the relay's processor time; `None` if it is not told.
    pub profile: Option<Profile>,
    /// The least processor time of the same bytes.
    pub floor: Floor,
    /// The sum of the floor's parts, in microseconds.
    pub floor_us: f64,
    /// The relay's processor time as a multiple of the floor.
    pub ratio: Option<f64>,
}

/// The relay's processor time of one cycle, by parts, in microseconds. AEAD and hash are the floor's.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Profile {
    /// All of it.
    pub total_us: f64,
    /// The AEAD.
    pub aead_us: f64,
    /// The hash.
    pub sha_us: f64,
    /// The time in the kernel.
    pub kernel_us: f64,
    /// All other time in the program.
    pub rest_us: f64,
}

/// The figures of connections that put one blob at a time.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionsReport {
    /// Number of connections. Half of them put, half of them read.
    pub connections: u8,
    /// Number of blobs that were put, stored, delivered, acked and destroyed.
    pub cycles: u32,
    /// Cycles in a second by the clock.
    #[serde(serialize_with = "rounded")]
    pub per_s: f64,
    /// Times from a put to its answer.
    pub put_ms: Quantiles,
    /// Times from a put to its delivery.
    pub delivered_ms: Quantiles,
}

/// The median, the 99th percentile and the longest of measured times, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Quantiles {
    fn of(times: Latencies) -> Self {
        let [p50, p99, max] = times.quantiles_ms([500, 990, 1_000]);
        Self { p50, p99, max }
    }
}

impl CycleReport {
    /// Compares a load with its floor.
    #[must_use]
    pub fn new(pairs: u8, load: &LoadResult, floor: Floor) -> Self {
        let floor = Floor {
            aead_us: round(floor.aead_us),
            aead_passes: round(floor.aead_passes),
            sha_us: round(floor.sha_us),
            sockets_us: round(floor.sockets_us),
            disk_us: round(floor.disk_us),
            disk_per_s: floor.disk_per_s.map(round),
        };
        // A load of less than a tick of the system's clock has no processor time.
        let each = load.cycle_micros().filter(|time| time.user + time.kernel > 0.0);
        let profile = each.map(|time| Profile {
            total_us: round(time.user + time.kernel),
            aead_us: floor.aead_us,
            sha_us: floor.sha_us,
            kernel_us: round(time.kernel),
            rest_us: round((time.user - floor.aead_us - floor.sha_us).max(0.0)),
        });
        Self {
            pairs,
            cycles: load.cycles,
            refused: load.refused,
            per_s: load.per_s(),
            per_core_s: each.map(|time| round(1e6 / (time.user + time.kernel))),
            profile,
            floor_us: round(floor.total_us()),
            ratio: profile.map(|profile| (100.0 * profile.total_us / floor.total_us()).round() / 100.0),
            floor,
        }
    }
}

impl ConnectionsReport {
    pub(super) fn new(connections: u8, load: LoadResult) -> Self {
        let (cycles, per_s) = (load.cycles, load.per_s());
        let (put_ms, delivered_ms) = (Quantiles::of(load.answered), Quantiles::of(load.delivered));
        Self { connections, cycles, per_s, put_ms, delivered_ms }
    }
}

impl Report {
    pub(super) fn new(
        took: Duration,
        disk: CycleReport,
        memory: CycleReport,
        connections: ConnectionsReport,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, Into::into);
        let judgement = Judgement::new(disk.per_s, disk.per_core_s, disk.floor.disk_per_s, processors);
        let (blob_bytes, seconds) = (BLOB_BYTES, took.as_secs_f64());
        Self { blob_bytes, seconds, processors, disk, memory, connections, judgement }
    }
}

fn round(value: f64) -> f64 {
    (10.0 * value).round() / 10.0
}

fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(round(*value))
}

impl fmt::Display for CycleReport {
    /// Three lines: rates, the parts of the processor time, the parts of the floor.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} blobs/s by the clock, ", self.per_s)?;
        match (self.per_core_s, self.profile, self.ratio) {
            (Some(per_core), Some(profile), Some(ratio)) => {
                writeln!(f, "{per_core:.0} blobs/s per core of the relay, {ratio:.2} times the floor")?;
                let Profile { total_us, aead_us, sha_us, kernel_us, rest_us } = profile;
                writeln!(
                    f,
                    "  relay: {total_us:.1} us a blob: AEAD {aead_us:.1}, SHA {sha_us:.1}, kernel {kernel_us:.1}, rest {rest_us:.1}"
                )?;
            }
            _ => writeln!(f, "its processor time is not told by this system")?,
        }
        let Floor { aead_us, aead_passes, sha_us, sockets_us, disk_us, .. } = self.floor;
        write!(
            f,
            "  floor: {:.1} us a blob: AEAD {aead_us:.1} ({aead_passes:.1} passes), SHA {sha_us:.1}, sockets {sockets_us:.1}, writes and syncs {disk_us:.1}",
            self.floor_us
        )?;
        if self.refused > 0 {
            write!(
                f,
                "\n  {} puts were refused for a moment: the disk was behind with zeroing",
                self.refused
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, max } = self;
        write!(f, "p50 {p50:.2} ms, p99 {p99:.2} ms, longest {max:.2} ms")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} processors, {:.0} s. Each blob of 4 KiB was put, stored, delivered, acked and destroyed; clients and relay shared the processors.\n",
            self.processors, self.seconds
        )?;
        writeln!(f, "{} pairs of clients, on disk: {}\n", self.disk.pairs, self.disk)?;
        writeln!(f, "{} pairs of clients, in memory: {}\n", self.memory.pairs, self.memory)?;
        let ConnectionsReport { connections, per_s, put_ms, delivered_ms, .. } = &self.connections;
        writeln!(
            f,
            "{connections} connections, on disk, one put at a time: {per_s:.0} blobs/s by the clock\n  \
             until a put was answered: {put_ms}\n  until it was delivered: {delivered_ms}\n"
        )?;
        write!(f, "{}", self.judgement)
    }
}
