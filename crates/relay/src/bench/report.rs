//! The figures of a measurement, for people and as JSON. A *cycle* is one blob that is put, stored,
//! delivered, acked and destroyed; the *floor* is the least time that the same bytes cost.

use super::floor::Floor;
use super::judgement::Judgement;
use super::latencies::Latencies;
use super::load::{BLOB_BYTES, LoadResult};
use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// All figures of one measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Number of bytes of each blob.
    pub blob_bytes: usize,
    /// Number of seconds that the measurement took.
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
    /// Number of processors that this process may use.
    pub processors: usize,
    /// Figures of pairs of clients that put as fast as they can, into a store on the disk.
    pub disk: CycleReport,
    /// Figures of pairs of clients that put as fast as they can, into a store in memory.
    pub memory: CycleReport,
    /// Figures of many connections, of which each puts one blob at a time, into a store on the
    /// disk.
    pub connections: ConnectionsReport,
    /// The part of the machine that ends first, and the estimated number of people.
    pub judgement: Judgement,
}

/// The figures of pairs of clients that put as fast as they can.
#[derive(Clone, Debug, Serialize)]
pub struct CycleReport {
    /// Number of pairs of clients.
    pub pairs: u8,
    /// Number of cycles.
    pub cycles: u32,
    /// Number of puts that the relay refused as `Busy`. Others were put in their place.
    pub refused: u32,
    /// Number of cycles in a second by the clock. Clients and relay share the processors.
    #[serde(serialize_with = "rounded")]
    pub per_s: f64,
    /// Number of cycles for which one second of the relay's processor time is enough, the rate that
    /// one core carries; `None` if the system tells no processor time.
    pub per_core_s: Option<f64>,
    /// Parts of the relay's processor time; `None` if the system tells none, as after a load of
    /// less than a tick of its clock.
    pub profile: Option<Profile>,
    /// The least processor time that the same bytes cost.
    pub floor: Floor,
    /// Sum of the floor's parts for one cycle, in microseconds.
    pub floor_us: f64,
    /// The relay's processor time as a multiple of the floor; `None` if the system tells none.
    pub ratio: Option<f64>,
}

/// The relay's processor time of one cycle, by parts, in microseconds. The parts of AEAD and hash
/// are taken from the floor.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Profile {
    /// Sum of all parts.
    pub total_us: f64,
    /// Time of the AEAD.
    pub aead_us: f64,
    /// Time of the hash (SHA-256).
    pub sha_us: f64,
    /// Time in the kernel.
    pub kernel_us: f64,
    /// All other time in the code of the program.
    pub rest_us: f64,
}

/// The figures of connections of which each puts one blob at a time.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionsReport {
    /// Number of connections. Half of them put, half of them read.
    pub connections: u8,
    /// Number of cycles.
    pub cycles: u32,
    /// Number of cycles in a second by the clock.
    #[serde(serialize_with = "rounded")]
    pub per_s: f64,
    /// Times from each put to its answer, in milliseconds.
    pub put_ms: Quantiles,
    /// Times from each put to the delivery of its blob, in milliseconds.
    pub delivered_ms: Quantiles,
}

/// The median, the 99th percentile and the longest of measured times, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest time.
    pub max: f64,
}

impl Quantiles {
    fn of(times: Latencies) -> Self {
        let [p50, p99, max] = times.quantiles_ms([500, 990, 1_000]);
        Self { p50, p99, max }
    }
}

impl CycleReport {
    /// Compares the result of a load with the floor of its bytes. `pairs` is the number of pairs of
    /// clients.
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
    /// Writes three lines: rates, the parts of the processor time, the parts of the floor. A fourth
    /// one tells refused puts.
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
