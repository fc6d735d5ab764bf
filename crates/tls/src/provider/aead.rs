//! The protection of records (RFC 8446 section 5.2) by ChaCha20-Poly1305 (RFC 8439) and AES-GCM
//! (NIST SP 800-38D).

use aes_gcm::{AeadInOut, KeyInit};
use deaddrop_primitives::aead;
use rustls::{
    ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    crypto::cipher::{
        AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter, Nonce,
        OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
        UnsupportedOperationError, make_tls13_aad,
    },
};
use zeroize::Zeroizing;

/// Number of bytes of an authentication tag, the same for all three algorithms.
const TAG: usize = 16;

/// An AEAD with its key. Nonces have 12 bytes in all three algorithms.
pub(super) trait Cipher: Send + Sync + Sized + 'static {
    /// Number of bytes of the key.
    const KEY: usize;

    /// Creates the cipher with a key. Returns `None` if the key has another length.
    fn new(key: &[u8]) -> Option<Self>;

    /// Encrypts `buffer` in place and returns the tag. Returns `None` if it has more bytes than the
    /// algorithm allows.
    fn seal(&self, nonce: &[u8; 12], ad: &[u8], buffer: &mut [u8]) -> Option<[u8; TAG]>;

    /// Decrypts `buffer` in place. Returns `None` if the tag does not verify.
    fn open(&self, nonce: &[u8; 12], ad: &[u8], buffer: &mut [u8], tag: &[u8; TAG]) -> Option<()>;
}

/// A key of ChaCha20-Poly1305.
pub(super) struct ChaCha(Box<Zeroizing<[u8; aead::KEY_LEN]>>);

impl Cipher for ChaCha {
    const KEY: usize = aead::KEY_LEN;

    fn new(key: &[u8]) -> Option<Self> {
        let mut kept = Box::new(Zeroizing::new([0; aead::KEY_LEN]));
        kept.copy_from_slice(<&[u8; aead::KEY_LEN]>::try_from(key).ok()?);
        Some(Self(kept))
    }

    fn seal(&self, nonce: &[u8; 12], ad: &[u8], buffer: &mut [u8]) -> Option<[u8; TAG]> {
        Some(aead::seal_in_place(&self.0, nonce, ad, buffer))
    }

    fn open(&self, nonce: &[u8; 12], ad: &[u8], buffer: &mut [u8], tag: &[u8; TAG]) -> Option<()> {
        aead::open_in_place(&self.0, nonce, ad, buffer, tag).ok()
    }
}

macro_rules! aes_gcm {
    ($($provider:ty, $key:literal;)*) => {$(
        impl Cipher for $provider {
            const KEY: usize = $key;

            fn new(key: &[u8]) -> Option<Self> {
                Self::new_from_slice(key).ok()
            }

            fn seal(&self, nonce: &[u8; 12], ad: &[u8], buffer: &mut [u8]) -> Option<[u8; TAG]> {
                self.encrypt_inout_detached(nonce.into(), ad, buffer.into()).ok().map(Into::into)
            }

            fn open(&self, nonce: &[u8; 12], ad: &[u8], buffer: &mut [u8], tag: &[u8; TAG]) -> Option<()> {
                self.decrypt_inout_detached(nonce.into(), ad, buffer.into(), tag.into()).ok()
            }
        }
    )*};
}

// The crate `aes-gcm` wipes both, the expanded key and the key of GHASH.
aes_gcm! {
    aes_gcm::Aes128Gcm, 16;
    aes_gcm::Aes256Gcm, 32;
}

const _: () = {
    const fn wipes_itself<T: zeroize::ZeroizeOnDrop>() {}
    wipes_itself::<aes_gcm::Aes128Gcm>();
    wipes_itself::<aes_gcm::Aes256Gcm>();
};

/// The protection of records in one direction of a connection. `cipher` is `None` only if rustls
/// passed a key of a wrong length; then each call fails.
struct Records<C> {
    cipher: Option<C>,
    iv: Iv,
}

impl<C: Cipher> MessageEncrypter for Records<C> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let cipher = self.cipher.as_ref().ok_or(Error::EncryptError)?;
        let len = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(len);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let nonce = Nonce::new(&self.iv, seq);
        let tag = cipher.seal(&nonce.0, &make_tls13_aad(len), payload.as_mut()).ok_or(Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        payload_len.saturating_add(1 + TAG)
    }
}

impl<C: Cipher> MessageDecrypter for Records<C> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let cipher = self.cipher.as_ref().ok_or(Error::DecryptError)?;
        let nonce = Nonce::new(&self.iv, seq);
        let ad = make_tls13_aad(message.payload.len());
        let (text, tag) = message.payload.split_last_chunk_mut::<TAG>().ok_or(Error::DecryptError)?;
        cipher.open(&nonce.0, &ad, text, tag).ok_or(Error::DecryptError)?;
        let len = text.len();
        message.payload.truncate(len);
        message.into_tls13_unpadded_message()
    }
}

/// The AEAD of the suite `CHACHA20_POLY1305_SHA256`, for rustls.
pub(super) struct ChaCha20Poly1305;
/// The AEAD of the suite `AES_128_GCM_SHA256`, for rustls.
pub(super) struct Aes128Gcm;
/// The AEAD of the suite `AES_256_GCM_SHA384`, for rustls.
pub(super) struct Aes256Gcm;

macro_rules! algorithms {
    ($($name:ident = $cipher:ty;)*) => {$(
        impl Tls13AeadAlgorithm for $name {
            fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
                Box::new(Records { cipher: <$cipher as Cipher>::new(key.as_ref()), iv })
            }

            fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
                Box::new(Records { cipher: <$cipher as Cipher>::new(key.as_ref()), iv })
            }

            fn key_len(&self) -> usize {
                <$cipher as Cipher>::KEY
            }

            /// Refuses, because no part of this project passes the keys of a connection to the
            /// operating system.
            fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
                Err(UnsupportedOperationError)
            }
        }
    )*};
}

algorithms! {
    ChaCha20Poly1305 = ChaCha;
    Aes128Gcm = aes_gcm::Aes128Gcm;
    Aes256Gcm = aes_gcm::Aes256Gcm;
}
