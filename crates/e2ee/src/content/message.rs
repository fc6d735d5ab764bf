//! The message of a person (spec/06-envelope-and-content.md section 2.1): `id ‖ clock ‖ time ‖
//! scope ‖ parts`.

use super::form::{CRITICAL, MAX_PARTS, MAX_TEXT, TooLong, bounded, split};
use crate::identity::IdentityHash;
use alloc::{borrow::ToOwned, string::String};
use core::str;
use deaddrop_primitives::hash::sha256_of_secret;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Value of the byte `scope` of a message between two people.
const SCOPE_TWO: u8 = 0;
/// Type number of a part of a message that is text.
const TEXT_PART: u16 = 1;

/// The random id of a message. Two authors can choose the same one, so author and id together name
/// the message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 16]);

impl MessageId {
    /// Generates an id. Draws 16 bytes.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self(id)
    }

    /// Generates an id from 16 bytes of `rng`, the message's [`clock`](Message::clock) and its
    /// text. So a random source that repeats its output still gives two ids to two messages that
    /// differ in clock or text.
    #[must_use]
    pub fn for_text(rng: &mut (impl CryptoRng + ?Sized), clock: u64, text: &str) -> Self {
        let Self(random) = Self::generate(rng);
        let hash = sha256_of_secret(&[&random, &clock.to_le_bytes(), text.as_bytes()]);
        Self(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Returns the first 8 bytes of SHA-256(author ‖ id): a short name among the messages of a
    /// conversation, which other authors cannot take without finding a collision.
    #[must_use]
    pub fn short_name(&self, author: &IdentityHash) -> [u8; 8] {
        let hash = sha256_of_secret(&[author.as_bytes(), &self.0]);
        hash.first_chunk().copied().unwrap_or_default()
    }
}

impl core::fmt::Debug for MessageId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MessageId(..)")
    }
}

/// One message. All fields are claims of its sender.
#[derive(PartialEq, Eq)]
pub struct Message {
    /// The id of the message.
    pub id: MessageId,
    /// Position of the message in the conversation: one more than the highest clock that its author
    /// knew.
    pub clock: u64,
    /// The time of writing in whole seconds since 1970-01-01 UTC; 0 if it is not given.
    pub time: u64,
    /// The text, at most [`MAX_TEXT`] bytes.
    pub text: String,
}

impl Drop for Message {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl ZeroizeOnDrop for Message {}
deaddrop_primitives::assert_secret!(Message);

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Message(..)")
    }
}

impl Message {
    pub(super) fn write(&self, part: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        let text = bounded(self.text.as_bytes(), MAX_TEXT)?;
        let [a, b, c, _] = u32::try_from(text.len()).map_err(|_| TooLong)?.to_le_bytes();
        part(&self.id.0);
        part(&self.clock.to_le_bytes());
        part(&self.time.to_le_bytes());
        part(&[SCOPE_TWO]);
        part(&TEXT_PART.to_le_bytes());
        part(&[CRITICAL, a, b, c]);
        part(text);
        Ok(())
    }
}

/// The result of parsing the core of a message: the bytes from the id on, in the form that the head
/// of this module shows.
pub(super) enum Core<'a> {
    Known(KnownMessage<'a>),
    /// A core of another scope, without a text, or with a critical part of an unknown type.
    Unknown,
}

/// A message that borrows its encoded bytes.
pub(super) struct KnownMessage<'a> {
    id: MessageId,
    clock: u64,
    time: u64,
    text: &'a str,
}

impl Core<'_> {
    /// Parses the core of a message. Returns `None` if its form is broken.
    pub(super) fn parse(core: &[u8]) -> Option<Core<'_>> {
        let (id, rest) = core.split_first_chunk()?;
        let (clock, rest) = rest.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let (scope, mut parts) = rest.split_first()?;
        if *scope != SCOPE_TWO {
            return Some(Core::Unknown);
        }
        let (mut text, mut unknown, mut count) = (None, false, 0);
        while !parts.is_empty() {
            let (kind, flags, body, rest) = split(parts)?;
            parts = rest;
            count += 1;
            match kind {
                TEXT_PART if text.is_some() || body.len() > MAX_TEXT => return None,
                TEXT_PART => text = Some(str::from_utf8(body).ok()?),
                _ => unknown |= flags & CRITICAL != 0,
            }
        }
        if count == 0 || count > MAX_PARTS {
            return None;
        }
        let (clock, time) = (u64::from_le_bytes(*clock), u64::from_le_bytes(*time));
        Some(match text.filter(|_| !unknown) {
            Some(text) => Core::Known(KnownMessage { id: MessageId(*id), clock, time, text }),
            None => Core::Unknown,
        })
    }
}

impl KnownMessage<'_> {
    pub(super) fn to_message(&self) -> Message {
        let Self { id, clock, time, text } = *self;
        Message { id, clock, time, text: text.to_owned() }
    }
}
