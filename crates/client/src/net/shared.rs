//! What the tasks of a client share.

use crate::{config::Config, engine::Engine, error::ClientError};
use deaddrop_crypto::wipe_stack;
use deaddrop_shred::FileDisk;
use deaddrop_wire::{ClientToken, Day};
use rand::Rng;
use std::{
    collections::BTreeMap,
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
}

/// One client's engine, signals and settings.
pub(crate) struct Shared {
    engine: Mutex<Option<Engine<FileDisk>>>,
    pub(crate) config: Config,
    /// Names this client's own connections to a relay, in memory only.
    pub(crate) token: ClientToken,
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
}

impl Shared {
    pub(crate) fn new(engine: Engine<FileDisk>, config: Config) -> Arc<Self> {
        let mut token = [0; 16];
        crate::random::fresh().fill_bytes(&mut token);
        Arc::new(Self {
            events: watch::Sender::new(engine.last_event()),
            engine: Mutex::new(Some(engine)),
            config,
            token: ClientToken::from_bytes(token),
            work: watch::Sender::new(0),
            nudge: watch::Sender::new(0),
            closing: watch::Sender::new(false),
            hurry: watch::Sender::new(false),
            links: Mutex::new(BTreeMap::new()),
        })
    }

    /// Looks at the engine.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Engine<FileDisk>) -> T) -> Result<T, ClientError> {
        self.lock().as_ref().map(look).ok_or(ClientError::VaultStopped)
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
            let today = (shared.config.today)();
            let (result, newest, is_dead) = {
                let mut engine = shared.lock();
                let engine = engine.as_mut().ok_or(ClientError::VaultStopped)?;
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

    pub(crate) fn today(&self) -> Day {
        (self.config.today)()
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

    /// Takes the engine out: every later step fails.
    pub(crate) fn take_engine(&self) -> Option<Engine<FileDisk>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Engine<FileDisk>>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves once the client closes.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the client is gone altogether.
    let _ = closing.wait_for(|closing| *closing).await;
}
