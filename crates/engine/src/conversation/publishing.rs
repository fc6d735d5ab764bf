//! Publishing an invite: both mailboxes are made over one link, the bundle is put over another.

use super::{
    errand::{Errand, ErrandAction, ErrandError, ErrandTime},
    line::LinkInfo,
    moment::Moment,
    requests::{INVITE, LANDING, create},
    states::ConnectError,
    strays::Strays,
};
use crate::engine::Publication;
use deaddrop_wire::{
    Blob, Item,
    item::{Answer, AnswerCode, CreateFlags, Put},
};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

/// Number of connections and answers that the time limit of each of the two links covers. The first
/// link is open already and gets two answers, to its two Creates; the second one is opened, and
/// gets the answer to its Put.
const WAITS: u32 = 2;

/// The errand that publishes an invite: makes the landing and the invite mailbox over one link,
/// then puts the bundle into the invite mailbox over another. Repeating it after a failure does no
/// harm.
pub struct Publishing {
    patience: Duration,
    time: Option<ErrandTime>,
    state: State,
    strays: Strays,
    actions: VecDeque<ErrandAction<()>>,
}

enum State {
    /// Waits for answers to the Creates with these request numbers. The Put is sent afterwards.
    Creating(BTreeSet<u32>, Item),
    /// The link for this Put is being opened.
    Opening(Item),
    /// Waits for the answer to the Put with this request number.
    Putting(u32),
    Over,
}

const LANDING_REQ: u32 = 1;
const INVITE_REQ: u32 = 2;
const PUT_REQ: u32 = 1;

impl Publishing {
    /// Begins the errand over a link to the relay of the invite that is open already. `token` is
    /// shown to the relay for new mailboxes; empty: none. A connection, and each answer, may take
    /// `patience`.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrandError::Corrupt`] if the publication's bundle has a length that no bundle
    /// has.
    pub fn begin(
        publication: &Publication,
        token: &[u8],
        patience: Duration,
        now: Moment,
    ) -> Result<Self, ErrandError> {
        let relay = publication.relay.fingerprint();
        let (own, read, send) = &publication.landing;
        let landing = create(LANDING_REQ, relay, (own, read, send), LANDING, CreateFlags::NONE, token);
        let (own, read, send) = &publication.invite;
        let invite = create(INVITE_REQ, relay, (own, read, send), INVITE, CreateFlags::FIXED, token);
        let blob = Blob::new(publication.bundle.clone()).map_err(|_| ErrandError::Corrupt)?;
        let put = Put { req: PUT_REQ, send: send.present(relay), blob };
        Ok(Self {
            patience,
            time: Some(ErrandTime::begin(patience, WAITS, now)),
            state: State::Creating(BTreeSet::from([LANDING_REQ, INVITE_REQ]), put.into()),
            strays: Strays::new(),
            actions: VecDeque::from([ErrandAction::Send(vec![landing, invite])]),
        })
    }

    /// Ends the errand after the relay's answer, with this result, and closes the link after all
    /// that is queued was sent.
    fn finish(&mut self, result: Result<(), ErrandError>) {
        self.state = State::Over;
        self.actions.push_back(ErrandAction::Close);
        self.actions.push_back(ErrandAction::Finish(result));
    }

    fn fail(&mut self, error: ErrandError) {
        if !matches!(self.state, State::Over) {
            self.state = State::Over;
            self.actions.push_back(ErrandAction::Finish(Err(error)));
        }
    }

    fn take_answer(&mut self, answer: &Answer) {
        let is_create = match &mut self.state {
            State::Creating(open, _) => {
                if !open.remove(&answer.req) {
                    return;
                }
                true
            }
            State::Putting(req) if *req == answer.req => false,
            _ => return,
        };
        match answer.code {
            AnswerCode::Done => {}
            AnswerCode::NeedToken => return self.finish(Err(ErrandError::NeedsToken)),
            // A Create that was done before is refused when it is repeated; the Put then tells.
            AnswerCode::Refused if is_create => {}
            _ => return self.finish(Err(ErrandError::Busy)),
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::Creating(open, put) if open.is_empty() => {
                self.state = State::Opening(put);
                self.time = None;
                self.actions.push_back(ErrandAction::Close);
                self.actions.push_back(ErrandAction::Open);
            }
            creating @ State::Creating(..) => self.state = creating,
            state => {
                self.state = state;
                self.finish(Ok(()));
            }
        }
    }
}

impl Errand for Publishing {
    type Found = ();

    fn next_action(&mut self) -> Option<ErrandAction<()>> {
        self.actions.pop_front()
    }

    fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    fn on_turn(&mut self, now: Moment) {
        self.time = Some(ErrandTime::begin(self.patience, WAITS, now));
    }

    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>) {
        if let Err(error) = opened {
            return self.fail(ErrandError::Connect(error));
        }
        match std::mem::replace(&mut self.state, State::Putting(PUT_REQ)) {
            State::Opening(put) => {
                self.strays = Strays::new();
                self.actions.push_back(ErrandAction::Send(vec![put]));
            }
            state => self.state = state,
        }
    }

    fn on_items(&mut self, items: Vec<Item>, _now: Moment) {
        for item in items {
            match item {
                Item::Answer(answer) => self.take_answer(&answer),
                Item::Deliver(_) if self.strays.note().is_err() => self.fail(ErrandError::DOWN),
                _ => {}
            }
        }
    }

    fn on_lost(&mut self) {
        self.fail(ErrandError::DOWN);
    }

    fn on_time(&mut self, now: Moment, is_moving: bool) {
        if self.time.as_mut().is_some_and(|time| time.is_over(now, is_moving)) {
            self.fail(ErrandError::DOWN);
        }
    }

    fn deadline(&self) -> Option<Moment> {
        self.time.map(|time| time.until())
    }
}

#[cfg(test)]
mod tests;
