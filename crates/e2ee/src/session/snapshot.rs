//! Saved sessions: versioned bytes of our own, never a dependency's state (spec/08-snapshots.md).

use super::{
    MAX_CHAINS, ReceivingChain, RemoteTurn, Role, SendingChain, Session, SessionId, Side,
    initial::Initial,
    keys::{ChainKey, HeaderKey, RootKey},
    message::constants_len,
    reset_proofs::ResetSecrets,
    seen::Seen,
    skipped::{SkippedId, SkippedKeys},
};
use crate::{identity::IdentityHash, load_error::LoadError, reader::Reader};
use alloc::{collections::VecDeque, vec::Vec};
use deaddrop_primitives::{kem, x25519};
use zeroize::Zeroizing;

const VERSION: u8 = 2;
/// The older version of snapshots, whose chains have no traces of read messages. It is still
/// loaded.
const VERSION_1: u8 = 1;
/// Number of bytes of a snapshot in front of its chains.
const FIXED_LEN: usize = 1 + 1 + 16 + 32 + 4 + 3 * 32 + 4 + 1;
/// Number of bytes of one chain without the traces of its read messages.
const CHAIN_LEN: usize = 4 + 32 + 4 + 1 + 32;

impl Session {
    /// Encodes the session without its skipped keys and reset secrets, which are rows of their own.
    #[must_use]
    pub fn snapshot(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.snapshot_len()));
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
            chain.seen.write(&mut bytes);
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
        self.initial.write(&mut bytes);
        bytes
    }

    /// Returns the exact number of bytes of the snapshot, so that its buffer never grows and leaves
    /// no copy of it.
    fn snapshot_len(&self) -> usize {
        let side = match &self.side {
            Side::Sent(chain) => 32 + kem::SEED_LEN + 32 + 32 + 4 + chain.head.len(),
            Side::Received(remote) => {
                let identity = usize::from(remote.identity.is_some());
                32 + 1 + kem::ENCAPSULATION_KEY_LEN * (1 + identity)
            }
        };
        FIXED_LEN + self.receiving.len() * (CHAIN_LEN + Seen::LEN) + 1 + side + self.initial.len()
    }

    /// Loads a session from the rows that change sets have stored: the newest snapshot, the newest
    /// reset secrets, and every skipped row that was added and not removed. A skipped row that is
    /// damaged is left out: its message cannot be read any more, all others can.
    ///
    /// # Errors
    /// Fails with [`LoadError::NewerVersion`] if any of the rows is newer, and with
    /// [`LoadError::Corrupt`] if the snapshot or the reset secrets are damaged.
    pub fn load<'a>(
        snapshot: &[u8],
        reset_secrets: &[u8],
        skipped: impl IntoIterator<Item = (SkippedId, &'a [u8])>,
    ) -> Result<Self, LoadError> {
        if snapshot.first().is_some_and(|version| *version > VERSION) || ResetSecrets::is_newer(reset_secrets)
        {
            return Err(LoadError::NewerVersion);
        }
        let mut keys = SkippedKeys::default();
        for (id, bytes) in skipped {
            keys.load(id, bytes)?;
        }
        let resets = ResetSecrets::from_bytes(reset_secrets).ok_or(LoadError::Corrupt)?;
        parse(Reader(snapshot), resets, keys).ok_or(LoadError::Corrupt)
    }
}

fn parse(mut reader: Reader<'_>, resets: ResetSecrets, skipped: SkippedKeys) -> Option<Session> {
    let version = reader.u8().filter(|version| [VERSION_1, VERSION].contains(version))?;
    let role = if reader.flag()? { Role::Responder } else { Role::Initiator };
    let id = SessionId(reader.array()?);
    let peer = IdentityHash::from_bytes(reader.array()?);
    let turn = reader.u32()?;
    let root = RootKey::copy_of(reader.array_ref()?);
    let next_header = HeaderKey::copy_of(reader.array_ref()?);
    let after_next_header = HeaderKey::copy_of(reader.array_ref()?);
    let previous_chain_length = reader.u32()?;
    let mut receiving = VecDeque::with_capacity(MAX_CHAINS + 1);
    for _ in 0..reader.u8().filter(|count| usize::from(*count) <= MAX_CHAINS)? {
        let (turn, header, message_number) =
            (reader.u32()?, HeaderKey::copy_of(reader.array_ref()?), reader.u32()?);
        let open = reader.flag()?;
        let chain = ChainKey::copy_of(reader.array_ref()?);
        let seen = if version == VERSION_1 { Seen::unknown() } else { Seen::read(&mut reader)? };
        let chain = open.then_some(chain);
        receiving.push_back(ReceivingChain { turn, header, chain, message_number, seen });
    }
    let side = match reader.u8()? {
        0 => Side::Sent(SendingChain {
            ratchet: x25519::SecretKey::from_bytes(reader.array_ref()?),
            kem: kem::DecapsulationKey::from_seed(reader.array_ref()?),
            chain: ChainKey::copy_of(reader.array_ref()?),
            header: HeaderKey::copy_of(reader.array_ref()?),
            message_number: reader.u32()?,
            head: reader.bytes(constants_len(turn) + 4)?.to_vec(),
        }),
        1 => {
            let ratchet = x25519::PublicKey::from_bytes(reader.array_ref()?).ok()?;
            let kem = kem::EncapsulationKey::from_bytes(reader.array_ref()?).ok()?;
            // The initiator's identity key waits for turn 1, which the responder sends.
            let identity = match reader.flag().filter(|is_there| *is_there == (turn == 0))? {
                true => Some(kem::EncapsulationKey::from_bytes(reader.array_ref()?).ok()?),
                false => None,
            };
            Side::Received(RemoteTurn { ratchet, kem, identity })
        }
        _ => return None,
    };
    let initial = Initial::read(&mut reader)?;
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
