//! A stranger, who is no contact of a person: makes a mailbox at a relay, fills it, reads it with two readers who take
//! it from each other, and empties it. A small model of the mailbox checks the answers.

use crate::{
    breach::{Breach, Check, Checked},
    ids::RelayId,
    relay::{RawId, Serving},
    relay_parts::QuotaClass,
    sim::{Sim, note},
};
use deaddrop_link::capability::{mailbox_id, own_id, send_id};
use deaddrop_wire::{
    Blob, Day, Item, PresentedOwn, PresentedRead, PresentedSend, SizeClass,
    item::{
        Ack, AckEntry, AnswerCode, Create, CreateFlags, Delete, LeaseClass, Put, SendGrant, Subscribe,
        Subscription,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// The links over which the two readers speak. The owner, who is also the sender, has the link
/// [`OWNER`].
const READERS: [RawId; 2] = [1, 2];
const OWNER: RawId = 3;
/// Number of days for which a mailbox waits for its first use.
const UNUSED_DAYS: u32 = 1;

/// A stranger, and all that it knows of its mailbox. Blobs have numbers, from 1.
pub(crate) struct Stranger {
    number: u8,
    pub(crate) relay: RelayId,
    /// Number of visits that are left before the mailbox is emptied. Those that wait for the
    /// mailbox to be made do not count.
    visits: u32,
    phase: Phase,
    last_req: u32,
    last_blob: u32,
    /// The puts without an answer: the number of the request, and the blob in it.
    putting: BTreeMap<u32, u32>,
    /// Four sets of blobs. Here those that must be there; then those that may be there, those that
    /// were acked and may be destroyed, and those that are destroyed.
    stored: BTreeSet<u32>,
    maybe: BTreeSet<u32>,
    dying: BTreeSet<u32>,
    gone: BTreeSet<u32>,
    /// Blobs in `stored` that were acked by a reader from whom the other one had taken the mailbox.
    acked_stale: BTreeSet<u32>,
    /// The reader who took the mailbox last; `None` if none did since the relay's process began, or
    /// if that one has left.
    present: Option<RawId>,
    readers: BTreeMap<RawId, ReaderState>,
    /// The blobs that were delivered to either reader. Cleared when a reader begins to empty the
    /// mailbox, so that from then on they are those that this reader was given.
    seen: BTreeSet<u32>,
    /// The number of the relay's process that the links belong to.
    incarnation: u32,
    /// The relay's day on which the stranger first asked for the mailbox to be made; `None` before.
    created: Option<Day>,
    /// Whether a put was answered with Done.
    is_used: bool,
    /// Whether a reader has had the mailbox since the relay's process began: after a crash a relay
    /// may have forgotten that a mailbox was read.
    is_read: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Create,
    Use,
    Empty,
    Delete,
    Over,
}

/// One reader's subscription to the mailbox, as this reader knows it.
#[derive(Default)]
struct ReaderState {
    req: u32,
    sub: u32,
    /// The blobs that were delivered and not acked, by the tag of the delivery.
    tags: BTreeMap<u32, u32>,
    /// The blobs that were acked and are not confirmed, by the tag of the delivery.
    acking: BTreeMap<u32, u32>,
    is_caught_up: bool,
}

fn blob(stranger: u8, number: u32) -> Option<Blob> {
    let mut bytes = vec![stranger; SizeClass::Small.bytes()];
    bytes.get_mut(..4)?.copy_from_slice(&number.to_le_bytes());
    Blob::new(bytes).ok()
}

/// Returns the two readers in random order.
fn shuffled(sim: &mut Sim) -> [RawId; 2] {
    let [one, other] = READERS;
    if sim.below(2) == 0 { [one, other] } else { [other, one] }
}

fn number_of(blob: &Blob) -> u32 {
    blob.as_bytes().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

impl Stranger {
    pub(crate) fn new(number: u8, relay: RelayId, visits: u32) -> Self {
        Self {
            number,
            relay,
            visits: visits * 4,
            phase: Phase::Create,
            last_req: 0,
            last_blob: 0,
            putting: BTreeMap::new(),
            stored: BTreeSet::new(),
            maybe: BTreeSet::new(),
            dying: BTreeSet::new(),
            gone: BTreeSet::new(),
            acked_stale: BTreeSet::new(),
            present: None,
            readers: BTreeMap::new(),
            seen: BTreeSet::new(),
            incarnation: 0,
            created: None,
            is_used: false,
            is_read: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Describes the unfinished work of the stranger.
    pub(crate) fn unsettled(&self) -> String {
        let (number, relay, phase) = (self.number, self.relay, self.phase);
        format!(
            "stranger {number} is not done with relay {relay}: {phase:?}, {} puts wait",
            self.putting.len()
        )
    }

    /// Takes the items that the relay has sent. Then creates the mailbox; or puts, reads, acks or
    /// leaves at random; or, after the last of these visits, empties the mailbox and deletes it.
    /// Fails with the promise that the relay has broken.
    pub(crate) fn visit(&mut self, serving: &mut Serving, sim: &mut Sim) -> Checked {
        if self.incarnation != serving.incarnation() {
            // All links are gone with the process.
            self.incarnation = serving.incarnation();
            self.maybe.extend(std::mem::take(&mut self.putting).into_values());
            self.readers.clear();
            self.present = None;
            self.is_read = false;
        }
        self.hear(serving, sim)?;
        match self.phase {
            Phase::Create => self.create(serving, sim)?,
            Phase::Use => {
                self.visits = self.visits.saturating_sub(1);
                match sim.below(7) {
                    0 | 1 => self.put(serving, sim)?,
                    2 | 3 => self.take_over(serving, sim)?,
                    4 | 5 => {
                        for reader in READERS {
                            self.ack(reader, serving, sim)?;
                        }
                    }
                    _ => {
                        let [reader, _] = shuffled(sim);
                        self.leave(reader, serving);
                    }
                }
                if self.visits == 0 {
                    self.phase = Phase::Empty;
                    READERS.into_iter().for_each(|reader| self.leave(reader, serving));
                }
            }
            Phase::Empty => self.empty(serving, sim)?,
            Phase::Delete => self.delete(serving, sim)?,
            Phase::Over => {}
        }
        self.hear(serving, sim)
    }

    fn req(&mut self) -> u32 {
        self.last_req += 1;
        self.last_req
    }

    fn say(&self, link: RawId, item: impl Into<Item>, serving: &mut Serving, sim: &mut Sim) -> Checked {
        serving.raw_say((self.number, link), vec![item.into()], sim)
    }

    fn leave(&mut self, reader: RawId, serving: &mut Serving) {
        serving.raw_leave((self.number, reader));
        self.readers.remove(&reader);
        if self.present == Some(reader) {
            self.present = None;
        }
    }

    fn create(&mut self, serving: &mut Serving, sim: &mut Sim) -> Checked {
        let number = self.number;
        self.created.get_or_insert(serving.now(sim).day);
        let create = Create {
            req: 0,
            own: own_id(&PresentedOwn::from_bytes([number; 32])),
            read: mailbox_id(&PresentedRead::from_bytes([number; 32])),
            sends: vec![SendGrant { send: send_id(&PresentedSend::from_bytes([number; 32])), via: 0 }],
            lease: LeaseClass::Month,
            quota: QuotaClass::Few,
            flags: CreateFlags::NONE,
            token: vec![].into(),
        };
        self.say(OWNER, create, serving, sim)
    }

    fn put(&mut self, serving: &mut Serving, sim: &mut Sim) -> Checked {
        let quota = u64::from(QuotaClass::Few.blobs().unwrap_or(0));
        let count = if sim.below(3) == 0 { quota + 4 } else { 1 + sim.below(5) };
        for _ in 0..count {
            self.last_blob += 1;
            let (req, number) = (self.req(), self.last_blob);
            let Some(blob) = blob(self.number, number) else { continue };
            self.putting.insert(req, number);
            let send = PresentedSend::from_bytes([self.number; 32]);
            self.say(OWNER, Put { req, send, blob }, serving, sim)?;
        }
        Ok(())
    }

    fn subscribe(&mut self, reader: RawId, serving: &mut Serving, sim: &mut Sim) -> Checked {
        let (req, sub) = (self.req(), self.req());
        self.readers.insert(reader, ReaderState { req, sub, ..ReaderState::default() });
        let mailboxes = vec![Subscription { sub, read: PresentedRead::from_bytes([self.number; 32]) }];
        self.say(reader, Subscribe { req, mailboxes }, serving, sim)
    }

    /// Lets one reader, chosen by chance, take the mailbox, while the other one acks the blobs that
    /// it was given, as if it did not know. Does nothing if the chosen one is subscribed already.
    fn take_over(&mut self, serving: &mut Serving, sim: &mut Sim) -> Checked {
        let [reader, other] = shuffled(sim);
        if self.readers.contains_key(&reader) {
            return Ok(());
        }
        self.subscribe(reader, serving, sim)?;
        self.hear_reader(reader, serving, sim)?;
        self.ack(other, serving, sim)
    }

    fn ack(&mut self, reader: RawId, serving: &mut Serving, sim: &mut Sim) -> Checked {
        let is_present = self.present == Some(reader);
        let Some(state) = self.readers.get_mut(&reader) else { return Ok(()) };
        let Some((upto, _)) = state.tags.last_key_value() else { return Ok(()) };
        let entry = AckEntry { sub: state.sub, upto: *upto, also: Vec::new() };
        let acked = std::mem::take(&mut state.tags);
        for number in acked.values() {
            if is_present {
                self.stored.remove(number);
                self.maybe.remove(number);
                self.dying.insert(*number);
            } else if self.stored.contains(number) {
                self.acked_stale.insert(*number);
            }
        }
        state.acking.extend(acked);
        self.say(reader, Ack { acks: vec![entry] }, serving, sim)
    }

    fn empty(&mut self, serving: &mut Serving, sim: &mut Sim) -> Checked {
        let [reader, _] = READERS;
        if !self.putting.is_empty() {
            return Ok(());
        }
        match self.readers.get(&reader) {
            None => {
                self.seen.clear();
                self.subscribe(reader, serving, sim)
            }
            Some(_) if self.present != Some(reader) => {
                self.leave(reader, serving);
                Ok(())
            }
            Some(state) if state.is_caught_up => {
                if let Some(lost) = self.stored.iter().find(|number| !self.seen.contains(number)) {
                    let is_stale = self.acked_stale.contains(lost);
                    let check = if is_stale { Check::Fence } else { Check::Lost };
                    let what = format!("blob {lost} of stranger {} was stored and is gone", self.number);
                    return Err(Breach::new(check, what));
                }
                self.check_quota(self.seen.len(), 0)?;
                self.phase = Phase::Delete;
                Ok(())
            }
            Some(_) => self.ack(reader, serving, sim),
        }
    }

    /// Fails with [`Check::Quota`] if a mailbox holds more blobs than its quota, and with
    /// [`Check::Fence`] if it does so only with the `stale` ones among them: those acked by a
    /// reader without the mailbox, for which the relay must not make room.
    fn check_quota(&self, blobs: usize, stale: usize) -> Checked {
        let quota = QuotaClass::Few.blobs().unwrap_or(0) as usize;
        let what = format!("a mailbox of relay {} takes {blobs} blobs, {stale} with a stale ack", self.relay);
        if blobs.saturating_sub(stale) > quota {
            return Err(Breach::new(Check::Quota, what));
        }
        if blobs > quota {
            return Err(Breach::new(Check::Fence, what));
        }
        Ok(())
    }

    fn delete(&mut self, serving: &mut Serving, sim: &mut Sim) -> Checked {
        let req = self.req();
        self.putting.clear();
        self.say(OWNER, Delete { req, own: PresentedOwn::from_bytes([self.number; 32]) }, serving, sim)
    }

    fn hear(&mut self, serving: &mut Serving, sim: &mut Sim) -> Checked {
        for item in serving.raw_heard((self.number, OWNER)) {
            let Item::Answer(answer) = item else { continue };
            match self.phase {
                Phase::Create if answer.code == AnswerCode::Done => self.phase = Phase::Use,
                Phase::Delete if answer.code != AnswerCode::Busy => {
                    note!(sim, "stranger {} is done", self.number);
                    self.end(serving);
                }
                _ => {}
            }
            let Some(number) = self.putting.remove(&answer.req) else { continue };
            if answer.code == AnswerCode::Done {
                self.is_used = true;
                self.stored.insert(number);
                let stale = self.stored.intersection(&self.acked_stale).count();
                self.check_quota(self.stored.len(), stale)?;
            }
        }
        for reader in READERS {
            self.hear_reader(reader, serving, sim)?;
        }
        Ok(())
    }

    /// Whether a relay at this day may have destroyed the mailbox, because nothing has used it. A
    /// relay believes a clock that is ahead by two days.
    fn is_expired(&self, day: Day) -> bool {
        !self.is_used && !self.is_read && self.created.is_some_and(|created| day > created.plus(UNUSED_DAYS))
    }

    fn end(&mut self, serving: &mut Serving) {
        self.phase = Phase::Over;
        READERS.into_iter().chain([OWNER]).for_each(|link| serving.raw_leave((self.number, link)));
    }

    fn hear_reader(&mut self, reader: RawId, serving: &mut Serving, sim: &mut Sim) -> Checked {
        for item in serving.raw_heard((self.number, reader)) {
            let Some(state) = self.readers.get_mut(&reader) else { continue };
            match item {
                Item::Subscribed(answer) if answer.req == state.req => {
                    if answer.refused.is_empty() && answer.contended.is_empty() {
                        (self.present, self.is_read) = (Some(reader), true);
                    } else if self.is_expired(serving.now(sim).day) {
                        note!(sim, "the mailbox of stranger {} has expired unused", self.number);
                        self.end(serving);
                        return Ok(());
                    } else {
                        let (refused, contended) = (&answer.refused, &answer.contended);
                        note!(
                            sim,
                            "stranger {}: reader {reader} is refused: {refused:?}, {contended:?}",
                            self.number
                        );
                        self.readers.remove(&reader);
                    }
                }
                Item::Deliver(deliver) if deliver.sub == state.sub => {
                    let number = number_of(&deliver.blob);
                    if self.gone.contains(&number) {
                        let what =
                            format!("relay {} delivers blob {number}, which it has destroyed", self.relay);
                        return Err(Breach::new(Check::Residue, what));
                    }
                    if self.maybe.remove(&number) {
                        self.stored.insert(number);
                    }
                    self.seen.insert(number);
                    state.tags.insert(deliver.tag, number);
                }
                Item::Acked(acked) => {
                    for entry in acked.acks.iter().filter(|entry| entry.sub == state.sub) {
                        let later = state.acking.split_off(&(entry.upto + 1));
                        for number in std::mem::replace(&mut state.acking, later).into_values() {
                            self.dying.remove(&number);
                            self.gone.insert(number);
                        }
                    }
                }
                Item::CaughtUp(caught_up) if caught_up.req == state.req => state.is_caught_up = true,
                _ => {}
            }
        }
        Ok(())
    }
}
