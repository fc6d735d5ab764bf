//! Visits to an invite mailbox: it is read without acking, or emptied.

use super::{
    end::LinkClosed,
    errand::{Errand, ErrandAction, ErrandError, ErrandTime},
    line::LinkInfo,
    moment::Moment,
    states::ConnectError,
    strays::Strays,
};
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::{
    Fingerprint, Item,
    item::{Ack, AckEntry, Deliver, Subscribe, Subscription},
};
use std::{collections::VecDeque, time::Duration};

/// Wait before a mailbox that another reader has is asked for again (spec/14-client.md section 6).
/// The other reader needs the mailbox only for a moment.
const CONTENDED_WAIT: Duration = Duration::from_millis(1_500);

/// The purpose of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Read what lies in the mailbox, and leave it there.
    Read,
    /// Empty the mailbox: ack the blob that lies there, so that the relay destroys it. An empty or
    /// missing mailbox counts as success.
    Empty,
}

/// The result of a [`Visit`].
pub struct FoundBundle {
    /// The blob that lay in the mailbox, a sealed bundle; always `None` for [`Purpose::Empty`].
    /// `None` otherwise if the mailbox is empty, or does not exist.
    pub bundle: Option<Vec<u8>>,
    /// The facts about the link over which the mailbox was visited.
    pub link: LinkInfo,
}

/// The errand that reads or empties an invite mailbox, over a link of its own.
pub struct Visit {
    purpose: Purpose,
    relay: Fingerprint,
    read: ReadCapability,
    patience: Duration,
    /// The time limit of the visit; `None` until the first turn to open a link, with which it
    /// begins.
    time: Option<ErrandTime>,
    state: State,
    link: Option<LinkInfo>,
    strays: Strays,
    /// The last number that was given to a request or subscription of this link.
    last: u32,
    actions: VecDeque<ErrandAction<FoundBundle>>,
}

enum State {
    /// A link is being opened.
    Opening,
    /// The client has subscribed to the mailbox.
    Asked {
        req: u32,
        sub: u32,
        is_answered: bool,
    },
    /// Another reader has the mailbox. The client asks for it again at this moment.
    Contended(Moment),
    /// The client has acked the blob with this tag, and awaits the relay's confirmation.
    Acked {
        sub: u32,
        tag: u32,
    },
    /// Another reader took the mailbox over before the ack was confirmed. The client opens another
    /// link at this moment.
    Displaced(Moment),
    Over,
}

impl Visit {
    /// Creates a visit to the mailbox that `read` gives the right to read, at the relay with this
    /// fingerprint. A connection, and each answer, may take `patience`.
    pub fn new(purpose: Purpose, relay: Fingerprint, read: ReadCapability, patience: Duration) -> Self {
        Self {
            purpose,
            relay,
            read,
            patience,
            time: None,
            state: State::Opening,
            link: None,
            strays: Strays::new(),
            last: 0,
            actions: VecDeque::from([ErrandAction::Open]),
        }
    }

    fn number(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Subscribes to the mailbox.
    fn ask(&mut self) {
        let (sub, req) = (self.number(), self.number());
        let mailboxes = vec![Subscription { sub, read: self.read.present(&self.relay) }];
        self.actions.push_back(ErrandAction::Send(vec![Subscribe { req, mailboxes }.into()]));
        self.state = State::Asked { req, sub, is_answered: false };
    }

    fn succeed(&mut self, bundle: Option<Vec<u8>>) {
        let Some(link) = self.link else { return };
        self.state = State::Over;
        self.actions.push_back(ErrandAction::Close);
        self.actions.push_back(ErrandAction::Finish(Ok(FoundBundle { bundle, link })));
    }

    fn fail(&mut self, error: ErrandError) {
        if !matches!(self.state, State::Over) {
            self.state = State::Over;
            self.actions.push_back(ErrandAction::Finish(Err(error)));
        }
    }

    /// Takes the blob of the mailbox: ends the visit with it, or acks it.
    fn take(&mut self, deliver: Deliver) {
        let Deliver { sub, tag, blob, .. } = deliver;
        match self.purpose {
            Purpose::Read => self.succeed(Some(blob.into_bytes())),
            Purpose::Empty => {
                let ack = Ack { acks: vec![AckEntry { sub, upto: tag, also: Vec::new() }] };
                self.actions.push_back(ErrandAction::Send(vec![ack.into()]));
                self.state = State::Acked { sub, tag };
            }
        }
    }

    fn take_item(&mut self, item: Item, now: Moment) -> Result<(), LinkClosed> {
        match &mut self.state {
            State::Asked { req, sub, is_answered } => match item {
                // The tags of a subscription begin with 1.
                Item::Deliver(deliver) if deliver.sub == *sub && deliver.tag != 1 => return Err(LinkClosed),
                Item::Deliver(deliver) if deliver.sub == *sub => self.take(deliver),
                Item::Deliver(_) => self.strays.note()?,
                Item::Displaced(lost) if lost.sub == *sub => {
                    self.state = State::Contended(now.plus(CONTENDED_WAIT));
                }
                Item::Gone(gone) if gone.sub == *sub => self.succeed(None),
                Item::Answer(answer) if answer.req == *req && !*is_answered => {
                    self.fail(ErrandError::Busy);
                }
                Item::Subscribed(answer) if answer.req == *req && !*is_answered => {
                    *is_answered = true;
                    if answer.contended.contains(sub) {
                        self.state = State::Contended(now.plus(CONTENDED_WAIT));
                    } else if answer.refused.contains(sub) {
                        self.succeed(None);
                    }
                }
                Item::CaughtUp(caught_up) if caught_up.req == *req && *is_answered => self.succeed(None),
                _ => {}
            },
            State::Acked { sub, tag } => match item {
                Item::Acked(acked) if acked.acks.iter().any(|ack| ack.sub == *sub && ack.upto >= *tag) => {
                    self.succeed(None);
                }
                Item::Gone(gone) if gone.sub == *sub => self.succeed(None),
                Item::Displaced(lost) if lost.sub == *sub => {
                    self.actions.push_back(ErrandAction::Close);
                    self.state = State::Displaced(now.plus(CONTENDED_WAIT));
                }
                Item::Deliver(deliver) if deliver.sub != *sub => self.strays.note()?,
                _ => {}
            },
            State::Contended(_) if matches!(item, Item::Deliver(_)) => self.strays.note()?,
            State::Contended(_) | State::Opening | State::Displaced(_) | State::Over => {}
        }
        Ok(())
    }
}

impl Errand for Visit {
    type Found = FoundBundle;

    fn next_action(&mut self) -> Option<ErrandAction<FoundBundle>> {
        self.actions.pop_front()
    }

    fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    fn on_turn(&mut self, now: Moment) {
        // The connection, what lies there, and what answers the ack.
        let waits = if self.purpose == Purpose::Empty { 3 } else { 2 };
        self.time.get_or_insert_with(|| ErrandTime::begin(self.patience, waits, now));
    }

    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>) {
        match opened {
            Ok(link) => {
                (self.link, self.last, self.strays) = (Some(link), 0, Strays::new());
                self.ask();
            }
            Err(error) => self.fail(ErrandError::Connect(error)),
        }
    }

    fn on_items(&mut self, items: Vec<Item>, now: Moment) {
        for item in items {
            if self.take_item(item, now) == Err(LinkClosed) {
                self.fail(ErrandError::DOWN);
            }
        }
    }

    fn on_lost(&mut self) {
        self.fail(ErrandError::DOWN);
    }

    fn on_time(&mut self, now: Moment, is_moving: bool) {
        if self.time.as_mut().is_some_and(|time| time.is_over(now, is_moving)) {
            self.fail(ErrandError::DOWN);
            return;
        }
        match self.state {
            State::Contended(until) if now >= until => self.ask(),
            State::Displaced(until) if now >= until => {
                self.state = State::Opening;
                self.actions.push_back(ErrandAction::Open);
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Moment> {
        let again = match self.state {
            State::Contended(until) | State::Displaced(until) => Some(until),
            _ => None,
        };
        self.time.map(|time| time.until()).into_iter().chain(again).min()
    }
}

#[cfg(test)]
mod tests;
