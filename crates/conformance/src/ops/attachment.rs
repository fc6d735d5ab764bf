//! Segments of attachments.

use crate::{
    json::{BadField, Object, len},
    random::Script,
    vector::Outcome,
};
use deaddrop_crypto::{AttachmentKey, Manifest};

fn manifest(input: &Object) -> Result<Manifest, BadField> {
    let key = AttachmentKey::from_bytes(input.array("key")?);
    Manifest::new(key, input.number("length")?).map_err(|_| BadField("length".to_owned()))
}

/// Bytes of a segment to the sealed segment; larger ones by their hash.
pub(super) fn seal(input: &Object) -> Result<Outcome, BadField> {
    let manifest = manifest(input)?;
    let mut random = Script::new(input.bytes("random")?);
    let bytes = vec![0x61; input.number::<usize>("bytes_61")?];
    let sealed = match manifest.seal(input.number("segment")?, &bytes, &mut random) {
        Ok(sealed) => sealed.into_bytes(),
        Err(error) => return Ok(Outcome::refused(error)),
    };
    random.finish("random")?;
    let output = Object::new().with("segments", manifest.segments()).with("sealed_len", len(sealed.len()));
    Ok(Outcome::ok(if sealed.len() > 4_096 {
        output.hex("sealed_sha256", deaddrop_primitives::hash::sha256(&[&sealed]))
    } else {
        output.hex("sealed", sealed)
    }))
}

/// A sealed segment to its bytes.
pub(super) fn open(input: &Object) -> Result<Outcome, BadField> {
    let mut sealed = input.bytes("sealed")?;
    Ok(match manifest(input)?.open(input.number("segment")?, &mut sealed) {
        Ok(bytes) => Outcome::ok(Object::new().hex("bytes", bytes)),
        Err(error) => Outcome::refused(error),
    })
}
