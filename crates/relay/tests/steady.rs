//! A small store through which many times its size passes: it stays as small, every blob arrives,
//! and the sealed bytes of what was acked are gone from the disk when `dead_bytes_s` is over. The
//! same with the real program and ten million blobs: `cargo bench --bench steady`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod disks;

use deaddrop_relay::hints::Hints;
use deaddrop_relay::store::*;
use deaddrop_wire::ClientToken;
use deaddrop_wire::item::QuotaClass;
use disks::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOBS: u32 = 20_000;
const AT_ONCE: u32 = 100;
const DEAD_BYTES_S: u32 = 2;
const SEGMENT: u64 = 1 << 20;
/// Offset of the bodies in a segment of 1 MiB with 256 slots: behind a header (4,096 bytes) and the
/// slots of 128 bytes each.
const BODIES_FROM: u64 = 4_096 + 256 * 128;
const PIECE: usize = 16;

/// The sealed bytes of blobs as they were written: the first [`PIECE`] bytes of every sector, each
/// with the number of its batch, and the times at which the batches were destroyed.
#[derive(Default)]
struct Sealed {
    pieces: HashMap<[u8; PIECE], usize>,
    destroyed: Vec<Option<Instant>>,
    /// For each number of three bytes, big-endian: whether a piece begins with these bytes. A fast
    /// filter for the search.
    begins: Vec<bool>,
}

impl Sealed {
    /// Reads from the disk the sealed blobs that were written since the last call, as a new batch.
    /// Called before the blobs are acked.
    fn learn(&mut self, disk: &Watched) {
        self.begins.resize(1 << 24, false);
        let image = disk.disk.to_bytes();
        for (offset, length) in disk.take_written() {
            let is_body = offset >= 40_960 && (offset - 40_960) % SEGMENT >= BODIES_FROM;
            let from = usize::try_from(offset).unwrap();
            let Some(bytes) = image.get(from..from + length).filter(|_| is_body) else { continue };
            // A commit that ends with a mailbox's record ends with zeros; blobs fill their pages.
            if bytes.ends_with(&[0; PIECE]) {
                continue;
            }
            for piece in bytes.chunks_exact(512).filter_map(|sector| sector.first_chunk::<PIECE>()) {
                self.begins[begin(piece)] = true;
                self.pieces.insert(*piece, self.destroyed.len());
            }
        }
        self.destroyed.push(None);
    }

    fn note_destroyed(&mut self) {
        *self.destroyed.last_mut().unwrap() = Some(Instant::now());
    }

    /// Returns the number of places on the disk that hold a piece of a batch that was destroyed
    /// longer than `age` ago.
    fn left(&self, disk: &Watched, age: Duration) -> usize {
        let (image, now) = (disk.disk.to_bytes(), Instant::now());
        let is_old = |number: &usize| self.destroyed[*number].is_some_and(|at| now - at > age);
        let windows = image.windows(PIECE).filter_map(|window| window.first_chunk::<PIECE>());
        let known = windows.filter(|window| self.begins[begin(window)]);
        known.filter(|window| self.pieces.get(*window).is_some_and(is_old)).count()
    }
}

fn begin(piece: &[u8; PIECE]) -> usize {
    usize::from(piece[0]) << 16 | usize::from(piece[1]) << 8 | usize::from(piece[2])
}

#[tokio::test(flavor = "multi_thread")]
async fn acked_blobs_leave_neither_bytes_nor_a_larger_file() {
    let disk = Arc::new(Watched::default());
    create_on(&disk, 1_024, 8);
    let store = open(&disk, &limits(DEAD_BYTES_S));
    let reader =
        ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) };
    assert_eq!(create(&store, 1, QuotaClass::Many).await, Verdict::Done);
    assert_eq!(create(&store, 2, QuotaClass::Many).await, Verdict::Done);
    for waits in 0..20 {
        // What is not acked lives on among all that dies, and may move.
        assert_eq!(put(&store, 2, BLOBS + waits).await, Verdict::Done);
    }
    let claimed = claim(&store, 1, &reader).await.unwrap();
    let mut sealed = Sealed::default();
    let (mut longest, mut busy) = (0, 0);
    // The limit, and half a second for the writer thread and for other processes of the machine.
    let limit = Duration::from_secs(u64::from(DEAD_BYTES_S)) + Duration::from_millis(500);
    disk.take_written();
    for first in (0..BLOBS).step_by(AT_ONCE as usize) {
        for number in first..first + AT_ONCE {
            while put(&store, 1, number).await == Verdict::Busy {
                busy += 1;
                assert!(busy < 1_000, "a put is busy without end");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        sealed.learn(&disk);
        let (handle, fence) = (claimed.handle, claimed.fence);
        let peek = Peek { handle, fence, in_flight: vec![], blobs: 1_000, bytes: 1 << 30, any_first: true };
        let found = store.peek(peek, now()).await.unwrap().blobs;
        assert!(
            found
                .iter()
                .map(|stored| &stored.blob)
                .eq(&(first..first + AT_ONCE).map(blob).collect::<Vec<_>>())
        );
        let records = found.iter().map(|stored| stored.record).collect();
        assert_eq!(store.ack(vec![(handle, fence, records)], now()).await, [Ok(())]);
        sealed.note_destroyed();
        if first % 2_500 == 0 {
            assert_eq!(sealed.left(&disk, limit), 0, "under load, at {first}");
            longest = longest.max(deaddrop_shred::Disk::length(&*disk).unwrap());
        }
    }
    assert!(sealed.pieces.len() > BLOBS as usize * 7, "the bytes were found before they were acked");
    assert!(sealed.left(&disk, Duration::ZERO) > 0, "the last ones are still there");
    tokio::time::sleep(limit).await;
    assert_eq!(sealed.left(&disk, Duration::ZERO), 0);
    assert_eq!(store.census().blobs, 20);
    assert!(longest <= 40_960 + 8 * SEGMENT, "{longest}");
    let space = store.census().space.unwrap();
    assert_eq!((space.dead_bytes, space.oldest_dead), (0, None));
}
