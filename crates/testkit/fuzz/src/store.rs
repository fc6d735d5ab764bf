//! Bytes on a disk: stores whose bytes were changed, and rows of a client's vault.

use super::input::Input;
use deaddrop_shred::{
    Batch, Geometry, MasterKey, MemoryDisk, Record, RecordKey, Shred, Unlock, keys::PassphraseCost,
};
use deaddrop_testkit::rng;
use std::sync::OnceLock;

const SECTOR: usize = 512;
const PAGE: usize = 4_096;

/// The history of one store that went through fixed commits.
struct Images {
    /// The bytes of the disk after the creation and after each commit.
    states: Vec<Vec<u8>>,
    /// Every body that was ever stored, with its key.
    history: Vec<(RecordKey, Vec<u8>)>,
}

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

fn key(number: u8) -> RecordKey {
    RecordKey([number; 16])
}

fn geometry(mirror: bool) -> Geometry {
    Geometry {
        segment_bytes: 20 << 10,
        slots_per_segment: 32,
        initial_segments: 1,
        max_segments: 6,
        mirror,
        passphrase_cost: PassphraseCost::default(),
    }
}

fn images(mirror: bool) -> &'static Images {
    static IMAGES: [OnceLock<Images>; 2] = [const { OnceLock::new() }; 2];
    IMAGES[usize::from(mirror)].get_or_init(|| {
        let random = &mut rng(1);
        let disk = std::sync::Arc::new(MemoryDisk::new());
        let mut store = Shred::create(disk.clone(), &geometry(mirror), &unlock(), random).expect("bounded");
        let (mut states, mut history) = (vec![disk.to_bytes()], vec![]);
        let steps: [(&[u8], &[u8]); 8] = [
            (&[1, 2], &[]),
            (&[3], &[1]),
            (&[2], &[]),
            (&[4, 5, 6], &[]),
            (&[], &[4]),
            (&[7], &[2, 3]),
            (&[8], &[]),
            (&[8, 9], &[5]),
        ];
        for (round, (puts, erases)) in steps.iter().enumerate() {
            let puts: Vec<Record> = puts
                .iter()
                .map(|number| {
                    let body = vec![(round + 1) as u8; 90 * usize::from(*number)];
                    history.push((key(*number), body.clone()));
                    Record { key: key(*number), meta: [*number; 8], expiry_day: 0, body }
                })
                .collect();
            let erases = erases.iter().map(|number| key(*number)).collect();
            store.commit(Batch { puts, erases }, random).expect("there is room");
            states.push(disk.to_bytes());
        }
        Images { states, history }
    })
}

/// Runs the target `store_image`: opens a store whose bytes were changed. It opens or is refused,
/// and never shows a body that was not stored under its key.
pub fn image(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.u8();
    let images = images(mode & 1 != 0);
    let newest = images.states.len() - 1;
    let mut bytes = images.states[newest - usize::from(mode >> 1) % images.states.len()].clone();
    while !input.is_empty() {
        let [op, a, b, c] = input.array();
        let at = u32::from_le_bytes([a, b, c, 0]) as usize % bytes.len().max(1);
        let sector = at / SECTOR * SECTOR;
        let end = (sector + SECTOR).min(bytes.len());
        match op % 6 {
            0 if !bytes.is_empty() => bytes[at] ^= input.u8(),
            1 => bytes[sector..end].fill(0),
            2 => {
                // A sector of another time, which was lost or came back.
                let other = &images.states[input.pick(images.states.len())];
                if let Some(old) = other.get(sector..end) {
                    bytes[sector..end].copy_from_slice(old);
                }
            }
            3 => bytes.truncate(at),
            4 => bytes.extend_from_slice(&[input.u8(); SECTOR]),
            _ if bytes.len() >= 2 * PAGE => {
                // A superblock whose checksum is right.
                let copy = usize::from(op >> 7) * PAGE;
                bytes[copy + at % (PAGE - 32)] ^= input.u8();
                let sum = deaddrop_primitives::hash::sha256(&[&bytes[copy..copy + PAGE - 32]]);
                bytes[copy + PAGE - 32..copy + PAGE].copy_from_slice(&sum);
            }
            _ => {}
        }
    }
    bytes.truncate(1 << 20);

    let disk = std::sync::Arc::new(MemoryDisk::from_bytes(bytes));
    let random = &mut rng(2);
    let Ok(mut store) = Shred::open(disk.clone(), &unlock(), random) else { return };
    stood(images, &store);
    let new = Record { key: key(99), meta: [0; 8], expiry_day: 0, body: b"new".to_vec() };
    let committed = store.commit(Batch { puts: vec![new], erases: vec![key(8)] }, random).is_ok();
    if committed {
        assert_eq!(store.read(&key(99)).expect("just committed"), b"new");
        assert!(store.read(&key(8)).is_err());
    }
    drop(store);
    let store = Shred::open(disk, &unlock(), random).expect("what opened once opens again");
    if committed {
        assert_eq!(store.read(&key(99)).expect("committed before"), b"new");
        assert!(store.read(&key(8)).is_err());
    }
    stood(images, &store);
}

fn stood<D: deaddrop_shred::Disk>(images: &Images, store: &Shred<D>) {
    for number in (1..=9).map(key) {
        if let Ok(body) = store.read(&number) {
            assert!(images.history.iter().any(|(key, old)| *key == number && *old == body));
        }
    }
}

/// Runs the target `vault_row`: decodes any bytes as a row of any table. A row that decodes has one
/// encoding.
pub fn vault_row(data: &[u8]) {
    let mut input = Input(data);
    let table = input.u8();
    let Some(written) = deaddrop_client::hazmat::row(table, input.rest()) else { return };
    assert_eq!(
        deaddrop_client::hazmat::row(table, &written),
        Some(written),
        "what is written reads the same"
    );
}
