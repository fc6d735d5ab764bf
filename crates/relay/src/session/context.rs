//! The state that the links of one relay share: limits, the token for creating, its description,
//! rates, counters.

use crate::about::About;
use crate::admission::{Prefix, Rates, Shares};
use crate::clock::Now;
use crate::limits::Limits;
use deaddrop_primitives::hash::sha256;
use deaddrop_wire::RelayUrl;
use deaddrop_wire::limits::MAX_ABOUT;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Number of bytes of puts that count as one unit of what a prefix took recently ([`Rates::unit`]):
/// 1 MiB, so that a person who writes messages takes only a few units in ten minutes.
const PUT_UNIT: u64 = 1_048_576;

/// Number of entries that count as one unit of what a prefix took recently ([`Rates::unit`]): a
/// client asks for about so many when it connects.
const ENTRIES_UNIT: u64 = 128;

/// The error of a description of the relay that is too long to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the relay's description of itself has more than {MAX_ABOUT} bytes")]
pub struct AboutTooLong;

/// The limits and the rates that all links of one relay share.
#[derive(Debug)]
pub struct SessionContext {
    /// The limits that the operator has set.
    pub limits: Limits,
    /// Hash of the token that a client must show to create mailboxes; `None` if no token is needed.
    create_token: Option<[u8; 32]>,
    /// The URL at which the relay serves its clients now; `None` unless it has moved.
    moved_to: Option<RelayUrl>,
    /// The relay's description of itself, a JSON text.
    about: Box<str>,
    creates: Mutex<Shares>,
    put_bytes: Mutex<Shares>,
    entries: Mutex<Shares>,
    refusals: Refusals,
}

/// Numbers of requests that were refused since the start of the relay, by reason; for entries,
/// which are never refused, the number of times that a link was not read for a while.
#[derive(Debug, Default)]
struct Refusals {
    creates_too_fast: AtomicU64,
    puts_too_fast: AtomicU64,
    entries_too_fast: AtomicU64,
    busy: AtomicU64,
}

impl SessionContext {
    /// Makes the context of one relay. With `create_token`, only a client that shows this token can
    /// create mailboxes.
    #[must_use]
    pub fn new(limits: Limits, create_token: Option<&str>) -> Self {
        let about = About::new(&limits, create_token.is_some()).to_json();
        let create_token = create_token.map(|token| sha256(&[token.as_bytes()]));
        Self {
            limits,
            create_token,
            moved_to: None,
            about: about.into(),
            creates: Mutex::default(),
            put_bytes: Mutex::default(),
            entries: Mutex::default(),
            refusals: Refusals::default(),
        }
    }

    /// Lets every link tell the client that the relay has moved to `url`, serve nothing, and end.
    #[must_use]
    pub fn with_moved_to(mut self, url: RelayUrl) -> Self {
        self.moved_to = Some(url);
        self
    }

    /// Sets the relay's description of itself, a JSON text that any client may ask for. Without
    /// this call it is that of a relay in memory with these limits ([`About::to_json`]).
    ///
    /// # Errors
    /// Fails with [`AboutTooLong`] if the text has more than [`MAX_ABOUT`] bytes.
    pub fn with_about(mut self, json: &str) -> Result<Self, AboutTooLong> {
        self.set_about(json)?;
        Ok(self)
    }

    /// Sets the description like [`with_about`](Self::with_about).
    pub(crate) fn set_about(&mut self, json: &str) -> Result<(), AboutTooLong> {
        if json.len() > MAX_ABOUT {
            return Err(AboutTooLong);
        }
        self.about = json.into();
        Ok(())
    }

    /// Returns the URL to which the relay has moved; `None` if it has not.
    pub(crate) const fn moved_to(&self) -> Option<&RelayUrl> {
        self.moved_to.as_ref()
    }

    /// Returns the relay's description of itself.
    pub(super) const fn about(&self) -> &str {
        &self.about
    }

    /// Returns the number of creates and changes of mailboxes that were refused since the start
    /// because they came too fast: on their link, from their network, or on all links together.
    #[must_use]
    pub fn creates_too_fast(&self) -> u64 {
        self.refusals.creates_too_fast.load(Ordering::Relaxed)
    }

    /// Returns the number of puts that were refused since the start because their network, or all
    /// links together, put too many bytes. Puts that came too fast on their link do not count.
    #[must_use]
    pub fn puts_too_fast(&self) -> u64 {
        self.refusals.puts_too_fast.load(Ordering::Relaxed)
    }

    /// Returns the number of times since the start that a link was not read for a while, because
    /// its network, or all links together, sent too many entries ([`Limits::entries_per_s`]).
    #[must_use]
    pub fn entries_too_fast(&self) -> u64 {
        self.refusals.entries_too_fast.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that were refused since the start because the store as a
    /// whole is at a limit.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.refusals.busy.load(Ordering::Relaxed)
    }

    /// Whether a client must show a token to create mailboxes.
    pub(crate) const fn needs_token(&self) -> bool {
        self.create_token.is_some()
    }

    /// Whether this token lets a client create mailboxes.
    pub(super) fn accepts_token(&self, token: &[u8]) -> bool {
        self.create_token.is_none_or(|expected| sha256(&[token]) == expected)
    }

    /// Counts a create or a change that was refused because it came too fast.
    pub(super) fn note_create_too_fast(&self) {
        self.refusals.creates_too_fast.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that was refused because the store is at a limit.
    pub(super) fn note_busy(&self) {
        self.refusals.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// Forgets, for each of the three rates (creates and changes, bytes of puts, entries), the
    /// networks that asked for nothing of it in the last ten minutes.
    pub fn tidy(&self, now_ms: u64) {
        for shares in [&self.creates, &self.put_bytes, &self.entries] {
            shares.lock().unwrap_or_else(PoisonError::into_inner).tidy(now_ms);
        }
    }

    /// Takes one create or change of a mailbox from the rates that all links share, or returns the
    /// seconds to wait.
    pub(super) fn take_create(&self, prefix: Prefix, now: Now) -> Result<(), u16> {
        let rates = Rates {
            per_s: self.limits.all_creates_per_s.into(),
            burst: self.limits.all_create_burst.into(),
            prefix_per_min: self.limits.creates_per_min_per_prefix.into(),
            prefix_burst: self.limits.create_burst_per_prefix.into(),
            unit: 1,
            proxies_percent: self.limits.proxies_percent,
        };
        take(&self.creates, prefix, 1, &rates, now)
    }

    /// Takes the bytes of a put from the rates that all links share, or returns the seconds to
    /// wait. Counts a refusal.
    pub(super) fn take_put(&self, prefix: Prefix, bytes: u64, now: Now) -> Result<(), u16> {
        let rates = Rates {
            per_s: self.limits.all_put_bytes_per_s.into(),
            burst: self.limits.all_put_bytes_burst.into(),
            prefix_per_min: u64::from(self.limits.put_bytes_per_s_per_prefix) * 60,
            prefix_burst: self.limits.put_bytes_burst_per_prefix.into(),
            unit: PUT_UNIT,
            proxies_percent: self.limits.proxies_percent,
        };
        take(&self.put_bytes, prefix, bytes, &rates, now).inspect_err(|_| {
            self.refusals.puts_too_fast.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Takes entries from the rates that all links share, or returns the seconds to wait. Counts a
    /// refusal.
    pub(super) fn take_entries(&self, prefix: Prefix, entries: u64, now: Now) -> Result<(), u16> {
        let rates = Rates {
            per_s: self.limits.all_entries_per_s.into(),
            burst: self.limits.all_entries_burst.into(),
            prefix_per_min: u64::from(self.limits.entries_per_s_per_prefix) * 60,
            prefix_burst: self.limits.entries_burst_per_prefix.into(),
            unit: ENTRIES_UNIT,
            proxies_percent: self.limits.proxies_percent,
        };
        take(&self.entries, prefix, entries, &rates, now).inspect_err(|_| {
            self.refusals.entries_too_fast.fetch_add(1, Ordering::Relaxed);
        })
    }
}

/// Takes tokens of a prefix from shared rates, or returns the seconds to wait.
fn take(shares: &Mutex<Shares>, prefix: Prefix, tokens: u64, rates: &Rates, now: Now) -> Result<(), u16> {
    shares.lock().unwrap_or_else(PoisonError::into_inner).take(prefix, tokens, rates, now.ms)
}
