//! One reading link: the requests that were sent over it, and the items that came.

use super::{
    mailboxes::{MailboxStep, OwnMailboxes, ReadAction},
    pauses::{Cause, Pauses},
    probe::Probes,
};
use crate::{
    conversation::{
        action::Action,
        end::LinkClosed,
        line::Situation,
        moment::Moment,
        requests::{classes, create},
        states::Connectivity,
        strays::Strays,
    },
    engine::{MailboxName, OWN, OwnMailbox},
    vault::MailboxState,
};
use deaddrop_wire::{
    Fingerprint, Item,
    item::{
        Ack, AckEntry, Answer, AnswerCode, CreateFlags, Delete, Deliver, Subscribe, Subscribed, Subscription,
    },
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Maximum number of deliveries of one link that the relay has not confirmed to be destroyed. An
/// honest relay stays far below: its window has 64. The bound keeps a relay that confirms nothing
/// from making the list grow.
const MAX_UNCONFIRMED: usize = 1_024;

/// An open link over which own mailboxes are read.
pub(super) struct ReadLink {
    relay: Fingerprint,
    /// The newest round (spec/14-client.md section 6.4) that had begun before the attempt to open
    /// the link.
    pub(super) round: u64,
    pub(super) opened: Moment,
    requests: BTreeMap<u32, Request>,
    /// The number of the next request or subscription: both are counted together, from 1.
    next: u32,
    reading: BTreeMap<u32, OpenMailbox>,
    probes: Probes,
    strays: Strays,
    /// The state of the relay at the last look, for the app.
    state: Connectivity,
    /// Whether the relay has made a mailbox, or has handed over everything that lay in the
    /// subscribed ones. Such a link counts as a success.
    pub(super) was_useful: bool,
    /// Whether the link ended because the vault had no room for delivered blobs.
    pub(super) has_no_room: bool,
}

/// The result of a look at a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// The link is not used: no mailbox is read over it, and no request waits for its answer.
    NothingToRead,
    /// A mailbox is read over the link, or a request waits for its answer.
    InUse,
}

/// A request that has no final answer yet.
enum Request {
    /// A Create of this mailbox. The number tells the token that was shown: that many tokens had
    /// been replaced before it ([`Pauses::tokens_before`]).
    Create(MailboxName, u64),
    Delete(MailboxName),
    /// A Subscribe. The request ends with the item `CaughtUp`, or with an `Answer` in place of
    /// `Subscribed`: then none of the mailboxes is read.
    Subscribe {
        /// The numbers of the subscriptions that were asked for.
        subs: Vec<u32>,
        /// Whether the item `Subscribed` has come.
        is_answered: bool,
    },
}

/// A mailbox that is being read.
struct OpenMailbox {
    name: MailboxName,
    /// The tag of the last delivery, counted from 1 for each subscription; 0: none came yet.
    last_tag: u32,
    /// Tag and first 16 bytes of each delivered blob whose destruction the relay has not confirmed.
    unacked: VecDeque<(u32, [u8; 16])>,
}

impl ReadLink {
    /// Creates the state of a link that was just opened to the relay with this fingerprint.
    pub(super) const fn new(relay: Fingerprint, round: u64, now: Moment) -> Self {
        Self {
            relay,
            round,
            opened: now,
            requests: BTreeMap::new(),
            next: 1,
            reading: BTreeMap::new(),
            probes: Probes::new(round),
            strays: Strays::new(),
            state: Connectivity::Fetching,
            was_useful: false,
            has_no_room: false,
        }
    }

    /// Queues requests for all that the engine wants at the relay and that was not requested
    /// yet. Also queues a ping if a newer round has begun. `name` is the relay's address in the
    /// engine's rows. `Err`: no byte has come for `patience` while the answer to the ping of a
    /// round is awaited.
    pub(super) fn look(
        &mut self,
        engine: &impl OwnMailboxes,
        name: &str,
        patience: Duration,
        pauses: &mut Pauses,
        at: &Situation,
        actions: &mut VecDeque<ReadAction>,
    ) -> Result<Looked, LinkClosed> {
        let mailboxes = engine.mailboxes_at(name);
        pauses.use_token(engine.create_token(&self.relay), |name| {
            mailboxes.iter().any(|row| row.name == *name && row.state.is_wanted())
        });
        let items = self.next_requests(&mailboxes, pauses, at.now);
        self.state =
            if items.is_empty() { self.wait_of(&mailboxes, pauses, at.now) } else { Connectivity::Fetching };
        if !items.is_empty() {
            actions.push_back(Action::Send(items));
        }
        if let Some(ping) = self.probes.ask(at.round, at.line.read, at.now) {
            actions.push_back(Action::Send(vec![ping.into()]));
        }
        if self.probes.is_silent(at.line.read, patience, at.now) {
            return Err(LinkClosed);
        }
        let is_unused = self.requests.is_empty() && self.reading.is_empty();
        Ok(if is_unused { Looked::NothingToRead } else { Looked::InUse })
    }

    /// Returns the state at the last look, and the newest round after whose beginning the relay has
    /// shown that it is there.
    pub(super) const fn state(&self) -> (Connectivity, u64) {
        (self.state, self.probes.round())
    }

    /// Returns the time at which the relay will have been silent for too long. `None`: no answer to
    /// the ping of a round is awaited.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Moment> {
        self.probes.next_look(patience)
    }

    fn next_requests(&mut self, mailboxes: &[OwnMailbox], pauses: &Pauses, now: Moment) -> Vec<Item> {
        // Long enough from the start: a list that grew would leave copies of what is shown in them.
        let mut items = Vec::with_capacity(2 * mailboxes.len());
        let mut subscriptions = Vec::with_capacity(mailboxes.len());
        for mailbox in mailboxes {
            let is_left_alone = pauses.has(mailbox.name, now);
            match mailbox.state {
                MailboxState::Wanted | MailboxState::Lost
                    if !is_left_alone && !self.is_asked(mailbox.name) =>
                {
                    items.push(self.create(mailbox, pauses));
                }
                MailboxState::Retiring if !is_left_alone && !self.is_asked(mailbox.name) => {
                    let req = self.request(Request::Delete(mailbox.name));
                    items.push(Delete { req, own: mailbox.own.present(&self.relay) }.into());
                }
                MailboxState::Live if !is_left_alone && !self.is_read(mailbox.name) => {
                    let sub = self.number();
                    self.reading.insert(
                        sub,
                        OpenMailbox { name: mailbox.name, last_tag: 0, unacked: VecDeque::new() },
                    );
                    subscriptions.push(Subscription { sub, read: mailbox.read.present(&self.relay) });
                }
                _ => {}
            }
        }
        for chunk in subscriptions.chunks(deaddrop_wire::limits::MAX_SUBSCRIBE) {
            let subs = chunk.iter().map(|subscription| subscription.sub).collect();
            let req = self.request(Request::Subscribe { subs, is_answered: false });
            items.push(Subscribe { req, mailboxes: chunk.iter().map(copy).collect() }.into());
        }
        items
    }

    /// Returns the state of the relay at a look that finds nothing to request. Sentinel mailboxes
    /// ([`OWN`]), to which nothing is put, do not count.
    fn wait_of(&self, mailboxes: &[OwnMailbox], pauses: &Pauses, now: Moment) -> Connectivity {
        if !self.requests.is_empty() {
            return Connectivity::Fetching;
        }
        let (mut is_displaced, mut waits) = (false, false);
        for mailbox in mailboxes.iter().filter(|mailbox| mailbox.name.contact != OWN) {
            let cause = pauses.cause(mailbox.name, now);
            match (mailbox.state, cause) {
                (MailboxState::Live, _) if self.is_read(mailbox.name) => {}
                (MailboxState::Live, Some(Cause::Displaced)) => is_displaced = true,
                (MailboxState::Live, _) => return Connectivity::Fetching,
                (MailboxState::Wanted | MailboxState::Lost, cause) => waits |= cause != Some(Cause::Token),
                (MailboxState::Retiring, _) => {}
            }
        }
        if is_displaced {
            Connectivity::Displaced
        } else if waits {
            Connectivity::Waiting
        } else if pauses.is_token_wanted() {
            Connectivity::NeedsToken
        } else {
            Connectivity::CaughtUp
        }
    }

    fn create(&mut self, mailbox: &OwnMailbox, pauses: &Pauses) -> Item {
        let classes = classes(mailbox.name, mailbox.kind);
        let req = self.request(Request::Create(mailbox.name, pauses.tokens_before()));
        let capabilities = (&mailbox.own, &mailbox.read, &mailbox.send);
        create(req, &self.relay, capabilities, classes, CreateFlags::NONE, pauses.token())
    }

    /// Handles the items of a record, and queues what follows. `Err`: the link is to end; the
    /// actions that were queued before the error are valid.
    pub(super) fn take_items(
        &mut self,
        items: Vec<Item>,
        pauses: &mut Pauses,
        now: Moment,
        actions: &mut VecDeque<ReadAction>,
    ) -> Result<(), LinkClosed> {
        let (mut delivered, mut acks) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Deliver(deliver) => delivered.push(deliver),
                Item::Answer(answer) => self.take_answer(&answer, pauses, now, actions),
                Item::Subscribed(answer) => self.take_subscribed(&answer, pauses, now, actions),
                Item::CaughtUp(caught_up) => {
                    let is_answered =
                        |request: &Request| matches!(request, Request::Subscribe { is_answered: true, .. });
                    if self.requests.get(&caught_up.req).is_some_and(is_answered) {
                        self.requests.remove(&caught_up.req);
                        self.was_useful = true;
                    }
                }
                Item::Pong(pong) => self.probes.note_pong(pong),
                Item::Acked(acked) => acks.extend(acked.acks),
                Item::Displaced(displaced) => {
                    if let Some(reading) = self.reading.remove(&displaced.sub) {
                        pauses.note_displaced(reading.name, now);
                        actions.push_back(Action::Step(MailboxStep::Displaced));
                    }
                }
                Item::Gone(gone) => {
                    if let Some(reading) = self.reading.remove(&gone.sub) {
                        self.lose_mailbox(reading.name, pauses, now, actions);
                    }
                }
                Item::GoAway(_) => return Err(LinkClosed),
                _ => {}
            }
        }
        self.take_acks(acks, actions);
        self.take_deliveries(delivered, actions)
    }

    /// Queues a step that stores the delivered blobs, then the Ack. If the step fails, the Ack is
    /// dropped and the link ends. `Err`: a tag does not follow the one before, too many deliveries
    /// are not confirmed, or too many are for subscriptions that the client does not have.
    fn take_deliveries(
        &mut self,
        delivered: Vec<Deliver>,
        actions: &mut VecDeque<ReadAction>,
    ) -> Result<(), LinkClosed> {
        let mut blobs = Vec::with_capacity(delivered.len());
        let mut last = BTreeMap::new();
        for deliver in delivered {
            let Some(reading) = self.reading.get_mut(&deliver.sub) else {
                self.strays.note()?;
                continue;
            };
            // An Ack confirms all lower tags, and so would destroy a blob that the relay has left out.
            if deliver.tag != reading.last_tag.wrapping_add(1) {
                return Err(LinkClosed);
            }
            reading.last_tag = deliver.tag;
            if let Some(tag) = deliver.blob.as_bytes().first_chunk::<16>() {
                reading.unacked.push_back((deliver.tag, *tag));
            }
            last.insert(deliver.sub, deliver.tag);
            blobs.push((reading.name, deliver.blob));
        }
        let unconfirmed = self.reading.values().map(|reading| reading.unacked.len()).sum::<usize>();
        if unconfirmed > MAX_UNCONFIRMED {
            return Err(LinkClosed);
        }
        if !blobs.is_empty() {
            let acks = last.into_iter().map(|(sub, upto)| AckEntry { sub, upto, also: Vec::new() }).collect();
            actions.push_back(Action::Step(MailboxStep::Deliver(blobs)));
            actions.push_back(Action::Send(vec![Ack { acks }.into()]));
        }
        Ok(())
    }

    fn take_acks(&mut self, acks: Vec<AckEntry>, actions: &mut VecDeque<ReadAction>) {
        let mut gone = Vec::new();
        for ack in acks {
            let Some(reading) = self.reading.get_mut(&ack.sub) else { continue };
            while let Some((_, tag)) = reading.unacked.pop_front_if(|(tag, _)| *tag <= ack.upto) {
                gone.push((reading.name, tag));
            }
        }
        // A relay that confirms nothing must not cost a step.
        if !gone.is_empty() {
            actions.push_back(Action::Step(MailboxStep::Confirm(gone)));
        }
    }

    fn take_answer(
        &mut self,
        answer: &Answer,
        pauses: &mut Pauses,
        now: Moment,
        actions: &mut VecDeque<ReadAction>,
    ) {
        let request = self.requests.remove(&answer.req);
        match (request, answer.code) {
            // A create whose answer was lost is refused when it is repeated: subscribing tells whether the mailbox is there.
            (Some(Request::Create(name, _)), AnswerCode::Done | AnswerCode::Refused) => {
                self.was_useful |= answer.code == AnswerCode::Done;
                pauses.note_done(name);
                actions.push_back(Action::Step(MailboxStep::Created(name)));
            }
            (Some(Request::Delete(name)), AnswerCode::Done | AnswerCode::Refused) => {
                pauses.note_done(name);
                self.reading.retain(|_, reading| reading.name != name);
                actions.push_back(Action::Step(MailboxStep::Deleted(name)));
            }
            // Another token was set meanwhile: it is asked for with that one at once.
            (Some(Request::Create(_, before)), AnswerCode::NeedToken) if before != pauses.tokens_before() => {
            }
            (Some(Request::Create(name, _)), AnswerCode::NeedToken) => pauses.note_token_wanted(name, now),
            (Some(Request::Create(name, _) | Request::Delete(name)), _) => {
                pauses.note_asked(name, answer.retry_s, now);
            }
            // Nothing of it is read.
            (Some(Request::Subscribe { subs, .. }), _) => {
                for sub in subs {
                    if let Some(reading) = self.reading.remove(&sub) {
                        pauses.note_asked(reading.name, answer.retry_s, now);
                    }
                }
            }
            (None, _) => {}
        }
    }

    fn take_subscribed(
        &mut self,
        answer: &Subscribed,
        pauses: &mut Pauses,
        now: Moment,
        actions: &mut VecDeque<ReadAction>,
    ) {
        // A second answer to the same request, or one to none, must not cost a step.
        let Some(Request::Subscribe { subs, is_answered: is_answered @ false }) =
            self.requests.get_mut(&answer.req)
        else {
            return;
        };
        *is_answered = true;
        let reads_own = |sub: &u32| self.reading.get(sub).is_some_and(|reading| reading.name.contact == OWN);
        let with_own = subs.iter().any(reads_own);
        for sub in &answer.contended {
            if let Some(reading) = self.reading.remove(sub) {
                pauses.note_contended(reading.name, now);
            }
        }
        let refused: Vec<MailboxName> =
            answer.refused.iter().filter_map(|sub| Some(self.reading.remove(sub)?.name)).collect();
        for name in refused {
            self.lose_mailbox(name, pauses, now, actions);
        }
        if with_own && self.reading.values().any(|reading| reading.name.contact == OWN) {
            actions.push_back(Action::Step(MailboxStep::SentinelFound));
        }
    }

    /// Handles that the relay does not have a mailbox: queues the step that notes the loss, and
    /// leaves a mailbox of a contact alone for a while.
    fn lose_mailbox(
        &self,
        name: MailboxName,
        pauses: &mut Pauses,
        now: Moment,
        actions: &mut VecDeque<ReadAction>,
    ) {
        let step = if name.contact == OWN {
            let others = self.reading.values().any(|reading| reading.name.contact != OWN);
            MailboxStep::SentinelLost { name, others }
        } else {
            pauses.note_lost(name, now);
            MailboxStep::Lost(name)
        };
        actions.push_back(Action::Step(step));
    }

    fn is_asked(&self, name: MailboxName) -> bool {
        self.requests.values().any(
            |request| matches!(request, Request::Create(asked, _) | Request::Delete(asked) if *asked == name),
        )
    }

    fn is_read(&self, name: MailboxName) -> bool {
        self.reading.values().any(|reading| reading.name == name)
    }

    fn request(&mut self, request: Request) -> u32 {
        let req = self.number();
        self.requests.insert(req, request);
        req
    }

    const fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        number
    }
}

fn copy(subscription: &Subscription) -> Subscription {
    let read = deaddrop_wire::PresentedRead::copy_of(subscription.read.expose());
    Subscription { sub: subscription.sub, read }
}
