//! A WebSocket's bytes: cuts change nothing, and memory follows the bytes that arrived.

use deaddrop_websocket::{Decoder, FrameError, Incoming, Role};

const MAX_MESSAGE: usize = 100_000;
/// Number of bytes of memory that a decoder takes for a message before its bytes arrive.
const FIRST: usize = 4_096;

pub fn frames(data: &[u8]) {
    let Some(([mode, cut], bytes)) = data.split_first_chunk() else { return };
    let role = if mode & 1 == 0 { Role::Server } else { Role::Client };
    let whole = decode(role, bytes, bytes.len().max(1));
    let pieces = decode(role, bytes, usize::from(*cut).max(1));
    assert_eq!(whole, pieces, "a cut changed what was read");
}

fn decode(role: Role, bytes: &[u8], piece: usize) -> (Vec<Incoming>, Option<FrameError>) {
    let mut decoder = Decoder::new(role, MAX_MESSAGE);
    let mut all = Vec::new();
    let mut arrived = 0;
    for piece in bytes.chunks(piece) {
        arrived += piece.len();
        let mut input = piece;
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(incoming)) => {
                    if let Incoming::Message(message) = &incoming {
                        assert!(message.len() <= MAX_MESSAGE);
                    }
                    all.push(incoming);
                }
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
        assert!(input.is_empty());
        assert!(decoder.held_bytes() <= FIRST + 2 * arrived, "more memory than arrived");
    }
    (all, None)
}
