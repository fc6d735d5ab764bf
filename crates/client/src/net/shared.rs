//! What the tasks of a client share.

use super::days::{HeardDay, RelayDays};
use crate::{
    config::{Config, MAX_GAP_WAIT},
    engine::{Engine, is_same_day},
    error::{ClientError, VaultError, WrongClock},
};
use deaddrop_crypto::wipe_stack;
use deaddrop_link::ClientTokenSecret;
use deaddrop_shred::FileDisk;
use deaddrop_wire::{Day, Fingerprint, RelayAddress};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Bytes of stack that are wiped after a step of the engine: below it rows and capabilities were passed by value.
pub(crate) const STEP_STACK: usize = 64 << 10;

/// How a relay that mailboxes lie on is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connectivity {
    /// Trying.
    Connecting,
    /// Connected, and still fetching what waited.
    Fetching,
    /// Connected; everything that waited has been read.
    CaughtUp,
    /// It cannot be reached; tried again by itself.
    Down,
    /// Another relay answers at its address; not tried again soon.
    WrongRelay,
    /// Its address needs TLS, which this build has not.
    NoTls,
    /// Connected; everything that waited has been read. The relay makes no new mailbox, because it wants a token that is not set.
    NeedsToken,
    /// Its name leads to a private network or to this machine, which the user has not allowed; tried again by itself.
    PrivateAddress,
}

impl Connectivity {
    /// Everything that lay at the relay has been read.
    pub(crate) const fn is_read(self) -> bool {
        matches!(self, Self::CaughtUp | Self::NeedsToken)
    }
}

/// One client's engine, signals and settings.
pub(crate) struct Shared {
    engine: Mutex<Option<Engine<FileDisk>>>,
    pub(crate) config: Config,
    /// From which the tokens derive that name this client's reading links, another one for each relay. In memory only.
    pub(crate) tokens: ClientTokenSecret,
    /// Changes whenever the engine may have something new to do.
    pub(crate) work: watch::Sender<u64>,
    /// The number of the newest event.
    pub(crate) events: watch::Sender<u64>,
    /// Changes when waiting for a relay should end: somebody wants something now.
    pub(crate) nudge: watch::Sender<u64>,
    /// True once the client closes.
    pub(crate) closing: watch::Sender<bool>,
    /// Receipts that are due leave at once.
    pub(crate) hurry: watch::Sender<bool>,
    links: Mutex<BTreeMap<String, Connectivity>>,
    /// The days that own relays say now.
    pub(crate) days: Arc<RelayDays>,
    /// Contacts whose address was not connected to when it was last tried in this process.
    blocked: Mutex<BTreeSet<u32>>,
}

impl Shared {
    pub(crate) fn new(engine: Engine<FileDisk>, config: Config) -> Arc<Self> {
        Arc::new(Self {
            events: watch::Sender::new(engine.last_event()),
            engine: Mutex::new(Some(engine)),
            config,
            tokens: ClientTokenSecret::generate(&mut crate::random::SystemRandom),
            work: watch::Sender::new(0),
            nudge: watch::Sender::new(0),
            closing: watch::Sender::new(false),
            hurry: watch::Sender::new(false),
            links: Mutex::new(BTreeMap::new()),
            days: Arc::default(),
            blocked: Mutex::new(BTreeSet::new()),
        })
    }

    /// Looks at the engine.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Engine<FileDisk>) -> T) -> Result<T, ClientError> {
        self.lock()?.as_ref().map(look).ok_or(ClientError::VaultStopped)
    }

    /// Takes a step of the engine away from the async threads: it waits for the disk.
    pub(crate) async fn step<T, E>(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Engine<FileDisk>, Day) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ClientError>
    where
        T: Send + 'static,
        E: Into<ClientError> + Send + 'static,
    {
        let shared = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let (now, days) = (shared.now(), shared.days.now());
            let (result, newest, is_dead) = {
                let mut engine = shared.lock()?;
                let engine = engine.as_mut().ok_or(ClientError::VaultStopped)?;
                let today = engine.look_at_clock(now, &days)?;
                let result = step(engine, today).map_err(Into::into);
                wipe_stack::<STEP_STACK>();
                (result, engine.last_event(), engine.is_dead())
            };
            // A vault that has failed wakes who waits for events, too: none will come.
            shared.events.send_if_modified(|last| std::mem::replace(last, newest) != newest || is_dead);
            shared.work.send_modify(|count| *count = count.wrapping_add(1));
            result
        });
        done.await.unwrap_or(Err(ClientError::VaultStopped))
    }

    /// Whoever waits before trying a relay again tries now.
    pub(crate) fn try_now(&self) {
        self.nudge.send_modify(|count| *count = count.wrapping_add(1));
        self.work.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Whole seconds since 1970-01-01 UTC.
    pub(crate) fn now(&self) -> u64 {
        (self.config.now)()
    }

    /// Seconds for which a message waits behind a missing one.
    pub(crate) fn gap_wait(&self) -> u64 {
        self.config.gap_wait.min(MAX_GAP_WAIT).as_secs()
    }

    /// Notes what an own relay says about the day, for as long as its link stands.
    pub(super) fn hear_day(&self, relay: &RelayAddress, day: Day) -> HeardDay {
        let heard = self.days.hear(relay.to_string(), day);
        self.work.send_modify(|count| *count = count.wrapping_add(1));
        heard
    }

    /// Looks at the clock, and stores what changes by it. Returns the day that is believed.
    pub(crate) async fn look_at_clock(self: &Arc<Self>) -> Result<Day, ClientError> {
        let (now, days) = (self.now(), self.days.now());
        if self.look(|engine| engine.is_clock_due(now, &days))? {
            return self.step(|_, today| Ok::<_, VaultError>(today)).await;
        }
        self.look(Engine::believed_day)
    }

    /// The day that the machine's clock shows, if a relay agrees.
    pub(crate) fn check_clock(&self, relay: Day) -> Result<Day, ClientError> {
        let clock = Day::of_unix_seconds(self.now());
        if is_same_day(clock, relay) {
            Ok(clock)
        } else {
            Err(ClientError::WrongClock(WrongClock { clock, relay }))
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    pub(crate) fn set_link(&self, relay: &str, state: Connectivity) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.insert(relay.to_owned(), state) != Some(state) {
            drop(links);
            self.work.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    pub(crate) fn links(&self) -> BTreeMap<String, Connectivity> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a contact's address was not connected to when it was last tried.
    pub(crate) fn set_blocked(&self, contact: u32, blocked: bool) {
        let mut contacts = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if blocked { contacts.insert(contact) } else { contacts.remove(&contact) };
        drop(contacts);
        if changed {
            self.work.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Contacts whose address was not connected to when it was last tried.
    pub(crate) fn blocked(&self) -> BTreeSet<u32> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The user has allowed another address: what was not connected to is tried again.
    pub(crate) fn forget_blocked(&self) {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A relay's token has changed: what was refused without it is asked for again.
    pub(crate) fn forget_token_wanted(&self, relay: &Fingerprint) {
        for (text, state) in self.links() {
            let is_it = text.parse::<RelayAddress>().is_ok_and(|link| link.fingerprint() == relay);
            if is_it && state == Connectivity::NeedsToken {
                self.set_link(&text, Connectivity::Fetching);
            }
        }
    }

    /// Takes the engine out: every later step fails.
    pub(crate) fn take_engine(&self) -> Option<Engine<FileDisk>> {
        self.lock().ok()?.take()
    }

    /// Fails after a step that panicked: memory may be ahead of the disk, so nothing more is answered from it. The vault has to be
    /// opened again.
    fn lock(&self) -> Result<MutexGuard<'_, Option<Engine<FileDisk>>>, ClientError> {
        self.engine.lock().map_err(|_| ClientError::VaultStopped)
    }
}

/// Resolves once the client closes.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the client is gone altogether.
    let _ = closing.wait_for(|closing| *closing).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home;
    use deaddrop_shred::PassphraseCost;

    #[tokio::test]
    async fn a_step_that_panics_stops_the_vault() {
        let folder = tempfile::tempdir().unwrap();
        let store = home::create(folder.path(), &crate::Unlock::KeyFile, PassphraseCost::default()).unwrap();
        let shared = Shared::new(Engine::create(store, None, 0).unwrap(), Config::default());
        let broken = shared.step(|_, _| -> Result<(), VaultError> { panic!("in the middle of a step") });
        assert_eq!(broken.await, Err(ClientError::VaultStopped));
        let later = shared.step(|_, _| Ok::<_, VaultError>(()));
        assert_eq!(later.await, Err(ClientError::VaultStopped), "what memory holds is not stored any more");
        assert_eq!(shared.look(|_| ()), Err(ClientError::VaultStopped));
        assert!(shared.take_engine().is_none());
    }
}
