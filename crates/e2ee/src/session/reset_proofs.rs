//! Reset secrets, which prove knowledge of a recent turn and are kept in a row of their own
//! (spec/05-ratchet.md section 1).

use super::keys::ResetSecret;
use crate::reader::Reader;
use alloc::vec::Vec;
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const ROW_LEN: usize = 1 + 3 * (1 + 4 + 32);

/// The reset secrets of the newest received turn, the newest sent one and the sent one before.
#[derive(Default)]
pub(crate) struct ResetSecrets {
    pub(super) received: Option<(u32, ResetSecret)>,
    pub(super) sent: Option<(u32, ResetSecret)>,
    pub(super) sent_before: Option<(u32, ResetSecret)>,
}

impl ResetSecrets {
    /// Returns the secret of the newest turn of the peer that was received; `None` if there is
    /// none. The peer knows it.
    pub(crate) fn received(&self) -> Option<&ResetSecret> {
        self.received.as_ref().map(|(_, secret)| secret)
    }

    /// Returns the secrets of the two newest own turns, newest first. The newest turn that the peer
    /// has received is one of the two.
    pub(crate) fn sent(&self) -> impl Iterator<Item = &ResetSecret> {
        [&self.sent, &self.sent_before].into_iter().flatten().map(|(_, secret)| secret)
    }

    /// Encodes version 1 byte, then three times: present 1 byte, turn 4, secret 32.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROW_LEN));
        bytes.push(VERSION);
        for secret in [&self.received, &self.sent, &self.sent_before] {
            bytes.push(u8::from(secret.is_some()));
            bytes.extend_from_slice(&secret.as_ref().map_or(0, |(turn, _)| *turn).to_le_bytes());
            bytes.extend_from_slice(secret.as_ref().map_or(&[0; 32], |(_, secret)| secret.expose()));
        }
        bytes
    }

    /// Whether the stored row `bytes` was made by a newer version.
    pub(crate) fn is_newer(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|version| *version > VERSION)
    }

    /// Reads a row. Returns `None` if it does not have the form of this version.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let mut next = || {
            let present = reader.flag()?;
            let (turn, secret) = (reader.u32()?, reader.array_ref()?);
            Some(present.then(|| (turn, ResetSecret::copy_of(secret))))
        };
        let resets = Self { received: next()?, sent: next()?, sent_before: next()? };
        reader.0.is_empty().then_some(resets)
    }
}
