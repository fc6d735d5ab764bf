//! The conversations of a client's links, as values (spec/14-client.md section 6).
//!
//! A conversation takes what has happened: items that came, links that were opened or lost, steps
//! of the engine that were done, the user's actions, the time. It returns [`Action`]s and the
//! moment of its next deadline. It opens no connection, reads no clock, waits for nothing, and
//! draws randomness only from a generator that the caller passes.
//!
//! The caller performs the actions in their order, reports their outcomes, and then calls
//! [`LinkConversation::look`] with the engine, until there is no action left. Then it waits for the
//! next event or the deadline.
//!
//! | value | what it is |
//! |---|---|
//! | [`ReadConversation`] | the conversation with one relay on which own mailboxes lie |
//! | [`PutConversation`] | the conversation with the relays of one contact |
//! | [`Visit`], [`Publishing`], [`Inquiry`] | errands: conversations that are over after an answer or two, within a time |
//! | [`LinkOpening`], [`Link`] | below them: the handshake of a link, its records, its pings |
//! | [`TurnQueues`], [`Openings`] | beside them: the order and the pace in which links are opened |
//! | [`Schedule`] | above them: which of them are wanted now, and what else a client does by itself |
//!
//! A conversation does not need the whole engine: it reads it through the traits [`OwnMailboxes`],
//! [`Outbox`] and [`Agenda`], and changes it by [steps](EngineStep). [`Engine`](crate::Engine)
//! implements all of them. A deadline is a [`Moment`] of the caller's own clock; a `time` is in
//! seconds since 1970-01-01.

mod action;
mod backoff;
mod end;
mod errand;
mod following;
mod inquiry;
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
mod tls_fault;
mod turns;
mod uniform;
mod visit;

pub use action::{Action, EngineStep, LinkConversation};
pub use end::{LinkClosed, StepError};
pub use errand::{Errand, ErrandAction, ErrandError, LONGEST_ERRAND};
pub use following::{Following, MAX_MOVES};
pub use inquiry::Inquiry;
pub use line::{LineState, LinkInfo, Situation};
pub use link::{Link, OpenedRecord, SealedRecord};
pub use moment::Moment;
pub use opening::{LinkOpening, MAX_HANDSHAKE_MESSAGE, OpeningStep};
pub use openings::Openings;
pub use publishing::Publishing;
pub use putting::{Outbox, OutboxChange, OutboxStep, PutConversation, PutTimes};
pub use reading::{MailboxStep, OwnMailboxes, ReadConversation, ReadTimes};
pub use schedule::{Agenda, Duty, DutyStep, LOOK_INTERVAL, PassSituation, Schedule};
pub use states::{ConnectError, Connectivity, PutState};
pub use tls_fault::TlsFault;
pub use turns::{Haste, MAX_OPENING, Ticket, TurnQueues};
pub use visit::{FoundBundle, Purpose, Visit};
