//! The floor of a load: the cryptography, hashing, writes and socket calls of the same bytes, with
//! nothing around them. A *cycle* is one blob that is put, stored, delivered, acked and destroyed.

use super::error::BenchError;
use super::load::{BLOB_BYTES, LoadResult};
use super::process::Storage;
use crate::labels;
use crate::scratch::Scratch;
use deaddrop_primitives::{aead, hash::sha256};
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Number of blobs in one commit of the floor: about as many as a store commits together under
/// load.
const COMMIT_BLOBS: u32 = 64;
/// Number of bytes that the store writes for the entry (slot) of one record beside its body.
const SLOT: usize = 128;
/// Number of bytes of a page, which the store writes with each commit.
const PAGE: usize = 4_096;
/// Number of commits that the floor's file has room for; later ones overwrite the first.
const COMMITS: usize = 32;
/// Number of cycles whose bytes go through the socket at once, so that they share socket calls as
/// they do under load.
const SOCKET_CYCLES: u64 = 16;
/// Maximum number of bytes of one read from the socket, as in the relay.
const READ_AT_ONCE: usize = 16_384;

/// The least processor time of one cycle, by parts, in microseconds. On a system that does not tell
/// the processor time of a thread, the time by the clock is taken instead.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Floor {
    /// Time of the AEAD over all records of the links and, for a store on the disk, over the blob
    /// once more.
    pub aead_us: f64,
    /// Number of bytes that go through the AEAD in one cycle, as a multiple of 4 KiB.
    pub aead_passes: f64,
    /// Time of the hash over the blob and over the sender's right.
    pub sha_us: f64,
    /// Time of the socket calls on loopback.
    pub sockets_us: f64,
    /// Time of writes and syncs: the blob, its slot, the mark of its destruction and its zeros,
    /// with one page and one sync for each commit. Zero for a store in memory.
    pub disk_us: f64,
    /// Number of cycles that the disk carries in a second by the clock, with these writes and
    /// nothing else; `None` in memory.
    pub disk_per_s: Option<f64>,
}

impl Floor {
    /// Measures the floor for the bytes of the load `load`. Blocks the thread for about `time`.
    ///
    /// # Errors
    /// Fails with [`BenchError::Floor`] when a file in `scratch` or a socket fails.
    pub fn measure(
        load: &LoadResult,
        storage: Storage,
        scratch: &Scratch,
        time: Duration,
    ) -> Result<Self, BenchError> {
        let (traffic, cycles, part) = (load.traffic, f64::from(load.cycles.max(1)), time / 4);
        let mut aead_us = 0.0;
        for (records, bytes) in [
            (traffic.records_to_relay, traffic.bytes_to_relay),
            (traffic.records_from_relay, traffic.bytes_from_relay),
        ] {
            let len = usize::try_from(bytes / records.max(1)).unwrap_or(0).saturating_sub(aead::TAG_LEN);
            aead_us += aead_micros(len, part / 3) * records as f64 / cycles;
        }
        let link_bytes = (traffic.bytes_to_relay + traffic.bytes_from_relay) as f64 / cycles;
        let mut aead_passes = link_bytes / BLOB_BYTES as f64;
        let (mut disk_us, mut disk_per_s) = (0.0, None);
        if storage == Storage::Disk {
            aead_us += aead_micros(BLOB_BYTES, part / 3);
            aead_passes += 1.0;
            let path = scratch.path().join("floor");
            let (micros, per_s) = disk(&path, part).map_err(BenchError::Floor)?;
            (disk_us, disk_per_s) = (micros, Some(per_s));
            fs::remove_file(path).map_err(BenchError::Floor)?;
        }
        let of_cycles = |bytes: u64| {
            let bytes = bytes.saturating_mul(SOCKET_CYCLES) / u64::from(load.cycles.max(1));
            usize::try_from(bytes).unwrap_or(0)
        };
        let (read, written) = (of_cycles(traffic.bytes_to_relay), of_cycles(traffic.bytes_from_relay));
        let sockets_us = sockets(read, written, part).map_err(BenchError::Floor)?;
        Ok(Self { aead_us, aead_passes, sha_us: sha_micros(part), sockets_us, disk_us, disk_per_s })
    }

    /// Returns the processor time of one cycle, the sum of all parts, in microseconds.
    #[must_use]
    pub fn total_us(&self) -> f64 {
        self.aead_us + self.sha_us + self.sockets_us + self.disk_us
    }
}

/// Returns the processor time of sealing or opening `len` bytes, in microseconds: half of that of
/// both. Measures for about `time`.
fn aead_micros(len: usize, time: Duration) -> f64 {
    let (key, nonce) = ([7; aead::KEY_LEN], [0; aead::NONCE_LEN]);
    let mut bytes = vec![0x5a; len];
    let both = micros_of(time, || {
        let tag = aead::seal_in_place(&key, &nonce, &[], black_box(&mut bytes));
        let _ = black_box(aead::open_in_place(&key, &nonce, &[], &mut bytes, &tag));
    });
    both / 2.0
}

/// Returns the processor time of the hashes of one put, in microseconds: of the blob to its record
/// key, of the sender's right to its id, and of the id to its name. Measures for about `time`.
fn sha_micros(time: Duration) -> f64 {
    let (key, right, handle, blob) = ([7; 32], [1; 32], [2; 6], vec![0x5a; BLOB_BYTES]);
    micros_of(time, || {
        black_box(sha256(&[labels::RELAY_BLOB, &key, &handle, black_box(&blob)]));
        black_box(sha256(&[labels::RELAY_SEND, black_box(&right)]));
        black_box(sha256(&[labels::RELAY_SEND, &key, black_box(&right)]));
    })
}

/// Returns the processor time of one call of `work` in microseconds, from as many calls as fit in
/// `time`.
fn micros_of(time: Duration, mut work: impl FnMut()) -> f64 {
    let (begun, before) = (Instant::now(), thread_time());
    let mut calls = 0_u32;
    while calls == 0 || begun.elapsed() < time {
        for _ in 0..16 {
            work();
        }
        calls += 16;
    }
    since(before) * 1e6 / f64::from(calls)
}

/// Writes what a store writes for blobs that are stored and destroyed, into a new file at `path`,
/// for about `time`. Returns the processor time of one blob in microseconds, and the number of
/// blobs in a second by the clock.
fn disk(path: &std::path::Path, time: Duration) -> io::Result<(f64, f64)> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let (commit, commit_slots) = (COMMIT_BLOBS as usize * BLOB_BYTES, COMMIT_BLOBS as usize * SLOT);
    let slots = (COMMITS * commit) as u64;
    // The blocks are on the disk before anything is measured.
    write_at(&mut file, 0, &vec![0; COMMITS * commit + 2 * commit_slots + PAGE])?;
    file.sync_all()?;
    let (sealed, zeros, of_slots) = (vec![0xa5; commit], vec![0; commit], vec![0xa5; commit_slots]);
    let (begun, before) = (Instant::now(), thread_time());
    let (mut commits, mut blobs) = (0, 0_u32);
    while blobs == 0 || begun.elapsed() < time {
        let place = |number: usize| (number % COMMITS * commit) as u64;
        write_at(&mut file, place(commits), &sealed)?;
        write_at(&mut file, slots, &of_slots)?;
        // Behind the first commit, the blobs of the one before are destroyed and zeroed.
        write_at(&mut file, slots + commit_slots as u64, &of_slots)?;
        write_at(&mut file, place(commits + COMMITS - 1), &zeros)?;
        write_at(&mut file, slots + 2 * commit_slots as u64, sealed.get(..PAGE).unwrap_or_default())?;
        file.sync_data()?;
        commits += 1;
        blobs += COMMIT_BLOBS;
    }
    Ok((since(before) * 1e6 / f64::from(blobs), f64::from(blobs) / begun.elapsed().as_secs_f64()))
}

fn write_at(file: &mut File, place: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(place))?;
    file.write_all(bytes)
}

/// Reads `read` and writes `written` bytes in turn on a socket of loopback, for about `time`; these
/// are the bytes of [`SOCKET_CYCLES`] cycles. Returns the processor time of this side for one
/// cycle, in microseconds.
fn sockets(read: usize, written: usize, time: Duration) -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    let (mut stream, _) = listener.accept()?;
    peer.set_nodelay(true)?;
    stream.set_nodelay(true)?;
    let answering = std::thread::spawn(move || {
        let (to, mut from) = (vec![0x5a; read], vec![0; written]);
        while peer.write_all(&to).is_ok() && peer.read_exact(&mut from).is_ok() {}
    });
    let (mut buffer, answer) = ([0; READ_AT_ONCE], vec![0x5a; written]);
    let (begun, before) = (Instant::now(), thread_time());
    let mut turns = 0_u32;
    while turns == 0 || begun.elapsed() < time {
        let mut left = read;
        while left > 0 {
            match stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                some => left = left.saturating_sub(some),
            }
        }
        stream.write_all(&answer)?;
        turns += 1;
    }
    let micros = since(before) * 1e6 / (f64::from(turns) * SOCKET_CYCLES as f64);
    drop(stream);
    let _ = answering.join();
    Ok(micros)
}

/// A time that [`since`] counts from: the processor time of a thread.
#[cfg(target_os = "linux")]
type Moment = rustix::time::Timespec;
#[cfg(not(target_os = "linux"))]
type Moment = Instant;

/// Returns the processor time of this thread so far.
#[cfg(target_os = "linux")]
fn thread_time() -> Moment {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)
}

#[cfg(not(target_os = "linux"))]
fn thread_time() -> Moment {
    Instant::now()
}

/// Returns the processor time of this thread since `before`, in seconds.
#[cfg(target_os = "linux")]
fn since(before: Moment) -> f64 {
    let now = thread_time();
    (now.tv_sec - before.tv_sec) as f64 + (now.tv_nsec - before.tv_nsec) as f64 / 1e9
}

#[cfg(not(target_os = "linux"))]
fn since(before: Moment) -> f64 {
    before.elapsed().as_secs_f64()
}
