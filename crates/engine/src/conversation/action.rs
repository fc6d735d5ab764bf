//! What a conversation is, and what it asks of its caller.

use super::{
    end::StepError,
    line::{LinkInfo, Situation},
    moment::Moment,
    states::ConnectError,
};
use crate::error::VaultError;
use deaddrop_wire::{Day, Item, RelayAddress};
use rand_core::Rng;

/// A task for the caller of a conversation. An action depends on all before it: once one has failed, the conversation gives others.
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
    /// Let go of the link at once.
    Drop,
    /// Tell the app this state; what led to it began after the given round.
    Show(State, u64),
    /// Tell the app that a link is being opened, unless it knows of a failure; the attempt began after the given round.
    ShowConnecting(u64),
    /// Nothing is left to be done: the conversation is over.
    End,
}

/// A change of the engine that a conversation asks for.
pub trait EngineStep<E>: Send + 'static {
    /// Does it. `time` in seconds since 1970-01-01.
    fn run(self, engine: &mut E, time: u64, today: Day) -> Result<(), VaultError>;
}

/// A conversation that opens links again and again, over an engine of type `E`.
pub trait LinkConversation<E> {
    /// A step of the engine.
    type Step: EngineStep<E>;
    /// A state that the app is told.
    type State;

    /// Takes the next action out.
    fn next_action(&mut self) -> Option<Action<Self::Step, Self::State>>;

    /// Whether there is an action to be taken out.
    fn has_actions(&self) -> bool;

    /// Looks at the engine and the line for something to do. Called when there is no action left.
    fn look(&mut self, engine: &E, at: &Situation, rng: &mut dyn Rng);

    /// The state that the app is told after each look, and the round before which what led to it began. `None`: the actions tell it.
    fn state(&self) -> Option<(Self::State, u64)>;

    /// The link was opened, or could not be.
    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>, now: Moment);

    /// Items came over the link. Pings are answered below.
    fn on_items(&mut self, items: Vec<Item>, at: &Situation);

    /// Everything that was to be sent is queued; the queue of the link ends there.
    fn on_queued(&mut self, end: u64);

    /// A step was done, or not.
    fn on_step(&mut self, done: Result<(), StepError>, now: Moment);

    /// The link has ended.
    fn on_lost(&mut self, now: Moment);

    /// The user wants something now: waits end as soon as they may.
    fn retry_now(&mut self, now: Moment);

    /// Whether [`retry_now`](Self::retry_now) would end a wait sooner.
    fn can_retry(&self, now: Moment) -> bool;

    /// Whether to look when the line has taken everything that was queued.
    fn looks_when_sent(&self) -> bool;

    /// When to look again though nothing has happened.
    fn deadline(&self, now: Moment) -> Option<Moment>;
}
