//! A putting link: one contact, one relay, short-lived. Nothing is read over it.

use super::{
    backoff::Backoff,
    connection::{Closed, ConnectError, Connection},
    shared::{Shared, closed},
};
use crate::engine::{Engine, PutJob, SentPut};
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

/// Puts under way at once.
const WINDOW: usize = 16;
/// How long a full mailbox or a busy relay is left alone if it does not say itself.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// Puts whatever waits for a contact; ends when nothing does.
pub(super) async fn put(shared: Arc<Shared>, contact: u32) {
    let mut backoff = Backoff::new(&shared);
    while !shared.is_closing() {
        let Ok(jobs) = shared.look(|engine| engine.take_puts(contact, &BTreeSet::new(), 1)) else { return };
        let Some(job) = jobs.into_iter().next() else { return };
        let relay = job.address.relay;
        let token = ClientToken::from_bytes([0; 16]);
        match Connection::open(&shared, &relay, token).await {
            Ok(connection) => {
                shared.set_blocked(contact, false);
                let mut putter = Putter {
                    shared: &shared,
                    contact,
                    connection,
                    under_way: BTreeMap::new(),
                    answered_at: Instant::now(),
                    next: 1,
                    is_answered: false,
                };
                let ended = putter.run(&relay).await;
                if ended.is_ok() || putter.is_answered {
                    backoff.reset(&shared);
                }
                if ended.is_ok() {
                    putter.connection.close().await;
                    continue;
                }
            }
            Err(ConnectError::Down | ConnectError::WrongRelay | ConnectError::NoTls) => {}
            Err(ConnectError::Private(address)) => {
                match move_to_newest(&shared, contact).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(_) => return,
                }
                shared.set_blocked(contact, true);
                let step = shared.step(move |engine, today| engine.address_blocked(contact, address, today));
                if step.await.is_err() {
                    return;
                }
            }
        }
        match wait(&shared, contact, &mut backoff).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

/// Waits before the next try. Ends early when the contact's envelopes move to a newer address. `false`: the client closes.
async fn wait(shared: &Arc<Shared>, contact: u32, backoff: &mut Backoff) -> Result<bool, Closed> {
    let mut work = shared.work.subscribe();
    let mut pause = std::pin::pin!(backoff.wait(shared));
    loop {
        work.mark_unchanged();
        if move_to_newest(shared, contact).await? {
            return Ok(true);
        }
        tokio::select! {
            is_open = &mut pause => return Ok(is_open),
            _ = work.changed() => {}
        }
    }
}

/// Encrypts again, for the newest known address, what waits for an older one. Returns whether anything waited for an older one.
async fn move_to_newest(shared: &Arc<Shared>, contact: u32) -> Result<bool, Closed> {
    let is_known = shared.look(|engine| engine.has_newer_address(contact)).map_err(|_| Closed)?;
    if is_known {
        shared.step(move |engine, _| engine.seal_for_newest(contact)).await.map_err(|_| Closed)?;
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
}

/// The outcome of the records that came during one wait.
struct Handled {
    /// How long to wait if the mailbox is full or the relay busy.
    wait: Option<Duration>,
    /// A put was accepted or refused.
    is_progress: bool,
}

impl Putter<'_> {
    /// `Ok`: idle, or the rest is for another relay, or the client closes.
    async fn run(&mut self, relay: &RelayAddress) -> Result<(), Closed> {
        let mut work = self.shared.work.subscribe();
        let mut closing = self.shared.closing.subscribe();
        let mut blocked_until = Instant::now();
        loop {
            work.mark_unchanged();
            let blocked = blocked_until > Instant::now();
            if blocked && move_to_newest(self.shared, self.contact).await? {
                blocked_until = Instant::now();
                continue;
            }
            self.note_taken();
            if !blocked && !self.connection.is_sending() {
                self.send_more(relay)?;
            }
            if self.under_way.is_empty() && !blocked && self.waits_elsewhere(relay)? {
                return Ok(());
            }
            let wake = if blocked { blocked_until } else { self.deadline() };
            tokio::select! {
                items = self.connection.proceed() => {
                    // Without items, the line has taken what was queued: there is room for more.
                    let Some(items) = items? else { continue };
                    let items = self.connection.answer(items)?;
                    let handled = self.handle(items).await?;
                    if let Some(wait) = handled.wait {
                        blocked_until = Instant::now() + wait;
                    }
                    // Other records must not hold the envelopes at a relay that answers no put.
                    if handled.is_progress {
                        self.answered_at = Instant::now();
                    }
                }
                _ = work.changed() => {}
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

    /// Handles the answers to puts.
    async fn handle(&mut self, items: Vec<Item>) -> Result<Handled, Closed> {
        let mut accepted = Vec::new();
        let mut handled = Handled { wait: None, is_progress: false };
        for item in items {
            match item {
                Item::Answer(Answer { req, code, retry_s }) => {
                    let Some(OpenPut { sent: put, .. }) = self.under_way.remove(&req) else { continue };
                    let is_progress = matches!(code, AnswerCode::Done | AnswerCode::Refused);
                    handled.is_progress |= is_progress;
                    self.is_answered |= is_progress;
                    match code {
                        AnswerCode::Done => accepted.push(put),
                        AnswerCode::Refused => {
                            let contact = self.contact;
                            let step =
                                self.shared.step(move |engine, today| engine.refused(contact, &put, today));
                            step.await.map_err(|_| Closed)?;
                        }
                        _ => {
                            let said = Duration::from_secs(u64::from(retry_s));
                            handled.wait = Some(if retry_s == 0 { FULL_WAIT } else { said });
                        }
                    }
                }
                Item::GoAway(_) => return Err(Closed),
                _ => {}
            }
        }
        if !accepted.is_empty() {
            let contact = self.contact;
            let lives = self.connection.lives;
            let step =
                self.shared.step(move |engine, today| engine.accepted(contact, &accepted, lives, today));
            step.await.map_err(|_| Closed)?;
        }
        Ok(handled)
    }
}
