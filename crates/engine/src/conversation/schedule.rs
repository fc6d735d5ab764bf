//! The work that a client does by itself, and its times: which links are wanted now, receipts,
//! invites to be emptied, the beginning of the day.
//!
//! The caller begins a pass whenever something may have changed or the deadline has come, and
//! performs what [`Schedule::next_duty`] returns until there is nothing left.

use super::{end::StepError, moment::Moment, uniform::duration_within};
use crate::engine::InviteToEmpty;
use deaddrop_wire::Day;
use rand_core::Rng;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    time::Duration,
};

/// Maximum time between two passes of a [`Schedule`], in which it looks at the engine for work.
/// Also the wait before work that could not be done is tried again.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// The wait after the first failure to empty an invite mailbox, and the longest one. The wait
/// doubles with each failure in a row, up to the longest one.
const EMPTY_WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(900));
/// Wait after a pass in which the vault was too full or too slow. Any time that keeps a full vault
/// from being tried in a loop would do.
const VAULT_PAUSE: Duration = Duration::from_secs(5);

/// The part of the engine that a [`Schedule`] reads. `time` is in seconds since 1970-01-01. A relay
/// is named by its address as text.
pub trait Agenda {
    /// Returns the addresses of the relays on which own mailboxes lie, or are to be made.
    fn reading_relays(&self) -> Vec<String>;
    /// Returns the numbers of the contacts for which envelopes wait.
    fn contacts_with_puts(&self) -> Vec<u32>;
    /// Returns the numbers of the contacts to which a receipt is due and can be made now.
    fn receipts_due(&self) -> Vec<u32>;
    /// Returns the invite mailboxes that are to be emptied.
    fn invites_to_empty(&self) -> Vec<InviteToEmpty>;
    /// Whether [`Engine::end_invites`](crate::Engine::end_invites) would end an invite now.
    fn has_ended_invites(&self, today: Day) -> bool;
    /// Whether an item is due to be sent again now: one that a contact misses, or one of an earlier
    /// stream that a new stream has to repeat.
    fn is_missing_due(&self, time: u64) -> bool;
    /// Whether a lost session is to be reset now.
    fn resets_due(&self, time: u64, today: Day) -> bool;
    /// Whether a new sentinel mailbox is to be made now: one that only shows whether the vault was
    /// put back from a copy.
    fn is_sentinel_due(&self, time: u64) -> bool;
    /// Whether sessions that are not used may be dropped, for a contact whose mailboxes all lie at
    /// relays in `read`, from which everything has been read.
    fn is_tidy_due(&self, read: &BTreeSet<String>, today: Day) -> bool;
    /// Returns the seconds until the first message has waited for `wait_s` seconds behind a missing
    /// one, for contacts that have a mailbox at one of the relays in `read`; 0 also if the time of
    /// a message does not count yet: [`DutyStep::ShowGaps`] begins it. `None` if no message waits.
    fn gap_due(&self, time: u64, wait_s: u64, read: &BTreeSet<String>) -> Option<u64>;
}

/// A change of the engine that a [`Schedule`] asks for. Contacts are named by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DutyStep {
    /// End the invites whose last day has passed: see
    /// [`Engine::end_invites`](crate::Engine::end_invites).
    EndInvites,
    /// Seal the receipts that are due to this contact. [`DutyStep::run`] returns `false` and seals
    /// none while nothing can be sent to the contact, for example because the turn is full until a
    /// message of the contact comes.
    SealReceipt(u32),
    /// Note that the invite mailbox of this contact is empty.
    NoteEmptied(u32),
    /// Send the items again that contacts miss, and those that a new stream has to repeat.
    ResendMissing,
    /// Begin new sessions with contacts whose session is lost.
    ResetLost,
    /// Note that a new sentinel mailbox is to be made.
    RenewSentinel,
    /// Drop unused sessions of contacts whose mailboxes all lie at these relays, from which
    /// everything has been read.
    TidyRead(BTreeSet<String>),
    /// Give the app the messages that have waited for this many seconds behind missing ones, for
    /// contacts that have a mailbox at one of these relays, from which everything has been read.
    ShowGaps(u64, BTreeSet<String>),
    /// Begin the day: see [`Engine::begin_day`](crate::Engine::begin_day).
    BeginDay,
    /// Try the refused addresses again of contacts that have no other address: see
    /// [`Engine::retry_stale`](crate::Engine::retry_stale).
    RetryStale,
}

/// A task for the caller of a schedule.
pub enum Duty {
    /// Run a [`ReadConversation`](super::ReadConversation) with the relay at this address, and
    /// report its end to [`Schedule::on_read_end`].
    Read(String),
    /// Run a [`PutConversation`](super::PutConversation) for the contact with this number, and
    /// report its end to [`Schedule::on_put_end`].
    Put(u32),
    /// Empty this invite mailbox by a [`Visit`](super::Visit), and report the end to
    /// [`Schedule::on_empty_end`].
    Empty(InviteToEmpty),
    /// Do this step by [`DutyStep::run`], and report to [`Schedule::on_step`].
    Step(DutyStep),
    /// Tell the app whether the invite mailbox of the contact with this number could be emptied.
    ShowEmptied(u32, bool),
}

/// The inputs of one pass of a [`Schedule`].
#[derive(Clone, Debug)]
pub struct PassSituation {
    /// The present moment.
    pub now: Moment,
    /// The present time in seconds since 1970-01-01.
    pub time: u64,
    /// The day that the engine believes to be the present one.
    pub today: Day,
    /// Whether receipts that are due are sealed at once, without their random wait.
    pub flushes_receipts: bool,
    /// Seconds for which a message waits behind a missing one before it is given to the app.
    pub gap_wait_s: u64,
    /// The addresses of the relays from which everything that lay there has been read.
    pub read: BTreeSet<String>,
}

/// The schedule of the work that one client does by itself.
pub struct Schedule {
    receipt_delay: Range<Duration>,
    readers: BTreeSet<String>,
    putters: BTreeSet<u32>,
    emptyings: BTreeMap<u32, Emptying>,
    receipts: BTreeMap<u32, ReceiptWait>,
    /// The day for which the engine has last begun a day.
    day: Day,
    /// The time of the next [`DutyStep::RetryStale`].
    stale_at: Moment,
    /// The time at which messages behind missing ones are looked at next.
    gap_at: Moment,
    phase: Phase,
    /// The numbers of the contacts to which a receipt is due and that this pass has not looked at
    /// yet.
    receipts_left: VecDeque<u32>,
    duties: VecDeque<Duty>,
    /// The step that the caller is doing.
    step: Option<DutyStep>,
    /// Whether the vault had no room for a step of this pass.
    is_short: bool,
}

/// The emptying of one invite mailbox.
struct Emptying {
    /// The time of the next attempt; `None`: one is under way.
    next: Option<Moment>,
    failures: u32,
}

/// The wait of the receipt to one contact.
struct ReceiptWait {
    until: Moment,
    /// Whether the receipt could not be sealed when it was tried because the contact has to answer
    /// first (and not because the vault had no room). Then
    /// [`PassSituation::flushes_receipts`] does not shorten the wait.
    is_stuck: bool,
}

/// The part of a pass that comes next, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    EndedInvites,
    Links,
    Receipts,
    Missing,
    Resets,
    Sentinel,
    Tidy,
    Gaps,
    Day,
    Stale,
    Over,
}

impl Schedule {
    /// Creates the schedule of a client. The engine has begun `day` already. Each receipt waits for
    /// a random time of the range `receipt_delay` (spec/14-client.md section 4.2).
    pub fn new(day: Day, receipt_delay: Range<Duration>, now: Moment) -> Self {
        Self {
            receipt_delay,
            readers: BTreeSet::new(),
            putters: BTreeSet::new(),
            emptyings: BTreeMap::new(),
            receipts: BTreeMap::new(),
            day,
            stale_at: now,
            gap_at: now,
            phase: Phase::Over,
            receipts_left: VecDeque::new(),
            duties: VecDeque::new(),
            step: None,
            is_short: false,
        }
    }

    /// Begins a pass. Called when something may have changed, and at the
    /// [`deadline`](Self::deadline).
    pub const fn begin_pass(&mut self) {
        (self.phase, self.is_short) = (Phase::EndedInvites, false);
    }

    /// Returns the next task of this pass; `None` if none is left.
    pub fn next_duty(&mut self, agenda: &impl Agenda, at: &PassSituation, rng: &mut dyn Rng) -> Option<Duty> {
        while self.duties.is_empty() && self.phase != Phase::Over {
            self.look(agenda, at, rng);
        }
        let duty = self.duties.pop_front()?;
        self.step = if let Duty::Step(step) = &duty { Some(step.clone()) } else { None };
        Some(duty)
    }

    /// Looks at one part of a pass, queues the tasks that it needs, and moves on to the next part.
    fn look(&mut self, agenda: &impl Agenda, at: &PassSituation, rng: &mut dyn Rng) {
        let (step, next) = match self.phase {
            // An own relay has confirmed the day, perhaps.
            Phase::EndedInvites => {
                (agenda.has_ended_invites(at.today).then_some(DutyStep::EndInvites), Phase::Links)
            }
            Phase::Links => {
                self.want_links(agenda, at.now);
                let due = agenda.receipts_due();
                self.receipts.retain(|contact, _| due.contains(contact));
                self.receipts_left = due.into();
                (None, Phase::Receipts)
            }
            Phase::Receipts => (self.next_receipt(at, rng), {
                if self.receipts_left.is_empty() { Phase::Missing } else { Phase::Receipts }
            }),
            Phase::Missing => {
                (agenda.is_missing_due(at.time).then_some(DutyStep::ResendMissing), Phase::Resets)
            }
            Phase::Resets => {
                (agenda.resets_due(at.time, at.today).then_some(DutyStep::ResetLost), Phase::Sentinel)
            }
            Phase::Sentinel => {
                (agenda.is_sentinel_due(at.time).then_some(DutyStep::RenewSentinel), Phase::Tidy)
            }
            Phase::Tidy => {
                let is_due = agenda.is_tidy_due(&at.read, at.today);
                (is_due.then(|| DutyStep::TidyRead(at.read.clone())), Phase::Gaps)
            }
            Phase::Gaps => {
                let left = agenda.gap_due(at.time, at.gap_wait_s, &at.read);
                self.gap_at =
                    at.now.plus(left.map_or(LOOK_INTERVAL, |left| Duration::from_secs(left.max(1))));
                let shows = left == Some(0);
                (shows.then(|| DutyStep::ShowGaps(at.gap_wait_s, at.read.clone())), Phase::Day)
            }
            Phase::Day => ((at.today != self.day).then_some(DutyStep::BeginDay), Phase::Stale),
            Phase::Stale if self.stale_at <= at.now => {
                self.stale_at = at.now.plus(LOOK_INTERVAL);
                (Some(DutyStep::RetryStale), Phase::Over)
            }
            Phase::Stale | Phase::Over => (None, Phase::Over),
        };
        self.duties.extend(step.map(Duty::Step));
        self.phase = next;
    }

    fn want_links(&mut self, agenda: &impl Agenda, now: Moment) {
        for relay in agenda.reading_relays() {
            if self.readers.insert(relay.clone()) {
                self.duties.push_back(Duty::Read(relay));
            }
        }
        for contact in agenda.contacts_with_puts() {
            if self.putters.insert(contact) {
                self.duties.push_back(Duty::Put(contact));
            }
        }
        for invite in agenda.invites_to_empty() {
            let emptying =
                self.emptyings.entry(invite.contact).or_insert(Emptying { next: Some(now), failures: 0 });
            if emptying.next.take_if(|next| *next <= now).is_some() {
                self.duties.push_back(Duty::Empty(invite));
            }
        }
    }

    /// Returns the step that seals the next receipt whose wait is over; `None` if no such receipt
    /// is left in this pass.
    fn next_receipt(&mut self, at: &PassSituation, rng: &mut dyn Rng) -> Option<DutyStep> {
        while let Some(contact) = self.receipts_left.pop_front() {
            let range = self.receipt_delay.clone();
            let delay = || duration_within(range, rng);
            let wait = self
                .receipts
                .entry(contact)
                .or_insert_with(|| ReceiptWait { until: at.now.plus(delay()), is_stuck: false });
            if wait.until <= at.now || (at.flushes_receipts && !wait.is_stuck) {
                return Some(DutyStep::SealReceipt(contact));
            }
        }
        None
    }

    /// Handles the outcome of a step: the result of [`DutyStep::run`]. In `done`, `true` says that
    /// a receipt was sealed; `false`: none was, or the step is of another kind.
    ///
    /// # Errors
    ///
    /// Fails with [`StepError::Stopped`] if `done` holds it: the vault has failed.
    /// [`StepError::NoRoom`] is no failure here: [`pause`](Self::pause) returns a wait then.
    pub fn on_step(&mut self, done: Result<bool, StepError>, at: &PassSituation) -> Result<(), StepError> {
        match (self.step.take(), done) {
            // It waits for the peer's answer: not tried again at once.
            (Some(DutyStep::SealReceipt(contact)), Ok(false)) => {
                let wait = ReceiptWait { until: at.now.plus(LOOK_INTERVAL), is_stuck: true };
                self.receipts.insert(contact, wait);
            }
            (Some(DutyStep::SealReceipt(contact)), Ok(true)) => drop(self.receipts.remove(&contact)),
            (Some(DutyStep::BeginDay), Ok(_)) => self.day = at.today,
            (step, Err(StepError::NoRoom)) => {
                self.is_short = true;
                if matches!(step, Some(DutyStep::ShowGaps(..))) {
                    self.gap_at = at.now.plus(LOOK_INTERVAL);
                }
            }
            (_, Err(StepError::Stopped)) => return Err(StepError::Stopped),
            _ => {}
        }
        Ok(())
    }

    /// Notes that the conversation with a relay has ended: a later pass may ask for another one.
    pub fn on_read_end(&mut self, relay: &str) {
        self.readers.remove(relay);
    }

    /// Notes that the putting conversation for a contact has ended: a later pass may ask for
    /// another one.
    pub fn on_put_end(&mut self, contact: u32) {
        self.putters.remove(&contact);
    }

    /// Notes that the attempt to empty an invite mailbox has ended. If it failed, another one
    /// follows after a wait.
    pub fn on_empty_end(&mut self, contact: u32, is_emptied: bool, now: Moment) {
        self.duties.push_back(Duty::ShowEmptied(contact, is_emptied));
        if is_emptied {
            self.emptyings.remove(&contact);
            self.duties.push_back(Duty::Step(DutyStep::NoteEmptied(contact)));
        } else if let Some(emptying) = self.emptyings.get_mut(&contact) {
            let wait = EMPTY_WAITS.0.saturating_mul(1 << emptying.failures.min(10)).min(EMPTY_WAITS.1);
            emptying.next = Some(now.plus(wait));
            emptying.failures = emptying.failures.saturating_add(1);
        }
    }

    /// Returns the time for which no pass may begin, whatever happens, after a pass in which the
    /// vault had no room; `None` after other passes.
    pub fn pause(&self) -> Option<Duration> {
        self.is_short.then_some(VAULT_PAUSE)
    }

    /// Returns the time at which the next pass is to begin although nothing has changed; it may
    /// have passed already.
    pub fn deadline(&self, now: Moment) -> Moment {
        let receipts = self.receipts.values().map(|wait| wait.until);
        let emptyings = self.emptyings.values().filter_map(|emptying| emptying.next);
        let latest = now.plus(LOOK_INTERVAL);
        let due = receipts.chain(emptyings).filter(|at| *at > now);
        due.chain([self.stale_at, self.gap_at]).min().map_or(latest, |at| at.min(latest))
    }
}

#[cfg(test)]
mod tests;
