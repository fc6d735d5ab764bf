//! An identity that comes back from paper. It is used only after the user has confirmed that it is
//! theirs (spec/02-identity.md section 2).

use super::{
    IdentityKeyPair, IdentitySeed,
    safety_number::IdentityNumber,
    words::{self, WordsError},
};
use deaddrop_primitives::assert_secret;
use zeroize::ZeroizeOnDrop;

/// An identity that was read from 24 words and not confirmed by the user yet.
///
/// A wrong word passes the checksum in one of 256 cases and gives another identity, which no
/// contact knows. Show [`number`](Self::number), let the user compare it with the one on the paper,
/// and call [`confirm`](Self::confirm) only after that.
///
/// ```
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// use deaddrop_e2ee::identity::{IdentityKeyPair, UnconfirmedIdentity};
/// # let mut rng = ChaCha20Rng::seed_from_u64(1);
/// let alice = IdentityKeyPair::generate(&mut rng);
/// // On paper: the words, and the number beside them.
/// let words = alice.seed().to_words();
/// let number = alice.identity_key().number().to_digits();
///
/// let found = UnconfirmedIdentity::from_words(&words)?;
/// println!("Is this the number on your paper? {}", found.number().to_digits());
/// # assert_eq!(found.number().to_digits(), number);
/// let again: IdentityKeyPair = found.confirm();
/// # assert_eq!(again.identity_key(), alice.identity_key());
/// # Ok::<(), deaddrop_e2ee::identity::WordsError>(())
/// ```
#[must_use = "an identity that is not confirmed is dropped"]
pub struct UnconfirmedIdentity(IdentityKeyPair);

impl UnconfirmedIdentity {
    /// Reads the words of [`IdentitySeed::to_words`]. Upper case, any white space, and words cut to
    /// four letters or more are accepted.
    ///
    /// # Errors
    /// Fails with [`WordsError`].
    pub fn from_words(text: &str) -> Result<Self, WordsError> {
        let seed = words::decode_32(text)?;
        Ok(Self(IdentityKeyPair::from_seed(IdentitySeed::copy_of(&seed))))
    }

    /// Returns the number of the identity, for the user to compare with the one on the paper. It is
    /// also one half of every safety number that this person has compared.
    #[must_use]
    pub fn number(&self) -> IdentityNumber {
        self.0.identity_key().number()
    }

    /// Returns the identity. Call this only after the user has confirmed that the number is the one
    /// on the paper.
    #[must_use]
    pub fn confirm(self) -> IdentityKeyPair {
        self.0
    }
}

// Its keys wipe themselves.
impl ZeroizeOnDrop for UnconfirmedIdentity {}
assert_secret!(UnconfirmedIdentity);

impl core::fmt::Debug for UnconfirmedIdentity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("UnconfirmedIdentity(..)")
    }
}
