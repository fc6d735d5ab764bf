//! The interface of a conversation: its inputs, and the actions that it asks of its caller.

use super::{
    end::StepError,
    line::{LinkInfo, Situation},
    moment::Moment,
    states::ConnectError,
};
use crate::error::VaultError;
use deaddrop_wire::{Day, Item, RelayAddress};
use rand_core::Rng;

/// A task for the caller of a conversation, which performs the actions in their order. Each action
/// depends on all actions before it: if one fails, the conversation drops those that must not
/// follow, and returns others.
#[derive(Debug)]
pub enum Action<Step, State> {
    /// Open a link to this relay and report to [`LinkConversation::on_opened`].
    Open(RelayAddress),
    /// Queue these items on the link and report to [`LinkConversation::on_queued`].
    Send(Vec<Item>),
    /// Call [`EngineStep::run`] on the engine and report to [`LinkConversation::on_step`].
    Step(Step),
    /// Send what is queued, and close the link.
    Close,
    /// Drop the link at once, without sending what is queued.
    Drop,
    /// Tell the app this state. The number is the newest [round](Situation::round) that had begun
    /// before the answer or the look that led to the state. If the state is the outcome of an
    /// attempt to connect, or the end of a link, the round had begun before that attempt, or before
    /// the attempt that opened the link.
    Show(State, u64),
    /// Tell the app that a link is being opened, unless the last state that the app was told is a
    /// failure. The number is the newest [round](Situation::round) that had begun before the
    /// attempt.
    ShowConnecting(u64),
    /// Nothing is left to be done: the conversation is over.
    End,
}

/// A change of the engine that a conversation asks for.
pub trait EngineStep<E>: Send + 'static {
    /// Makes the change and stores it in the vault. `time` is in seconds since 1970-01-01, `today`
    /// the day that is believed ([`Engine::today`](crate::Engine::today)).
    ///
    /// # Errors
    /// Fails with the error of the vault.
    fn run(self, engine: &mut E, time: u64, today: Day) -> Result<(), VaultError>;
}

/// A conversation that opens a link again after each one that ended, until nothing is left to be
/// done. `E` is the type of the engine.
pub trait LinkConversation<E> {
    /// The changes of the engine that this conversation asks for, in [`Action::Step`].
    type Step: EngineStep<E>;
    /// The states of the link that the app is told, in [`Action::Show`].
    type State;

    /// Takes the next action out; `None` if there is none.
    fn next_action(&mut self) -> Option<Action<Self::Step, Self::State>>;

    /// Whether [`next_action`](Self::next_action) would return an action.
    fn has_actions(&self) -> bool;

    /// Looks at the engine and the line for work, and queues actions for the work that it finds.
    /// Called each time that [`next_action`](Self::next_action) returns `None`: at the start, after
    /// the actions are performed, after each event, and at the deadline.
    fn look(&mut self, engine: &E, at: &Situation, rng: &mut dyn Rng);

    /// Returns the state that the app is told after each look, with the newest
    /// [round](Situation::round) after whose beginning the relay has shown that it is there.
    /// Returns `None` if no link is open, or if the conversation reports its states by
    /// [`Action::Show`] only.
    fn state(&self) -> Option<(Self::State, u64)>;

    /// Handles the outcome of [`Action::Open`]: the link was opened, or could not be opened.
    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>, now: Moment);

    /// Handles items that came over the link. The link itself answers pings.
    fn on_items(&mut self, items: Vec<Item>, at: &Situation);

    /// Handles the success of [`Action::Send`]: the items are queued, and `end` is the position in
    /// the connection's byte stream at which the queue now ends. If they cannot be queued,
    /// [`on_lost`](Self::on_lost) is called instead.
    fn on_queued(&mut self, end: u64);

    /// Handles the outcome of [`Action::Step`]. If the step failed, actions that depend on it are
    /// dropped.
    fn on_step(&mut self, done: Result<(), StepError>, now: Moment);

    /// Handles the end of the link, by whatever cause. Does nothing if no link is open.
    fn on_lost(&mut self, now: Moment);

    /// Notes that a user's action needs the relay now (a text was sent, or a call waits): a wait
    /// between attempts, or one that the relay has asked for, ends as soon as it may.
    fn retry_now(&mut self, now: Moment);

    /// Whether there is a wait that [`retry_now`](Self::retry_now) may end sooner.
    fn can_retry(&self, now: Moment) -> bool;

    /// Whether [`look`](Self::look) is to be called once the line has taken everything that was
    /// queued.
    fn looks_when_sent(&self) -> bool;

    /// Returns the time at which [`look`](Self::look) is due although nothing happened; `None` if
    /// it is due only after an event.
    fn deadline(&self, now: Moment) -> Option<Moment>;
}
