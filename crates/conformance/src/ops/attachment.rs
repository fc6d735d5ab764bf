//! Segments of attachments, and the hash of all of them.

use crate::{
    json::{BadField, Object, hex, len},
    outcome::Outcome,
};
use deaddrop_e2ee::attachment::{AttachmentHash, AttachmentKey, AttachmentSealer, Manifest, SegmentHashes};

fn sealer(input: &Object) -> Result<AttachmentSealer, BadField> {
    let key = AttachmentKey::from_bytes(input.array("key")?);
    AttachmentSealer::new(key, input.number("length")?).map_err(|_| BadField("length".to_owned()))
}

fn manifest(input: &Object, hash: [u8; 32]) -> Result<Manifest, BadField> {
    let key = AttachmentKey::from_bytes(input.array("key")?);
    let hash = AttachmentHash::from_bytes(hash);
    Manifest::new(key, input.number("length")?, hash).map_err(|_| BadField("length".to_owned()))
}

/// Seals a segment of bytes 0x61. The nonce is `random` if the vector has it, else it is derived. A
/// result of more than 4,096 bytes is shown by its hash.
pub(super) fn seal(input: &Object) -> Result<Outcome, BadField> {
    let (sealer, segment) = (sealer(input)?, input.number("segment")?);
    let bytes = vec![0x61; input.number::<usize>("bytes_61")?];
    let derived = input.find("random").is_none();
    let sealed = match derived {
        true => sealer.seal(segment, &bytes),
        false => sealer.hazmat_seal(segment, &bytes, &input.array("random")?),
    };
    let sealed = match sealed {
        Ok(sealed) => sealed,
        Err(error) => return Ok(Outcome::refused(error)),
    };
    let (blob, hash) = (sealed.blob.into_bytes(), sealed.hash);
    let mut intermediate = Object::new();
    if derived {
        intermediate =
            intermediate.hex("segment_hash", hash.as_bytes()).hex("r", blob.get(..12).unwrap_or_default());
    }
    let output = Object::new().with("segments", sealer.layout().count()).with("sealed_len", len(blob.len()));
    let output = if blob.len() > 4_096 {
        output.hex("sealed_sha256", deaddrop_primitives::hash::sha256(&[&blob]))
    } else {
        output.hex("sealed", blob)
    };
    Ok(Outcome::traced(intermediate, output))
}

/// Opens one sealed segment.
pub(super) fn open(input: &Object) -> Result<Outcome, BadField> {
    let mut sealed = input.bytes("sealed")?;
    Ok(match manifest(input, [0; 32])?.open(input.number("segment")?, &mut sealed) {
        Ok(opened) => Outcome::ok(Object::new().hex("bytes", opened.bytes)),
        Err(error) => Outcome::refused(error),
    })
}

/// Computes the hash of an attachment whose bytes are all 0x61.
pub(super) fn hash(input: &Object) -> Result<Outcome, BadField> {
    let sealer = sealer(input)?;
    let (mut hashes, mut listed) = (SegmentHashes::new(), Vec::new());
    for segment in 0..sealer.layout().count() {
        let range = sealer.layout().range(segment).unwrap_or_default();
        let bytes = vec![0x61; usize::try_from(range.end - range.start).unwrap_or_default()];
        let sealed = sealer.seal(segment, &bytes).map_err(|_| BadField("length".to_owned()))?;
        listed.push(hex(sealed.hash.as_bytes()));
        hashes.insert(sealed.hash);
    }
    let whole = sealer.finish(&hashes).map_err(|_| BadField("length".to_owned()))?;
    let intermediate = Object::new().with("segment_hashes", listed);
    Ok(Outcome::traced(intermediate, Object::new().hex("hash", whole.hash().as_bytes())))
}

/// Opens the listed segments as numbers 0, 1 and so on, and compares the hash of all with that of
/// the manifest. The first segment that does not open is the refusal.
pub(super) fn verify(input: &Object) -> Result<Outcome, BadField> {
    let manifest = manifest(input, input.array("hash")?)?;
    let (mut hashes, mut bytes) = (SegmentHashes::new(), Vec::new());
    for (segment, sealed) in (0..).zip(input.list("segments")?) {
        let mut sealed = Object::new().with("segments", sealed.clone()).bytes("segments")?;
        match manifest.open(segment, &mut sealed) {
            Ok(opened) => {
                bytes.extend_from_slice(opened.bytes);
                hashes.insert(opened.hash);
            }
            Err(error) => return Ok(Outcome::refused(error)),
        }
    }
    Ok(match manifest.verify(&hashes) {
        Ok(()) => Outcome::ok(Object::new().hex("bytes", bytes)),
        Err(error) => Outcome::refused(error),
    })
}
