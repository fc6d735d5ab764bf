//! Saved sessions: versioned bytes of our own, never a dependency's state (spec/08-snapshots.md).

use super::{
    Initial, ReceivingChain, RemoteTurn, ResetSecrets, Role, SendingChain, Session, SessionId, Side,
    keys::{ChainKey, HeaderKey, ResetSecret, RootKey},
    message::constants_len,
    skipped::{SkippedId, SkippedKeys},
};
use crate::{handshake::FLIGHT_LEN, identity::IdentityHash, invite::InitialKey};
use alloc::{collections::VecDeque, vec::Vec};
use deaddrop_primitives::{kem, x25519};
use zeroize::Zeroizing;

const VERSION: u8 = 1;

/// A saved session was not loaded. Overwrite nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// Saved by a newer version: update.
    NewerVersion,
    /// Not what was saved.
    Corrupt,
}

impl core::fmt::Display for LoadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NewerVersion => "session was saved by a newer version; update",
            Self::Corrupt => "saved session is damaged; begin a new one",
        })
    }
}

impl core::error::Error for LoadError {}

impl Session {
    /// The session without its skipped keys and reset secrets, which are rows of their own.
    #[must_use]
    pub fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(7_000));
        bytes.push(VERSION);
        bytes.push(u8::from(self.role == Role::Responder));
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(self.peer.as_bytes());
        bytes.extend_from_slice(&self.turn.to_le_bytes());
        bytes.extend_from_slice(self.root.expose());
        bytes.extend_from_slice(self.next_header.expose());
        bytes.extend_from_slice(self.after_next_header.expose());
        bytes.extend_from_slice(&self.previous_chain_length.to_le_bytes());
        bytes.push(u8::try_from(self.receiving.len()).unwrap_or(u8::MAX));
        for chain in &self.receiving {
            bytes.extend_from_slice(&chain.turn.to_le_bytes());
            bytes.extend_from_slice(chain.header.expose());
            bytes.extend_from_slice(&chain.message_number.to_le_bytes());
            bytes.push(u8::from(chain.chain.is_some()));
            bytes.extend_from_slice(chain.chain.as_ref().map_or(&[0; 32], |key| key.expose()));
        }
        match &self.side {
            Side::Sent(chain) => {
                bytes.push(0);
                bytes.extend_from_slice(chain.ratchet.expose());
                bytes.extend_from_slice(chain.kem.expose_seed());
                bytes.extend_from_slice(chain.chain.expose());
                bytes.extend_from_slice(chain.header.expose());
                bytes.extend_from_slice(&chain.message_number.to_le_bytes());
                bytes.extend_from_slice(&chain.head);
            }
            Side::Received(remote) => {
                bytes.push(1);
                bytes.extend_from_slice(remote.ratchet.as_bytes());
                bytes.extend_from_slice(remote.kem.as_bytes());
                bytes.push(u8::from(remote.identity.is_some()));
                bytes.extend_from_slice(remote.identity.as_ref().map_or(&[][..], |key| key.as_bytes()));
            }
        }
        match &self.initial {
            Initial::Done => bytes.push(0),
            Initial::Flight { key, flight } => {
                bytes.push(1);
                bytes.extend_from_slice(key.expose());
                bytes.extend_from_slice(flight);
            }
            Initial::Replay { key, hash } => {
                bytes.push(2);
                bytes.extend_from_slice(key.expose());
                bytes.extend_from_slice(hash);
            }
        }
        bytes
    }

    /// Loads what change sets have stored: the newest snapshot, the newest reset secrets, and every skipped row that was added
    /// and not removed.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load<'a>(
        snapshot: &[u8],
        reset_secrets: &[u8],
        skipped: impl IntoIterator<Item = (SkippedId, &'a [u8])>,
    ) -> Result<Self, LoadError> {
        match (snapshot.first(), reset_secrets.first()) {
            (Some(&VERSION), Some(&VERSION)) => {}
            (Some(version), Some(other)) if *version > VERSION || *other > VERSION => {
                return Err(LoadError::NewerVersion);
            }
            _ => return Err(LoadError::Corrupt),
        }
        let mut keys = SkippedKeys::default();
        for (id, bytes) in skipped {
            keys.load(id, bytes).ok_or(LoadError::Corrupt)?;
        }
        let resets = ResetSecrets::from_bytes(reset_secrets).ok_or(LoadError::Corrupt)?;
        parse(Reader(snapshot), resets, keys).ok_or(LoadError::Corrupt)
    }
}

impl ResetSecrets {
    /// Version 1, then three times: present 1, turn 4, secret 32.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(112));
        bytes.push(VERSION);
        for secret in [&self.received, &self.sent, &self.sent_before] {
            bytes.push(u8::from(secret.is_some()));
            bytes.extend_from_slice(&secret.as_ref().map_or(0, |(turn, _)| *turn).to_le_bytes());
            bytes.extend_from_slice(secret.as_ref().map_or(&[0; 32], |(_, secret)| secret.expose()));
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let _version = reader.u8()?;
        let mut next = || {
            let present = reader.flag()?;
            let (turn, secret) = (reader.u32()?, reader.array()?);
            Some(present.then(|| (turn, ResetSecret::from_bytes(secret))))
        };
        let resets = Self { received: next()?, sent: next()?, sent_before: next()? };
        reader.0.is_empty().then_some(resets)
    }
}

fn parse(mut reader: Reader<'_>, resets: ResetSecrets, skipped: SkippedKeys) -> Option<Session> {
    let _version = reader.u8()?;
    let role = if reader.flag()? { Role::Responder } else { Role::Initiator };
    let id = SessionId(reader.array()?);
    let peer = IdentityHash::from_bytes(reader.array()?);
    let turn = reader.u32()?;
    let root = RootKey::from_bytes(reader.array()?);
    let next_header = HeaderKey::from_bytes(reader.array()?);
    let after_next_header = HeaderKey::from_bytes(reader.array()?);
    let previous_chain_length = reader.u32()?;
    let mut receiving = VecDeque::new();
    for _ in 0..reader.u8()? {
        let (turn, header, message_number) =
            (reader.u32()?, HeaderKey::from_bytes(reader.array()?), reader.u32()?);
        let open = reader.flag()?;
        let chain = ChainKey::from_bytes(reader.array()?);
        receiving.push_back(ReceivingChain { turn, header, chain: open.then_some(chain), message_number });
    }
    let side = match reader.u8()? {
        0 => Side::Sent(SendingChain {
            ratchet: x25519::SecretKey::from_bytes(&reader.array()?),
            kem: kem::DecapsulationKey::from_seed(&reader.array()?),
            chain: ChainKey::from_bytes(reader.array()?),
            header: HeaderKey::from_bytes(reader.array()?),
            message_number: reader.u32()?,
            head: reader.bytes(constants_len(turn) + 4)?.to_vec(),
        }),
        1 => {
            let ratchet = x25519::PublicKey::from_bytes(&reader.array()?).ok()?;
            let kem = kem::EncapsulationKey::from_bytes(&reader.array()?).ok()?;
            let identity = match reader.flag()? {
                true => Some(kem::EncapsulationKey::from_bytes(&reader.array()?).ok()?),
                false => None,
            };
            Side::Received(RemoteTurn { ratchet, kem, identity })
        }
        _ => return None,
    };
    let initial = match reader.u8()? {
        0 => Initial::Done,
        1 => Initial::Flight {
            key: InitialKey::from_bytes(reader.array()?),
            flight: reader.bytes(FLIGHT_LEN)?.to_vec(),
        },
        2 => Initial::Replay { key: InitialKey::from_bytes(reader.array()?), hash: reader.array()? },
        _ => return None,
    };
    reader.0.is_empty().then_some(Session {
        role,
        id,
        peer,
        turn,
        root,
        next_header,
        after_next_header,
        side,
        previous_chain_length,
        receiving,
        initial,
        resets,
        skipped,
    })
}

/// Reads fixed-size fields from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.as_array().copied()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}
