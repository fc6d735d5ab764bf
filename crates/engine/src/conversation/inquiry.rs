//! Asking a relay for its description of itself.

use super::{
    end::LinkClosed,
    errand::{Errand, ErrandAction, ErrandError, ErrandTime},
    line::LinkInfo,
    moment::Moment,
    states::ConnectError,
    strays::Strays,
};
use deaddrop_wire::{Item, item::About};
use std::{collections::VecDeque, time::Duration};

/// The errand that asks a relay for its description of itself, over a link of its own.
pub struct Inquiry {
    patience: Duration,
    /// The time limit; `None` until the turn to open a link, with which it begins.
    time: Option<ErrandTime>,
    strays: Strays,
    is_over: bool,
    actions: VecDeque<ErrandAction<Box<str>>>,
}

impl Inquiry {
    /// Number of the request: the only one of its link.
    const REQ: u32 = 1;

    /// Creates an inquiry. The connection, and the answer, may take `patience`. The result is the
    /// JSON text that the relay gives, at most [`MAX_ABOUT`](deaddrop_wire::limits::MAX_ABOUT)
    /// bytes; that it is JSON is not checked.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        let actions = VecDeque::from([ErrandAction::Open]);
        Self { patience, time: None, strays: Strays::new(), is_over: false, actions }
    }

    fn finish(&mut self, result: Result<Box<str>, ErrandError>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        if result.is_ok() {
            self.actions.push_back(ErrandAction::Close);
        }
        self.actions.push_back(ErrandAction::Finish(result));
    }

    fn take_item(&mut self, item: Item) -> Result<(), LinkClosed> {
        match item {
            Item::AboutText(text) if text.req == Self::REQ => self.finish(Ok(text.json)),
            Item::Answer(answer) if answer.req == Self::REQ => self.finish(Err(ErrandError::Busy)),
            Item::Error(error) if error.kind == About::KIND => self.finish(Err(ErrandError::Unsupported)),
            Item::Deliver(_) => self.strays.note()?,
            _ => {}
        }
        Ok(())
    }
}

impl Errand for Inquiry {
    type Found = Box<str>;

    fn next_action(&mut self) -> Option<ErrandAction<Box<str>>> {
        self.actions.pop_front()
    }

    fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    fn on_turn(&mut self, now: Moment) {
        self.time.get_or_insert_with(|| ErrandTime::begin(self.patience, 2, now));
    }

    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>) {
        match opened {
            Ok(_) => self.actions.push_back(ErrandAction::Send(vec![About { req: Self::REQ }.into()])),
            Err(error) => self.finish(Err(ErrandError::Connect(error))),
        }
    }

    fn on_items(&mut self, items: Vec<Item>, _now: Moment) {
        for item in items {
            if self.take_item(item) == Err(LinkClosed) {
                self.finish(Err(ErrandError::DOWN));
            }
        }
    }

    fn on_lost(&mut self) {
        self.finish(Err(ErrandError::DOWN));
    }

    fn on_time(&mut self, now: Moment, is_moving: bool) {
        if self.time.as_mut().is_some_and(|time| time.is_over(now, is_moving)) {
            self.finish(Err(ErrandError::DOWN));
        }
    }

    fn deadline(&self) -> Option<Moment> {
        self.time.map(|time| time.until())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::BlobLives;
    use deaddrop_wire::{
        Blob, Day, SizeClass,
        item::{AboutText, Answer, AnswerCode, Deliver, Error, ErrorCode},
    };

    const LINK: LinkInfo = LinkInfo {
        lives: BlobLives::DEFAULT,
        address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        needs_token: false,
        day: Day::from_number(20_000),
    };

    /// Runs an inquiry at a relay that answers with these items. Returns its result; `None` if it
    /// still waits for the answer.
    fn ask(answers: Vec<Item>) -> Option<Result<Box<str>, ErrandError>> {
        let mut inquiry = Inquiry::new(Duration::from_secs(15));
        let mut answers = Some(answers);
        while let Some(action) = inquiry.next_action() {
            match action {
                ErrandAction::Open => {
                    inquiry.on_turn(Moment::default());
                    inquiry.on_opened(Ok(LINK));
                }
                ErrandAction::Send(items) => {
                    assert_eq!(items, [About { req: 1 }.into()]);
                    inquiry.on_items(answers.take().unwrap(), Moment::default());
                }
                ErrandAction::Close => {}
                ErrandAction::Finish(result) => return Some(result),
            }
        }
        None
    }

    #[test]
    fn only_the_answer_to_the_request_counts() {
        let text = |req| Item::from(AboutText { req, json: "{}".into() });
        let error = |kind| Item::from(Error { code: ErrorCode::Unsupported, kind });
        let busy = |req| Item::from(Answer { req, code: AnswerCode::Busy, retry_s: 0 });
        assert_eq!(ask(vec![text(2), error(0x20), busy(2), text(1)]), Some(Ok("{}".into())));
        assert_eq!(ask(vec![text(2), error(0x20), busy(2)]), None);
        assert_eq!(ask(vec![busy(1), text(1)]), Some(Err(ErrandError::Busy)));
        assert_eq!(ask(vec![error(About::KIND)]), Some(Err(ErrandError::Unsupported)));
        let blob = || Blob::new(vec![0; SizeClass::Small.bytes()]).unwrap();
        let flood = (0..129).map(|tag| Deliver { sub: 1, tag, via: 0, blob: blob() }.into()).collect();
        assert_eq!(ask(flood), Some(Err(ErrandError::DOWN)));
    }

    #[test]
    fn a_relay_that_does_not_answer_ends_it() {
        let mut inquiry = Inquiry::new(Duration::from_secs(15));
        assert!(inquiry.deadline().is_none());
        inquiry.on_turn(Moment::default());
        let late = inquiry.deadline().unwrap();
        inquiry.on_time(late, false);
        inquiry.on_lost();
        assert!(matches!(inquiry.next_action(), Some(ErrandAction::Open)));
        assert!(matches!(inquiry.next_action(), Some(ErrandAction::Finish(Err(ErrandError::DOWN)))));
        assert!(!inquiry.has_actions());
    }
}
