//! Padding: a content's true length hides in a fixed size (ISO/IEC 7816-4: 0x80, then zeros).

use alloc::vec::Vec;

const MARK: u8 = 0x80;

/// Appends the mark and zeros up to `len`; `None` when there is no room for the mark.
pub(crate) fn pad(bytes: &mut Vec<u8>, len: usize) -> Option<()> {
    if bytes.len() >= len {
        return None;
    }
    bytes.push(MARK);
    bytes.resize(len, 0);
    Some(())
}

/// What stood in front of the padding; `None` unless it is a mark and zeros to the end.
pub(crate) fn unpad(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    let (content, rest) = bytes.split_at_checked(end)?;
    (rest.first() == Some(&MARK)).then_some(content)
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
        assert_eq!(pad(&mut alloc::vec![0; 64], 64), None);
        assert_eq!(unpad(&[0; 64]), None);
        assert_eq!(unpad(&[]), None);
        assert_eq!(unpad(&[1, 2, 0]), None);
    }
}
