//! The state that the tasks of a client share.

use super::{
    clock::ClientClock,
    days::{HeardDay, RelayDays},
    progress::Progress,
    tcp::TcpTransport,
    transport::Transport,
    turns::Turns,
};
use crate::{
    config::{Config, MAX_GAP_WAIT},
    engine::Engine,
    error::{ClientError, VaultError, WrongClock},
};
use deaddrop_e2ee::wipe_stack;
use deaddrop_engine::{
    conversation::{Connectivity, Moment, Openings, PutState},
    is_same_day,
};
use deaddrop_link::ClientTokenSecret;
use deaddrop_shred::FileDisk;
use deaddrop_wire::{Day, Fingerprint, RelayAddress};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::{sync::watch, time::Instant};

/// Number of bytes of stack that are wiped after each step of the engine, because a step passes
/// rows and capabilities by value.
pub(crate) const STEP_STACK: usize = 64 << 10;

/// One client's engine, signals and settings.
pub(crate) struct Shared {
    engine: Mutex<Option<Engine<FileDisk>>>,
    pub(crate) config: Config,
    /// The clock that gives the moments for all conversations of this client.
    pub(super) clock: ClientClock,
    /// The means by which connections to relays are made.
    pub(super) transport: Box<dyn Transport>,
    /// The secret from which a client token derives for each relay: by it the relay knows this
    /// client's earlier reading link. The secret is drawn at each start and never stored.
    pub(crate) tokens: ClientTokenSecret,
    /// A count that grows when the engine or the state of a link may have changed, so that tasks
    /// look for work.
    pub(crate) changed: watch::Sender<u64>,
    /// The number of the newest event; 0 before the first.
    pub(crate) events: watch::Sender<u64>,
    /// A count that grows when the user wants something now: waits before the next try to connect
    /// end then.
    pub(crate) retries: watch::Sender<u64>,
    /// Whether the client closes; once `true`, it stays so.
    pub(crate) closing: watch::Sender<bool>,
    /// The number of calls that wait until everything is sent. Above 0, receipts leave at once
    /// instead of after a random wait ([`Config::receipt_delay`]).
    receipt_flushes: watch::Sender<usize>,
    /// The number of rounds that calls have begun (see [`Dated`](super::Dated)). In each round each
    /// reading link asks its relay whether it is still there.
    pub(crate) round: watch::Sender<u64>,
    pub(crate) progress: Progress,
    /// The start times of the putting links for each contact, which keep links from being opened
    /// too often.
    pub(super) openings: Arc<Openings>,
    /// The queues in which tasks wait for a turn to open a link.
    pub(super) turns: Turns,
    /// The days that own relays with an open link say.
    pub(crate) days: Arc<RelayDays>,
}

/// A guard of [`Shared::flush_receipts`]: as long as it lives, receipts leave without their wait.
pub(crate) struct ReceiptFlush<'a>(&'a watch::Sender<usize>);

impl Drop for ReceiptFlush<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|callers| *callers = callers.saturating_sub(1));
    }
}

impl Shared {
    pub(crate) fn new(engine: Engine<FileDisk>, config: Config) -> Arc<Self> {
        let transport = Box::new(TcpTransport::new(config.clone()));
        Self::with_transport(engine, config, transport)
    }

    /// Creates the state of a client whose links use this transport.
    pub(super) fn with_transport(
        engine: Engine<FileDisk>,
        config: Config,
        transport: Box<dyn Transport>,
    ) -> Arc<Self> {
        Arc::new(Self {
            events: watch::Sender::new(engine.last_event()),
            engine: Mutex::new(Some(engine)),
            tokens: ClientTokenSecret::generate(&mut crate::random::SystemRandom),
            clock: ClientClock::start(),
            transport,
            config,
            changed: watch::Sender::new(0),
            retries: watch::Sender::new(0),
            closing: watch::Sender::new(false),
            receipt_flushes: watch::Sender::new(0),
            round: watch::Sender::new(0),
            progress: Progress::default(),
            openings: Arc::default(),
            turns: Turns::default(),
            days: Arc::default(),
        })
    }

    /// Calls `look` with the engine. Fails with [`ClientError::VaultStopped`] after a step that was
    /// not stored: memory is ahead of the disk then, and nothing that only memory holds may be sent
    /// or shown.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Engine<FileDisk>) -> T) -> Result<T, ClientError> {
        self.look_if(|engine| !engine.is_dead(), look)
    }

    /// Calls `look` with the engine, also after a step that was not stored. `look` must use only
    /// what the engine reads from the disk.
    pub(crate) fn look_at_stored<T>(
        &self,
        look: impl FnOnce(&Engine<FileDisk>) -> T,
    ) -> Result<T, ClientError> {
        self.look_if(|_| true, look)
    }

    fn look_if<T>(
        &self,
        may_look: impl FnOnce(&Engine<FileDisk>) -> bool,
        look: impl FnOnce(&Engine<FileDisk>) -> T,
    ) -> Result<T, ClientError> {
        let engine = self.lock()?;
        engine.as_ref().filter(|engine| may_look(engine)).map(look).ok_or(ClientError::VaultStopped)
    }

    /// Runs a step (a change of the engine, which is given the day that is believed) on a blocking
    /// thread, because it waits for the disk. A step that has begun is done to its end, also if the
    /// future is dropped.
    pub(crate) async fn step<T, E>(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Engine<FileDisk>, Day) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ClientError>
    where
        T: Send + 'static,
        E: Into<ClientError> + Send + 'static,
    {
        self.step_then(step, |_| {}).await
    }

    /// Runs a [`step`](Self::step), and calls `then` if the step succeeds. Both are done also if
    /// the future is dropped.
    pub(crate) async fn step_then<T, E>(
        self: &Arc<Self>,
        step: impl FnOnce(&mut Engine<FileDisk>, Day) -> Result<T, E> + Send + 'static,
        then: impl FnOnce(&Self) + Send + 'static,
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
                let engine =
                    engine.as_mut().filter(|engine| !engine.is_dead()).ok_or(ClientError::VaultStopped)?;
                let today = engine.today(now, &days)?;
                let result = step(engine, today).map_err(Into::into);
                if result.as_ref().is_err_and(ClientError::is_of_vault) {
                    engine.stop();
                }
                wipe_stack::<STEP_STACK>();
                (result, engine.last_event(), engine.is_dead())
            };
            if result.is_ok() {
                then(&shared);
            }
            // A vault that has failed wakes the callers that wait for events, too: none will come.
            shared.events.send_if_modified(|last| std::mem::replace(last, newest) != newest || is_dead);
            shared.changed.send_modify(|count| *count = count.wrapping_add(1));
            result
        });
        done.await.unwrap_or(Err(ClientError::VaultStopped))
    }

    /// Ends the waits of tasks that wait before they try a relay again: they try it now, or as soon
    /// as a minimum wait is over.
    pub(crate) fn retry_now(&self) {
        self.retries.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Does the same as [`retry_now`](Self::retry_now), and makes all tasks look for work.
    pub(crate) fn wake_all(&self) {
        self.retry_now();
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Returns the time that the app's clock shows, in whole seconds since 1970-01-01 UTC.
    pub(crate) fn now(&self) -> u64 {
        (self.config.now)()
    }

    /// Returns the present moment of the client's own clock.
    pub(crate) fn moment(&self) -> Moment {
        self.clock.moment()
    }

    /// Converts a moment of the client's own clock for tokio. Returns `None` if it is too far ahead.
    pub(super) fn instant(&self, moment: Moment) -> Option<Instant> {
        self.clock.instant(moment)
    }

    /// Returns the number of seconds for which a message is held back behind a missing one.
    pub(crate) fn gap_wait(&self) -> u64 {
        self.config.gap_wait.min(MAX_GAP_WAIT).as_secs()
    }

    /// Notes the day in the Hello of an own relay, until the returned value is dropped with the
    /// link.
    pub(super) fn hear_day(&self, relay: &RelayAddress, day: Day) -> HeardDay {
        let heard = self.days.hear(relay.to_string(), day);
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        heard
    }

    /// Gives the engine the time of the clock and the days of the relays, if they change something.
    /// Returns the day that the engine believes then.
    pub(crate) async fn look_at_clock(self: &Arc<Self>) -> Result<Day, ClientError> {
        let (now, days) = (self.now(), self.days.now());
        if self.look(|engine| engine.is_clock_due(now, &days))? {
            return self.step(|_, today| Ok::<_, VaultError>(today)).await;
        }
        self.look(Engine::believed_day)
    }

    /// Returns the day that the machine's clock shows. Fails with [`ClientError::WrongClock`] if
    /// the relay's day is more than two days from it.
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

    /// Makes receipts leave at once instead of after a random wait ([`Config::receipt_delay`]),
    /// until the returned guard is dropped.
    pub(crate) fn flush_receipts(&self) -> ReceiptFlush<'_> {
        self.receipt_flushes.send_modify(|callers| *callers = callers.saturating_add(1));
        ReceiptFlush(&self.receipt_flushes)
    }

    /// Returns a receiver of the number of calls that wait until everything is sent.
    pub(super) fn receipt_flushes(&self) -> watch::Receiver<usize> {
        self.receipt_flushes.subscribe()
    }

    /// Begins a round and returns its number. Tasks that wait try again, and open links ask their
    /// relays whether they are still there.
    pub(crate) fn begin_round(&self) -> u64 {
        let mut number = 0;
        self.round.send_modify(|round| {
            *round = round.wrapping_add(1);
            number = *round;
        });
        self.wake_all();
        number
    }

    /// Returns the number of the newest round.
    pub(super) fn newest_round(&self) -> u64 {
        *self.round.borrow()
    }

    /// Sets the state of the reading link of a relay, and wakes the tasks if that is news. `round`
    /// is the newest round that had begun before the events that led to the state.
    pub(super) fn set_link(&self, relay: &str, state: Connectivity, round: u64) {
        if self.progress.set_link(relay, state, round) {
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Sets the state of sending to a contact, and wakes the tasks if that is news. `round` is the
    /// newest round that had begun before the events that led to the state.
    pub(super) fn set_putting(&self, contact: u32, state: PutState, round: u64) {
        if self.progress.set_putting(contact, state, round) {
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Notes that a putting link for a contact is being opened; a failure that is known stays as
    /// the state until then. `round` is the newest round that had begun before.
    pub(super) fn note_connecting(&self, contact: u32, round: u64) {
        if self.progress.note_connecting(contact, round) {
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Notes whether the last try to empty the invite mailbox of a contact has succeeded.
    pub(super) fn set_emptied(&self, contact: u32, is_emptied: bool) {
        if self.progress.set_emptied(contact, is_emptied) {
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Removes the state that a relay wants a token, because the user has set or removed the
    /// relay's token. The reading link finds out whether the new one is right.
    pub(crate) fn forget_token_wanted(&self, relay: &Fingerprint) {
        for (text, link) in self.progress.links() {
            let is_it = text.parse::<RelayAddress>().is_ok_and(|link| link.fingerprint() == relay);
            if is_it && link.state == Connectivity::NeedsToken {
                self.set_link(&text, Connectivity::Fetching, link.round);
            }
        }
    }

    /// Lets contacts whose private address was refused be tried again, because the user has allowed
    /// one more address.
    pub(crate) fn retry_private(&self) {
        self.progress.forget_private();
        self.wake_all();
    }

    /// Takes the engine out, so that every later step fails. Returns `None` if it was taken before,
    /// or if a step has panicked.
    pub(crate) fn take_engine(&self) -> Option<Engine<FileDisk>> {
        self.lock().ok()?.take()
    }

    /// Locks the engine. Fails with [`ClientError::VaultStopped`] after a step that panicked:
    /// memory may be ahead of the disk, so nothing more is answered from it. The vault has to be
    /// opened again.
    fn lock(&self) -> Result<MutexGuard<'_, Option<Engine<FileDisk>>>, ClientError> {
        self.engine.lock().map_err(|_| ClientError::VaultStopped)
    }
}

/// Waits until the flag is `true`: the client closes.
pub(super) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the client is gone altogether.
    let _ = closing.wait_for(|closing| *closing).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home;
    use deaddrop_shred::PassphraseCost;

    fn shared(folder: &std::path::Path) -> Arc<Shared> {
        let store = home::create(folder, &crate::Unlock::KeyFile, PassphraseCost::default()).unwrap();
        Shared::new(crate::engine::create_in(store, None, 0).unwrap(), Config::default())
    }

    #[tokio::test]
    async fn what_follows_from_a_step_is_done_though_the_call_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path());
        let mut retries = shared.retries.subscribe();
        retries.mark_unchanged();
        let call = shared.step_then(|_, _| Ok::<_, VaultError>(()), Shared::retry_private);
        // Polled once, then dropped.
        tokio::select! {
            biased;
            _ = call => {}
            () = std::future::ready(()) => {}
        }
        tokio::time::timeout(std::time::Duration::from_secs(20), retries.changed()).await.unwrap().unwrap();
        let failing = shared.step_then(|_, _| Err::<(), _>(VaultError::Full), Shared::retry_private);
        assert_eq!(failing.await, Err(ClientError::VaultFull));
        assert!(!retries.has_changed().unwrap(), "a step that failed is followed by nothing");
    }

    /// Changes of a step that are in memory and not stored must not reach a relay: an open link
    /// would ask the engine for them at once.
    #[tokio::test]
    async fn after_a_step_that_was_not_stored_nothing_is_told_but_what_was_stored_before() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path());
        assert!(shared.look(Engine::contacts_with_puts).is_ok());
        let failing = shared.step(|_, _| Err::<(), _>(VaultError::Stopped));
        assert_eq!(failing.await, Err(ClientError::VaultStopped));
        assert_eq!(shared.look(Engine::contacts_with_puts), Err(ClientError::VaultStopped));
        assert_eq!(shared.look(|_| ()), Err(ClientError::VaultStopped));
        assert!(shared.look_at_stored(|engine| engine.events_after(0, 9)).unwrap().unwrap().is_empty());
        let later = shared.step(|_, _| Ok::<_, VaultError>(()));
        assert_eq!(later.await, Err(ClientError::VaultStopped));
    }

    #[tokio::test]
    async fn a_vault_without_room_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path());
        for (error, told) in
            [(VaultError::Full, ClientError::VaultFull), (VaultError::Busy, ClientError::VaultBusy)]
        {
            assert_eq!(shared.step(move |_, _| Err::<(), _>(error)).await, Err(told));
            assert!(shared.look(Engine::contacts_with_puts).is_ok());
            assert_eq!(shared.step(|_, _| Ok::<_, VaultError>(())).await, Ok(()));
        }
    }

    #[test]
    fn receipts_are_flushed_as_long_as_a_call_wants_it() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path());
        let flushes = shared.receipt_flushes();
        let (one, other) = (shared.flush_receipts(), shared.flush_receipts());
        drop(one);
        assert_eq!(*flushes.borrow(), 1);
        drop(other);
        assert_eq!(*flushes.borrow(), 0);
    }

    #[tokio::test]
    async fn a_step_that_panics_stops_the_vault() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(folder.path());
        let broken = shared.step(|_, _| -> Result<(), VaultError> { panic!("in the middle of a step") });
        assert_eq!(broken.await, Err(ClientError::VaultStopped));
        let later = shared.step(|_, _| Ok::<_, VaultError>(()));
        assert_eq!(later.await, Err(ClientError::VaultStopped), "what memory holds is not stored any more");
        assert_eq!(shared.look(|_| ()), Err(ClientError::VaultStopped));
        assert!(shared.take_engine().is_none());
    }
}
