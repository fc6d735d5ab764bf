//! Encoding of secrets in rows: written without a copy, and read into memory that is wiped.
//!
//! The bytes on disk are those of a plain array or of plain bytes.

use deaddrop_e2ee::{
    content::{ItemHash, StreamDigest},
    identity::IdentitySeed,
};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};

const LEN: usize = 32;

/// A value of 32 bytes that a row holds as a secret.
pub(crate) trait Secret {
    fn expose(&self) -> &[u8; LEN];
    fn copy_of(bytes: &[u8; LEN]) -> Self;
}

macro_rules! secret {
    ($($name:ident)+) => {
        $(
            impl Secret for $name {
                fn expose(&self) -> &[u8; LEN] {
                    self.expose()
                }

                fn copy_of(bytes: &[u8; LEN]) -> Self {
                    Self::copy_of(bytes)
                }
            }
        )+
    };
}

secret!(IdentitySeed OwnCapability ReadCapability SendCapability);

macro_rules! hash {
    ($($name:ident)+) => {
        $(
            impl Secret for $name {
                fn expose(&self) -> &[u8; LEN] {
                    self.as_bytes()
                }

                fn copy_of(bytes: &[u8; LEN]) -> Self {
                    Self::from_bytes(*bytes)
                }
            }
        )+
    };
}

hash!(ItemHash StreamDigest);

/// Serialisation of an array of secret bytes, by `#[serde(with = "secret::array")]`.
pub(crate) mod array {
    use crate::vault::secret::{LEN, Secret};
    use core::fmt;
    use serde::{
        Deserializer, Serializer,
        de::{Error, SeqAccess, Visitor},
        ser::SerializeTuple,
    };
    use zeroize::Zeroizing;

    pub(crate) fn serialize<T: Secret, S: Serializer>(secret: &T, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(LEN)?;
        secret.expose().iter().try_for_each(|byte| tuple.serialize_element(byte))?;
        tuple.end()
    }

    pub(crate) fn deserialize<'de, T: Secret, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_tuple(LEN, Bytes).map(|bytes| T::copy_of(&bytes))
    }

    struct Bytes;

    impl<'de> Visitor<'de> for Bytes {
        type Value = Box<Zeroizing<[u8; LEN]>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("32 bytes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Self::Value, A::Error> {
            let mut secret = Box::new(Zeroizing::new([0; LEN]));
            for place in secret.iter_mut() {
                *place = bytes.next_element()?.ok_or_else(|| A::Error::custom("too short"))?;
            }
            Ok(secret)
        }
    }
}

/// Serialisation of secret bytes, by `#[serde(with = "secret::bytes")]`. They are read by one copy
/// into a buffer of their length.
pub(crate) mod bytes {
    use core::fmt;
    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };
    use zeroize::Zeroizing;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }

    struct Bytes;

    impl Visitor<'_> for Bytes {
        type Value = Zeroizing<Vec<u8>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            Ok(Zeroizing::new(bytes.to_vec()))
        }
    }
}
