//! The conversations of a client's links, as values (spec/14-client.md section 6).
//!
//! A conversation takes what has happened: items that came, links that were opened or lost, steps of the engine that were done, the
//! user's actions, the time. It gives [`Action`]s, and the moment of its next deadline. It opens no connection, reads no clock, waits
//! for nothing, and draws randomness only from a generator that the caller passes.
//!
//! The caller performs the actions in their order, reports their outcomes, and then calls [`Conversation::look`] with the engine, until
//! there is no action left. Then it waits for the next event or the deadline.

mod action;
mod backoff;
mod end;
mod errand;
mod line;
mod link;
mod moment;
mod on_engine;
mod opening;
mod openings;
mod publishing;
mod putting;
mod reading;
mod requests;
mod schedule;
mod states;
mod strays;
mod visit;

pub(crate) use action::{Action, Conversation, EngineStep};
pub(crate) use end::{Closed, StepError};
#[cfg(test)]
pub(crate) use errand::LONGEST_ERRAND;
pub(crate) use errand::{Errand, ErrandAction};
pub(crate) use line::{Line, Opened, Situation};
pub(crate) use link::Link;
pub(crate) use moment::Moment;
pub(crate) use opening::{MAX_HANDSHAKE_MESSAGE, Opening, OpeningStep};
pub(crate) use openings::Openings;
pub(crate) use publishing::Publishing;
pub(crate) use putting::{PutTimes, Putting};
pub(crate) use reading::{ReadTimes, Reading};
pub(crate) use schedule::{Duty, LOOK, PassSituation, Schedule};
pub use states::Connectivity;
pub(crate) use states::{ConnectError, PutState};
pub(crate) use visit::{Found, Purpose, Visit};
