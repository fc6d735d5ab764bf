//! The subscriptions of a link, their turns and the window (spec/12-relay.md section 5). Each is
//! named by the number that the client gave it.
//!
//! Deliveries are pulled by *looks*: a look asks the store for blobs of one mailbox (a peek). One
//! look is under way at a time. While several mailboxes have blobs, they take *turns* of one blob
//! each. A look brings no more than the client's window has room for, but one blob is always
//! allowed. No blob is queued here.

use super::output::Output;
use super::subscription::{Flight, Sub};
use crate::hints::{News, SubscriptionEnd};
use crate::limits::Limits;
use crate::store::Peek;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{CaughtUp, Displaced, Gone};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Maximum number of bytes of blobs that one look brings into memory (spec/12-relay.md section 5):
/// two blobs of the largest class.
const LOOK_BYTES: usize = 131_072;

/// All subscriptions of a link, and what they need together.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) subs: BTreeMap<u32, Box<Sub>>,
    /// Numbers of the subscriptions whose claim the store has not answered, and the news of each.
    pub(super) claiming: BTreeMap<u32, Early>,
    /// Numbers of the subscriptions that wait for a look, next one first.
    pub(super) turns: VecDeque<u32>,
    /// Upper bound of the number of entries of `turns` whose subscription is over. They are
    /// forgotten together, so that the end of many subscriptions takes no scan for each.
    stale_turns: usize,
    /// Numbers of the subscriptions of which blobs in flight may have been destroyed.
    unchecked: BTreeSet<u32>,
    /// Purpose of the look that is under way; `None` if there is none.
    pub(super) looking: Option<Look>,
    /// Whether the next blob is larger than the rest of the client's window, so that looks for
    /// blobs wait.
    pub(super) starved: bool,
    /// Whether the room in the window has grown since the last look for blobs began.
    pub(super) has_grown: bool,
    /// Whether, since the last [`take_use`](Self::take_use), a subscription has begun, or one has
    /// ended that was the only one.
    pub(super) was_used: bool,
    /// Whether looks for blobs wait because the client is slow to take the bytes sent to it.
    pub(super) paused: bool,
    /// Maximum number of bytes of blobs of the next look, raised to the length of the largest blob
    /// and lowered to [`LOOK_BYTES`].
    pub(super) look_bytes: usize,
    /// Maximum number of blobs in flight: the client's window, lowered to the limit of the relay.
    window_blobs: usize,
    /// Maximum number of bytes of blobs in flight, as `window_blobs`.
    window_bytes: usize,
    /// Number of blobs in flight on the link.
    pub(super) blobs: usize,
    /// Number of bytes of the blobs in flight on the link.
    pub(super) bytes: usize,
    /// The subscribe requests without a `CaughtUp`, by their internal number: the client's number
    /// of the request, and how many of its mailboxes have not caught up (0 until the store has
    /// answered the claim).
    pub(super) requests: BTreeMap<u64, (u32, usize)>,
    pub(super) next_request: u64,
}

/// The purpose of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Find blobs to deliver.
    Deliver,
    /// Find the blobs in flight that are destroyed. This look needs no room in the window.
    Check,
}

/// The events of a subscription that came before the store has answered its claim: hints
/// ([`News`]), and an Unsubscribe of the client.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// Whether a blob was put into the mailbox.
    pub(super) changed: bool,
    pub(super) ended: Option<SubscriptionEnd>,
    pub(super) unsubscribed: bool,
}

impl Reading {
    pub(super) fn is_empty(&self) -> bool {
        self.subs.is_empty() && self.claiming.is_empty()
    }

    pub(super) fn has_subscriptions(&self) -> bool {
        !self.subs.is_empty()
    }

    /// Returns whether, since the last call of this method, a subscription has begun, or one has
    /// ended that was the only one.
    pub(super) const fn take_use(&mut self) -> bool {
        std::mem::replace(&mut self.was_used, false)
    }

    pub(super) fn set_window(&mut self, blobs: u16, bytes: u32, limits: &Limits) {
        self.window_blobs = blobs.min(limits.window_blobs).into();
        self.window_bytes = usize::try_from(bytes.min(limits.window_bytes)).unwrap_or(usize::MAX);
        self.look_again_for_room();
    }

    /// Lets looks for blobs go on, because the window has grown or the blob that waits for room may
    /// be destroyed.
    const fn look_again_for_room(&mut self) {
        (self.starved, self.has_grown) = (false, true);
    }

    pub(super) fn on_news(&mut self, news: News, out: &mut Output) {
        for sub in news.changed {
            if let Some(early) = self.claiming.get_mut(&sub) {
                early.changed = true;
            }
            self.want(sub);
        }
        if !news.expired.is_empty() {
            self.look_again_for_room();
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
        self.look_again_for_room();
    }

    /// Gives the subscription `number` a turn, because its mailbox may hold blobs to deliver. Does
    /// nothing if there is no such subscription.
    pub(super) fn want(&mut self, number: u32) {
        if let Some(sub) = self.subs.get_mut(&number) {
            sub.wants = true;
            sub.dirty = true;
            if !sub.queued {
                sub.queued = true;
                self.turns.push_back(number);
                let most = self.subs.len() + self.stale_turns;
                debug_assert!(self.turns.len() <= most, "each subscription has at most one turn");
            }
        }
    }

    /// Ends the subscription `number` and tells the client the reason. Does nothing if there is no
    /// such subscription.
    pub(super) fn end(&mut self, number: u32, ended: SubscriptionEnd, out: &mut Output) {
        if self.subs.contains_key(&number) {
            out.items.push(match ended {
                SubscriptionEnd::Displaced => Displaced { sub: number }.into(),
                SubscriptionEnd::Gone => Gone { sub: number }.into(),
            });
            self.remove(number, out);
        }
    }

    /// Removes the subscription `number`, frees its part of the window, and returns it; `None` if
    /// there is no such subscription. Its mailbox no longer keeps `CaughtUp` waiting.
    pub(super) fn remove(&mut self, number: u32, out: &mut Output) -> Option<Box<Sub>> {
        let sub = self.subs.remove(&number)?;
        if sub.queued {
            self.stale_turns += 1;
            if self.stale_turns * 2 > self.turns.len() {
                self.forget_stale_turns();
            }
        }
        self.was_used |= self.subs.is_empty();
        self.unchecked.remove(&number);
        self.look_again_for_room();
        for flight in &sub.in_flight {
            self.free(flight);
        }
        if let Some(catching) = &sub.catching {
            self.count_caught_up(catching.request, out);
        }
        Some(sub)
    }

    /// Removes the turns of subscriptions that are over.
    fn forget_stale_turns(&mut self) {
        let mut seen = BTreeSet::new();
        let subs = &self.subs;
        self.turns.retain(|number| subs.get(number).is_some_and(|sub| sub.queued) && seen.insert(*number));
        self.stale_turns = 0;
    }

    /// Frees the room that one blob in flight takes of the window.
    pub(super) fn free(&mut self, flight: &Flight) {
        self.blobs = self.blobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(flight.bytes);
        self.look_again_for_room();
    }

    /// Counts the subscription `number` as caught up if it has just become so, as
    /// [`count_caught_up`](Self::count_caught_up) says.
    pub(super) fn check_caught_up(&mut self, number: u32, out: &mut Output) {
        if let Some(request) = self.subs.get_mut(&number).and_then(|sub| sub.take_caught_up()) {
            self.count_caught_up(request, out);
        }
    }

    /// Counts one mailbox of the subscribe request as caught up. With its last one, sends
    /// `CaughtUp` and forgets the request.
    pub(super) fn count_caught_up(&mut self, request: u64, out: &mut Output) {
        let Some((req, behind)) = self.requests.get_mut(&request) else { return };
        *behind = behind.saturating_sub(1);
        if *behind == 0 {
            out.items.push(CaughtUp { req: *req }.into());
            self.requests.remove(&request);
        }
    }

    /// Begins the next look and returns it with the number of its subscription. Returns `None` if a
    /// look is under way, if no subscription waits for one, or if a look for blobs must wait: for
    /// room in the window, or for a client that is slow ([`paused`](Self::paused)).
    pub(super) fn next_look(&mut self, limits: &Limits) -> Option<(u32, Peek)> {
        if self.looking.is_some() {
            return None;
        }
        self.free_empty();
        self.next_check().or_else(|| self.next_delivery(limits))
    }

    /// Frees the memory that an empty map keeps, because links are idle for most of their time.
    fn free_empty(&mut self) {
        if self.turns.is_empty() {
            self.turns = VecDeque::new();
        }
        if self.claiming.is_empty() {
            self.claiming = BTreeMap::new();
        }
        if self.requests.is_empty() {
            self.requests = BTreeMap::new();
        }
        if self.unchecked.is_empty() {
            self.unchecked = BTreeSet::new();
        }
    }

    /// Begins a look that finds which blobs in flight are destroyed; returns `None` if no
    /// subscription needs one. It needs no room in the window, since such blobs still take room.
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
            // Without `queued`, the number was used before by a subscription that is over.
            let Some(sub) = self.subs.get_mut(&number).filter(|sub| sub.queued) else {
                self.stale_turns = self.stale_turns.saturating_sub(1);
                continue;
            };
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
