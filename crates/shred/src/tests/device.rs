//! Dead ciphertext on a block device: a file system in an image, where the machine may mount one (Linux, as root).

use super::{rng, unlock};
use crate::{Batch, Disk, FileDisk, Geometry, Record, RecordKey, Shred};
use std::collections::HashSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const RECORDS: u64 = 3_000;
/// Number of bytes of each piece of ciphertext that is looked for: too many to be equal by chance.
const PIECE: usize = 32;

fn name(n: u64) -> RecordKey {
    RecordKey(u128::from(n).to_le_bytes())
}

fn done(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// The place where the image is mounted. Unmounts it on drop, also when the test fails.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        done("umount", &[self.0.to_str().unwrap()]);
    }
}

/// Returns the number of places on the device at which one of these pieces lies.
fn found(image: &Path, pieces: &HashSet<Vec<u8>>) -> usize {
    assert!(done("sync", &[]));
    let bytes = std::fs::read(image).unwrap();
    bytes
        .chunks_exact(4)
        .enumerate()
        .filter(|(n, _)| bytes.get(4 * n..4 * n + PIECE).is_some_and(|piece| pieces.contains(piece)))
        .count()
}

#[test]
fn s10_no_dead_ciphertext_is_left_on_an_ext4_device() {
    let dir = tempfile::tempdir().unwrap();
    let (image, place) = (dir.path().join("image"), dir.path().join("mounted"));
    std::fs::create_dir(&place).unwrap();
    std::fs::write(&image, vec![0; 48 << 20]).unwrap();
    let (image_name, place_name) = (image.to_str().unwrap(), place.to_str().unwrap());
    if !done("mkfs.ext4", &["-q", image_name]) || !done("mount", &["-o", "loop", image_name, place_name]) {
        eprintln!("SKIPPED: this machine mounts no image of a file system");
        return;
    }
    let mounted = Mounted(&place);
    let geometry = Geometry {
        segment_bytes: 1 << 20,
        slots_per_segment: 1_024,
        initial_segments: 3,
        max_segments: 20,
        ..Geometry::vault()
    };
    let mut random = rng(1);
    let disk = FileDisk::create(place.join("store")).unwrap();
    let mut store = Shred::create(disk, &geometry, &unlock(), &mut random).unwrap();
    let mut pieces = HashSet::new();
    for first in (0..RECORDS).step_by(50) {
        let record =
            |n: u64| Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![n as u8; 1_000] };
        store
            .commit(Batch { puts: (first..first + 50).map(record).collect(), erases: vec![] }, &mut random)
            .unwrap();
        for n in first..first + 50 {
            let core = store.core();
            let body = core.published().find(&name(n)).unwrap().dead_record().body();
            let mut piece = vec![0; PIECE];
            core.disk.read_at(core.layout.body_at(body.segment, body.offset), &mut piece).unwrap();
            pieces.insert(piece);
        }
    }
    assert_eq!(pieces.len() as u64, RECORDS);
    let names: Vec<RecordKey> = (0..RECORDS).filter(|n| n % 100 != 0).map(name).collect();
    names.chunks(400).for_each(|names| store.erase(names).unwrap());
    assert_eq!(found(&image, &pieces) as u64, RECORDS, "without upkeep it stays: the test can fail");
    let mut now = Duration::from_secs(10);
    while let Some(next) = store.maintain(now, &mut random).unwrap() {
        now = next.max(now);
    }
    assert_eq!(store.stats().dead_bytes, 0);
    // What lives is where it was.
    assert_eq!(found(&image, &pieces) as u64, RECORDS / 100);
    drop(store);
    drop(mounted);
}
