//! Tests of the decoder: the result does not depend on where the bytes are cut, and no input grows
//! memory beyond what arrived.

use super::*;
use proptest::prelude::*;

fn frame(opcode: Opcode, is_final: bool, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header { opcode, is_final, len: payload.len() as u64, mask }.write(&mut bytes);
    let at = bytes.len();
    bytes.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(mask, 0, &mut bytes[at..]);
    }
    bytes
}

fn decode_all(decoder: &mut Decoder, mut bytes: &[u8]) -> Result<Vec<Incoming>, FrameError> {
    let mut all = Vec::new();
    while let Some(incoming) = decoder.decode(&mut bytes)? {
        all.push(incoming);
    }
    assert!(bytes.is_empty());
    Ok(all)
}

#[test]
fn fragments_make_one_message_with_control_frames_between() {
    let mask = Some([1, 2, 3, 4]);
    let bytes = [
        frame(Opcode::Binary, false, b"one ", mask),
        frame(Opcode::Ping, true, b"p", mask),
        frame(Opcode::Continuation, false, &[b'x'; 1_024], mask),
        frame(Opcode::Continuation, true, b"end", mask),
        frame(Opcode::Close, true, b"", mask),
    ]
    .concat();
    let message = [b"one ".as_slice(), &[b'x'; 1_024], b"end"].concat();
    let mut decoder = Decoder::new(Role::Server, 10_000);
    let expected = vec![
        Incoming::SmallFragment,
        Incoming::Ping(b"p".to_vec()),
        Incoming::Message(message),
        Incoming::Close,
    ];
    assert_eq!(decode_all(&mut decoder, &bytes), Ok(expected));
    assert!(!decoder.is_in_message());
    assert_eq!(decoder.held_bytes(), 0, "nothing is held between messages");
}

#[test]
fn what_is_out_of_place_is_refused() {
    let mask = Some([0; 4]);
    let refuse = |role, bytes: &[u8]| decode_all(&mut Decoder::new(role, 100), bytes).unwrap_err();
    assert_eq!(refuse(Role::Server, &frame(Opcode::Binary, true, b"a", None)), FrameError::Malformed);
    assert_eq!(refuse(Role::Client, &frame(Opcode::Binary, true, b"a", mask)), FrameError::Malformed);
    assert_eq!(refuse(Role::Server, &frame(Opcode::Continuation, true, b"a", mask)), FrameError::Malformed);
    let twice = [frame(Opcode::Binary, false, b"a", mask), frame(Opcode::Binary, true, b"b", mask)].concat();
    assert_eq!(refuse(Role::Server, &twice), FrameError::Malformed);
    let parts =
        [frame(Opcode::Binary, false, &[0; 60], mask), frame(Opcode::Continuation, true, &[0; 41], mask)];
    assert_eq!(refuse(Role::Server, &parts.concat()), FrameError::TooLong);
    // By its length alone, before anything of it arrives.
    assert_eq!(refuse(Role::Server, &frame(Opcode::Binary, true, &[0; 101], mask)[..6]), FrameError::TooLong);
}

#[test]
fn memory_follows_what_arrived_and_not_what_was_announced() {
    let len = 1 << 20;
    let mut bytes = frame(Opcode::Binary, true, &vec![0; len], Some([9; 4]));
    let rest = bytes.split_off(100);
    let mut decoder = Decoder::new(Role::Server, len);
    assert_eq!(decode_all(&mut decoder, &bytes), Ok(vec![]));
    let mut arrived = bytes.len();
    for piece in rest.chunks(777) {
        assert!(decoder.held_bytes() <= FIRST_RESERVE.max(2 * arrived), "{arrived}");
        assert!(decoder.is_in_message());
        let got = decode_all(&mut decoder, piece).unwrap();
        arrived += piece.len();
        assert_eq!(got.len(), usize::from(arrived == bytes.len() + rest.len()));
    }
    assert_eq!(decoder.held_bytes(), 0);
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
        mask in any::<[u8; 4]>(),
        cut in 1..50usize,
    ) {
        let bytes: Vec<u8> =
            payloads.iter().flat_map(|payload| frame(Opcode::Binary, true, payload, Some(mask))).collect();
        let mut decoder = Decoder::new(Role::Server, 300);
        let mut got = Vec::new();
        for piece in bytes.chunks(cut) {
            got.extend(decode_all(&mut decoder, piece).unwrap());
        }
        prop_assert_eq!(got, payloads.into_iter().map(Incoming::Message).collect::<Vec<_>>());
    }

    #[test]
    fn junk_never_panics_and_holds_little(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut decoder = Decoder::new(Role::Server, 1_000);
        let mut input = bytes.as_slice();
        while let Ok(Some(_)) = decoder.decode(&mut input) {}
        prop_assert!(decoder.held_bytes() <= FIRST_RESERVE + MAX_CONTROL + 1_000);
    }
}
