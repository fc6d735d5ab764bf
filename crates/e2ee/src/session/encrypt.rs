//! Sending: one message of the current turn, or the first of a new one (spec/05-ratchet.md sections
//! 1 and 2).

use super::{
    ChangeSet, MAX_TURN_LEN, RemoteTurn, SendingChain, Session, Side,
    keys::{Nonced, Nonces, RANDOM_LEN, ReadyMessageKey, TurnTranscript},
    message::{constants_len, header_box_len, seal},
};
use alloc::vec::Vec;
#[cfg(feature = "hazmat")]
use deaddrop_primitives::aead::NONCE_LEN;
use deaddrop_primitives::{aead::TAG_LEN, kem, x25519};
use deaddrop_wire::{Blob, SizeClass};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The error of encrypting content; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The content is longer than the largest class holds. Send it in parts.
    #[error("content over the limit of one message; send it in parts")]
    TooLong,
    /// This side's turn has [`MAX_TURN_LEN`] messages. Wait for an answer.
    #[error("too many messages without an answer; wait for one")]
    TurnFull,
    /// The stored session is damaged. Begin a new one.
    #[error("the session is damaged; begin a new one")]
    Corrupt,
    /// The contact has no session for sending, or that session is lost. Begin a reset, or send a
    /// new invite. A session by itself never fails with this error.
    #[error("no session with this person; reset it, or send a new invite")]
    NoSession,
}

impl Session {
    /// Seals content into an envelope of the smallest class that holds it. Store the change set
    /// before you send the envelope.
    ///
    /// Draws from `rng`: for a new turn ratchet key 32 bytes, ML-KEM seed 64, encapsulation 32 (at
    /// turn 1 one more 32 for the initiator's identity); then 32 bytes that enter the nonces
    /// together with the content. A generator that repeats its output (a snapshot of a virtual
    /// machine that is resumed twice) does not make two contents share a key and nonce.
    ///
    /// # Errors
    /// Fails with [`EncryptError`].
    pub fn encrypt(
        &mut self,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Blob, ChangeSet), EncryptError> {
        self.encrypt_by(NonceRule::Hedged, content, rng)
    }

    /// Does the same as [`encrypt`](Self::encrypt), with the nonces made by `rule`.
    pub(crate) fn encrypt_by(
        &mut self,
        rule: NonceRule,
        content: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Blob, ChangeSet), EncryptError> {
        let class = self.class_for(content.len()).ok_or(EncryptError::TooLong)?;
        let turn = match &self.side {
            Side::Sent(chain) => OwnTurn::Current(chain),
            Side::Received(remote) => OwnTurn::New(self.next_turn(remote, rng)?),
        };
        let (chain, number) = match &turn {
            OwnTurn::Current(chain) => (*chain, self.turn),
            OwnTurn::New(new) => (&new.chain, new.turn),
        };
        if chain.message_number >= MAX_TURN_LEN {
            return Err(EncryptError::TurnFull);
        }
        let (message_key, next) = chain.chain.step();
        let overhead = self.initial.overhead();
        let len = class.bytes().checked_sub(overhead).ok_or(EncryptError::TooLong)?;
        let n = chain.message_number;
        let message_key = message_key.ready();
        let nonced = Nonced { turn: number, head: &chain.head, message_number: n, content };
        let nonces = rule.nonces(&message_key, &nonced, overhead > 0, rng);
        let message = seal(&chain.header, &message_key, &chain.head, n, content, len, &nonces.header);
        let message = message.ok_or(EncryptError::TooLong)?;
        let envelope = self.initial.seal(message, &nonces.outer);
        let envelope = Blob::new(envelope).map_err(|_| EncryptError::TooLong)?;

        // Nothing fails from here on.
        let new = match turn {
            OwnTurn::Current(_) => None,
            OwnTurn::New(new) => Some(new),
        };
        let is_new = new.is_some();
        if let Some(new) = new {
            self.enter(new);
        }
        if let Side::Sent(chain) = &mut self.side {
            chain.chain = next;
            chain.message_number += 1;
        }
        let changes = self.changes(Vec::new(), Vec::new(), is_new);
        Ok((envelope, changes))
    }

    /// Returns the number of bytes of content that fit into an envelope of this class now; `None`
    /// if the class is too small.
    #[must_use]
    pub fn room(&self, class: SizeClass) -> Option<usize> {
        let turn = match self.side {
            Side::Sent(_) => self.turn,
            Side::Received(_) => self.turn.saturating_add(1),
        };
        class.bytes().checked_sub(self.initial.overhead() + header_box_len(turn) + TAG_LEN + 1)
    }

    fn class_for(&self, len: usize) -> Option<SizeClass> {
        SizeClass::ALL.into_iter().find(|class| self.room(*class).is_some_and(|room| room >= len))
    }

    /// Computes the step to the next own turn, without changing the session.
    fn next_turn(
        &self,
        remote: &RemoteTurn,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<NewTurn, EncryptError> {
        let turn = self.turn.checked_add(1).ok_or(EncryptError::TurnFull)?;
        let ratchet = x25519::SecretKey::generate(rng);
        let kem = kem::DecapsulationKey::generate(rng);
        let (ciphertext, shared) = remote.kem.encapsulate(rng);
        // Turn 1 alone: a snapshot with this key for another turn, or without it for turn 1, is not loaded.
        let identity = remote.identity.as_ref().map(|identity| identity.encapsulate(rng));
        let mut head = Vec::with_capacity(constants_len(turn) + 4);
        head.extend_from_slice(ratchet.public_key().as_bytes());
        head.extend_from_slice(kem.encapsulation_key().as_bytes());
        head.extend_from_slice(&ciphertext);
        if let Some((ciphertext, _)) = &identity {
            head.extend_from_slice(ciphertext);
        }
        let dh = ratchet.diffie_hellman(&remote.ratchet).map_err(|_| EncryptError::Corrupt)?;
        let transcript = TurnTranscript {
            turn,
            previous_x25519: &remote.ratchet,
            previous_kem: remote.kem.as_bytes(),
            constants: &head,
        };
        let keys = self.root.turn(&transcript, &dh, &shared, identity.as_ref().map(|(_, secret)| secret));
        head.extend_from_slice(&self.previous_chain_length.to_le_bytes());
        let header = self.next_header.duplicate();
        let chain = SendingChain { ratchet, kem, chain: keys.chain, header, message_number: 0, head };
        Ok(NewTurn { turn, chain, root: keys.root, header: keys.header, reset: keys.reset })
    }

    fn enter(&mut self, new: NewTurn) {
        self.turn = new.turn;
        self.root = new.root;
        self.next_header = core::mem::replace(&mut self.after_next_header, new.header);
        self.side = Side::Sent(new.chain);
        self.resets.sent_before = self.resets.sent.replace((new.turn, new.reset));
    }
}

/// The turn in which a message is sent.
enum OwnTurn<'a> {
    /// The newest turn is an own one, and the message continues it.
    Current(&'a SendingChain),
    /// The newest turn is the peer's, and the message begins the next turn.
    New(NewTurn),
}

/// The keys of a new own turn, which the session has not entered yet.
struct NewTurn {
    turn: u32,
    chain: SendingChain,
    root: super::keys::RootKey,
    header: super::keys::HeaderKey,
    reset: super::keys::ResetSecret,
}

/// The rule by which the nonces of a message are made.
#[derive(Clone, Copy)]
pub(crate) enum NonceRule {
    /// The nonces derive from the message key, 32 bytes of the generator, the header and the
    /// content.
    Hedged,
    /// The nonces are drawn from the generator as they are, because test vectors state them.
    #[cfg(feature = "hazmat")]
    Drawn,
}

impl NonceRule {
    #[cfg_attr(not(feature = "hazmat"), allow(unused_variables, reason = "only drawn nonces depend on it"))]
    fn nonces(
        self,
        key: &ReadyMessageKey,
        message: &Nonced<'_>,
        is_initial: bool,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Nonces {
        match self {
            Self::Hedged => {
                let mut random = Zeroizing::new([0; RANDOM_LEN]);
                rng.fill_bytes(random.as_mut_slice());
                key.nonces(&random, message)
            }
            #[cfg(feature = "hazmat")]
            Self::Drawn => {
                let mut nonces = Nonces { header: [0; NONCE_LEN], outer: [0; NONCE_LEN] };
                rng.fill_bytes(&mut nonces.header);
                if is_initial {
                    rng.fill_bytes(&mut nonces.outer);
                }
                nonces
            }
        }
    }
}
