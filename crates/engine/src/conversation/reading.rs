//! Reading at one relay: own mailboxes are made, read and deleted over one link. Nothing is put
//! over it.

mod link;
mod losses;
mod mailboxes;
mod pauses;
mod probe;

pub use mailboxes::{MailboxStep, OwnMailboxes};

use super::{
    action::{Action, EngineStep, LinkConversation},
    backoff::{Backoff, Wait, WaitEnd},
    end::{LinkClosed, StepError},
    line::{LinkInfo, Situation},
    moment::Moment,
    states::{ConnectError, Connectivity},
};
use deaddrop_wire::{Item, RelayAddress};
use link::{Looked, ReadLink};
use mailboxes::ReadAction;
use pauses::Pauses;
use rand_core::Rng;
use std::{collections::VecDeque, ops::Range, time::Duration};

/// Span of the wait after a relay answered that is not the pinned one, or after a fault of TLS. The
/// wait is random, between half and the whole of the span (spec/14-client.md section 6).
const WRONG_RELAY_WAIT: Duration = Duration::from_secs(300);

/// The times of a [`ReadConversation`], which an app may set.
#[derive(Clone, Debug)]
pub struct ReadTimes {
    /// The first wait between two attempts to connect (start), and the longest one (end).
    pub backoff: Range<Duration>,
    /// The time without a byte from the relay after which the link ends, while the answer to a
    /// round's ping is awaited (spec/14-client.md section 6.4).
    pub patience: Duration,
}

/// The conversation with one relay on which own mailboxes lie: makes, reads and deletes them.
pub struct ReadConversation {
    relay: RelayAddress,
    /// The address of the relay in the spelling that the engine's rows have: [`OwnMailboxes`] is
    /// asked with it.
    name: String,
    patience: Duration,
    backoff: Backoff,
    pauses: Pauses,
    state: State,
    actions: VecDeque<ReadAction>,
    /// Whether the step that the caller is doing stores delivered blobs.
    is_storing: bool,
}

enum State {
    /// No link is open. The next look begins one if there is something to read.
    Ready,
    /// No link is open, because the vault has no room. A look begins one when the vault has room,
    /// or when a newer round than the one with this number has begun.
    Full(u64),
    /// A link is being opened.
    Opening(Attempt),
    /// The link could not be opened, or has ended. The next look begins the wait, whose span is at
    /// least this one.
    Failed(Attempt, Duration),
    Linked(ReadLink),
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

impl ReadConversation {
    /// Creates a conversation with a relay. `name` is the spelling of its address in the engine's
    /// rows: [`OwnMailboxes`] is asked with it.
    pub fn new(relay: RelayAddress, name: String, times: ReadTimes) -> Self {
        Self {
            relay,
            name,
            patience: times.patience,
            backoff: Backoff::new(times.backoff),
            pauses: Pauses::default(),
            state: State::Ready,
            actions: VecDeque::new(),
            is_storing: false,
        }
    }

    /// Begins a link if own mailboxes lie at the relay or are to be made there, and the vault has
    /// room. Ends the conversation if there are none.
    fn begin(&mut self, mailboxes: &impl OwnMailboxes, at: &Situation) {
        if !mailboxes.is_read_at(&self.name) {
            self.end();
        } else if mailboxes.is_full() {
            self.actions.push_back(Action::Show(Connectivity::VaultFull, at.round));
            self.state = State::Full(at.round);
        } else {
            self.actions.push_back(Action::ShowConnecting(at.round));
            self.actions.push_back(Action::Open(self.relay.clone()));
            self.state = State::Opening(Attempt { round: at.round, retries: false });
        }
    }

    fn look_at_link(&mut self, mailboxes: &impl OwnMailboxes, at: &Situation) {
        let State::Linked(link) = &mut self.state else { return };
        let looked = link.look(mailboxes, &self.name, self.patience, &mut self.pauses, at, &mut self.actions);
        match looked {
            Ok(Looked::NothingToRead) if !mailboxes.is_read_at(&self.name) => {
                self.actions.push_back(Action::Close);
                self.end();
            }
            Ok(_) => {}
            Err(LinkClosed) => self.lose_link(at.now),
        }
    }

    fn lose_link(&mut self, now: Moment) {
        let State::Linked(link) = &self.state else { return };
        self.backoff.note_link(link.opened, link.was_useful, now);
        let state = if link.has_no_room { Connectivity::VaultFull } else { Connectivity::Down };
        let attempt = Attempt { round: link.round, retries: false };
        self.actions.push_back(Action::Drop);
        self.fail(state, attempt, Duration::ZERO);
    }

    fn fail(&mut self, state: Connectivity, attempt: Attempt, shortest: Duration) {
        self.actions.push_back(Action::Show(state, attempt.round));
        self.state = State::Failed(attempt, shortest);
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.actions.push_back(Action::End);
    }
}

impl<E: OwnMailboxes> LinkConversation<E> for ReadConversation
where
    MailboxStep: EngineStep<E>,
{
    type Step = MailboxStep;
    type State = Connectivity;

    fn next_action(&mut self) -> Option<ReadAction> {
        let action = self.actions.pop_front()?;
        self.is_storing = matches!(action, Action::Step(MailboxStep::Deliver(_)));
        Some(action)
    }

    fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    fn look(&mut self, mailboxes: &E, at: &Situation, rng: &mut dyn Rng) {
        match self.state {
            State::Ready => self.begin(mailboxes, at),
            State::Full(round) if at.round != round || !mailboxes.is_full() => self.begin(mailboxes, at),
            State::Full(_) | State::Opening(_) | State::Ended => {}
            State::Linked(_) => self.look_at_link(mailboxes, at),
            State::Failed(attempt, shortest) => {
                let mut wait = self.backoff.begin(shortest, at.now, rng);
                if attempt.retries {
                    wait.retry_now(at.now);
                }
                self.state = State::Waiting(wait);
            }
            State::Waiting(wait) => {
                let Some(end) = wait.end(at.now) else { return };
                if end == WaitEnd::Elapsed {
                    self.backoff.grow();
                }
                self.begin(mailboxes, at);
            }
        }
    }

    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>, now: Moment) {
        let State::Opening(attempt) = self.state else { return };
        let (state, shortest) = match opened {
            Ok(_) => {
                self.actions.push_back(Action::Show(Connectivity::Fetching, attempt.round));
                self.state = State::Linked(ReadLink::new(*self.relay.fingerprint(), attempt.round, now));
                return;
            }
            Err(ConnectError::Down) => (Connectivity::Down, Duration::ZERO),
            Err(ConnectError::WrongRelay) => (Connectivity::WrongRelay, WRONG_RELAY_WAIT),
            Err(ConnectError::NoCommonVersion) => (Connectivity::NoCommonVersion, Duration::ZERO),
            Err(ConnectError::Tls(fault)) => (Connectivity::Tls(fault), WRONG_RELAY_WAIT),
            Err(ConnectError::Private(_)) => (Connectivity::PrivateAddress, Duration::ZERO),
        };
        self.fail(state, attempt, shortest);
    }

    fn on_items(&mut self, items: Vec<Item>, at: &Situation) {
        let State::Linked(link) = &mut self.state else { return };
        if link.take_items(items, &mut self.pauses, at.now, &mut self.actions) == Err(LinkClosed) {
            self.lose_link(at.now);
        }
    }

    fn state(&self) -> Option<(Connectivity, u64)> {
        if let State::Linked(link) = &self.state { Some(link.state()) } else { None }
    }

    fn on_queued(&mut self, _end: u64) {}

    fn on_step(&mut self, done: Result<(), StepError>, now: Moment) {
        let Err(error) = done else { return };
        // The actions that follow depend on the step: a delivery that was not stored is not acked.
        self.actions.retain(|action| !matches!(action, Action::Step(_) | Action::Send(_)));
        if let State::Linked(link) = &mut self.state {
            link.has_no_room = self.is_storing && error == StepError::NoRoom;
        }
        self.lose_link(now);
    }

    fn on_lost(&mut self, now: Moment) {
        self.lose_link(now);
    }

    fn retry_now(&mut self, now: Moment) {
        match &mut self.state {
            State::Opening(attempt) | State::Failed(attempt, _) => attempt.retries = true,
            State::Waiting(wait) => wait.retry_now(now),
            State::Linked(_) => self.pauses.retry_now(),
            State::Ready | State::Full(_) | State::Ended => {}
        }
    }

    fn can_retry(&self, now: Moment) -> bool {
        match self.state {
            State::Waiting(_) => true,
            State::Linked(_) => self.pauses.can_retry(now),
            _ => false,
        }
    }

    fn looks_when_sent(&self) -> bool {
        false
    }

    fn deadline(&self, now: Moment) -> Option<Moment> {
        match &self.state {
            State::Ready | State::Failed(..) => Some(now),
            State::Waiting(wait) => Some(wait.until()),
            State::Linked(link) => {
                self.pauses.next_end(now).into_iter().chain(link.deadline(self.patience)).min()
            }
            State::Full(_) | State::Opening(_) | State::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests;
