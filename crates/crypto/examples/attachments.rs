//! A file in segments: sealed in constant memory, fetched in any order, resumed, and checked.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use deaddrop_crypto::{AttachmentKey, Content, Manifest, SEGMENT_LEN, StreamId, content};
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
    let manifest = Manifest::generate(length, rng).unwrap();
    println!("{length} bytes in {} segments", manifest.segments());
    let mut lying = BTreeMap::new();
    let mut part = vec![0; SEGMENT_LEN];
    for segment in 0..manifest.segments() {
        let range = manifest.range(segment).unwrap();
        let part = part.get_mut(..usize::try_from(range.end - range.start).unwrap()).unwrap();
        file.seek(SeekFrom::Start(range.start)).unwrap();
        file.read_exact(part).unwrap();
        lying.insert(segment, manifest.seal(segment, part, rng).unwrap().into_bytes());
    }

    // The manifest travels as content of a message.
    let item = Content::Attachment {
        stream: StreamId([1; 16]),
        number: 1,
        key: manifest.key().duplicate(),
        length,
        place: b"where the segments lie".to_vec(),
        media_type: "application/octet-stream".to_owned(),
        name: "numbers.bin".to_owned(),
    };
    let received = content::decode(&content::encode(&[item]).unwrap()).unwrap();
    let [Content::Attachment { key, length, .. }] = received.as_slice() else { return };
    let manifest = Manifest::new(AttachmentKey::from_bytes(*key.expose()), *length).unwrap();

    // The receiver takes the segments as they come, here from the last to the first; each stands alone.
    let mut copy = tempfile::tempfile().unwrap();
    copy.set_len(*length).unwrap();
    for segment in (0..manifest.segments()).rev() {
        let mut sealed = lying.get(&segment).unwrap().clone();
        let opened = manifest.open(segment, &mut sealed).unwrap();
        copy.seek(SeekFrom::Start(manifest.range(segment).unwrap().start)).unwrap();
        copy.write_all(opened).unwrap();
    }
    let mut read = Vec::new();
    copy.rewind().unwrap();
    copy.read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);

    // A segment in another's place, or a changed one, does not open.
    let mut first = lying.get(&0).unwrap().clone();
    println!("in a wrong place: {}", manifest.open(1, &mut first).unwrap_err());
}
