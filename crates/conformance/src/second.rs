//! The formulas of the spec a second time, from the primitives alone: for values that the crates do not show, and to
//! make messages that they would never make. Shares no code with the tested crates.

use deaddrop_primitives::{
    aead,
    hash::sha256,
    hkdf::{self, Prk},
};

/// Computes `L"text"` (chapter 00, "Notation").
#[must_use]
pub fn label(text: &str) -> Vec<u8> {
    format!("deaddrop/1 {text}\0").into_bytes()
}

/// Computes `Ext(salt, ikm)` (chapter 00, "Notation") over the concatenated parts of `ikm`.
#[must_use]
pub fn ext(salt: &[u8], ikm: &[&[u8]]) -> [u8; 32] {
    *hkdf::extract(salt, ikm).expose()
}

/// Computes `Exp(prk, L"text" || context, 32)` (chapter 00, "Notation").
#[must_use]
pub fn exp(prk: &[u8; 32], text: &str, context: &[u8]) -> [u8; 32] {
    Prk::from_bytes(*prk).expand(&[&label(text), context])
}

/// Computes `SHA-256(L"text" || parts)`, the form of the spec's labelled hashes.
#[must_use]
pub fn hash(text: &str, parts: &[&[u8]]) -> [u8; 32] {
    sha256(&[&label(text), &parts.concat()])
}

/// Computes `pad(bytes, len)` (chapter 00, "Notation"). `bytes` must be shorter than `len`.
#[must_use]
pub fn pad(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.push(0x80);
    padded.resize(len, 0);
    padded
}

/// The nonce of zeros, for keys that seal once.
pub const NONCE_0: [u8; 12] = [0; 12];

/// Computes a box: `r || AEAD(key, r, L"text", plaintext)`, where r is `nonce`.
#[must_use]
pub fn boxed(key: &[u8; 32], nonce: &[u8; 12], text: &str, plaintext: &[u8]) -> Vec<u8> {
    [&nonce[..], &aead::seal(key, nonce, &label(text), plaintext)].concat()
}

/// Makes a message of `len` bytes: its header box and its body box (chapter 05 section 2).
#[must_use]
pub fn message(keys: &MessageKeys, header: &[u8], nonce: &[u8; 12], content: &[u8], len: usize) -> Vec<u8> {
    let room = len.saturating_sub(header.len()).saturating_sub(12 + 2 * aead::TAG_LEN);
    message_of_padded(keys, header, nonce, &pad(content, room))
}

/// Makes a message like [`message`] whose content is padded already, rightly or wrongly.
#[must_use]
pub fn message_of_padded(keys: &MessageKeys, header: &[u8], nonce: &[u8; 12], padded: &[u8]) -> Vec<u8> {
    let header_box = boxed(&keys.header, nonce, "header", header);
    let body_key = exp(&exp(&keys.chain, "message", &[]), "body", nonce);
    let body_box = aead::seal(&body_key, &NONCE_0, &header_box, padded);
    [header_box, body_box].concat()
}

/// Computes POLYVAL over the content, padded with zeros, and its length in bits (RFC 8452 sections 3 and 4), a bit at a
/// time.
fn polyval(key: &[u8; 16], content: &[u8]) -> [u8; 16] {
    let h = u128::from_le_bytes(*key);
    let times_h = |a: u128| {
        (0..128).fold(0, |sum, bit| {
            let sum = if (a >> bit) & 1 == 1 { sum ^ h } else { sum };
            if sum & 1 == 1 { (sum >> 1) ^ (0xe1 << 120) } else { sum >> 1 }
        })
    };
    let blocks = content.chunks(16).map(|chunk| {
        u128::from_le_bytes(core::array::from_fn(|i| chunk.get(i).copied().unwrap_or_default()))
    });
    let bits = u128::try_from(content.len()).unwrap_or_default() * 8;
    blocks.chain([bits << 64]).fold(0, |sum, block| times_h(sum ^ block)).to_le_bytes()
}

/// Computes the nonces `r` and `r'` of a message. `header` is the part of the header that enters:
/// at turn 0 all but `n`, later `pn` alone.
#[must_use]
pub fn nonces(
    message_key: &[u8; 32],
    random: &[u8; 32],
    header: &[u8],
    n: u32,
    content: &[u8],
) -> ([u8; 12], [u8; 12]) {
    let key = Prk::from_bytes(*message_key);
    let hash = polyval(&key.expand(&[&label("nonce hash")]), content);
    let info = [&label("nonce"), &random[..], header, &n.to_le_bytes(), &hash[..]].concat();
    let both: [u8; 24] = key.expand(&[&info]);
    let half = |from: usize| core::array::from_fn(|i| both.get(from + i).copied().unwrap_or_default());
    (half(0), half(12))
}

/// The keys from which those of one message derive.
#[derive(Clone, Debug)]
pub struct MessageKeys {
    /// The header key `HK_t` of the turn.
    pub header: [u8; 32],
    /// The chain key of this message.
    pub chain: [u8; 32],
}

impl MessageKeys {
    /// Returns the keys of the message that is `messages` later in the same turn.
    #[must_use]
    pub fn later(&self, messages: u32) -> Self {
        let chain = (0..messages).fold(self.chain, |chain, _| exp(&chain, "chain", &[]));
        Self { header: self.header, chain }
    }
}

/// The three key stages of a link (chapter 10 section 4).
#[derive(Clone, Debug)]
pub struct LinkKeys {
    /// The transcript hashes H1, H2, H3, one for each stage.
    pub transcripts: [[u8; 32]; 3],
    /// The outputs of the first two stages: k_static, c1, k_confirm, c2.
    pub stages: [[u8; 32]; 4],
    /// The output of the last stage, the keys of the records: k_client, k_relay.
    pub records: [[u8; 32]; 2],
}

/// The secrets of a handshake of a link, in the order in which they enter the keys.
#[derive(Clone, Debug)]
pub struct LinkSecrets {
    /// The product DH(e_c, e_r).
    pub dh_ephemeral: [u8; 32],
    /// The KEM secret ss_e.
    pub kem_ephemeral: [u8; 32],
    /// The product DH(e_c, x).
    pub dh_identity: [u8; 32],
    /// The KEM secret ss_s.
    pub kem_identity: [u8; 32],
}

/// Derives the keys of a link from the messages and secrets of a handshake. `c2_head` is C2 without
/// its record. Returns `None` if `s1` is too short.
#[must_use]
pub fn link_keys(c1: &[u8], s1: &[u8], c2_head: &[u8], secrets: &LinkSecrets) -> Option<LinkKeys> {
    let (s1_head, rest) = s1.split_at_checked(1_134)?;
    let (sealed, confirmation) = rest.split_at_checked(1_232)?;
    let h1 = hash("link transcript 1", &[c1, s1_head]);
    let p1 = ext(&label("link"), &[&secrets.dh_ephemeral, &secrets.kem_ephemeral]);
    let (k_static, chain_1) = (exp(&p1, "link static", &h1), exp(&p1, "link chain 1", &h1));
    let h2 = hash("link transcript 2", &[&h1, sealed]);
    let p2 = ext(&chain_1, &[&secrets.dh_identity]);
    let (k_confirm, chain_2) = (exp(&p2, "link confirm", &h2), exp(&p2, "link chain 2", &h2));
    let h3 = hash("link transcript 3", &[&h2, confirmation, c2_head]);
    let p3 = ext(&chain_2, &[&secrets.kem_identity]);
    Some(LinkKeys {
        transcripts: [h1, h2, h3],
        stages: [k_static, chain_1, k_confirm, chain_2],
        records: [exp(&p3, "link client", &h3), exp(&p3, "link relay", &h3)],
    })
}

/// Seals the record with this number, from 0, under the first key of its direction.
#[must_use]
pub fn record(key: &[u8; 32], number: u64, padded: &[u8]) -> Vec<u8> {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    aead::seal(key, &[0, 0, 0, 0, a, b, c, d, e, f, g, h], &[], padded)
}
