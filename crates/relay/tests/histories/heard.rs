//! The items that a link sends to its client, each compared with the model, and the items that must
//! have been sent when a link *rests*: no call, outcome or news waits.

use super::super::value::blob;
use super::link::{LinkModel, Request, Stage, SubModel, SubState};
use super::relay::{BlobModel, RelayModel};
use deaddrop_relay::hints::SubscriptionEnd;
use deaddrop_wire::Item;
use deaddrop_wire::item::{AboutText, Answer, CaughtUp, Deliver, Displaced, Gone, Pong, Subscribed};
use std::collections::VecDeque;

/// A look that is under way: a call of `peek` for the blobs of one mailbox.
#[derive(Debug)]
pub struct Look {
    sub: u32,
    /// The maximum numbers of blobs and bytes in flight when the look began (`LinkModel::window`): a
    /// Window that comes later need not hold for the look.
    window: (usize, usize),
    /// Numbers of the other subscriptions that had a blob to deliver when the look began.
    others: Vec<u32>,
    /// The blobs that the look may still deliver, oldest first; empty until the store has run the
    /// call.
    found: VecDeque<BlobModel>,
    /// Number of blobs that the look has delivered.
    delivered: usize,
}

macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}

impl LinkModel {
    /// Takes an item that the relay sent; fails if the model does not expect it.
    pub fn take(&mut self, item: &Item, relay: &mut RelayModel) -> Result<(), String> {
        match item {
            Item::Answer(Answer { req, code, retry_s }) => match self.requests.remove(req) {
                Some(Request::Answered(expected)) => {
                    ensure!((*code, *retry_s) == expected, "answer {req}: {expected:?} was due");
                }
                Some(Request::Undecided(asked)) => {
                    return Err(format!("answered before it is decided: {asked:?}"));
                }
                None => return Err("no such request".to_owned()),
            },
            Item::Pong(Pong { nonce }) => {
                ensure!(self.pongs.pop_front() == Some(*nonce), "no such ping");
            }
            Item::AboutText(AboutText { req, .. }) => {
                ensure!(self.about == Some(*req) && !self.is_described, "no description is due");
                self.is_described = true;
            }
            Item::Subscribed(subscribed) => self.take_subscribed(subscribed, relay)?,
            Item::Deliver(deliver) => self.take_delivery(deliver, relay)?,
            Item::Acked(acked) => {
                let mut due = self.acked.take().ok_or("no Acked is due")?;
                due.retain(|due| due.is_certain || acked.acks.contains(&due.entry));
                let entries = due.iter().map(|due| &due.entry);
                ensure!(acked.acks.iter().eq(entries), "due is {due:?}");
            }
            Item::CaughtUp(CaughtUp { req }) => self.take_caught_up(*req, relay)?,
            Item::Displaced(Displaced { sub }) => self.take_end(*sub, SubscriptionEnd::Displaced, relay)?,
            Item::Gone(Gone { sub }) => self.take_end(*sub, SubscriptionEnd::Gone, relay)?,
            _ => return Err("an item that is not expected".to_owned()),
        }
        Ok(())
    }

    fn take_subscribed(&mut self, answer: &Subscribed, relay: &RelayModel) -> Result<(), String> {
        let subscribe = self.subscribes.get_mut(&answer.req).ok_or("no such Subscribe")?;
        let decided = Stage::Decided(answer.refused.clone(), answer.contended.clone());
        ensure!(subscribe.stage == decided, "due is {:?}", subscribe.stage);
        subscribe.stage = Stage::Behind;
        let mut released = Vec::new();
        for number in subscribe.subs.clone() {
            let sub = self.subs.get_mut(&number).unwrap();
            let is_unsubscribed = sub.state == SubState::Claiming(true);
            sub.state = SubState::Over;
            if let Some(claim) = sub.claim {
                if is_unsubscribed {
                    released.push(claim);
                } else {
                    sub.state = SubState::Live;
                    self.used_ms = relay.now.ms;
                }
            }
        }
        if !released.is_empty() {
            self.releases.push_back(released);
        }
        Ok(())
    }

    fn take_delivery(&mut self, deliver: &Deliver, relay: &mut RelayModel) -> Result<(), String> {
        let Deliver { sub: number, tag, via, blob: delivered } = deliver;
        let (blobs, bytes) = self.in_flight(relay);
        let of_mailbox = self.subs.get(number).map_or(0, |sub| sub.in_flight(relay).count());
        let now = self.window;
        let look =
            self.look.as_mut().filter(|look| look.sub == *number).ok_or("no look into this mailbox")?;
        let sub = self.subs.get_mut(number).filter(|sub| sub.state == SubState::Live);
        let sub = sub.ok_or("the subscription is not live")?;
        let next = look.found.pop_front().ok_or("there is no further blob")?;
        let of_class = delivered.class();
        let number_of = u32::from_le_bytes(*delivered.as_bytes().first_chunk().unwrap());
        ensure!(
            (number_of, of_class, *via) == (next.number, next.class, next.via),
            "blob {number_of} ({of_class:?}, via {via}) is not the next, which is {next:?}"
        );
        ensure!(*delivered == blob(next.class, next.number), "the bytes of blob {number_of} changed");
        ensure!(*tag as usize == sub.delivered.len() + 1, "tag {tag} after {}", sub.delivered.len());
        ensure!(!sub.delivered.contains(&next.id), "blob {number_of} is delivered twice");
        // A look that was under way when a Window came may use the values before it.
        let with = (blobs + 1, bytes + next.class.bytes());
        let fits = [look.window, now].iter().any(|most| with.0 <= most.0 && with.1 <= most.1);
        ensure!(fits || blobs == 0, "{with:?} in flight, in a window of {now:?}");
        let most = usize::from(relay.limits.in_flight_per_mailbox);
        ensure!(of_mailbox < most, "{} of one mailbox in flight", of_mailbox + 1);
        relay.note("a blob is delivered");
        if !fits {
            relay.note("a blob that is larger than the window is delivered alone");
        }
        look.delivered += 1;
        sub.delivered.push(next.id);
        sub.unacked.insert(*tag);
        Ok(())
    }

    /// Takes a Displaced or Gone. Fails if the subscription is not live, or the relay has not ended
    /// it for the reason `why`.
    fn take_end(&mut self, number: u32, why: SubscriptionEnd, relay: &mut RelayModel) -> Result<(), String> {
        let sub = self.subs.get(&number).filter(|sub| sub.state == SubState::Live);
        let claim = sub.and_then(|sub| sub.claim).ok_or("no such subscription")?;
        let end = relay.ends.get(&(self.id, number)).ok_or("the subscription has not ended")?;
        let is_gone = relay.claimed(claim).err() == Some(SubscriptionEnd::Gone);
        ensure!(end.why == why || is_gone && why == SubscriptionEnd::Gone, "it ended by {:?}", end.why);
        relay.note(if why == SubscriptionEnd::Gone {
            "a reader is told Gone"
        } else {
            "a reader is displaced"
        });
        self.end(number, relay.now.ms);
        Ok(())
    }

    fn take_caught_up(&mut self, req: u32, relay: &mut RelayModel) -> Result<(), String> {
        let subscribe = self.subscribes.get_mut(&req).ok_or("no such Subscribe")?;
        ensure!(subscribe.stage == Stage::Behind, "it is {:?}", subscribe.stage);
        subscribe.stage = Stage::CaughtUp;
        for number in &subscribe.subs {
            let sub = &self.subs[number];
            let Some(claim) = sub.claim.filter(|_| sub.state == SubState::Live) else { continue };
            // Another subscription of this link may have the mailbox before the end of this one is told.
            if relay.ends.get(&(self.id, *number)).is_some_and(|end| end.is_own) {
                continue;
            }
            let blobs = sub.at_claim.iter().filter_map(|id| relay.blob(claim, *id));
            let left: Vec<_> = blobs.filter(|blob| !blob.was_over).collect();
            ensure!(left.is_empty(), "{left:?} of subscription {number} are left");
        }
        relay.note("a reader has caught up");
        Ok(())
    }

    /// Returns the number of blobs in flight to the client, and of their bytes.
    pub fn in_flight(&self, relay: &RelayModel) -> (usize, usize) {
        let blobs = || self.live().flat_map(|(_, sub)| sub.in_flight(relay));
        (blobs().count(), blobs().map(|blob| blob.class.bytes()).sum())
    }

    /// Notes that the link has taken all news: it now knows of all blobs in its mailboxes.
    pub fn note_known(&mut self, relay: &RelayModel) {
        for sub in self.subs.values_mut().filter(|sub| sub.state == SubState::Live) {
            sub.known = sub.undelivered(relay).map(|blob| blob.id).last();
        }
    }

    /// Notes that a look into the mailbox of the subscription `number` begins; fails if another
    /// look is under way.
    pub fn begin_look(&mut self, number: u32, relay: &RelayModel) -> Result<(), String> {
        ensure!(self.look.is_none(), "two looks at once");
        for sub in self.subs.values_mut() {
            if !sub.is_ready(relay) {
                sub.passed.clear();
            }
        }
        let others = self.live().filter(|(other, sub)| *other != number && sub.is_ready(relay));
        let others = others.map(|(other, _)| other).collect();
        let found = VecDeque::new();
        self.look = Some(Look { sub: number, window: self.window, others, found, delivered: 0 });
        Ok(())
    }

    /// Notes that the store runs the look: from now on it may deliver the blobs that are in the
    /// mailbox and have not expired.
    pub(super) fn look_into(&mut self, relay: &RelayModel) -> Result<(), String> {
        let look = self.look.as_mut().ok_or("a look that has not begun")?;
        let Some(sub) = self.subs.get(&look.sub) else { return Ok(()) };
        look.found = sub.undelivered(relay).filter(|blob| !relay.has_expired(blob)).copied().collect();
        Ok(())
    }

    /// Notes that the look is over. Fails if mailboxes with blobs did not take turns, one blob
    /// each.
    pub fn end_look(&mut self, relay: &mut RelayModel) -> Result<(), String> {
        let Look { sub: number, others, delivered, found, .. } =
            self.look.take().ok_or("no look is under way")?;
        ensure!(delivered < 2 || others.is_empty(), "{delivered} blobs in one turn, and {others:?} wait");
        if let Some(sub) = self.subs.get_mut(&number).filter(|_| delivered > 0 || found.is_empty()) {
            // The mailbox had its turn, also if there was nothing to deliver.
            sub.passed.clear();
        }
        if delivered == 0 {
            return Ok(());
        }
        for other in others {
            let sub = self.subs.get_mut(&other).unwrap();
            if sub.is_ready(relay) {
                relay.note("a mailbox waits for its turn");
                ensure!(sub.passed.insert(number), "{number} had two turns, and {other} had none");
            }
        }
        Ok(())
    }

    /// Checks a link at rest: fails if the relay owes the client an item.
    pub fn check_rest(&self, relay: &mut RelayModel) -> Result<(), String> {
        ensure!(self.requests.is_empty(), "no answer to {:?}", self.requests.keys());
        ensure!(self.about.is_some() == self.is_described, "no description for {:?}", self.about);
        ensure!(
            self.pongs.is_empty() && self.acked.is_none() && self.look.is_none(),
            "something is not told"
        );
        for (number, sub) in &self.subs {
            ensure!(!self.is_claiming(*number), "no Subscribed for {number}");
            let is_held = sub.claim.is_some_and(|claim| relay.claimed(claim).is_ok());
            ensure!(sub.state != SubState::Live || is_held, "the end of {number} is not told");
        }
        let (blobs, bytes) = self.in_flight(relay);
        let waiting: Vec<_> =
            self.live().filter_map(|(number, sub)| Some((number, sub.next(relay)?))).collect();
        if !self.is_paused && !waiting.is_empty() {
            // A blob that waits may have expired, and holds others up until it is destroyed.
            let is_large = |blob: &BlobModel| bytes + blob.class.bytes() > self.window.1;
            let is_full =
                blobs >= self.window.0 || self.live().any(|(_, sub)| sub.undelivered(relay).any(is_large));
            ensure!(
                blobs > 0 && is_full,
                "{waiting:?} are not delivered, with {blobs} blobs and {bytes} bytes in flight of {:?}",
                self.window
            );
            relay.note("blobs wait for the window");
        }
        let is_read = !self.is_paused && waiting.is_empty() && blobs == 0;
        for (req, subscribe) in
            self.subscribes.iter().filter(|(_, subscribe)| subscribe.stage == Stage::Behind)
        {
            let subs = subscribe.subs.iter().map(|number| &self.subs[number]);
            let is_behind = |sub: &SubModel| {
                sub.claim.filter(|_| sub.state == SubState::Live).is_some_and(|claim| {
                    let is_left = |id: &u64| match relay.blob(claim, *id) {
                        Some(blob) => sub.delivered.contains(id) || !relay.has_expired(&blob) || !is_read,
                        // That a blob expired before its delivery is found by the next look.
                        None => !sub.delivered.contains(id) && !is_read,
                    };
                    sub.at_claim.iter().any(is_left)
                })
            };
            ensure!(subs.into_iter().any(is_behind), "no CaughtUp for {req}");
        }
        Ok(())
    }
}

impl SubModel {
    /// Returns the blobs of the subscription that are in flight: delivered, and neither acked nor
    /// destroyed.
    pub fn in_flight<'a>(&'a self, relay: &'a RelayModel) -> impl Iterator<Item = BlobModel> + 'a {
        let claim = self.claim;
        self.unacked.iter().filter_map(move |tag| relay.blob(claim?, self.blob_of(*tag)))
    }

    /// Returns the blobs of the mailbox that the subscription has not delivered, also expired ones.
    fn undelivered<'a>(&'a self, relay: &'a RelayModel) -> impl Iterator<Item = &'a BlobModel> {
        let mailbox = self.claim.and_then(|claim| relay.claimed(claim).ok());
        let blobs = mailbox.into_iter().flat_map(|mailbox| &mailbox.blobs);
        blobs.filter(|blob| !self.delivered.contains(&blob.id))
    }

    /// Whether the link knows that the mailbox has a blob to deliver, and that fewer than
    /// `in_flight_per_mailbox` are in flight. Blobs in flight that have expired count, because the
    /// link learns of them only by its next look.
    fn is_ready(&self, relay: &RelayModel) -> bool {
        let has_place = self.unacked.len() < usize::from(relay.limits.in_flight_per_mailbox);
        let next = self.next(relay).filter(|_| has_place && self.state == SubState::Live);
        next.is_some_and(|next| self.known.is_some_and(|known| next.id <= known))
    }

    /// Returns the next blob to deliver; `None` if there is none, or `in_flight_per_mailbox` are in
    /// flight.
    fn next(&self, relay: &RelayModel) -> Option<BlobModel> {
        let has_place = self.in_flight(relay).count() < usize::from(relay.limits.in_flight_per_mailbox);
        self.undelivered(relay).find(|blob| has_place && !relay.has_expired(blob)).copied()
    }
}
