//! SHA-256 and SHA-384 (FIPS 180-4), and HMAC over them (RFC 2104).

use hmac::{KeyInit, Mac};
use rustls::crypto::{
    hash::{Context, Hash, HashAlgorithm, Output},
    hmac::{Hmac, Key, Tag},
};
use sha2::Digest;

/// The hash SHA-256.
pub(super) struct Sha256;
/// The hash SHA-384.
pub(super) struct Sha384;
/// The MAC HMAC-SHA-256.
pub(super) struct HmacSha256;
/// The MAC HMAC-SHA-384.
pub(super) struct HmacSha384;

/// A hash computation that has taken some bytes, for rustls.
struct Running<D>(D);

impl<D: Digest + Clone + Send + Sync + 'static> Context for Running<D> {
    fn fork_finish(&self) -> Output {
        Output::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> Output {
        Output::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

macro_rules! hashes {
    ($($name:ident = $digest:ty, $algorithm:ident, $len:literal;)*) => {$(
        impl Hash for $name {
            fn start(&self) -> Box<dyn Context> {
                Box::new(Running(<$digest>::new()))
            }

            fn hash(&self, data: &[u8]) -> Output {
                Output::new(&<$digest>::digest(data))
            }

            fn output_len(&self) -> usize {
                $len
            }

            fn algorithm(&self) -> HashAlgorithm {
                HashAlgorithm::$algorithm
            }
        }
    )*};
}

hashes! {
    Sha256 = sha2::Sha256, SHA256, 32;
    Sha384 = sha2::Sha384, SHA384, 48;
}

/// A key of HMAC as its two hash states, inner and outer, computed once. They are wiped on drop.
struct Keyed<M>(M);

macro_rules! hmacs {
    ($($name:ident = $digest:ty, $len:literal;)*) => {$(
        impl Hmac for $name {
            fn with_key(&self, key: &[u8]) -> Box<dyn Key> {
                Box::new(Keyed(hmac::Hmac::<$digest>::new_from_slice(key).expect("any length")))
            }

            fn hash_output_len(&self) -> usize {
                $len
            }
        }

        impl Key for Keyed<hmac::Hmac<$digest>> {
            fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> Tag {
                let mut mac = self.0.clone();
                mac.update(first);
                for part in middle {
                    mac.update(part);
                }
                mac.update(last);
                Tag::new(&mac.finalize().into_bytes())
            }

            fn tag_len(&self) -> usize {
                $len
            }
        }
    )*};
}

hmacs! {
    HmacSha256 = sha2::Sha256, 32;
    HmacSha384 = sha2::Sha384, 48;
}
