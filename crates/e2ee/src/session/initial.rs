//! The InitialMessage: a message of turn 0 behind the handshake's flight, in an outer box
//! (spec/04-handshake.md).
//!
//! The initiator puts the flight in front of every message until an answer comes. The responder
//! recognises repeats of it. The module [`handshake`](crate::handshake) makes and reads the content
//! of a flight.

use crate::{identity::IDENTITY_KEY_LEN, labels, reader::Reader};
use alloc::vec::Vec;
use deaddrop_primitives::{
    aead::{self, NONCE_LEN, TAG_LEN},
    hash::sha256,
    kem, secret_bytes, x25519,
};

/// Number of bytes of a flight, the handshake part of an InitialMessage: ephemeral key E,
/// ciphertexts ct_id and ct_pre, box id_box with the initiator's identity. The flight is the same
/// in every InitialMessage of a session.
pub(crate) const FLIGHT_LEN: usize = x25519::KEY_LEN + 2 * kem::CIPHERTEXT_LEN + IDENTITY_KEY_LEN + TAG_LEN;

/// Number of bytes that an InitialMessage adds to the message in it: nonce, flight, tag.
const OVERHEAD: usize = NONCE_LEN + FLIGHT_LEN + TAG_LEN;

secret_bytes! {
    /// The key of the outer box. Anyone who has the bundle can derive it.
    pub(crate) struct InitialKey[32];
}

/// The content of an outer box that opened.
pub(crate) struct OpenedInitial {
    pub(crate) flight: Vec<u8>,
    /// The message: header box and body box of turn 0.
    pub(crate) message: Vec<u8>,
}

impl OpenedInitial {
    /// Opens the outer box of an envelope: one tag check. Returns `None` if the envelope is too
    /// short or the tag does not verify.
    pub(crate) fn open(key: &InitialKey, envelope: &[u8]) -> Option<Self> {
        let (nonce, sealed) = envelope.split_first_chunk()?;
        let mut flight = aead::open(key.expose(), nonce, labels::INITIAL, sealed).ok()?;
        let message = flight.get(FLIGHT_LEN..)?.to_vec();
        flight.truncate(FLIGHT_LEN);
        Some(Self { flight, message })
    }

    /// Returns SHA-256 of the flight, by which repeats are recognised: all InitialMessages of a
    /// session have the same.
    pub(crate) fn flight_hash(&self) -> [u8; 32] {
        sha256(&[&self.flight])
    }
}

/// The part of a session's state that concerns its InitialMessage.
pub(super) enum Initial {
    /// The InitialMessage is not needed any more.
    Done,
    /// The initiator has no answer: the flight goes in front of every message.
    Flight { key: InitialKey, flight: Vec<u8> },
    /// The responder recognises repeats by `hash`, the SHA-256 of the flight, until the initiator
    /// is confirmed and turn 0 lacks no message.
    Replay { key: InitialKey, hash: [u8; 32] },
}

impl Initial {
    /// Returns the number of bytes that [`seal`](Self::seal) adds.
    pub(super) const fn overhead(&self) -> usize {
        match self {
            Self::Flight { .. } => OVERHEAD,
            Self::Done | Self::Replay { .. } => 0,
        }
    }

    /// Wraps a message into an InitialMessage if the session is a [`Flight`](Self::Flight);
    /// otherwise returns it unchanged.
    pub(super) fn seal(&self, message: Vec<u8>, nonce: &[u8; NONCE_LEN]) -> Vec<u8> {
        let Self::Flight { key, flight } = self else { return message };
        let mut bytes = Vec::with_capacity(OVERHEAD + message.len());
        bytes.extend_from_slice(nonce);
        bytes.extend_from_slice(flight);
        bytes.extend_from_slice(&message);
        // The nonce was just written, so there is as much to split off.
        let (_, inner) = bytes.split_at_mut(NONCE_LEN);
        let tag = aead::seal_in_place(key.expose(), nonce, labels::INITIAL, inner);
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// Appends the stored form: one byte for the variant (0, 1 or 2); then for a flight its key, 32
    /// bytes, and the flight, for a replay its key and its hash, 32 bytes each.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Done => bytes.push(0),
            Self::Flight { key, flight } => {
                bytes.push(1);
                bytes.extend_from_slice(key.expose());
                bytes.extend_from_slice(flight);
            }
            Self::Replay { key, hash } => {
                bytes.push(2);
                bytes.extend_from_slice(key.expose());
                bytes.extend_from_slice(hash);
            }
        }
    }

    /// Returns the number of bytes of [`write`](Self::write).
    pub(super) const fn len(&self) -> usize {
        1 + match self {
            Self::Done => 0,
            Self::Flight { flight, .. } => 32 + flight.len(),
            Self::Replay { .. } => 64,
        }
    }

    /// Reads the bytes of [`write`](Self::write); `None` if they have another form.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.u8()? {
            0 => Some(Self::Done),
            1 => Some(Self::Flight {
                key: InitialKey::copy_of(reader.array_ref()?),
                flight: reader.bytes(FLIGHT_LEN)?.to_vec(),
            }),
            2 => Some(Self::Replay { key: InitialKey::copy_of(reader.array_ref()?), hash: reader.array()? }),
            _ => None,
        }
    }
}
