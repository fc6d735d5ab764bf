//! Attachments, one segment at a time.

use super::input::Input;
use deaddrop_crypto::Manifest;
use deaddrop_testkit::rng;

/// Segments of an attachment: what was sealed comes back, and nothing else does.
pub fn attachment(data: &[u8]) {
    let mut input = Input(data);
    let random = &mut rng(1);
    let length = match input.u8() % 4 {
        0 => u64::from(input.u16()),
        1 => u64::from(input.u32()),
        _ => u64::from_le_bytes(input.array()),
    };
    let Ok(manifest) = Manifest::generate(length, random) else {
        assert!(length > deaddrop_crypto::MAX_ATTACHMENT);
        return;
    };
    let count = manifest.segments();
    assert!((1..=deaddrop_crypto::MAX_SEGMENTS).contains(&count));
    assert!(manifest.range(count).is_none() && manifest.class(count).is_none());
    let segment = input.u32() % count;
    let range = manifest.range(segment).expect("one of them");
    assert!(range.end <= length && range.start <= range.end);
    let bytes = vec![0x5a; usize::try_from(range.end - range.start).expect("a segment")];
    assert!(manifest.seal(segment, &[&bytes[..], &[0]].concat(), random).is_err());
    let sealed = manifest.seal(segment, &bytes, random).expect("its bytes").into_bytes();
    assert_eq!(Some(sealed.len()), manifest.class(segment).map(|class| class.bytes()));
    let mut changed = sealed.clone();
    input.change(&mut changed);
    let same = changed == sealed;
    match manifest.open(segment, &mut changed) {
        Ok(opened) => assert!(same && opened == bytes),
        Err(_) => assert!(!same),
    }
    let other = input.u32();
    assert_eq!(manifest.open(other, &mut sealed.clone()).is_ok(), other == segment);
}
