//! The seal of a transfer file against every change of its bytes.

use super::*;
use deaddrop_testkit::rng;
use deaddrop_wire::RelayUrl;
use proptest::prelude::*;

fn secret(seed: u64) -> TransferSecret {
    TransferSecret::generate(RelayUrl::new("ws://127.0.0.1:7700/").unwrap(), &mut rng(seed))
}

/// Returns the file of `length` bytes of contents, sealed to the key of `secret(1)`.
fn sealed(length: usize) -> (Vec<u8>, Vec<u8>) {
    let contents: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut sealer = Sealer::begin(Vec::new(), &secret(1).key(), &mut rng(9)).unwrap();
    for part in contents.chunks(40_000) {
        sealer.write(part).unwrap();
    }
    (sealer.finish().unwrap(), contents)
}

fn opened(file: &[u8], by: &TransferSecret) -> Result<Vec<u8>, MoveError> {
    let mut opener = Opener::begin(file, by)?;
    let mut contents = Vec::new();
    while !opener.is_over() {
        let mut byte = [0];
        opener.fill(&mut byte)?;
        contents.push(byte[0]);
    }
    assert!(matches!(opener.fill(&mut [0]), Err(MoveError::Malformed)), "nothing follows");
    Ok(contents)
}

#[test]
fn contents_of_every_length_come_back() {
    for length in [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5] {
        let (file, contents) = sealed(length);
        assert_eq!(file.len(), HEAD_LEN + length + length.div_ceil(CHUNK) * TAG_LEN);
        assert!(opened(&file, &secret(1)).unwrap() == contents, "{length}");
    }
}

#[test]
fn another_key_is_told_from_damage() {
    let (file, _) = sealed(100);
    assert!(matches!(opened(&file, &secret(2)), Err(MoveError::OtherKey)));
    // The hash of the other key in the head changes nothing but the error.
    let mut forged = file;
    forged[4..36].copy_from_slice(&secret(2).key().hash().0);
    assert!(matches!(opened(&forged, &secret(2)), Err(MoveError::Damaged)));
    assert!(matches!(opened(b"ddMF", &secret(1)), Err(MoveError::NotATransferFile)));
    assert!(matches!(opened(&[0; 2_000], &secret(1)), Err(MoveError::NotATransferFile)));
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let (file, _) = sealed(2 * CHUNK + 5);
    let ends = (0..file.len()).step_by(1_009).chain([
        HEAD_LEN,
        HEAD_LEN + CHUNK + TAG_LEN,
        HEAD_LEN + 2 * (CHUNK + TAG_LEN),
        file.len() - 1,
    ]);
    for end in ends {
        assert!(opened(&file[..end], &secret(1)).is_err(), "{end}");
    }
    assert!(opened(&[&file[..], &[0]].concat(), &secret(1)).is_err(), "longer");
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let (file, _) = sealed(CHUNK + 50);
    for at in (0..file.len()).step_by(577).chain(file.len() - 80..file.len()) {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        assert!(opened(&changed, &secret(1)).is_err(), "{at}");
    }
}

#[test]
fn chunks_that_change_places_or_come_twice_are_refused() {
    let (file, _) = sealed(3 * CHUNK);
    let (head, chunks) = file.split_at(HEAD_LEN);
    let chunks: Vec<&[u8]> = chunks.chunks(CHUNK + TAG_LEN).collect();
    let with = |order: &[usize]| {
        let parts: Vec<&[u8]> = order.iter().map(|at| chunks[*at]).collect();
        opened(&[head, &parts.concat()].concat(), &secret(1))
    };
    assert!(with(&[0, 1, 2]).is_ok());
    for order in [&[1, 0, 2][..], &[0, 2, 1], &[0, 0, 1, 2], &[0, 1, 2, 2], &[0, 2], &[0, 1], &[2], &[]] {
        assert!(matches!(with(order), Err(MoveError::Damaged)), "{order:?}");
    }
}

/// Randomness that fills the first request with ones, the second with twos, and so on.
struct Counted(u8);

impl rand::TryRng for Counted {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0 += 1;
        bytes.fill(self.0);
        Ok(())
    }
}

impl rand::TryCryptoRng for Counted {}

/// The vector of spec/12-relay.md section 12.2: a change of the format is seen.
#[test]
fn a_file_with_fixed_randomness_has_the_bytes_of_the_specification() {
    let secret = TransferSecret::generate(RelayUrl::new("wss://new.example/").unwrap(), &mut Counted(0));
    assert_eq!((secret.x25519.expose(), secret.kem.expose_seed()), (&[1; 32], &[2; 64]));
    let mut sealer = Sealer::begin(Vec::new(), &secret.key(), &mut Counted(2)).unwrap();
    sealer.write(&[5; 65_537]).unwrap();
    let file = sealer.finish().unwrap();
    let spec = include_str!("../../../../../spec/12-relay.md");
    let told = [secret.key().hash().to_hex(), hex(&file[36..68]), hex(&sha256(&[&file]))];
    assert!(told.iter().all(|hash| spec.contains(hash)), "{told:?}");
    assert_eq!(opened(&file, &secret).unwrap(), [5; 65_537]);
}

proptest! {
    #[test]
    fn any_chunks_behind_a_head_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..3_000)) {
        let (file, _) = sealed(100);
        prop_assert!(opened(&bytes, &secret(1)).is_err());
        prop_assert!(opened(&[&file[..HEAD_LEN], &bytes].concat(), &secret(1)).is_err());
        prop_assert!(opened(&[&file[..36], &bytes].concat(), &secret(1)).is_err());
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
