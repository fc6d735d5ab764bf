//! Padding, which hides the length of a content in a fixed size (ISO/IEC 7816-4: 0x80, then zeros).

use alloc::vec::Vec;

const MARK: u8 = 0x80;

/// Appends the mark 0x80, then zeros, until `bytes` has a length of `len`. Returns `None` if there
/// is no room for the mark.
pub(crate) fn pad(bytes: &mut Vec<u8>, len: usize) -> Option<()> {
    if bytes.len() >= len {
        return None;
    }
    bytes.push(MARK);
    bytes.resize(len, 0);
    Some(())
}

/// Returns the bytes before the padding; `None` unless the bytes end with the mark 0x80 and zeros.
pub(crate) fn unpad(bytes: &[u8]) -> Option<&[u8]> {
    // Whole blocks first: padding is most of a short message's envelope.
    let zeros: usize = bytes.rchunks(64).take_while(|block| is_zero(block)).map(<[u8]>::len).sum();
    let bytes = bytes.get(..bytes.len().saturating_sub(zeros))?;
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    let (content, rest) = bytes.split_at_checked(end)?;
    (rest.first() == Some(&MARK)).then_some(content)
}

/// Whether all bytes are zero. Reads every byte, even after one that is not.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_nothing_else_does() {
        for len in 0..64 {
            let content: Vec<u8> = (0..len).map(|i| if i % 3 == 0 { 0x80 } else { 0 }).collect();
            let mut padded = content.clone();
            assert_eq!(pad(&mut padded, 64), Some(()));
            assert_eq!(padded.len(), 64);
            assert_eq!(unpad(&padded), Some(&content[..]));
            padded[63] ^= 1;
            assert_eq!(unpad(&padded), None);
        }
        for len in [63, 64, 65, 127, 128, 200] {
            let content = alloc::vec![7; len];
            let mut padded = content.clone();
            assert_eq!(pad(&mut padded, 1_000), Some(()));
            assert_eq!(unpad(&padded), Some(&content[..]));
            padded[len] = 0;
            assert_eq!(unpad(&padded), None);
        }
        assert_eq!(pad(&mut alloc::vec![0; 64], 64), None);
        assert_eq!(unpad(&[0; 64]), None);
        assert_eq!(unpad(&[]), None);
        assert_eq!(unpad(&[1, 2, 0]), None);
    }
}
