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

/// A task for the caller of a conversation. Each action depends on all before it: if one fails, the conversation returns others.
#[derive(Debug)]
pub enum Action<Step, State> {
    /// Open a link to this relay and report to [`LinkConversation::on_opened`].
    Open(RelayAddress),
    /// Queue these items on the link and report to [`LinkConversation::on_queued`].
    Send(Vec<Item>),
    /// Do a step of the engine and report to [`LinkConversation::on_step`].
    Step(Step),
    /// Send what is queued, and close the link.
    Close,
    /// Drop the link at once, without sending what is queued.
    Drop,
    /// Tell the app this state. The number is the round that had begun before the attempt, the answer or the loss that led to the
    /// state.
    Show(State, u64),
    /// Tell the app that a link is being opened, unless the app was told of a failure. The number is the round that had begun
    /// before the attempt.
    ShowConnecting(u64),
    /// Nothing is left to be done: the conversation is over.
    End,
}

/// A change of the engine that a conversation asks for.
pub trait EngineStep<E>: Send + 'static {
    /// Makes the change. `time` is in seconds since 1970-01-01.
    fn run(self, engine: &mut E, time: u64, today: Day) -> Result<(), VaultError>;
}

/// A conversation that opens links again and again, over an engine of type `E`.
pub trait LinkConversation<E> {
    /// A change of the engine.
    type Step: EngineStep<E>;
    /// A state that the app is told.
    type State;

    /// Takes the next action out; `None` if there is none.
    fn next_action(&mut self) -> Option<Action<Self::Step, Self::State>>;

    /// Whether [`next_action`](Self::next_action) would return an action.
    fn has_actions(&self) -> bool;

    /// Looks at the engine and the line for work. Called when there is no action left.
    fn look(&mut self, engine: &E, at: &Situation, rng: &mut dyn Rng);

    /// Returns the state that the app is told after each look, with the round that had begun before the state was reached.
    /// Returns `None` if the conversation reports its states by actions only.
    fn state(&self) -> Option<(Self::State, u64)>;

    /// Handles the outcome of [`Action::Open`]: the link was opened, or could not be opened.
    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>, now: Moment);

    /// Handles items that came over the link. The link itself answers pings.
    fn on_items(&mut self, items: Vec<Item>, at: &Situation);

    /// Handles the success of [`Action::Send`]: the items are queued, and `end` is the position in the link's byte stream at
    /// which the queue now ends.
    fn on_queued(&mut self, end: u64);

    /// Handles the outcome of [`Action::Step`].
    fn on_step(&mut self, done: Result<(), StepError>, now: Moment);

    /// Handles the end of the link.
    fn on_lost(&mut self, now: Moment);

    /// Notes that the user wants something now: waits end as soon as they may.
    fn retry_now(&mut self, now: Moment);

    /// Whether [`retry_now`](Self::retry_now) would end a wait sooner.
    fn can_retry(&self, now: Moment) -> bool;

    /// Whether to look at the engine again once the line has taken everything that was queued.
    fn looks_when_sent(&self) -> bool;

    /// Returns the time of the next look, if one is due without an event.
    fn deadline(&self, now: Moment) -> Option<Moment>;
}
