//! Attachments of every length come back, and bytes that are not the sender's attachment are
//! reported.

use super::*;
use alloc::vec;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn bytes_of(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn part<'a>(layout: &SegmentLayout, segment: u32, bytes: &'a [u8]) -> &'a [u8] {
    let range = layout.range(segment).unwrap();
    &bytes[range.start.try_into().unwrap()..range.end.try_into().unwrap()]
}

/// Seals all of `bytes`. Returns the manifest, and the sealed segments in the order of their
/// numbers.
fn sealed(sealer: &AttachmentSealer, bytes: &[u8]) -> (Manifest, Vec<Vec<u8>>) {
    let (mut hashes, mut blobs) = (SegmentHashes::new(), Vec::new());
    for segment in 0..sealer.layout().count() {
        let SealedSegment { blob, hash } =
            sealer.seal(segment, part(sealer.layout(), segment, bytes)).unwrap();
        hashes.insert(hash);
        blobs.push(blob.into_bytes());
    }
    (sealer.finish(&hashes).unwrap(), blobs)
}

#[test]
fn every_length_comes_back() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let edges = [0, 1, 2, 4_067, 4_068, 4_069, 16_355, 16_356, 16_357, 65_507, 65_508, 65_509, 131_016];
    for length in edges.into_iter().chain([200_000, 262_033]) {
        let bytes = bytes_of(length);
        let sealer = AttachmentSealer::generate(length as u64, &mut rng).unwrap();
        let (manifest, blobs) = sealed(&sealer, &bytes);
        let layout = *manifest.layout();
        let (mut read, mut hashes) = (vec![0; length], SegmentHashes::new());
        // From the last to the first: the order is of no account.
        for segment in (0..layout.count()).rev() {
            assert_eq!(manifest.verify(&hashes), Err(VerifyError::Incomplete), "{length}");
            let mut blob = blobs[usize::try_from(segment).unwrap()].clone();
            assert_eq!(blob.len(), layout.class(segment).unwrap().bytes());
            let opened = manifest.open(segment, &mut blob).unwrap();
            let range = layout.range(segment).unwrap();
            read[range.start.try_into().unwrap()..range.end.try_into().unwrap()]
                .copy_from_slice(opened.bytes);
            hashes.insert(opened.hash);
        }
        assert_eq!(manifest.verify(&hashes), Ok(()), "{length}");
        assert_eq!(read, bytes, "{length}");
        assert_eq!(layout.range(layout.count()), None);
        assert_eq!(sealer.seal(layout.count(), &[]).err(), Some(SegmentError::NoSuchSegment));
        assert_eq!(sealer.seal(0, &vec![0; length + 1]).err(), Some(SegmentError::WrongLength));
    }
}

#[test]
fn a_segment_that_is_sealed_again_is_the_same() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let bytes = bytes_of(70_000);
    let sealer = AttachmentSealer::generate(70_000, &mut rng).unwrap();
    let again = AttachmentSealer::new(sealer.key().duplicate(), 70_000).unwrap();
    let ((one, blobs), (two, same)) = (sealed(&sealer, &bytes), sealed(&again, &bytes));
    assert_eq!(blobs, same);
    assert_eq!(one.hash(), two.hash());
    // For another recipient there is another key, and nothing of the segments is the same.
    let (_, others) = sealed(&AttachmentSealer::generate(70_000, &mut rng).unwrap(), &bytes);
    assert!(blobs.iter().zip(&others).all(|(blob, other)| blob[..12] != other[..12]));
}

#[test]
fn one_key_and_two_files_share_no_key_stream() {
    // The generator came back with a snapshot: two files get one key.
    let sealer = |length| AttachmentSealer::generate(length, &mut ChaCha20Rng::seed_from_u64(3)).unwrap();
    let seal = |length: u64, bytes: &[u8]| sealer(length).seal(0, bytes).unwrap().blob.into_bytes();
    let (one, other) = (seal(6, b"attack"), seal(6, b"regret"));
    assert_ne!(one[..12], other[..12]);
    assert_ne!(one[100..200], other[100..200], "the padding shows the key stream");
    // Of another length the associated data differs: that needs another nonce as well.
    let (one, other) = (seal(65_508, &bytes_of(65_508)), seal(65_509, &bytes_of(65_508)));
    assert_ne!(one[..12], other[..12]);
}

#[test]
fn two_segments_for_one_place_are_seen() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let sealer = AttachmentSealer::generate(100_000, &mut rng).unwrap();
    let (manifest, blobs) = sealed(&sealer, &bytes_of(100_000));
    let collect = |blobs: &[Vec<u8>]| {
        let mut hashes = SegmentHashes::new();
        for (segment, blob) in (0..).zip(blobs) {
            hashes.insert(manifest.open(segment, &mut blob.clone()).unwrap().hash);
        }
        hashes
    };
    assert_eq!(manifest.verify(&collect(&blobs)), Ok(()));
    // The sender knows the key and makes another second segment: it opens, and the attachment is not whole.
    let mut forged = blobs;
    let length = part(sealer.layout(), 1, &bytes_of(100_000)).len();
    forged[1] = sealer.seal(1, &vec![0x66; length]).unwrap().blob.into_bytes();
    assert_eq!(manifest.verify(&collect(&forged)), Err(VerifyError::BadAttachment));
    // What lies behind the last segment counts for nothing.
    let mut more = collect(&forged);
    more.insert(SegmentHash::from_parts(2, [0; 32]));
    assert_eq!(manifest.verify(&more), Err(VerifyError::BadAttachment));
}
