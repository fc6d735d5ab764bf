//! The results of one step of a conversation.

use super::call::Call;
use deaddrop_wire::Item;

/// The reason why a step of the conversation ends the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client broke the rules.
    Breach,
    /// The store has failed.
    Stopped,
}

/// The results of a step.
#[derive(Debug, Default)]
pub struct Output {
    /// The items to send, in order.
    pub items: Vec<Item>,
    /// The requests to the store. Each has one outcome.
    pub calls: Vec<Call>,
}
