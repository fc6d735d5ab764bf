//! The requests of readers and the store's answers to them: subscribe, unsubscribe, ack. A *look*
//! asks the store for the blobs of one mailbox (a peek); the session makes looks by itself.

use super::RelaySession;
use super::call::{Acking, Call};
use super::output::{Close, Output};
use super::reading::{Early, Look};
use super::subscription::Sub;
use crate::store::{Claim, Claimed, Fence, NotAcked, NotClaimed, Peeked, RecordId, Stale};
use deaddrop_link::capability::mailbox_id;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{Ack, Acked, Answer, AnswerCode, Deliver, Subscribe, Subscribed, Unsubscribe};

impl RelaySession {
    /// With `paused`, makes no looks that bring blobs until the next call without it. The link sets
    /// this while the client is slow to take the bytes that wait for it.
    pub fn set_paused(&mut self, paused: bool, out: &mut Output) {
        if std::mem::replace(&mut self.reading.paused, paused) && !paused {
            self.pump(out);
        }
    }

    /// Sets the maximum number of bytes of blobs that the next looks bring into memory. Values
    /// below the length of the largest blob (65,536) and above 131,072 count as these.
    pub const fn set_look_bytes(&mut self, bytes: usize) {
        self.reading.look_bytes = bytes;
    }

    pub(super) fn pump(&mut self, out: &mut Output) {
        if let Some((sub, peek)) = self.reading.next_look(&self.shared.limits) {
            // The first blob comes even if it is larger than the rest.
            let largest = SizeClass::Large.bytes();
            self.peeked_bytes = if peek.blobs == 0 { 0 } else { peek.bytes.max(largest) as u64 };
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
                    reading.subs.insert(number, Box::new(sub));
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
        reading.count_caught_up(request, out);
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
            sub.note_look(newest, more);
        }
        // A check leaves the turn of its mailbox as it was.
        sub.wants = more || sub.dirty || sub.queued;
        let again = sub.wants && !sub.queued;
        sub.queued |= again;
        let gone = sub.take_gone(&gone);
        if did_not_fit {
            // The blob waits for the window, and nothing overtakes it, even if news or an ack gave its mailbox a turn meanwhile.
            if !again {
                reading.turns.retain(|other| *other != number);
            }
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
        reading.check_caught_up(number, out);
    }

    pub(super) fn on_ack(&mut self, ack: Ack, out: &mut Output) -> Result<(), Close> {
        let mut acking = Vec::with_capacity(ack.acks.len());
        let mut is_waiting = self.open_acks > 0;
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
            if records.is_empty() {
                self.entries.add(1 + entry.also.len() / 16);
            } else {
                self.entries.note_use(0);
            }
            // An entry that confirms nothing waits for the store only if an ack before it may confirm the same blobs.
            is_waiting |= !records.is_empty();
            let waits = is_waiting;
            let (handle, fence) = (sub.handle, sub.fence);
            let again = sub.wants && !sub.queued;
            sub.queued |= again;
            if again {
                self.reading.turns.push_back(entry.sub);
            }
            for flight in &flights {
                self.reading.free(flight);
            }
            acking.push(Acking { entry, handle, fence, records, waits });
        }
        if !acking.is_empty() {
            self.open_acks += 1;
            self.call(Call::Ack(acking), out);
        }
        Ok(())
    }

    pub(super) fn on_acked(
        &mut self,
        acked: Vec<(Acking, Result<(), NotAcked>)>,
        out: &mut Output,
    ) -> Result<(), Close> {
        self.open_acks = self.open_acks.saturating_sub(1);
        let mut acks = Vec::with_capacity(acked.len());
        let mut subs = Vec::with_capacity(acked.len());
        for (acking, result) in acked {
            let number = acking.entry.sub;
            let is_acking = |sub: &&mut Box<Sub>| (sub.handle, sub.fence) == (acking.handle, acking.fence);
            let sub = self.reading.subs.get_mut(&number).filter(is_acking);
            match (result, sub) {
                (Ok(()), Some(sub)) => {
                    sub.note_destroyed(&acking.records);
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
            self.reading.check_caught_up(number, out);
        }
        Ok(())
    }
}
