//! Sizes of ML-KEM-768, and the shared secret: common to the interface and its back ends.

/// Number of bytes of a seed `d || z`.
pub const SEED_LEN: usize = 64;
/// Number of bytes of an encapsulation key.
pub const ENCAPSULATION_KEY_LEN: usize = 1_184;
/// Number of bytes of a ciphertext.
pub const CIPHERTEXT_LEN: usize = 1_088;
/// Number of bytes of a shared secret.
pub const SHARED_SECRET_LEN: usize = 32;

crate::secret_bytes! {
    /// The secret that encapsulation and decapsulation agree on.
    pub struct SharedSecret[SHARED_SECRET_LEN];
}
