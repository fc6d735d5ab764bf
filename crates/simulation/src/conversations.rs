//! The conversations of a client, from the crate that holds them.

pub(crate) use deaddrop_engine::conversation::{
    Action, ConnectError, Connectivity, Duty, DutyStep, EngineStep, Errand, ErrandAction, Haste, LineState,
    Link, LinkClosed, LinkConversation, LinkInfo, LinkOpening, MailboxStep, Moment, OpeningStep, Openings,
    OutboxStep, PassSituation, Publishing, Purpose, PutConversation, PutState, PutTimes, ReadConversation,
    ReadTimes, Schedule, Situation, StepError, Ticket, TurnQueues, Visit,
};
