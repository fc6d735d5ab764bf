//! A store that is copied while it is open, and goes on twice with one generator (a snapshot of a virtual machine, taken alive).

use super::{key, record, rng, tiny, unlock};
use crate::{Batch, Disk, MemoryDisk, Record, Shred, Writer};
use std::sync::Arc;

/// Offset of the first body on the disk of a tiny store: behind superblocks and cells, a header and
/// a slot table.
const FIRST_BODY: usize = 40_960 + 4_096 + 32 * 128;
const FIRST_SLOT: usize = 40_960 + 4_096;

fn fresh() -> Vec<u8> {
    let disk = Arc::new(MemoryDisk::new());
    drop(Shred::create(Arc::clone(&disk), &tiny(), &unlock(), &mut rng(1)).unwrap());
    disk.to_bytes()
}

/// Returns the image of the disk after one commit of this record. `seed` is that of the commit's
/// random generator.
fn after(image: &[u8], record: Record, seed: u64) -> Vec<u8> {
    let disk = Arc::new(MemoryDisk::from_bytes(image.to_vec()));
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(2)).unwrap();
    store.commit(Batch { puts: vec![record], erases: vec![] }, &mut rng(seed)).unwrap();
    disk.to_bytes()
}

fn salt(image: &[u8]) -> &[u8] {
    &image[FIRST_SLOT..FIRST_SLOT + 32]
}

fn is_same_stream(one: &[u8], other: &[u8], texts: [&[u8]; 2]) -> bool {
    let bytes = one[FIRST_BODY..].iter().zip(&other[FIRST_BODY..]).map(|(a, b)| a ^ b);
    bytes.zip(texts[0].iter().zip(texts[1])).all(|(bytes, (a, b))| bytes == a ^ b)
}

#[test]
fn s8_copies_of_a_store_share_no_key_for_two_bodies() {
    let image = fresh();
    let texts: [&[u8]; 2] = [b"attack at dawn, by the river", b"retreat by night to the hill"];
    let [one, other] = texts.map(|text| after(&image, record(5, text), 3));
    assert_ne!(salt(&one), salt(&other));
    assert!(!is_same_stream(&one, &other, texts));
}

#[test]
fn s8_copies_of_a_store_share_no_key_for_two_heads() {
    let image = fresh();
    let one = after(&image, record(5, b"the same"), 3);
    let same = || b"the same".to_vec();
    for other in [
        Record { key: key(6), body: same(), ..record(5, b"") },
        Record { meta: [6; 8], body: same(), ..record(5, b"") },
        Record { expiry_day: 6, body: same(), ..record(5, b"") },
        record(5, b"the same, and more"),
    ] {
        assert_ne!(salt(&one), salt(&after(&image, other, 3)));
    }
    // The same record at the same place is the same bytes; other random bytes make another salt.
    assert_eq!(one, after(&image, record(5, b"the same"), 3));
    assert_ne!(salt(&one), salt(&after(&image, record(5, b"the same"), 4)));
}

#[test]
fn s8_records_of_one_batch_have_random_bytes_of_their_own() {
    let disk = Arc::new(MemoryDisk::from_bytes(fresh()));
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(2)).unwrap();
    let puts = (0..4).map(|n| record(n, b"the same")).collect();
    store.commit(Batch { puts, erases: vec![] }, &mut rng(3)).unwrap();
    let image = disk.to_bytes();
    let salts: std::collections::BTreeSet<&[u8]> =
        (0..4).map(|n| &image[FIRST_SLOT + 128 * n..][..32]).collect();
    assert_eq!(salts.len(), 4);
}

#[test]
fn s8_a_writer_whose_keys_name_bodies_does_not_hash_them_again() {
    let image = fresh();
    let put = |number: u8, body: &[u8], names_body: fn(&Record) -> bool| {
        let disk = Arc::new(MemoryDisk::from_bytes(image.clone()));
        let store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(2)).unwrap();
        let writer = Writer::start_with(store, rng(3), names_body).unwrap();
        writer.commit(Batch { puts: vec![record(number, body)], erases: vec![] }).unwrap();
        writer.close().unwrap();
        let mut salt = [0; 32];
        disk.read_at(FIRST_SLOT as u64, &mut salt).unwrap();
        salt
    };
    let named = |_: &Record| true;
    assert_ne!(put(5, b"one", named), put(6, b"two", named), "another body has another key");
    assert_eq!(put(5, b"one", named), put(5, b"two", named), "the key stands for the body");
    assert_ne!(put(5, b"one", |_| false), put(5, b"two", |_| false));
    // A record whose key does not name its body is covered in a store where others do.
    let by_meta = |record: &Record| record.meta == [9; 8];
    assert_ne!(put(5, b"one", by_meta), put(5, b"two", by_meta));
}
