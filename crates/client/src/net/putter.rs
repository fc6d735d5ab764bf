//! A putting link: one contact, one relay, short-lived. Nothing is read over it.

use super::{
    backoff::{Backoff, Waited, floor_after},
    connection::{Closed, ConnectError, Connection},
    openings::SPACING,
    progress::PutState,
    shared::{Shared, closed},
};
use crate::{
    engine::{Engine, PutJob, SentPut},
    named::AskedWaits,
};
use deaddrop_wire::{
    Blob, ClientToken, Item, RelayAddress,
    item::{Answer, AnswerCode, Put},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

/// Puts under way at once.
const WINDOW: usize = 16;
/// A user's action does not make the client put again earlier than this after the relay asked to wait.
const RETRY_FLOOR: Duration = Duration::from_secs(1);

/// Puts everything that waits for a contact; ends when nothing does.
pub(super) async fn put(shared: Arc<Shared>, contact: u32) {
    let mut backoff = Backoff::new(&shared);
    let moved = shared.progress.moved_for(contact);
    let mut asked = Asked::default();
    let mut closing = shared.closing.subscribe();
    // A user's action has ended the last wait.
    let mut is_urgent = false;
    while !shared.is_closing() {
        let Ok(jobs) = shared.look(|engine| engine.take_puts(contact, &BTreeSet::new(), 1)) else { return };
        let Some(job) = jobs.into_iter().next() else { return };
        let spacing = SPACING.min(shared.config.backoff.start);
        if let Err(earliest) = shared.openings.begin(contact, is_urgent, spacing) {
            // What waits may be for another relay then.
            tokio::select! {
                () = sleep_until(earliest) => continue,
                () = closed(&mut closing) => return,
            }
        }
        asked.note_address(job.address.encode());
        let relay = job.address.relay;
        let token = ClientToken::from_bytes([0; 16]);
        backoff.listen();
        let round = shared.newest_round();
        shared.note_connecting(contact, round);
        let opened = tokio::select! {
            opened = Connection::open(&shared, &relay, token, &moved) => opened,
            () = closed(&mut closing) => return,
        };
        let state = match opened {
            Ok(connection) => {
                if asked.pause.is_none() {
                    shared.set_putting(contact, PutState::Open, round);
                }
                let mut putter = Putter {
                    shared: &shared,
                    contact,
                    connection,
                    under_way: BTreeMap::new(),
                    answered_at: Instant::now(),
                    next: 1,
                    is_answered: false,
                    asked: &mut asked,
                };
                let ended = putter.run(&relay).await;
                if putter.is_answered {
                    backoff.reset(&shared);
                }
                backoff.listen();
                if ended.is_ok() {
                    putter.connection.close().await;
                    continue;
                }
                PutState::Down
            }
            Err(ConnectError::Down) => PutState::Down,
            Err(ConnectError::WrongRelay) => PutState::WrongRelay,
            Err(ConnectError::NoCommonVersion) => PutState::NoCommonVersion,
            Err(ConnectError::NoTls) => PutState::NoTls,
            Err(ConnectError::Private(address)) => {
                match move_to_newest(&shared, contact).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(_) => return,
                }
                shared.set_putting(contact, PutState::Private(address), round);
                let step = shared.step(move |engine, today| engine.address_blocked(contact, address, today));
                if step.await.is_err_and(|error| !error.is_passing()) {
                    return;
                }
                PutState::Private(address)
            }
        };
        shared.set_putting(contact, state, round);
        match wait(&shared, contact, &mut backoff, asked.left()).await {
            Ok(Waited::Nudged) => {
                asked.hurry();
                is_urgent = true;
            }
            Ok(Waited::Elapsed) => is_urgent = false,
            Ok(Waited::Closing) | Err(_) => return,
        }
    }
}

/// Waits before the next try, and not less than `shortest` if no user's action ends it. Ends early when the contact's envelopes
/// move to a newer address.
async fn wait(
    shared: &Arc<Shared>,
    contact: u32,
    backoff: &mut Backoff,
    shortest: Duration,
) -> Result<Waited, Closed> {
    let mut work = shared.work.subscribe();
    let mut pause = std::pin::pin!(backoff.wait(shortest, shared));
    loop {
        work.mark_unchanged();
        if move_to_newest(shared, contact).await? {
            return Ok(Waited::Elapsed);
        }
        tokio::select! {
            waited = &mut pause => return Ok(waited),
            _ = work.changed() => {}
        }
    }
}

/// Encrypts again, for the newest known address, what waits for an older one. Returns whether anything waited for an older one.
async fn move_to_newest(shared: &Arc<Shared>, contact: u32) -> Result<bool, Closed> {
    let is_known = shared.look(|engine| engine.has_newer_address(contact)).map_err(|_| Closed)?;
    if is_known {
        match shared.step(move |engine, _| engine.seal_for_newest(contact)).await {
            Ok(()) => {}
            Err(error) if error.is_passing() => return Ok(false),
            Err(_) => return Err(Closed),
        }
    }
    Ok(is_known)
}

/// A put that has no answer yet.
struct OpenPut {
    sent: SentPut,
    /// The end of the connection's queue when it was put there.
    end: u64,
    /// The time at which the line was seen to have taken it.
    taken_at: Option<Instant>,
}

struct Putter<'a> {
    shared: &'a Arc<Shared>,
    contact: u32,
    connection: Connection,
    /// By their request numbers.
    under_way: BTreeMap<u32, OpenPut>,
    /// The time of the last answer, or of the last moment in which no put was open.
    answered_at: Instant,
    next: u32,
    /// The relay has accepted or refused a put.
    is_answered: bool,
    asked: &'a mut Asked,
}

/// What the relay has asked to wait for. It outlives the link: a relay that closes is not asked earlier.
#[derive(Default)]
struct Asked {
    /// The mailbox address that it is about.
    address: Zeroizing<Vec<u8>>,
    waits: AskedWaits,
    pause: Option<Pause>,
}

/// A time without puts.
#[derive(Clone, Copy)]
struct Pause {
    until: Instant,
    /// A user's action ends the pause, but not before this.
    not_before: Instant,
}

impl Asked {
    /// The next put is for this address. What was asked for another one does not hold for it.
    fn note_address(&mut self, address: Zeroizing<Vec<u8>>) {
        if *address != *self.address {
            *self = Self { address, ..Self::default() };
        }
    }

    /// The relay has answered a put in a way that asks to wait. Such answers to puts that were under way together count once.
    fn note(&mut self, retry_s: u16) -> Instant {
        let now = Instant::now();
        if let Some(pause) = self.pause.filter(|pause| pause.until > now) {
            return pause.until;
        }
        let floor = floor_after(self.waits.count()).max(RETRY_FLOOR);
        let wait = self.waits.next_put(retry_s);
        self.pause = Some(Pause { until: now + wait, not_before: now + floor.min(wait) });
        now + wait
    }

    /// What is left of the time without puts.
    fn left(&self) -> Duration {
        self.pause.map_or(Duration::ZERO, |pause| pause.until.saturating_duration_since(Instant::now()))
    }

    fn is_blocked(&mut self) -> bool {
        self.pause = self.pause.filter(|pause| pause.until > Instant::now());
        self.pause.is_some()
    }

    /// The user wants something now.
    fn hurry(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause.until = pause.until.min(pause.not_before);
        }
    }
}

impl Putter<'_> {
    /// `Ok`: idle, or the rest is for another relay, or the client closes.
    async fn run(&mut self, relay: &RelayAddress) -> Result<(), Closed> {
        let mut work = self.shared.work.subscribe();
        let mut closing = self.shared.closing.subscribe();
        let mut nudge = self.shared.nudge.subscribe();
        loop {
            work.mark_unchanged();
            let blocked = self.asked.is_blocked();
            if blocked && move_to_newest(self.shared, self.contact).await? {
                self.asked.pause = None;
                continue;
            }
            if !blocked {
                nudge.mark_unchanged();
            }
            self.note_taken();
            if !blocked && !self.connection.is_sending() {
                self.send_more(relay)?;
            }
            if self.under_way.is_empty() && !blocked && self.waits_elsewhere(relay)? {
                return Ok(());
            }
            let until = self.asked.pause.map(|pause| pause.until);
            let wake = until.unwrap_or_else(|| self.deadline());
            tokio::select! {
                items = self.connection.proceed() => {
                    // Without items, the line has taken what was queued: there is room for more.
                    let Some(items) = items? else { continue };
                    let items = self.connection.answer(items)?;
                    // Other records must not hold the envelopes at a relay that answers no put.
                    if self.handle(items).await? {
                        self.answered_at = Instant::now();
                    }
                }
                _ = work.changed() => {}
                _ = nudge.changed(), if blocked => self.asked.hurry(),
                () = sleep_until(wake) => {
                    self.note_taken();
                    if !blocked && self.deadline() <= Instant::now() {
                        // Idle; or an answer that does not come.
                        return if self.under_way.is_empty() { Ok(()) } else { Err(Closed) };
                    }
                }
                () = closed(&mut closing) => return Ok(()),
            }
        }
    }

    /// Notes the puts that the line has taken meanwhile.
    fn note_taken(&mut self) {
        let now = Instant::now();
        for put in self.under_way.values_mut().filter(|put| put.taken_at.is_none()) {
            put.taken_at = self.connection.has_taken(put.end).then_some(now);
        }
    }

    /// The time at which the link ends if no put is answered, and none is made. The oldest put decides: a later one does not give
    /// its answer more time. While it is on its way, the pace of the line decides alone.
    fn deadline(&self) -> Instant {
        let idle = self.shared.config.putter_idle;
        match self.under_way.values().next() {
            None => self.answered_at + idle,
            Some(OpenPut { taken_at: Some(taken_at), .. }) => self.answered_at.max(*taken_at) + idle,
            Some(_) => Instant::now() + idle,
        }
    }

    /// Sends what has room in the window, and not more than the line takes in a few seconds.
    fn send_more(&mut self, relay: &RelayAddress) -> Result<(), Closed> {
        let room = WINDOW.saturating_sub(self.under_way.len());
        let busy: BTreeSet<u64> = self.under_way.values().map(|put| put.sent.number).collect();
        let bytes = self.connection.ahead_bytes();
        let take = |engine: &Engine<_>| engine.take_puts_within(self.contact, &busy, room, bytes);
        let jobs = self.shared.look(take).map_err(|_| Closed)?;
        // Long enough from the start: a list that grew would leave copies of what is shown in it.
        let mut items = Vec::with_capacity(jobs.len());
        let mut sent_puts = Vec::with_capacity(jobs.len());
        for job in jobs {
            let sent = job.sent();
            let PutJob { address, envelope, .. } = job;
            // By its fingerprint too: an operator may have changed the key because the old one was stolen.
            if address.relay != *relay {
                break;
            }
            let Ok(blob) = Blob::new(envelope) else { continue };
            let req = self.next;
            self.next = self.next.wrapping_add(1);
            sent_puts.push((req, sent));
            items.push(Put { req, send: address.send.present(address.relay.fingerprint()), blob }.into());
        }
        if items.is_empty() {
            return Ok(());
        }
        self.connection.send(&items)?;
        let end = self.connection.end_of_queue();
        let open = |(req, sent)| (req, OpenPut { sent, end, taken_at: None });
        self.under_way.extend(sent_puts.into_iter().map(open));
        Ok(())
    }

    fn waits_elsewhere(&self, relay: &RelayAddress) -> Result<bool, Closed> {
        let jobs = self.shared.look(|engine| engine.take_puts(self.contact, &BTreeSet::new(), 1));
        Ok(jobs.map_err(|_| Closed)?.first().is_some_and(|job| job.address.relay != *relay))
    }

    /// Handles the answers to puts. Returns whether one was accepted or refused.
    async fn handle(&mut self, items: Vec<Item>) -> Result<bool, Closed> {
        let mut accepted = Vec::new();
        let mut is_progress = false;
        for item in items {
            match item {
                Item::Answer(Answer { req, code, retry_s }) => {
                    let Some(OpenPut { sent: put, .. }) = self.under_way.remove(&req) else { continue };
                    let contact = self.contact;
                    match code {
                        AnswerCode::Done => accepted.push(put),
                        AnswerCode::Refused => {
                            let step =
                                self.shared.step(move |engine, today| engine.refused(contact, &put, today));
                            step.await.map_err(|_| Closed)?;
                        }
                        _ => {
                            let until = self.asked.note(retry_s);
                            let state = PutState::Asked { is_full: code == AnswerCode::Full, until };
                            self.shared.set_putting(contact, state, self.shared.newest_round());
                            continue;
                        }
                    }
                    is_progress = true;
                }
                Item::Deliver(_) => self.connection.note_stray()?,
                Item::GoAway(_) => return Err(Closed),
                _ => {}
            }
        }
        if is_progress {
            self.is_answered = true;
            // A relay that takes puts again, and asked to wait only for those that were under way with them.
            if !self.asked.is_blocked() {
                self.asked.waits.reset();
                self.shared.set_putting(self.contact, PutState::Open, self.shared.newest_round());
            }
        }
        if !accepted.is_empty() {
            let contact = self.contact;
            let lives = self.connection.lives;
            let step = self
                .shared
                .step(move |engine, today| engine.mark_stored_at_relay(contact, &accepted, lives, today));
            step.await.map_err(|_| Closed)?;
        }
        Ok(is_progress)
    }
}
