//! Putting to one contact: a link is opened when envelopes wait, and closed when none do. Nothing
//! is read over it.

mod asked;
mod link;
mod outbox;

pub use outbox::{Outbox, OutboxChange, OutboxStep};

use super::{
    action::{Action, EngineStep, LinkConversation},
    backoff::{Backoff, Wait, WaitEnd},
    end::{LinkClosed, StepError},
    line::{LinkInfo, Situation},
    moment::Moment,
    openings::{Openings, SPACING},
    states::{ConnectError, PutState},
};
use asked::AskedToWait;
use deaddrop_wire::{Item, RelayAddress};
use link::{Answers, PutLink};
use outbox::PutAction;
use rand_core::Rng;
use std::{collections::VecDeque, net::IpAddr, ops::Range, sync::Arc, time::Duration};

/// Wait before the engine is asked again to seal for a newer address, after the vault was too full
/// or too slow for it. Any time that keeps a full vault from being tried in a loop would do.
const VAULT_PAUSE: Duration = Duration::from_secs(5);

/// The times of a [`PutConversation`], which an app may set.
#[derive(Clone, Debug)]
pub struct PutTimes {
    /// The first wait between two attempts to connect (start), and the longest one (end).
    pub backoff: Range<Duration>,
    /// The time without an answer to a put after which the link ends; also the time for which an
    /// unused link stays open.
    pub idle: Duration,
}

/// The conversation with the relays of one contact, into whose mailboxes this client puts
/// envelopes.
pub struct PutConversation {
    contact: u32,
    times: PutTimes,
    openings: Arc<Openings>,
    backoff: Backoff,
    asked: AskedToWait,
    /// Whether a user's action has ended the last wait, so that the next link may begin earlier:
    /// see [`Openings`].
    is_urgent: bool,
    state: State,
    actions: VecDeque<PutAction>,
    /// The kind of the step that the caller is doing; `None`: none.
    step: Option<StepKind>,
    /// The time before which the engine is not asked again to seal for a newer address, because the
    /// vault had no room.
    seals_after: Moment,
}

enum State {
    /// No link is open. The next look begins one if envelopes wait.
    Ready,
    /// Envelopes wait, but the next link may not begin before this moment: see [`Openings`].
    Spaced(Moment),
    /// A link is being opened.
    Opening(Attempt, RelayAddress),
    /// The relay's name leads to this IP address, to which the client may not connect.
    Blocked(Attempt, IpAddr),
    /// The link could not be opened, or has ended. The next look begins the wait.
    Failed(Attempt),
    Linked(PutLink),
    Waiting(Wait),
    Ended,
}

/// An attempt to open a link.
#[derive(Clone, Copy)]
struct Attempt {
    /// The newest round (spec/14-client.md section 6.4) that had begun before the attempt.
    round: u64,
    /// Whether a user's action came since the attempt began: it shortens the wait that follows.
    retries: bool,
}

/// The kind of a step of the engine, as far as the conversation reacts to its outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StepKind {
    Seal,
    Block,
    Answer,
}

impl PutConversation {
    /// Creates a conversation for the contact with this number. `openings` is shared by all putting
    /// conversations of the client.
    pub fn new(contact: u32, times: PutTimes, openings: Arc<Openings>) -> Self {
        Self {
            contact,
            openings,
            backoff: Backoff::new(times.backoff.clone()),
            times,
            asked: AskedToWait::default(),
            is_urgent: false,
            state: State::Ready,
            actions: VecDeque::new(),
            step: None,
            seals_after: Moment::default(),
        }
    }

    /// Begins a link if envelopes wait and [`Openings`] allows one now. Ends the conversation if no
    /// envelope waits.
    fn begin(&mut self, outbox: &impl Outbox, at: &Situation) {
        let Some(job) = outbox.next_put(self.contact) else {
            self.state = State::Ended;
            self.actions.push_back(Action::End);
            return;
        };
        let spacing = SPACING.min(self.times.backoff.start);
        if let Err(until) = self.openings.begin(self.contact, self.is_urgent, spacing, at.now) {
            self.state = State::Spaced(until);
            return;
        }
        self.asked.note_address(job.address.encode());
        self.state = State::Opening(Attempt { round: at.round, retries: false }, job.address.relay.clone());
        self.actions.push_back(Action::ShowConnecting(at.round));
        self.actions.push_back(Action::Open(job.address.relay));
    }

    /// Asks the engine to seal again the envelopes that wait for an older address. Returns whether
    /// it was asked: not if there is no newer address, nor for some seconds after the vault had no
    /// room.
    fn seal_for_newest(&mut self, outbox: &impl Outbox, now: Moment) -> bool {
        let seals = now >= self.seals_after && outbox.has_newer_address(self.contact);
        if seals {
            self.change(OutboxChange::SealForNewest);
        }
        seals
    }

    fn look_at_link(&mut self, outbox: &impl Outbox, at: &Situation) {
        let State::Linked(link) = &mut self.state else { return };
        link.note_taken(&at.line, at.now);
        if self.asked.is_blocked(at.now) {
            self.seal_for_newest(outbox, at.now);
            return;
        }
        let State::Linked(link) = &mut self.state else { return };
        if !at.line.is_sending {
            let items = link.next_puts(outbox, self.contact, at.line.ahead);
            if !items.is_empty() {
                self.actions.push_back(Action::Send(items));
                return;
            }
        }
        let is_late = link.deadline(at.now, self.times.idle) <= at.now;
        if link.is_idle() && (is_late || link.waits_elsewhere(outbox, self.contact)) {
            self.note_link();
            self.actions.push_back(Action::Close);
            self.state = State::Ready;
        } else if is_late {
            // An answer does not come.
            self.lose_link();
        }
    }

    /// Resets the waits between attempts if the link that ends was a success: if a put was accepted
    /// or refused over it.
    fn note_link(&mut self) {
        if matches!(&self.state, State::Linked(link) if link.is_answered) {
            self.backoff.reset();
        }
    }

    /// Drops the link, which has ended or whose relay does not answer. The next look begins the
    /// wait. Does nothing if no link is open.
    fn lose_link(&mut self) {
        let State::Linked(link) = &self.state else { return };
        let round = link.round;
        self.note_link();
        self.actions.push_back(Action::Drop);
        self.fail(PutState::Down, Attempt { round, retries: false });
    }

    fn fail(&mut self, state: PutState, attempt: Attempt) {
        self.actions.push_back(Action::Show(state, attempt.round));
        self.state = State::Failed(attempt);
    }

    fn change(&mut self, change: OutboxChange) {
        self.actions.push_back(Action::Step(OutboxStep { contact: self.contact, change }));
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.actions.clear();
        self.actions.push_back(Action::End);
    }

    fn on_answers(&mut self, answers: Answers, is_closed: bool, at: &Situation) {
        for item in answers.shown {
            self.actions.push_back(Action::Show(item, at.round));
        }
        for put in answers.refused {
            self.change(OutboxChange::Refuse(put));
        }
        if is_closed {
            self.lose_link();
            return;
        }
        let State::Linked(link) = &mut self.state else { return };
        if answers.is_progress {
            // Other records must not hold the envelopes at a relay that answers no put.
            (link.is_answered, link.answered_at) = (true, at.now);
            // A relay that takes puts again, and asked to wait only for those that were under way with them.
            if !self.asked.is_blocked(at.now) {
                self.asked.reset();
                self.actions.push_back(Action::Show(PutState::Open, at.round));
            }
        }
        if !answers.accepted.is_empty() {
            let lives = link.lives;
            self.change(OutboxChange::Accept(answers.accepted, lives));
        }
    }
}

impl<E: Outbox> LinkConversation<E> for PutConversation
where
    OutboxStep: EngineStep<E>,
{
    type Step = OutboxStep;
    type State = PutState;

    fn next_action(&mut self) -> Option<PutAction> {
        let action = self.actions.pop_front()?;
        self.step = match &action {
            Action::Step(step) => Some(match &step.change {
                OutboxChange::SealForNewest => StepKind::Seal,
                OutboxChange::BlockAddress(_) => StepKind::Block,
                OutboxChange::Accept(..) | OutboxChange::Refuse(_) => StepKind::Answer,
            }),
            _ => None,
        };
        Some(action)
    }

    fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    fn look(&mut self, outbox: &E, at: &Situation, rng: &mut dyn Rng) {
        match self.state {
            State::Ready => self.begin(outbox, at),
            State::Spaced(until) if at.now >= until => self.begin(outbox, at),
            State::Spaced(_) | State::Opening(..) | State::Ended => {}
            State::Linked(_) => self.look_at_link(outbox, at),
            State::Blocked(attempt, address) => {
                if !self.seal_for_newest(outbox, at.now) {
                    self.actions.push_back(Action::Show(PutState::Private(address), attempt.round));
                    self.change(OutboxChange::BlockAddress(address));
                    self.state = State::Failed(attempt);
                }
            }
            State::Failed(attempt) => {
                if !self.seal_for_newest(outbox, at.now) {
                    let mut wait = self.backoff.begin(self.asked.left(at.now), at.now, rng);
                    if attempt.retries {
                        wait.retry_now(at.now);
                    }
                    self.state = State::Waiting(wait);
                }
            }
            State::Waiting(wait) => {
                let Some(end) = wait.end(at.now) else {
                    self.seal_for_newest(outbox, at.now);
                    return;
                };
                self.is_urgent = end == WaitEnd::Retried;
                match end {
                    WaitEnd::Retried => self.asked.retry_now(),
                    WaitEnd::Elapsed => self.backoff.grow(),
                }
                self.begin(outbox, at);
            }
        }
    }

    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>, now: Moment) {
        let State::Opening(attempt, relay) = &self.state else { return };
        let attempt = *attempt;
        let state = match opened {
            Ok(opened) => {
                if !self.asked.has_pause() {
                    self.actions.push_back(Action::Show(PutState::Open, attempt.round));
                }
                self.state = State::Linked(PutLink::new(relay.clone(), opened.lives, attempt.round, now));
                return;
            }
            Err(ConnectError::Private(address)) => {
                self.state = State::Blocked(attempt, address);
                return;
            }
            Err(ConnectError::Down) => PutState::Down,
            Err(ConnectError::WrongRelay) => PutState::WrongRelay,
            Err(ConnectError::NoCommonVersion) => PutState::NoCommonVersion,
            Err(ConnectError::Tls(fault)) => PutState::Tls(fault),
        };
        self.fail(state, attempt);
    }

    fn on_items(&mut self, items: Vec<Item>, at: &Situation) {
        let State::Linked(link) = &mut self.state else { return };
        let mut answers = Answers::default();
        let end = link.take_items(items, &mut self.asked, at.now, &mut answers);
        self.on_answers(answers, end == Err(LinkClosed), at);
    }

    fn state(&self) -> Option<(PutState, u64)> {
        None
    }

    fn on_queued(&mut self, end: u64) {
        if let State::Linked(link) = &mut self.state {
            link.note_queued(end);
        }
    }

    fn on_step(&mut self, done: Result<(), StepError>, now: Moment) {
        match (self.step.take(), done) {
            (Some(StepKind::Seal), Ok(())) => match self.state {
                State::Linked(_) => self.asked.end_pause(),
                State::Blocked(..) => self.state = State::Ready,
                State::Failed(_) | State::Waiting(_) => {
                    self.is_urgent = false;
                    self.state = State::Ready;
                }
                _ => {}
            },
            (Some(StepKind::Seal), Err(StepError::NoRoom)) => self.seals_after = now.plus(VAULT_PAUSE),
            (Some(StepKind::Answer), Err(_)) => {
                // The actions that follow depend on it.
                self.actions.retain(|action| !matches!(action, Action::Step(_) | Action::Send(_)));
                self.lose_link();
            }
            (_, Err(StepError::Stopped)) => self.end(),
            _ => {}
        }
    }

    fn on_lost(&mut self, _now: Moment) {
        self.lose_link();
    }

    fn retry_now(&mut self, now: Moment) {
        match &mut self.state {
            State::Opening(attempt, _) | State::Blocked(attempt, _) | State::Failed(attempt) => {
                attempt.retries = true;
            }
            State::Waiting(wait) => wait.retry_now(now),
            State::Linked(_) => self.asked.retry_now(),
            State::Ready | State::Spaced(_) | State::Ended => {}
        }
    }

    fn can_retry(&self, _now: Moment) -> bool {
        match self.state {
            State::Waiting(_) => true,
            State::Linked(_) => self.asked.has_pause(),
            _ => false,
        }
    }

    fn looks_when_sent(&self) -> bool {
        true
    }

    fn deadline(&self, now: Moment) -> Option<Moment> {
        let seals_after = Some(self.seals_after).filter(|at| *at > now);
        let deadline = match &self.state {
            State::Ready | State::Blocked(..) | State::Failed(_) => Some(now),
            State::Spaced(until) => return Some(*until),
            State::Waiting(wait) => Some(wait.until()),
            State::Linked(link) => {
                Some(self.asked.pause_end().unwrap_or_else(|| link.deadline(now, self.times.idle)))
            }
            State::Opening(..) | State::Ended => return None,
        };
        deadline.into_iter().chain(seals_after).min()
    }
}

#[cfg(test)]
mod tests;
