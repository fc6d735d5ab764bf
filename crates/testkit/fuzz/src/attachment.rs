//! Attachments, one segment at a time.

use super::input::Input;
use deaddrop_e2ee::attachment::{AttachmentHash, AttachmentSealer, Manifest};
use deaddrop_testkit::rng;

/// Runs the target `attachment`: seals one segment of an attachment and opens it; the same bytes
/// come back, and a changed segment or another place is refused.
pub fn attachment(data: &[u8]) {
    let mut input = Input(data);
    let random = &mut rng(1);
    let length = match input.u8() % 4 {
        0 => u64::from(input.u16()),
        1 => u64::from(input.u32()),
        _ => u64::from_le_bytes(input.array()),
    };
    let Ok(sealer) = AttachmentSealer::generate(length, random) else {
        assert!(length > deaddrop_e2ee::attachment::MAX_ATTACHMENT);
        return;
    };
    let layout = *sealer.layout();
    let hash = AttachmentHash::from_bytes([7; 32]);
    let manifest =
        Manifest::new(sealer.key().duplicate(), length, hash).expect("no longer than the sealer's");
    let count = layout.count();
    assert!((1..=deaddrop_e2ee::attachment::MAX_SEGMENTS).contains(&count));
    assert!(layout.range(count).is_none() && layout.class(count).is_none());
    let segment = input.u32() % count;
    let range = layout.range(segment).expect("one of them");
    assert!(range.end <= length && range.start <= range.end);
    let bytes = vec![0x5a; usize::try_from(range.end - range.start).expect("a segment")];
    assert!(sealer.seal(segment, &[&bytes[..], &[0]].concat()).is_err());
    let sealed = sealer.seal(segment, &bytes).expect("its bytes");
    let (sealed, hash) = (sealed.blob.into_bytes(), sealed.hash);
    assert_eq!(Some(sealed.len()), layout.class(segment).map(|class| class.bytes()));
    let mut changed = sealed.clone();
    input.change(&mut changed);
    let same = changed == sealed;
    match manifest.open(segment, &mut changed) {
        Ok(opened) => assert!(same && opened.bytes == bytes && opened.hash == hash),
        Err(_) => assert!(!same),
    }
    let other = input.u32();
    assert_eq!(manifest.open(other, &mut sealed.clone()).is_ok(), other == segment);
}
