//! The results of one step of a conversation. A step is one call of a method of `RelaySession`.

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

/// The items and calls that a step adds. The caller takes them out and sends or runs them.
#[derive(Debug, Default)]
pub struct Output {
    /// The items to send, in order.
    pub items: Vec<Item>,
    /// The requests to the store. Each must be run, and its outcome given to the session.
    pub calls: Vec<Call>,
}
