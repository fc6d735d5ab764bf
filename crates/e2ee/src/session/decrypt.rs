//! Receiving: the header key that opens a message shows its turn (spec/05-ratchet.md section 4).
//!
//! Receiving takes at most five tag checks; a message that fails changes nothing and costs no key
//! derivation, Diffie-Hellman or KEM unless its header was authentic.

use super::{
    ChangeSet, MAX_TURN_LEN, Opened, ReceivingChain, RemoteTurn, Session, Side, SkippedId,
    initial::{Initial, OpenedInitial},
    keys::{ChainKey, MessageKey, TurnTranscript},
    message::{Header, constants_len, open_body, open_header},
    seen::Seen,
    skipped::SkippedKey,
};
use crate::identity::IdentityKeyPair;
use alloc::vec::Vec;
use deaddrop_primitives::{kem, x25519};
use deaddrop_wire::{Day, SizeClass};

/// The error of a message that was not read; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The envelope is not for this session, was changed on its way, or is of a turn whose keys are
    /// gone. Acknowledge it.
    #[error("not a message of this session; drop it")]
    Junk,
    /// The message was read before, or came after its key was dropped. Acknowledge it.
    #[error("message was read before; drop it")]
    Duplicate,
    /// The envelope is another handshake on the bundle that began this session. On an invite's
    /// bundle it means that somebody else has the link: tell the user. On a reset bundle it can be
    /// another reset of the peer.
    #[error("somebody else tried to use the same invite; compare safety numbers")]
    InviteContested,
    /// The peer's state was put back to an older one: the peer sent a second message of a number,
    /// began a turn twice, continued one that it had ended, or states that it sent less than was
    /// read. Messages with used numbers cannot be read. Tell the user, and begin a reset.
    #[error("the contact's device was restored from an older backup; reset the session")]
    PeerRewound,
    /// The peer broke a bound or sent an invalid key. Its software is at fault. Acknowledge the
    /// envelope.
    #[error("the peer broke the protocol; drop the message")]
    PeerMisbehaved,
}

/// The receiving chain to which a message belongs.
enum Place {
    Known(usize),
    NextTurn,
}

impl Session {
    /// Opens an envelope. Acknowledge it only after the change set is stored.
    ///
    /// # Errors
    /// Fails with [`DecryptError`]; the session is as it was.
    pub fn decrypt(
        &mut self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        today: Day,
    ) -> Result<Opened, DecryptError> {
        if SizeClass::of_len(envelope.len()).is_none() {
            return Err(DecryptError::Junk); // C-20: the length of a size class.
        }
        if let Some((place, header)) = self.place(envelope) {
            return match place {
                Place::Known(index) => self.open_known(index, &header, envelope, today),
                Place::NextTurn => self.open_next_turn(identity, &header, envelope, today),
            };
        }
        let message = self.inner_message(envelope)?;
        let index = self.receiving.iter().position(|chain| chain.turn == 0).ok_or(DecryptError::Duplicate)?;
        let chain = self.receiving.get(index).ok_or(DecryptError::Junk)?;
        let header = open_header(&chain.header, 0, &message).ok_or(DecryptError::Junk)?;
        self.open_known(index, &header, &message, today)
    }

    /// Finds the chain to which a message belongs, and opens its header. Tries the current turn,
    /// the next one, then closed turns; `None` if the header opens with none of their keys.
    fn place(&self, message: &[u8]) -> Option<(Place, Header)> {
        let known = |(index, chain): (usize, &ReceivingChain)| {
            Some((Place::Known(index), open_header(&chain.header, chain.turn, message)?))
        };
        let mut chains = self.receiving.iter().enumerate();
        let current = self.receiving.front().is_some_and(|chain| chain.chain.is_some());
        if current && let Some(found) = chains.next().and_then(known) {
            return Some(found);
        }
        if matches!(self.side, Side::Sent(_))
            && let Some(header) = open_header(&self.next_header, self.turn.checked_add(1)?, message)
        {
            return Some((Place::NextTurn, header));
        }
        chains.find_map(known)
    }

    /// Returns the message inside a repeated InitialMessage. Fails with
    /// [`DecryptError::InviteContested`] if it is not a repeat but another handshake, and with
    /// [`DecryptError::Junk`] for any other envelope.
    fn inner_message(&self, envelope: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let Initial::Replay { key, hash } = &self.initial else {
            return Err(DecryptError::Junk); // C-21: a header key, or an InitialMessage while one is awaited.
        };
        if SizeClass::of_len(envelope.len()) == Some(SizeClass::Small) {
            return Err(DecryptError::Junk);
        }
        let opened = OpenedInitial::open(key, envelope).ok_or(DecryptError::Junk)?;
        if opened.flight_hash() != *hash {
            return Err(DecryptError::InviteContested); // C-22: an invite is used once.
        }
        Ok(opened.message)
    }

    fn open_known(
        &mut self,
        index: usize,
        header: &Header,
        message: &[u8],
        today: Day,
    ) -> Result<Opened, DecryptError> {
        let chain = self.receiving.get(index).ok_or(DecryptError::Junk)?;
        let number = number_of(header)?;
        let id = SkippedId { turn: chain.turn, message_number: number };
        if chain.seen.is_other_turn(header.constants()) {
            return Err(DecryptError::PeerRewound); // C-53: a turn begins once.
        }
        match &chain.chain {
            Some(key) if number >= chain.message_number => {
                let steps = step_to(key, chain.turn, chain.message_number, number);
                // C-23: the body is authentic.
                let content = open_body(&steps.message, header, message).ok_or(DecryptError::Junk)?;
                if let Some(chain) = self.receiving.get_mut(index) {
                    chain.chain = Some(steps.chain);
                    chain.seen.advance(chain.message_number, number, header.nonce());
                    chain.message_number = number.saturating_add(1);
                }
                let (rows, removed) = self.skipped.add(steps.skipped, today);
                Ok(Opened { content, changes: self.changes(rows, removed, false) })
            }
            _ => {
                let Some(key) = self.skipped.find(id) else {
                    // C-54: a number names one message, and a turn that has ended goes on no more.
                    if chain.seen.is_other_message(number, chain.message_number, header.nonce())
                        || chain.seen.is_behind_end(number, chain.message_number)
                    {
                        return Err(DecryptError::PeerRewound);
                    }
                    return Err(DecryptError::Duplicate); // C-24: a number counts once.
                };
                let content = open_body(key, header, message).ok_or(DecryptError::Junk)?;
                self.skipped.remove(id);
                if let Some(chain) = self.receiving.get_mut(index) {
                    chain.seen.late(number, chain.message_number, header.nonce());
                }
                self.close_chains();
                self.forget_initial();
                Ok(Opened { content, changes: self.changes(Vec::new(), Vec::from([id]), false) })
            }
        }
    }

    fn open_next_turn(
        &mut self,
        identity: &IdentityKeyPair,
        header: &Header,
        message: &[u8],
        today: Day,
    ) -> Result<Opened, DecryptError> {
        use DecryptError::{Junk, PeerMisbehaved};
        let Side::Sent(own) = &self.side else { return Err(Junk) };
        let number = number_of(header)?;
        let turn = self.turn.checked_add(1).ok_or(PeerMisbehaved)?;
        let remote = RemoteKeys::parse(header.constants(), turn).ok_or(PeerMisbehaved)?; // C-25: valid keys.
        if remote.ratchet == *own.ratchet.public_key() {
            return Err(PeerMisbehaved); // C-26: not one's own key.
        }
        let end = header.previous_chain_length();
        let old = self.missing_of_open_chain(end)?;
        let dh = own.ratchet.diffie_hellman(&remote.ratchet).map_err(|_| PeerMisbehaved)?; // C-28: no low order.
        let shared = own.kem.decapsulate(remote.ciphertext);
        let for_identity = remote.for_identity.map(|ciphertext| identity.kem.decapsulate(ciphertext));
        let transcript = TurnTranscript {
            turn,
            previous_x25519: own.ratchet.public_key(),
            previous_kem: own.kem.encapsulation_key().as_bytes(),
            constants: header.constants(),
        };
        let keys = self.root.turn(&transcript, &dh, &shared, for_identity.as_ref());
        let steps = step_to(&keys.chain, turn, 0, number);
        let content = open_body(&steps.message, header, message).ok_or(Junk)?;
        let sent = own.message_number;

        // Nothing fails from here on.
        let mut skipped = old;
        skipped.extend(steps.skipped);
        if let Some(chain) = self.receiving.front_mut() {
            // What is behind the end of the turn was never sent; what was skipped up to it has now a number below the next.
            if chain.chain.take().is_some() {
                chain.seen.pass(chain.message_number, end);
                chain.message_number = end;
            }
        }
        let mut seen = Seen::begin(&remote.ratchet);
        seen.advance(0, number, header.nonce());
        self.receiving.push_front(ReceivingChain {
            turn,
            header: core::mem::replace(
                &mut self.next_header,
                core::mem::replace(&mut self.after_next_header, keys.header),
            ),
            chain: Some(steps.chain),
            message_number: number.saturating_add(1),
            seen,
        });
        self.turn = turn;
        self.root = keys.root;
        self.previous_chain_length = sent;
        self.side = Side::Received(RemoteTurn { ratchet: remote.ratchet, kem: remote.kem, identity: None });
        self.resets.received = Some((turn, keys.reset));
        let (rows, mut removed) = self.skipped.add(skipped, today);
        removed.append(&mut self.close_chains());
        self.forget_initial();
        let changes: ChangeSet = self.changes(rows, removed, true);
        Ok(Opened { content, changes })
    }

    /// Returns the keys of the peer's open turn from its next message number up to `end`, the
    /// number of messages that the peer says to have sent in it. These messages may still come.
    fn missing_of_open_chain(&self, end: u32) -> Result<Vec<SkippedKey>, DecryptError> {
        let open = self.receiving.front().and_then(|chain| Some((chain, chain.chain.as_ref()?)));
        let next = open.map_or(0, |(chain, _)| chain.message_number);
        // C-27: the turn before ended within its length; without one there is nothing to end.
        let most = if open.is_some() { MAX_TURN_LEN } else { 0 };
        if end > most {
            return Err(DecryptError::PeerMisbehaved);
        }
        if end < next {
            return Err(DecryptError::PeerRewound); // C-54: what was read of the turn before, the peer has not sent.
        }
        let (Some((chain, key)), Some(last)) = (open, end.checked_sub(1).filter(|last| *last >= next)) else {
            return Ok(Vec::new());
        };
        let mut steps = step_to(key, chain.turn, next, last);
        let id = SkippedId { turn: chain.turn, message_number: last };
        steps.skipped.push(SkippedKey { id, key: steps.message });
        Ok(steps.skipped)
    }
}

/// Returns the number of a message. Refuses a number that is not below [`MAX_TURN_LEN`] (C-29), so
/// that each later loop takes at most that many steps.
fn number_of(header: &Header) -> Result<u32, DecryptError> {
    let number = header.message_number();
    if number < MAX_TURN_LEN { Ok(number) } else { Err(DecryptError::PeerMisbehaved) }
}

/// The result of stepping a chain to one message: the keys of the messages that were passed over,
/// the key of that message, and the chain key after it.
struct Steps {
    skipped: Vec<SkippedKey>,
    message: MessageKey,
    chain: ChainKey,
}

/// Steps a chain to message number `to`, which is below [`MAX_TURN_LEN`]. `key` is the chain key
/// for message number `from`.
fn step_to(key: &ChainKey, turn: u32, from: u32, to: u32) -> Steps {
    let (mut message, mut chain) = key.step();
    let mut skipped = Vec::new();
    for message_number in from..to {
        let (next_message, next_chain) = chain.step();
        let passed = core::mem::replace(&mut message, next_message);
        let id = SkippedId { turn, message_number };
        skipped.push(SkippedKey { id, key: passed });
        chain = next_chain;
    }
    Steps { skipped, message, chain }
}

/// The checked keys and the ciphertexts in a header of a new turn.
struct RemoteKeys<'a> {
    ratchet: x25519::PublicKey,
    kem: kem::EncapsulationKey,
    ciphertext: &'a [u8; kem::CIPHERTEXT_LEN],
    for_identity: Option<&'a [u8; kem::CIPHERTEXT_LEN]>,
}

impl<'a> RemoteKeys<'a> {
    fn parse(constants: &'a [u8], turn: u32) -> Option<Self> {
        if constants.len() != constants_len(turn) {
            return None;
        }
        let (ratchet, rest) = constants.split_first_chunk()?;
        let (kem, rest) = rest.split_first_chunk()?;
        let (ciphertext, rest) = rest.split_first_chunk()?;
        Some(Self {
            ratchet: x25519::PublicKey::from_bytes(ratchet).ok()?,
            kem: kem::EncapsulationKey::from_bytes(kem).ok()?,
            ciphertext,
            for_identity: rest.first_chunk(),
        })
    }
}
