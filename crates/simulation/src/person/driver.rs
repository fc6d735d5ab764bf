//! The driver of a conversation of the engine: opens links, moves items, does steps of the engine,
//! waits.

use super::{
    actor::{Actor, Ended, Next},
    inbound::Inbound,
    shell::{Place, Refused, SimEngine},
    slot::{Slot, SlotEvent},
};
use crate::{
    breach::Checked,
    conversations::{
        Action, Connectivity, EngineStep, Haste, LinkClosed, LinkConversation, MailboxStep, OutboxStep,
        PutState, Situation, StepError,
    },
    ids::ConnId,
    planted::Planted,
    sim::note,
};
use deaddrop_wire::{
    ClientToken, Item,
    item::{Answer, AnswerCode, Put},
};
use std::collections::{BTreeSet, VecDeque};

/// The purpose of a conversation: to read at the relay with this address, or to put to the contact
/// with this number.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Read(String),
    Put(u32),
}

/// A conversation of the engine, and what it needs: its link, and the arrivals that it has not
/// seen.
pub(crate) struct Driver<C: LinkConversation<SimEngine>> {
    conversation: C,
    purpose: Purpose,
    slot: Slot,
    inbound: Inbound,
    /// Items that were not given to the conversation yet: those that came with the relay's Hello,
    /// and answers that the planted fault `LostReceipt` makes.
    first: Vec<Item>,
    /// The shell's counters `retries` (acts of the user) and `changes`, as far as the conversation
    /// has taken note of them.
    retries: u64,
    changes: u64,
    /// The steps that were reported as done and are not, each with the time in milliseconds of the
    /// run at which it will be done (the planted fault `AckBeforeCommit`).
    owed: VecDeque<(u64, C::Step)>,
}

/// A state that a conversation tells the app. Only that of a reading link has a connectivity.
pub(crate) trait Shown {
    fn connectivity(&self) -> Option<Connectivity> {
        None
    }
}

impl Shown for Connectivity {
    fn connectivity(&self) -> Option<Connectivity> {
        Some(*self)
    }
}

impl Shown for PutState {}

impl<C: LinkConversation<SimEngine>> Driver<C>
where
    C::Step: StepName,
    C::State: Shown,
{
    pub(crate) fn new(conversation: C, purpose: Purpose) -> Self {
        Self {
            conversation,
            purpose,
            slot: Slot::Empty,
            inbound: Inbound::default(),
            first: Vec::new(),
            retries: 0,
            changes: 0,
            owed: VecDeque::new(),
        }
    }

    fn situation(&self, at: &Place<'_>) -> Situation {
        Situation { now: at.shell.moment(at.sim), round: at.shell.round, line: self.slot.line() }
    }

    fn token(&self, relay: &deaddrop_wire::Fingerprint, at: &Place<'_>) -> ClientToken {
        match self.purpose {
            Purpose::Read(_) => at.shell.tokens.token(relay),
            Purpose::Put(_) => ClientToken::from_bytes([0; 16]),
        }
    }

    fn note_retries(&mut self, at: &Place<'_>) {
        if std::mem::replace(&mut self.retries, at.shell.retries) != at.shell.retries {
            self.conversation.retry_now(at.shell.moment(at.sim));
        }
    }

    fn show(&self, state: &C::State, at: &mut Place<'_>) {
        if let (Purpose::Read(relay), Some(state)) = (&self.purpose, state.connectivity())
            && at.shell.links.insert(relay.clone(), state) != Some(state)
        {
            at.shell.changes += 1;
            note!(at.sim, "{}: reading is {state:?}", at.shell.name());
        }
    }

    fn take(&mut self, event: SlotEvent, at: &mut Place<'_>) {
        let now = at.shell.moment(at.sim);
        match event {
            SlotEvent::Nothing | SlotEvent::Turn => {}
            SlotEvent::Opened(info, items) => {
                self.note_retries(at);
                self.first = items;
                self.conversation.on_opened(Ok(info), now);
            }
            SlotEvent::Failed(error) => {
                self.note_retries(at);
                self.conversation.on_opened(Err(error), now);
            }
            SlotEvent::Items(items) => self.take_items(items, at),
            SlotEvent::Lost => {
                self.note_retries(at);
                self.conversation.on_lost(now);
            }
        }
    }

    fn take_items(&mut self, mut items: Vec<Item>, at: &mut Place<'_>) {
        if at.sim.planted == Some(Planted::RefusalForDone) && matches!(self.purpose, Purpose::Put(_)) {
            for item in &mut items {
                if let Item::Answer(Answer { code, .. }) = item {
                    *code = AnswerCode::Done;
                }
            }
        }
        self.note_retries(at);
        let situation = self.situation(at);
        self.conversation.on_items(items, &situation);
    }

    fn perform(&mut self, action: Action<C::Step, C::State>, at: &mut Place<'_>) -> Checked<Option<Next>> {
        match action {
            Action::Open(relay) => {
                self.retries = at.shell.retries;
                let token = self.token(relay.fingerprint(), at);
                let event = self.slot.open(relay, token, Haste::Background, at)?;
                self.take(event, at);
            }
            Action::Send(items) => match self.send(items, at) {
                Ok(end) => self.conversation.on_queued(end),
                Err(_) => {
                    self.slot.drop_link(at);
                    self.note_retries(at);
                    self.conversation.on_lost(at.shell.moment(at.sim));
                }
            },
            Action::Step(step) => self.step(step, at),
            Action::Close | Action::Drop => self.slot.drop_link(at),
            Action::Show(state, _) => self.show(&state, at),
            Action::ShowConnecting(_) => {
                if let Purpose::Read(relay) = &self.purpose
                    && !at.shell.links.contains_key(relay)
                {
                    at.shell.links.insert(relay.clone(), Connectivity::Connecting);
                }
            }
            Action::End => {
                return Ok(Some(Next::Ended(match &self.purpose {
                    Purpose::Read(relay) => Ended::Reader(relay.clone()),
                    Purpose::Put(contact) => Ended::Putter(*contact),
                })));
            }
        }
        Ok(None)
    }

    fn send(&mut self, mut items: Vec<Item>, at: &mut Place<'_>) -> Result<u64, LinkClosed> {
        if let (Purpose::Put(contact), Some(Planted::LostReceipt)) = (&self.purpose, at.sim.planted) {
            let jobs = at.shell.engine.take_puts(*contact, &BTreeSet::new(), 64);
            let is_receipt = |put: &Put| {
                jobs.iter().any(|job| job.number == 0 && job.envelope.as_slice() == put.blob.as_bytes())
            };
            for lost in items.extract_if(.., |item| matches!(item, Item::Put(put) if is_receipt(put))) {
                if let Item::Put(put) = lost {
                    self.first.push(Answer { req: put.req, code: AnswerCode::Done, retry_s: 0 }.into());
                }
            }
        }
        self.slot.send(&items, at)
    }

    fn step(&mut self, step: C::Step, at: &mut Place<'_>) {
        note!(at.sim, "{}: {}", at.shell.name(), step.name());
        let done = if step.is_delivery() && at.sim.strikes(Planted::AckBeforeCommit, 1) {
            self.owed.push_back((at.sim.now_ms + 15_000, step));
            Ok(())
        } else {
            at.shell.step(at.sim, |engine, time, today| step.run(engine, time, today))
        };
        self.note_retries(at);
        let done = done.map_err(|refused| match refused {
            Refused::Vault(error) => error,
            Refused::Engine(_) => StepError::Stopped,
        });
        self.conversation.on_step(done, at.shell.moment(at.sim));
    }
}

/// A step that has a name for the history.
pub(crate) trait StepName {
    fn name(&self) -> String;

    /// Whether the step stores a delivery.
    fn is_delivery(&self) -> bool;
}

impl StepName for MailboxStep {
    fn name(&self) -> String {
        match self {
            Self::Deliver(blobs) => format!("stores {} deliveries", blobs.len()),
            Self::Confirm(gone) => format!("notes that {} blobs are destroyed", gone.len()),
            Self::Created(name) => format!("has mailbox {} for contact {}", name.mailbox, name.contact),
            Self::Deleted(name) => {
                format!("has deleted mailbox {} for contact {}", name.mailbox, name.contact)
            }
            Self::Lost(name) => format!("has lost mailbox {} for contact {}", name.mailbox, name.contact),
            Self::SentinelLost { .. } => "has lost its sentinel".to_owned(),
            Self::SentinelFound => "has found its sentinel".to_owned(),
            Self::Displaced => "is displaced".to_owned(),
        }
    }

    fn is_delivery(&self) -> bool {
        matches!(self, Self::Deliver(_))
    }
}

impl StepName for OutboxStep {
    fn name(&self) -> String {
        "changes an outbox".to_owned()
    }

    fn is_delivery(&self) -> bool {
        false
    }
}

impl<C: LinkConversation<SimEngine>> Actor for Driver<C>
where
    C::Step: StepName,
    C::State: Shown,
{
    fn wake(&mut self, at: &mut Place<'_>) -> Checked<Next> {
        let event = self.slot.look_for_turn(at)?;
        self.take(event, at);
        let event = self.slot.on_time(at);
        self.take(event, at);
        if self.slot.is_opening() {
            if let Some(event) = self.inbound.take(&mut self.slot, at)? {
                self.take(event, at);
                return Ok(Next::Now);
            }
            return Ok(Next::At(self.slot.deadline().map(|moment| at.shell.at_ms(moment))));
        }
        if let Some(action) = self.conversation.next_action() {
            return Ok(self.perform(action, at)?.unwrap_or(Next::Now));
        }
        if let Some((_, step)) = self.owed.pop_front_if(|(due, _)| *due <= at.sim.now_ms) {
            let _ = at.shell.step(at.sim, |engine, time, today| step.run(engine, time, today));
        }
        if !self.first.is_empty() {
            let items = std::mem::take(&mut self.first);
            self.take_items(items, at);
            return Ok(Next::Now);
        }
        if at.shell.engine.is_dead() {
            return Ok(Next::At(None));
        }
        self.changes = at.shell.changes;
        let situation = self.situation(at);
        let mut rng = at.shell.rng.clone();
        self.conversation.look(&at.shell.engine, &situation, &mut rng);
        if let Some((state, _)) = self.conversation.state() {
            self.show(&state, at);
        }
        if self.conversation.has_actions() {
            return Ok(Next::Now);
        }
        if let Some(event) = self.inbound.take(&mut self.slot, at)? {
            self.take(event, at);
            return Ok(Next::Now);
        }
        let now = at.shell.moment(at.sim);
        if self.conversation.can_retry(now) {
            if self.retries != at.shell.retries {
                self.note_retries(at);
                return Ok(Next::Now);
            }
        } else {
            self.retries = at.shell.retries;
        }
        let deadline = self.conversation.deadline(now).into_iter().chain(self.slot.deadline()).min();
        let owed = self.owed.front().map(|(due, _)| *due);
        Ok(Next::At(deadline.map(|moment| at.shell.at_ms(moment)).into_iter().chain(owed).min()))
    }

    fn on_connected(&mut self, conn: ConnId, at: &mut Place<'_>) {
        if self.slot.conn() == Some(conn) {
            self.slot.on_connected(at);
        }
    }

    fn on_message(&mut self, conn: ConnId, bytes: Vec<u8>) {
        self.inbound.push(conn, Some(bytes));
    }

    fn on_closed(&mut self, conn: ConnId) {
        self.inbound.push(conn, None);
    }
}
