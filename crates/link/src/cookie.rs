//! Cookies: under load a relay answers only clients that receive what is sent to their address
//! prefix (spec/10-link.md section 8).
//!
//! The relay keeps no state: the cookie is a keyed hash of the prefix and of a 30-second bucket.

use crate::labels;
use deaddrop_primitives::{hkdf::extract, secret_bytes};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Number of seconds of one bucket, the unit in which cookies count time. A cookie is accepted in
/// its own bucket and in the next, so for 30 to 60 seconds.
pub(crate) const BUCKET_S: u64 = 30;

/// A cookie, which a client echoes to show that it receives what is sent to its address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cookie(pub(crate) [u8; 32]);

impl Cookie {
    /// Creates the cookie with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Cookie(..)")
    }
}

secret_bytes! {
    struct Key[32];
}

/// A relay's key for its cookies. It is kept in memory only, and each start of the relay has a new
/// one.
pub struct CookieKey(Key);

impl CookieKey {
    /// Generates a key. Draws 32 bytes from `rng`.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(Key::generate(rng))
    }

    /// Issues the cookie for an address prefix at `now_s`, in seconds of any clock that does not go
    /// back.
    #[must_use]
    pub fn issue(&self, prefix: &[u8], now_s: u64) -> Cookie {
        self.of_bucket(prefix, now_s / BUCKET_S)
    }

    /// Whether the cookie was issued for this prefix in the bucket of `now_s` or in the one before.
    #[must_use]
    pub fn verify(&self, cookie: &Cookie, prefix: &[u8], now_s: u64) -> bool {
        // K-19: a cookie is fresh and of this prefix.
        let bucket = now_s / BUCKET_S;
        let shown = Key::from_bytes(cookie.0);
        let matches = |bucket| Key::from_bytes(self.of_bucket(prefix, bucket).0) == shown;
        matches(bucket) || bucket.checked_sub(1).is_some_and(matches)
    }

    fn of_bucket(&self, prefix: &[u8], bucket: u64) -> Cookie {
        let prk = extract(labels::LINK_COOKIE, &[self.0.expose()]);
        let mac = Zeroizing::new(prk.expand(&[labels::LINK_COOKIE, &bucket.to_le_bytes(), prefix]));
        Cookie(*mac)
    }
}

impl core::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CookieKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_prefix_and_two_buckets() {
        let mut rng = deaddrop_testkit::rng(1);
        let key = CookieKey::generate(&mut rng);
        let cookie = key.issue(b"192.0.2", 1_000);
        assert!(key.verify(&cookie, b"192.0.2", 1_000));
        assert!(key.verify(&cookie, b"192.0.2", 1_049));
        assert!(!key.verify(&cookie, b"192.0.2", 1_050));
        assert!(!key.verify(&cookie, b"192.0.2", 989));
        assert!(!key.verify(&cookie, b"192.0.3", 1_000));
        assert!(!CookieKey::generate(&mut rng).verify(&cookie, b"192.0.2", 1_000));
        assert!(key.verify(&key.issue(b"", 0), b"", 0));
    }
}
