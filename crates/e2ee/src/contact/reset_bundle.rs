//! Reset bundles: each side keeps one of the other, so that a lost session can be replaced
//! (spec/05-ratchet.md section 6).
//!
//! A soft reset is proved by a secret of a recent turn; a hard one by the identity alone, and it is
//! never accepted without the user's consent. The module [`contact`](crate::contact) decides which
//! secrets count as recent.

#[cfg(feature = "hazmat")]
pub(crate) mod trace;

use crate::{
    bundle::{
        AddressTooLong, BundleError,
        body::{self, Bundle, Kind, Origin, PREKEYS_LEN, Prekeys},
    },
    handshake::{AcceptError, Awaiting, BadBundleKey, Target, keys::Psk},
    identity::{IdentityHash, IdentityKeyPair},
    labels,
    reader::Reader,
    session::{Session, SessionId, initial::InitialKey, keys::ResetSecret},
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_primitives::{hkdf, secret_bytes};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Maximum number of own reset bundles whose secrets are held, so that the peer can use one even if
/// the newest did not arrive.
pub const MAX_OWN_BUNDLES: usize = 4;
/// Maximum number of reset bundles of the peer that are held: the newest and the one before. A peer
/// whose state was put back to an older one may know only the latter.
pub const MAX_PEER_BUNDLES: usize = 2;
/// Number of days after which a reset bundle is renewed, if the peer has begun a turn since the day
/// on which it was made.
pub const RESET_BUNDLE_RENEWAL_DAYS: u32 = 7;
/// Number of days from the day on which a reset bundle is made to the last day on which it can be
/// used.
pub const RESET_BUNDLE_DAYS: u32 = 90;
/// Number of sessions, begun by resets of either kind, after which an own reset bundle accepts no
/// further soft reset. Hard resets are accepted up to twice this number.
pub const MAX_SESSIONS_OF_BUNDLE: u8 = 4;
/// Maximum number of sessions that one own bundle begins, by soft and hard resets together.
const MAX_BEGUN: usize = 2 * MAX_SESSIONS_OF_BUNDLE as usize;
const MAX_ASKED: usize = 4;

secret_bytes! {
    /// The hash of a reset bundle. It travels inside the ratchet, so only the two sides know it.
    pub(crate) struct ResetHash[32];
}

/// The pseudorandom key from which all keys of a reset bundle derive; made from the hash of the
/// bundle.
struct ResetKeys(hkdf::Prk);

impl ResetKeys {
    fn of(hash: &ResetHash) -> Self {
        Self(hkdf::extract(labels::RESET, &[hash.expose()]))
    }

    fn initial(&self) -> InitialKey {
        InitialKey::derive(&self.0.ready(), &[labels::RESET_INITIAL])
    }

    /// Derives the pre-shared secret of a reset: of a soft one with the secret of a recent turn as
    /// its proof, of a hard one without.
    fn psk(&self, proof: Option<&ResetSecret>) -> Psk {
        let expander = self.0.ready();
        match proof {
            Some(secret) => Psk::derive(&expander, &[labels::RESET_PSK, secret.expose()]),
            None => Psk::derive(&expander, &[labels::RESET_HARD]),
        }
    }
}

/// The secrets of an own reset bundle.
///
/// The secrets are boxed: a list of bundles that grows leaves no copy of them.
pub(crate) struct PendingReset {
    hash: Box<ResetHash>,
    /// The key of the outer box of an InitialMessage to this bundle. The key is derived once, so
    /// that a forged envelope costs no derivation.
    initial: Box<InitialKey>,
    prekeys: Prekeys,
    /// SHA-256 of the flight (the handshake part of an InitialMessage) of each session that the
    /// bundle has begun, so that none begins a second time with its old keys.
    begun: Vec<[u8; 32]>,
    /// SHA-256 of the flight of each hard reset that the user was asked about, oldest first; at
    /// most [`MAX_ASKED`].
    asked: Vec<[u8; 32]>,
}

/// The conditions on which a reset is accepted.
pub(crate) struct Rules<'a> {
    /// The reset secrets that count as recent: each of them proves a soft reset.
    pub(crate) proofs: &'a [&'a ResetSecret],
    /// Whether the user has agreed to a hard reset.
    pub(crate) agreed: bool,
    /// The hash of the contact's identity: a reset from any other is refused.
    pub(crate) peer: &'a IdentityHash,
}

/// The result of trying an envelope on an own reset bundle.
pub(crate) enum Attempt {
    /// The reset is accepted: a session with its first content. `proof` is the index in
    /// `Rules::proofs` of the secret that proved it; `None` for a hard reset.
    Accepted { session: Box<Session>, content: Zeroizing<Vec<u8>>, proof: Option<usize> },
    /// A reset that is proved by the identity alone, without the user's agreement. `repeated` tells
    /// whether the user was asked about the same handshake before, or about [`MAX_ASKED`] others on
    /// this bundle.
    Hard { repeated: bool },
    /// A soft reset whose secret does not count as recent, or a reset on a bundle that has begun
    /// its maximum number of sessions.
    Stale,
    /// The handshake of a session that was begun before, whether or not it still exists.
    Known,
}

impl PendingReset {
    /// Creates a reset bundle. Returns its secrets, and its body, which is sent to the contact.
    /// Draws from `rng` as `Prekeys::generate` does.
    pub(crate) fn create(
        identity: &IdentityKeyPair,
        not_after: Day,
        address: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Zeroizing<Vec<u8>>), AddressTooLong> {
        let (prekeys, body) = Prekeys::generate(Kind::Reset, identity, not_after, address, rng)?;
        let hash = ResetHash::from_bytes(body::hash(&body));
        Ok((Self::new(hash, prekeys, Vec::new(), Vec::new()), body))
    }

    fn new(hash: ResetHash, prekeys: Prekeys, begun: Vec<[u8; 32]>, asked: Vec<[u8; 32]>) -> Self {
        let initial = Box::new(ResetKeys::of(&hash).initial());
        Self { hash: Box::new(hash), initial, prekeys, begun, asked }
    }

    pub(crate) const fn is_unused(&self) -> bool {
        self.begun.is_empty()
    }

    pub(crate) const fn not_after(&self) -> Day {
        self.prekeys.not_after
    }

    /// Forgets the hard resets that the user was asked about, so that the next copy of each is
    /// reported as a new request.
    pub(crate) fn forget_asked(&mut self) {
        self.asked.clear();
    }

    /// Tries an InitialMessage on the bundle, with every proof in `rules`. Remembers its flight if
    /// it begins a session or asks for a hard reset. `is_held` tells whether the contact holds a
    /// session of this id already.
    ///
    /// # Errors
    /// Fails with [`AcceptError`]; nothing is remembered.
    pub(crate) fn attempt(
        &mut self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        rules: &Rules<'_>,
        is_held: impl FnOnce(&SessionId) -> bool,
        today: Day,
    ) -> Result<Attempt, AcceptError> {
        let awaiting = Awaiting { identity, hash: self.hash.expose(), prekeys: &self.prekeys };
        let initial = awaiting.open_outer(self.initial.duplicate(), envelope, today)?;
        let name = initial.opened.flight_hash();
        if self.begun.contains(&name) {
            return Ok(Attempt::Known); // C-58: no session begins a second time.
        }
        let flight = awaiting.open_flight(&initial.opened.flight)?;
        let keys = ResetKeys::of(&self.hash);
        let fits = |proof: &ResetSecret| flight.with_psk(&keys.psk(Some(proof)));
        let soft =
            rules.proofs.iter().enumerate().find_map(|(place, proof)| Some((Some(place), fits(proof)?)));
        let found = soft.or_else(|| Some((None, flight.with_psk(&keys.psk(None))?)));
        let Some((proof, first)) = found else { return Ok(Attempt::Stale) };
        let most = if proof.is_some() { usize::from(MAX_SESSIONS_OF_BUNDLE) } else { MAX_BEGUN };
        if self.begun.len() >= most {
            return Ok(Attempt::Stale); // C-57: one bundle begins few sessions.
        }
        // C-55: a reset comes from the contact itself; everybody else is blocked.
        let (session, _, content) =
            awaiting.finish(first, initial, envelope, |hash| hash != rules.peer, today)?;
        if is_held(&session.id()) {
            return Ok(Attempt::Known); // C-58: not even if the bundle's row was put back.
        }
        if proof.is_none() && !rules.agreed {
            // C-56: no hard reset without the user's word.
            let known = self.asked.contains(&name);
            // If there are many, each counts as repeated: otherwise anyone who repeats them in a circle could clear every verification.
            let repeated = known || self.asked.len() >= MAX_ASKED;
            if !known {
                let over = (self.asked.len() + 1).saturating_sub(MAX_ASKED);
                self.asked.drain(..over);
                self.asked.push(name);
            }
            return Ok(Attempt::Hard { repeated });
        }
        if proof.is_none() && !self.asked.contains(&name) {
            return Err(AcceptError::Junk); // C-56: the user was asked, and the two have not started over since.
        }
        self.begun.push(name);
        Ok(Attempt::Accepted { session: Box::new(session), content, proof })
    }

    /// Appends the stored form: hash 32 bytes, prekeys 100, then for `begun` and for `asked` a
    /// count of 1 byte and 32 bytes for each flight.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.hash.expose());
        self.prekeys.write(bytes);
        for flights in [&self.begun, &self.asked] {
            bytes.push(u8::try_from(flights.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(flights.as_flattened());
        }
    }

    /// Returns the number of bytes of [`write`](Self::write).
    pub(crate) const fn len(&self) -> usize {
        32 + PREKEYS_LEN + 2 + 32 * (self.begun.len() + self.asked.len())
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let hash = ResetHash::copy_of(reader.array_ref()?);
        let prekeys = Prekeys::read(reader.array_ref()?)?;
        let mut flights = |most: usize| -> Option<Vec<[u8; 32]>> {
            let count = reader.u8().filter(|count| usize::from(*count) <= most)?;
            (0..count).map(|_| reader.array()).collect()
        };
        let (begun, asked) = (flights(MAX_BEGUN)?, flights(MAX_ASKED)?);
        Some(Self::new(hash, prekeys, begun, asked))
    }
}

/// A reset bundle of the peer: its body, which was checked when it came.
pub(crate) struct PeerBundle {
    body: Zeroizing<Vec<u8>>,
    /// Number of resets that this side has begun with the bundle since a session of the contact was
    /// last established.
    pub(crate) tries: u8,
}

impl PeerBundle {
    /// Checks a body that came in the peer's content; fails with the [`BundleError`] of the check
    /// that fails.
    pub(crate) fn from_content(
        body: &[u8],
        own: &IdentityHash,
        peer: &IdentityHash,
        today: Day,
    ) -> Result<Self, BundleError> {
        Bundle::check(Origin::Session, body, own, Some(peer), today)?;
        Ok(Self { body: Zeroizing::new(body.to_vec()), tries: 0 })
    }

    /// Restores a bundle from its stored number of tries and its stored body, without a check.
    pub(crate) fn from_stored(tries: u8, body: &[u8]) -> Self {
        Self { body: Zeroizing::new(body.to_vec()), tries }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.body
    }

    /// Returns the bundle with its hash, if it can be used today; fails with the [`BundleError`] of
    /// the check that fails.
    pub(crate) fn usable(
        &self,
        own: &IdentityHash,
        peer: &IdentityHash,
        today: Day,
    ) -> Result<UsableBundle, BundleError> {
        let bundle = Bundle::check(Origin::Session, &self.body, own, Some(peer), today)?;
        Ok(UsableBundle { hash: ResetHash::from_bytes(body::hash(&self.body)), bundle })
    }

    /// Returns the last day on which the bundle can be used; `None` if its body is malformed.
    pub(crate) fn not_after(&self) -> Option<Day> {
        body::last_day(&self.body)
    }
}

/// A reset bundle of the peer that has passed all checks, with its hash.
pub(crate) struct UsableBundle {
    hash: ResetHash,
    bundle: Bundle,
}

impl UsableBundle {
    /// Returns the encoded mailbox address at which the first message is awaited. Empty: the
    /// mailbox in use.
    pub(crate) fn address(&self) -> &[u8] {
        &self.bundle.address
    }

    /// Begins a session with the bundle: a soft reset with the secret `proof`, a hard one without.
    /// Draws from `rng` as [`Session::initiate`] does.
    pub(crate) fn initiate(
        &self,
        identity: &IdentityKeyPair,
        proof: Option<&ResetSecret>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Session, BadBundleKey> {
        let keys = ResetKeys::of(&self.hash);
        let (psk, initial) = (keys.psk(proof), keys.initial());
        Target { bundle: &self.bundle, hash: self.hash.expose(), psk: &psk, initial }.initiate(identity, rng)
    }
}
