//! A session: the state between two people after the handshake (spec/05-ratchet.md).
//!
//! Turns alternate: the initiator sends even ones, the responder odd ones. Nothing is derived for a
//! header that has not been authenticated, and nothing changes before the body has opened.

mod change;
mod decrypt;
mod encrypt;
pub(crate) mod initial;
pub(crate) mod keys;
pub(crate) mod message;
pub(crate) mod reset_proofs;
mod seen;
mod skipped;
mod snapshot;
#[cfg(feature = "hazmat")]
pub(crate) mod trace;

pub use change::{ChangeSet, Opened};
pub use decrypt::DecryptError;
pub use encrypt::EncryptError;
pub use keys::SessionId;
pub use seen::REWIND_WINDOW;
pub use skipped::{MAX_SKIP_AGE, MAX_SKIPPED_KEYS, SkippedId, SkippedRow};

use crate::identity::{IdentityHash, IdentityKey};
use alloc::{collections::VecDeque, vec::Vec};
use deaddrop_primitives::{assert_secret, kem, x25519};
use deaddrop_wire::Day;
use initial::{Initial, InitialKey};
use keys::{ChainKey, HeaderKey, RootKey, SessionKeys};
use reset_proofs::ResetSecrets;
use seen::Seen;
use skipped::SkippedKeys;
use zeroize::ZeroizeOnDrop;

/// Maximum number of messages of one turn. A receiver can skip all of them, so that no loss blocks
/// a direction.
pub const MAX_TURN_LEN: u32 = 2_000;
/// Maximum number of message keys that one message can make a receiver skip in one chain: those of
/// a whole turn.
pub const MAX_SKIP: u32 = MAX_TURN_LEN;
/// Maximum number of closed receiving chains that are kept for their skipped keys.
pub const MAX_CLOSED_CHAINS: usize = 2;
/// Maximum number of receiving chains that are held between two calls: an open one and the closed
/// ones.
const MAX_CHAINS: usize = 1 + MAX_CLOSED_CHAINS;

/// The role of this side in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that sends the InitialMessage, and the even turns.
    Initiator,
    /// The side that made the bundle, and sends the odd turns.
    Responder,
}

/// The progress of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The initiator has no reply yet: every message is an InitialMessage.
    Unanswered,
    /// The responder has no reply to its first turn yet: the initiator is authenticated against
    /// classical attackers only.
    Unconfirmed,
    /// The initiator has read a message of turn 1, or the responder one of turn 2. Both sides are
    /// authenticated, against a quantum attacker too.
    Established,
}

/// All of this side's state of one conversation with a peer. It holds secrets. Store the change
/// sets that its calls return.
pub struct Session {
    role: Role,
    id: SessionId,
    peer: IdentityHash,
    /// Number of the newest turn, sent or received.
    turn: u32,
    root: RootKey,
    /// The header key of the next turn, `turn + 1`. `after_next_header` is that of `turn + 2`.
    next_header: HeaderKey,
    after_next_header: HeaderKey,
    side: Side,
    /// Number of messages in the newest own turn that has ended. The next own turn sends it as
    /// `pn`.
    previous_chain_length: u32,
    /// The receiving chains, newest first; only the first can be open. The list has room for
    /// [`MAX_CHAINS`] and one more while a new turn is received, so that no copy of a key is left
    /// by growing.
    receiving: VecDeque<ReceivingChain>,
    initial: Initial,
    resets: ResetSecrets,
    skipped: SkippedKeys,
}

// Every key in it wipes itself.
impl ZeroizeOnDrop for Session {}
assert_secret!(Session);

/// The side that made the newest turn, with the keys of this turn.
enum Side {
    Sent(SendingChain),
    Received(RemoteTurn),
}

/// The keys of the newest own turn, kept until the peer's next turn is received.
struct SendingChain {
    ratchet: x25519::SecretKey,
    kem: kem::DecapsulationKey,
    chain: ChainKey,
    header: HeaderKey,
    message_number: u32,
    /// The header of the turn's messages without the message number: ratchet keys rk and ek,
    /// ciphertexts, `pn`.
    head: Vec<u8>,
}

/// The public keys of the peer's newest turn, kept until this side begins the next one.
struct RemoteTurn {
    ratchet: x25519::PublicKey,
    kem: kem::EncapsulationKey,
    /// The ML-KEM key of the initiator's identity, until turn 1 has encapsulated to it.
    identity: Option<kem::EncapsulationKey>,
}

/// The keys of a turn of the peer from which messages can still come.
struct ReceivingChain {
    turn: u32,
    header: HeaderKey,
    /// The key of the chain; `None` if the chain is closed, so that only skipped keys are left.
    chain: Option<ChainKey>,
    /// Number of the first message that was neither read nor skipped; of a closed chain, the number
    /// of messages in the turn.
    message_number: u32,
    seen: Seen,
}

impl Session {
    /// Returns the id of the session, the same on both sides.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the role of this side in the handshake.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns the hash of the other person's identity.
    #[must_use]
    pub const fn peer(&self) -> &IdentityHash {
        &self.peer
    }

    /// Returns the progress of the session.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match (self.role, self.turn) {
            (Role::Initiator, 0) => Standing::Unanswered,
            (Role::Responder, 0 | 1) => Standing::Unconfirmed,
            _ => Standing::Established,
        }
    }

    /// Returns the number of the newest turn, sent or received.
    #[must_use]
    pub const fn turn(&self) -> u32 {
        self.turn
    }

    /// Returns the number of messages that this side can send before it must wait for an answer. A
    /// new turn has room for [`MAX_TURN_LEN`].
    #[must_use]
    pub fn room_in_turn(&self) -> u32 {
        match &self.side {
            Side::Sent(chain) => MAX_TURN_LEN.saturating_sub(chain.message_number),
            Side::Received(_) => MAX_TURN_LEN,
        }
    }

    /// Returns the number of skipped message keys that are held.
    #[must_use]
    pub fn skipped_keys(&self) -> usize {
        self.skipped.len()
    }

    /// Returns the secrets of recent turns, which can prove a later reset.
    pub(crate) const fn resets(&self) -> &ResetSecrets {
        &self.resets
    }

    /// Creates the initiator's state after the handshake. `key` and `flight` make the
    /// InitialMessages.
    pub(crate) fn begin_initiator(
        peer: &IdentityKey,
        keys: SessionKeys,
        ratchet: x25519::SecretKey,
        kem: kem::DecapsulationKey,
        key: InitialKey,
        flight: Vec<u8>,
    ) -> Self {
        let mut head = ratchet.public_key().as_bytes().to_vec();
        head.extend_from_slice(kem.encapsulation_key().as_bytes());
        head.extend_from_slice(&0_u32.to_le_bytes());
        let [header, next_header, after_next_header] = keys.headers;
        Self {
            role: Role::Initiator,
            id: keys.id,
            peer: *peer.hash(),
            turn: 0,
            root: keys.root,
            next_header,
            after_next_header,
            side: Side::Sent(SendingChain {
                ratchet,
                kem,
                chain: keys.chain,
                header,
                message_number: 0,
                head,
            }),
            previous_chain_length: 0,
            receiving: VecDeque::with_capacity(MAX_CHAINS + 1),
            initial: Initial::Flight { key, flight },
            resets: ResetSecrets { received: None, sent: Some((0, keys.reset)), sent_before: None },
            skipped: SkippedKeys::default(),
        }
    }

    /// Creates the responder's state after the first header has opened. Turn 0 is open, and no
    /// message of it is read. `key` and `hash` recognise repeats of the InitialMessage.
    pub(crate) fn begin_responder(
        peer: &IdentityKey,
        keys: SessionKeys,
        ratchet: x25519::PublicKey,
        kem: kem::EncapsulationKey,
        key: InitialKey,
        hash: [u8; 32],
    ) -> Self {
        let [header, next_header, after_next_header] = keys.headers;
        let seen = Seen::begin(&ratchet);
        let mut receiving = VecDeque::with_capacity(MAX_CHAINS + 1);
        receiving.push_back(ReceivingChain {
            turn: 0,
            header,
            chain: Some(keys.chain),
            message_number: 0,
            seen,
        });
        Self {
            role: Role::Responder,
            id: keys.id,
            peer: *peer.hash(),
            turn: 0,
            root: keys.root,
            next_header,
            after_next_header,
            side: Side::Received(RemoteTurn { ratchet, kem, identity: Some(peer.kem.clone()) }),
            previous_chain_length: 0,
            receiving,
            initial: Initial::Replay { key, hash },
            resets: ResetSecrets { received: Some((0, keys.reset)), sent: None, sent_before: None },
            skipped: SkippedKeys::default(),
        }
    }

    /// Forgets the InitialMessage once it is not needed any more: the initiator when turn 1 has
    /// come, the responder when turn 2 has come and turn 0 lacks no message.
    fn forget_initial(&mut self) {
        let needed = match self.initial {
            Initial::Done => return,
            Initial::Flight { .. } => self.turn == 0,
            Initial::Replay { .. } => self.turn < 2 || self.skipped.holds_turn(0),
        };
        if !needed {
            self.initial = Initial::Done;
        }
    }

    /// Returns the change set of a new session, with all of its rows. `invite_consumed` is its
    /// field of that name.
    pub(crate) fn first_changes(&self, invite_consumed: bool) -> ChangeSet {
        ChangeSet {
            session: self.snapshot(),
            reset_secrets: Some(self.resets.to_bytes()),
            skipped_added: self.skipped.rows(),
            skipped_removed: Vec::new(),
            invite_consumed,
        }
    }

    /// Forgets skipped keys that were kept more than [`MAX_SKIP_AGE`] days before or after `today`.
    /// Call it once a day, and store the change set that it returns; `None` if no key was
    /// forgotten.
    #[must_use = "a change that is not stored is lost"]
    pub fn expire(&mut self, today: Day) -> Option<ChangeSet> {
        let mut removed = self.skipped.expire(today);
        if removed.is_empty() {
            return None;
        }
        removed.append(&mut self.close_chains());
        self.forget_initial();
        Some(self.changes(Vec::new(), removed, false))
    }

    /// Removes closed chains without skipped keys, and the oldest of the others, with their keys,
    /// beyond [`MAX_CLOSED_CHAINS`]. Returns the ids of the removed keys.
    fn close_chains(&mut self) -> Vec<SkippedId> {
        let mut removed = Vec::new();
        let mut closed = 0;
        let skipped = &mut self.skipped;
        self.receiving.retain(|chain| {
            if chain.chain.is_some() {
                return true;
            }
            let keep = skipped.holds_turn(chain.turn) && closed < MAX_CLOSED_CHAINS;
            if keep {
                closed += 1;
            } else {
                removed.append(&mut skipped.drop_turn(chain.turn));
            }
            keep
        });
        removed
    }

    fn changes(&self, added: Vec<SkippedRow>, removed: Vec<SkippedId>, resets: bool) -> ChangeSet {
        ChangeSet {
            session: self.snapshot(),
            reset_secrets: resets.then(|| self.resets.to_bytes()),
            skipped_added: added,
            skipped_removed: removed,
            invite_consumed: false,
        }
    }
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Session(..)")
    }
}
