//! The conversations of a client's links, as values (spec/14-client.md section 6).
//!
//! A conversation takes what has happened: items that came, links that were opened or lost, steps of the engine that were done, the
//! user's actions, the time. It gives [`Action`]s, and the moment of its next deadline. It opens no connection, reads no clock, waits
//! for nothing, and draws randomness only from a generator that the caller passes.
//!
//! The caller performs the actions in their order, reports their outcomes, and then calls [`LinkConversation::look`] with the engine, until
//! there is no action left. Then it waits for the next event or the deadline.
//!
//! | value | what it is |
//! |---|---|
//! | [`ReadConversation`] | the conversation with one relay on which own mailboxes lie |
//! | [`PutConversation`] | the conversation with the relays of one contact |
//! | [`Visit`], [`Publishing`] | errands: conversations that are over after an answer or two, within a time |
//! | [`LinkOpening`], [`Link`] | below them: the handshake of a link, its records, its pings |
//! | [`Schedule`] | above them: which of them are wanted now, and what else a client does by itself |
//!
//! `on_engine` alone names the engine: the others read it through the traits `OwnMailboxes`, `Outbox` and `Agenda`, and change it by
//! steps.

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
mod turns;
mod visit;

pub(crate) use action::{Action, EngineStep, LinkConversation};
pub(crate) use end::{LinkClosed, StepError};
#[cfg(test)]
pub(crate) use errand::LONGEST_ERRAND;
pub(crate) use errand::{Errand, ErrandAction};
pub(crate) use line::{LineState, LinkInfo, Situation};
pub(crate) use link::Link;
pub(crate) use moment::Moment;
pub(crate) use opening::{LinkOpening, MAX_HANDSHAKE_MESSAGE, OpeningStep};
pub(crate) use openings::Openings;
pub(crate) use publishing::Publishing;
pub(crate) use putting::{PutConversation, PutTimes};
pub(crate) use reading::{ReadConversation, ReadTimes};
pub(crate) use schedule::{Duty, LOOK, PassSituation, Schedule};
pub use states::Connectivity;
pub(crate) use states::{ConnectError, PutState};
#[cfg(test)]
pub(crate) use turns::MAX_OPENING;
pub(crate) use turns::{Haste, Ticket, TurnQueues};
pub(crate) use visit::{FoundBundle, Purpose, Visit};
