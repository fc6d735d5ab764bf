//! A file in segments: sealed in constant memory, fetched in any order, resumed, and checked.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use deaddrop_e2ee::{
    attachment::{AttachmentHash, AttachmentKey, AttachmentSealer, Manifest, SEGMENT_LEN, SegmentHashes},
    content::{self, Content, StreamId},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom, Write},
};

pub(crate) fn main() {
    let rng = &mut ChaCha20Rng::seed_from_u64(4);
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    file.write_all(&bytes).unwrap();

    // The sender reads one segment at a time; the sealed ones lie somewhere, here in a map.
    let length = file.metadata().unwrap().len();
    let sealer = AttachmentSealer::generate(length, rng).unwrap();
    println!("{length} bytes in {} segments", sealer.layout().count());
    let (mut lying, mut hashes) = (BTreeMap::new(), SegmentHashes::new());
    let mut part = vec![0; SEGMENT_LEN];
    for segment in 0..sealer.layout().count() {
        let range = sealer.layout().range(segment).unwrap();
        let part = part.get_mut(..usize::try_from(range.end - range.start).unwrap()).unwrap();
        file.seek(SeekFrom::Start(range.start)).unwrap();
        file.read_exact(part).unwrap();
        let sealed = sealer.seal(segment, part).unwrap();
        hashes.insert(sealed.hash);
        lying.insert(segment, sealed.blob.into_bytes());
    }

    // A sender that was interrupted keeps the key and goes on: equal bytes give equal segments.
    let again = AttachmentSealer::new(sealer.key().duplicate(), length).unwrap();
    let last = sealer.layout().count() - 1;
    let range = again.layout().range(last).unwrap();
    let (from, to) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
    let sealed = again.seal(last, bytes.get(from..to).unwrap()).unwrap();
    assert_eq!(Some(sealed.blob.as_bytes()), lying.get(&last).map(Vec::as_slice));

    // The manifest travels as content of a message.
    let manifest = sealer.finish(&hashes).unwrap();
    let item = Content::Attachment {
        stream: StreamId([1; 16]),
        number: 1,
        key: manifest.key().duplicate(),
        length,
        hash: *manifest.hash(),
        place: b"where the segments lie".to_vec(),
        media_type: "application/octet-stream".to_owned(),
        name: "numbers.bin".to_owned(),
    };
    let received = content::decode(&content::encode(&[item]).unwrap()).unwrap();
    let [Content::Attachment { key, length, hash, .. }] = received.as_slice() else { return };
    let hash = AttachmentHash::from_bytes(*hash.as_bytes());
    let manifest = Manifest::new(AttachmentKey::from_bytes(*key.expose()), *length, hash).unwrap();

    // The receiver takes the segments as they come, here from the last to the first. The file is whole once all of them
    // together are what the manifest names.
    let mut copy = tempfile::tempfile().unwrap();
    copy.set_len(*length).unwrap();
    let mut hashes = SegmentHashes::new();
    for segment in (0..manifest.layout().count()).rev() {
        let mut sealed = lying.get(&segment).unwrap().clone();
        let opened = manifest.open(segment, &mut sealed).unwrap();
        copy.seek(SeekFrom::Start(manifest.layout().range(segment).unwrap().start)).unwrap();
        copy.write_all(opened.bytes).unwrap();
        hashes.insert(opened.hash);
    }
    manifest.verify(&hashes).unwrap();
    let mut read = Vec::new();
    copy.rewind().unwrap();
    copy.read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);

    // A segment in another's place, or a changed one, does not open.
    let mut first = lying.get(&0).unwrap().clone();
    println!("in a wrong place: {}", manifest.open(1, &mut first).unwrap_err());
}
