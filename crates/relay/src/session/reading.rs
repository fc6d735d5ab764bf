//! The reader's side of a link: subscriptions, turns, window, acks (spec/12-relay.md section 5).
//!
//! Deliveries are pulled: one look at a time, one blob a turn while several mailboxes have some, and never more than
//! the window holds. Nothing is queued here.

use super::call::{Acking, Call};
use super::subscription::{Flight, Sub};
use super::{Close, Output, Session};
use crate::hints::{Ended, News};
use crate::limits::Limits;
use crate::store::{Claim, Claimed, Fence, NotAcked, NotClaimed, Peek, Peeked, RecordId, Stale};
use deaddrop_link::capability::mailbox_id;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{
    Ack, Acked, Answer, AnswerCode, CaughtUp, Deliver, Displaced, Gone, Subscribe, Subscribed, Unsubscribe,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Maximum number of bytes of blobs that one look brings into memory.
const LOOK_BYTES: usize = 131_072;

/// All subscriptions of a link.
#[derive(Debug, Default)]
pub(super) struct Reading {
    subs: BTreeMap<u32, Sub>,
    /// Claims under way, and what was heard of them.
    claiming: BTreeMap<u32, Early>,
    /// Subscriptions that wait for their turn.
    turns: VecDeque<u32>,
    /// Subscriptions of which blobs in flight may be destroyed.
    unchecked: BTreeSet<u32>,
    /// The look that is under way.
    looking: Option<Look>,
    /// The next blob is larger than the credit.
    starved: bool,
    /// The credit has grown since the last look began.
    has_grown: bool,
    /// A subscription has begun, or the last one has ended, and the session has not noted it.
    was_used: bool,
    /// The client takes nothing more for now.
    paused: bool,
    /// Maximum number of bytes of the next look, if one blob has room in it.
    look_bytes: usize,
    window_blobs: usize,
    window_bytes: usize,
    blobs: usize,
    bytes: usize,
    /// Of each open subscribe request: its number, and how many mailboxes are behind.
    requests: BTreeMap<u64, (u32, usize)>,
    next_request: u64,
}

/// The purpose of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Blobs to deliver.
    Deliver,
    /// Which of the blobs in flight are destroyed. It needs no room in the window.
    Check,
}

#[derive(Debug, Default)]
struct Early {
    changed: bool,
    ended: Option<Ended>,
    unsubscribed: bool,
}

impl Reading {
    pub(super) fn is_empty(&self) -> bool {
        self.subs.is_empty() && self.claiming.is_empty()
    }

    pub(super) fn has_subscriptions(&self) -> bool {
        !self.subs.is_empty()
    }

    /// Whether a subscription has begun, or the last one has ended, since this was asked last.
    pub(super) const fn take_use(&mut self) -> bool {
        std::mem::replace(&mut self.was_used, false)
    }

    pub(super) fn set_window(&mut self, blobs: u16, bytes: u32, limits: &Limits) {
        self.window_blobs = blobs.min(limits.window_blobs).into();
        self.window_bytes = usize::try_from(bytes.min(limits.window_bytes)).unwrap_or(usize::MAX);
        (self.starved, self.has_grown) = (false, true);
    }

    pub(super) fn on_news(&mut self, news: News, out: &mut Output) {
        for sub in news.changed {
            if let Some(early) = self.claiming.get_mut(&sub) {
                early.changed = true;
            }
            self.want(sub);
        }
        self.unchecked.extend(news.expired.iter().filter(|sub| self.subs.contains_key(sub)));
        for (sub, ended) in news.ended {
            if let Some(early) = self.claiming.get_mut(&sub) {
                early.ended = Some(ended);
            }
            self.end(sub, ended, out);
        }
    }

    pub(super) fn want_all(&mut self) {
        let subs: Vec<u32> = self.subs.keys().copied().collect();
        for sub in subs {
            self.want(sub);
        }
        let flying = self.subs.iter().filter(|(_, sub)| !sub.in_flight.is_empty());
        self.unchecked.extend(flying.map(|(number, _)| *number));
    }

    fn want(&mut self, number: u32) {
        if let Some(sub) = self.subs.get_mut(&number) {
            sub.wants = true;
            sub.dirty = true;
            if !sub.queued {
                sub.queued = true;
                self.turns.push_back(number);
            }
        }
    }

    fn end(&mut self, number: u32, ended: Ended, out: &mut Output) {
        if self.subs.contains_key(&number) {
            out.items.push(match ended {
                Ended::Displaced => Displaced { sub: number }.into(),
                Ended::Gone => Gone { sub: number }.into(),
            });
            self.remove(number, out);
        }
    }

    fn remove(&mut self, number: u32, out: &mut Output) -> Option<Sub> {
        let sub = self.subs.remove(&number)?;
        self.was_used |= self.subs.is_empty();
        self.unchecked.remove(&number);
        for flight in &sub.in_flight {
            self.free(flight);
        }
        if let Some(catching) = &sub.catching {
            self.one_caught_up(catching.request, out);
        }
        Some(sub)
    }

    fn free(&mut self, flight: &Flight) {
        self.blobs = self.blobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(flight.bytes);
        (self.starved, self.has_grown) = (false, true);
    }

    fn check(&mut self, number: u32, out: &mut Output) {
        if let Some(request) = self.subs.get_mut(&number).and_then(Sub::caught_up) {
            self.one_caught_up(request, out);
        }
    }

    fn one_caught_up(&mut self, request: u64, out: &mut Output) {
        let Some((req, behind)) = self.requests.get_mut(&request) else { return };
        *behind = behind.saturating_sub(1);
        if *behind == 0 {
            out.items.push(CaughtUp { req: *req }.into());
            self.requests.remove(&request);
        }
    }

    /// The next look, if there is something to look at and room for what it may bring.
    fn next_look(&mut self, limits: &Limits) -> Option<(u32, Peek)> {
        if self.looking.is_some() {
            return None;
        }
        self.next_check().or_else(|| self.next_delivery(limits))
    }

    /// A look for blobs in flight that are destroyed. They hold room, so it does not wait for any.
    fn next_check(&mut self) -> Option<(u32, Peek)> {
        while let Some(number) = self.unchecked.pop_first() {
            if let Some(sub) = self.subs.get(&number).filter(|sub| !sub.in_flight.is_empty()) {
                self.looking = Some(Look::Check);
                return Some((number, sub.peek(0, 0, false)));
            }
        }
        None
    }

    fn next_delivery(&mut self, limits: &Limits) -> Option<(u32, Peek)> {
        if self.starved || self.paused {
            return None;
        }
        let most = usize::from(limits.in_flight_per_mailbox);
        // One blob is always allowed.
        let alone = self.blobs == 0;
        let blobs = self.window_blobs.saturating_sub(self.blobs).max(usize::from(alone));
        let bytes = self
            .window_bytes
            .saturating_sub(self.bytes)
            .min(self.look_bytes.clamp(SizeClass::Large.bytes(), LOOK_BYTES));
        if blobs == 0 {
            return None;
        }
        while let Some(number) = self.turns.pop_front() {
            let Some(sub) = self.subs.get_mut(&number) else { continue };
            sub.queued = false;
            let room = most.saturating_sub(sub.in_flight.len());
            // A mailbox without room comes back with its next ack.
            if !sub.wants || room == 0 {
                continue;
            }
            sub.dirty = false;
            let turn = if self.turns.is_empty() { blobs } else { 1 };
            let peek = sub.peek(turn.min(room), bytes, alone);
            (self.looking, self.has_grown) = (Some(Look::Deliver), false);
            return Some((number, peek));
        }
        None
    }
}

impl Session {
    /// Stops deliveries while the client does not take what waits for it, and goes on afterwards.
    pub fn set_paused(&mut self, paused: bool, out: &mut Output) {
        if std::mem::replace(&mut self.reading.paused, paused) && !paused {
            self.pump(out);
        }
    }

    /// Sets how many bytes of blobs one look brings into memory. One blob is always allowed, and never more than the relay's maximum.
    pub const fn set_look_bytes(&mut self, bytes: usize) {
        self.reading.look_bytes = bytes;
    }

    pub(super) fn pump(&mut self, out: &mut Output) {
        if let Some((sub, peek)) = self.reading.next_look(&self.shared.limits) {
            self.call(Call::Peek { sub, peek }, out);
        }
    }

    pub(super) fn on_subscribe(&mut self, subscribe: Subscribe, out: &mut Output) -> Result<(), Close> {
        let Subscribe { req, mailboxes } = subscribe;
        let reading = &mut self.reading;
        let have = reading.subs.len() + reading.claiming.len() + mailboxes.len();
        // as many subscriptions as the relay's Hello says.
        if have > usize::try_from(self.shared.limits.subscriptions).unwrap_or(usize::MAX) {
            return Err(Close::Breach);
        }
        let mut claims = Vec::with_capacity(mailboxes.len());
        for mailbox in &mailboxes {
            let sub = mailbox.sub;
            let used = reading.subs.contains_key(&sub);
            // a number names one subscription.
            if used || reading.claiming.insert(sub, Early::default()).is_some() {
                return Err(Close::Breach);
            }
            claims.push(Claim { read: mailbox_id(&mailbox.read), sub });
        }
        let request = reading.next_request;
        reading.next_request += 1;
        reading.requests.insert(request, (req, 0));
        self.call(Call::Claim { request, claims }, out);
        Ok(())
    }

    pub(super) fn on_claimed(
        &mut self,
        request: u64,
        claimed: Vec<(u32, Result<Claimed, NotClaimed>)>,
        out: &mut Output,
    ) {
        let reading = &mut self.reading;
        let Some((req, _)) = reading.requests.get(&request).copied() else { return };
        let (mut refused, mut contended, mut released) = (Vec::new(), Vec::new(), Vec::new());
        let mut ended = Vec::new();
        let mut behind = 0;
        for (number, result) in claimed {
            let early = reading.claiming.remove(&number).unwrap_or_default();
            match result {
                Err(NotClaimed::Refused) => refused.push(number),
                Err(NotClaimed::Contended) => contended.push(number),
                Ok(claimed) if early.unsubscribed => released.push((claimed.handle, claimed.fence)),
                Ok(claimed) => {
                    let sub = Sub::new(claimed.handle, claimed.fence, request, claimed.newest);
                    behind += usize::from(sub.catching.is_some());
                    let wants = sub.wants || early.changed;
                    reading.subs.insert(number, sub);
                    reading.was_used = true;
                    if wants {
                        reading.want(number);
                    }
                    ended.extend(early.ended.map(|ended| (number, ended)));
                }
            }
        }
        out.items.push(Subscribed { req, refused, contended }.into());
        // One more than there are, so that the last one to catch up is this loop's end.
        if let Some(open) = reading.requests.get_mut(&request) {
            open.1 = behind + 1;
        }
        for (number, why) in ended {
            reading.end(number, why, out);
        }
        reading.one_caught_up(request, out);
        if !released.is_empty() {
            self.call(Call::Release(released), out);
        }
    }

    pub(super) fn on_unsubscribe(&mut self, unsubscribe: &Unsubscribe, out: &mut Output) {
        let mut released = Vec::new();
        for number in &unsubscribe.subs {
            if let Some(early) = self.reading.claiming.get_mut(number) {
                early.unsubscribed = true;
            }
            if let Some(sub) = self.reading.remove(*number, out) {
                released.push((sub.handle, sub.fence));
            }
        }
        if !released.is_empty() {
            self.call(Call::Release(released), out);
        }
        out.items.push(Answer { req: unsubscribe.req, code: AnswerCode::Done, retry_s: 0 }.into());
    }

    pub(super) fn on_peeked(
        &mut self,
        number: u32,
        fence: Fence,
        peeked: Result<Peeked, Stale>,
        out: &mut Output,
    ) {
        let reading = &mut self.reading;
        let look = reading.looking.take();
        let Some(sub) = reading.subs.get_mut(&number).filter(|sub| sub.fence == fence) else { return };
        let Peeked { blobs, gone, more, unread } = match peeked {
            Ok(peeked) => peeked,
            // The hint that says so may have been lost.
            Err(Stale(ended)) => return reading.end(number, ended, out),
        };
        let newest = blobs.last().map(|stored| stored.record);
        let did_not_fit = look == Some(Look::Deliver) && blobs.is_empty() && more;
        let mut flown = (0, 0);
        for stored in blobs {
            let bytes = stored.blob.as_bytes().len();
            let Some(tag) = sub.deliver(stored.record, bytes) else { break };
            flown = (flown.0 + 1, flown.1 + bytes);
            out.items.push(Deliver { sub: number, tag, via: stored.via, blob: stored.blob }.into());
        }
        if !unread {
            sub.looked(newest, more);
        }
        // A check leaves the turn of its mailbox as it was.
        sub.wants = more || sub.dirty || sub.queued;
        let again = sub.wants && !sub.queued;
        sub.queued |= again;
        let gone = sub.gone(&gone);
        // What did not fit waits for credit, and nothing overtakes it.
        if again && did_not_fit {
            reading.turns.push_front(number);
        } else if again {
            reading.turns.push_back(number);
        }
        reading.blobs += flown.0;
        reading.bytes += flown.1;
        reading.starved |= did_not_fit && reading.blobs > 0 && !reading.has_grown;
        for flight in &gone {
            reading.free(flight);
        }
        reading.check(number, out);
    }

    pub(super) fn on_ack(&mut self, ack: Ack, out: &mut Output) -> Result<(), Close> {
        let mut acking = Vec::with_capacity(ack.acks.len());
        for entry in ack.acks {
            let is_empty = entry.upto == 0 && entry.also.is_empty();
            // nothing is delivered before the claim is answered.
            if !is_empty && self.reading.claiming.contains_key(&entry.sub) {
                return Err(Close::Breach);
            }
            // A subscription that is over: the client has been told, or will be.
            let Some(sub) = self.reading.subs.get_mut(&entry.sub) else { continue };
            let flights = sub.ack(&entry).map_err(|_| Close::Breach)?;
            let records: Vec<RecordId> = flights.iter().map(|flight| flight.record).collect();
            let (handle, fence) = (sub.handle, sub.fence);
            let again = sub.wants && !sub.queued;
            sub.queued |= again;
            if again {
                self.reading.turns.push_back(entry.sub);
            }
            for flight in &flights {
                self.reading.free(flight);
            }
            acking.push(Acking { entry, handle, fence, records });
        }
        if !acking.is_empty() {
            self.call(Call::Ack(acking), out);
        }
        Ok(())
    }

    pub(super) fn on_acked(
        &mut self,
        acked: Vec<(Acking, Result<(), NotAcked>)>,
        out: &mut Output,
    ) -> Result<(), Close> {
        let mut acks = Vec::with_capacity(acked.len());
        let mut subs = Vec::with_capacity(acked.len());
        for (acking, result) in acked {
            let number = acking.entry.sub;
            let is_acking = |sub: &&mut Sub| (sub.handle, sub.fence) == (acking.handle, acking.fence);
            let sub = self.reading.subs.get_mut(&number).filter(is_acking);
            match (result, sub) {
                (Ok(()), Some(sub)) => {
                    sub.acked(&acking.records);
                    subs.push(number);
                    acks.push(acking.entry);
                }
                (Ok(()), None) => acks.push(acking.entry),
                // The hint that says so may not have come yet, and CaughtUp must not come before it.
                (Err(NotAcked::Stale(ended)), Some(_)) => self.reading.end(number, ended, out),
                (Err(NotAcked::Stale(_)), None) => {}
                (Err(NotAcked::Stopped), _) => return Err(Close::Stopped),
            }
        }
        if !acks.is_empty() {
            out.items.push(Acked { acks }.into());
        }
        for number in subs {
            self.reading.check(number, out);
        }
        Ok(())
    }
}
