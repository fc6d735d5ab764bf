//! The model of one link: what its client has said and may hear, as spec/12-relay.md sections 4 and
//! 5 say.

use super::asked::{Asked, Said};
use super::heard::Look;
use super::rate::Rate;
use super::relay::{Answered, ClaimModel, Claimed, RelayModel};
use deaddrop_relay::session::Call;
use deaddrop_relay::store::Verdict;
use deaddrop_wire::item::{AckEntry, AnswerCode};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The client has broken a rule, so that the relay must close the link.
pub struct Breach;

/// A link as the model sees it: what its client has said, and what the relay owes it.
pub struct LinkModel {
    pub id: u64,
    pub token: u8,
    /// Maximum number of blobs in flight to the client, and of their bytes.
    pub window: (usize, usize),
    pub is_paused: bool,
    pub subs: BTreeMap<u32, SubModel>,
    pub look: Option<Look>,
    /// The requests whose answer the client has not got yet, by their `req`.
    pub(super) requests: BTreeMap<u32, Request>,
    pub(super) subscribes: BTreeMap<u32, SubscribeModel>,
    pub(super) pongs: VecDeque<u32>,
    /// Number of the first request for the description of the relay.
    pub(super) about: Option<u32>,
    pub(super) is_described: bool,
    /// The entries of the Acked that the relay must send next, if one is due.
    pub(super) acked: Option<Vec<DueEntry>>,
    claims: VecDeque<u32>,
    pub(super) releases: VecDeque<Vec<ClaimModel>>,
    acks: VecDeque<Vec<Acking>>,
    puts: Rate,
    put_bytes: Rate,
    creates: Rate,
    pub(super) used_ms: u64,
}

/// A request whose answer the client has not got yet: one that the store has not run, or one with
/// the answer that is due, from the store or from the link itself.
pub(super) enum Request {
    Undecided(Asked),
    Answered(Answered),
}

/// A Subscribe, with the numbers of its subscriptions.
pub(super) struct SubscribeModel {
    pub(super) subs: Vec<u32>,
    pub(super) stage: Stage,
}

/// The progress of a Subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Asked,
    /// The store has run the claims. Numbers of the refused subscriptions, then of the contended
    /// ones.
    Decided(Vec<u32>, Vec<u32>),
    /// The relay has sent Subscribed, and not CaughtUp yet.
    Behind,
    CaughtUp,
}

/// A subscription as the model sees it. Blobs are named by
/// [`BlobModel::id`](super::relay::BlobModel::id).
pub struct SubModel {
    pub state: SubState,
    read: u8,
    pub claim: Option<ClaimModel>,
    /// Ids of the blobs that were in the mailbox when it was claimed: CaughtUp waits for them.
    pub(super) at_claim: Vec<u64>,
    /// Ids of the blobs that were delivered, in order: the first has tag 1.
    pub delivered: Vec<u64>,
    /// Tags of the blobs that were delivered and not acked.
    pub unacked: BTreeSet<u32>,
    /// Id of the newest blob that the link knows to be in the mailbox; `None` if it knows of none.
    pub(super) known: Option<u64>,
    /// Numbers of the subscriptions that have had a turn since this subscription had a blob to
    /// deliver. No number may come twice.
    pub(super) passed: BTreeSet<u32>,
}

/// The state of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubState {
    /// The relay has not sent Subscribed yet. True if an Unsubscribe has named the subscription
    /// meanwhile.
    Claiming(bool),
    Live,
    Over,
}

/// An entry of an Acked that is due, or that may come if not `is_certain`.
#[derive(Debug)]
pub struct DueEntry {
    pub entry: AckEntry,
    pub is_certain: bool,
}

/// An entry of an Ack that the store has not run yet, with the claim and the ids of the blobs that
/// it names.
struct Acking {
    entry: AckEntry,
    claim: ClaimModel,
    blobs: Vec<u64>,
}

/// The effect that the model expects when a link takes the outcome of a call to the store.
pub enum Expected {
    /// No effect that is known beforehand. The items that follow are compared with the model one by
    /// one.
    Nothing,
    /// An Acked with these entries at once, perhaps without those that are not certain; nothing if
    /// no entry is left.
    Acked(Vec<DueEntry>),
    /// The end of the look, after the deliveries of the blobs that it found.
    Looked,
}

impl LinkModel {
    pub fn new(id: u64, token: u8, window: (u16, u32), relay: &RelayModel) -> Self {
        let limits = &relay.limits;
        let mut link = Self {
            id,
            token,
            window: (0, 0),
            is_paused: false,
            subs: BTreeMap::new(),
            look: None,
            requests: BTreeMap::new(),
            subscribes: BTreeMap::new(),
            pongs: VecDeque::new(),
            about: None,
            is_described: false,
            acked: None,
            claims: VecDeque::new(),
            releases: VecDeque::new(),
            acks: VecDeque::new(),
            puts: Rate::new(limits.puts_per_s.into(), limits.put_burst.into()),
            put_bytes: Rate::new(limits.put_bytes_per_s, limits.put_bytes_burst),
            creates: Rate::new(limits.creates_per_s, limits.create_burst),
            used_ms: relay.now.ms,
        };
        link.set_window(window.0, window.1, relay);
        link
    }

    pub fn live(&self) -> impl Iterator<Item = (u32, &SubModel)> {
        let live = self.subs.iter().filter(|(_, sub)| sub.state == SubState::Live);
        live.map(|(number, sub)| (*number, sub))
    }

    pub fn is_claiming(&self, number: u32) -> bool {
        self.subs.get(&number).is_some_and(|sub| matches!(sub.state, SubState::Claiming(_)))
    }

    pub fn is_live_or_claimed(&self, number: u32) -> bool {
        self.subs.get(&number).is_some_and(|sub| sub.state != SubState::Over)
    }

    /// Whether the link counts as idle: it has no subscription that is live or being claimed, and
    /// was not used for `idle_ms`.
    pub fn is_idle(&self, relay: &RelayModel) -> bool {
        let is_used = self.subs.values().any(|sub| sub.state != SubState::Over);
        !is_used && relay.now.ms - self.used_ms >= relay.limits.idle_ms
    }

    /// Takes an item that the client sends; fails if it breaks a rule.
    pub fn hear(&mut self, said: &Said, relay: &mut RelayModel) -> Result<(), Breach> {
        let now_ms = relay.now.ms;
        match said {
            Said::Asked(req, asked) => {
                let request = match self.ask(asked, relay) {
                    Some(answered) => Request::Answered(answered),
                    None => Request::Undecided(asked.clone()),
                };
                self.requests.insert(*req, request);
            }
            Said::Subscribe(req, subs) => self.subscribe(*req, subs, relay)?,
            Said::Unsubscribe(req, subs) => {
                let mut released = Vec::new();
                for number in subs {
                    let Some(sub) = self.subs.get_mut(number) else { continue };
                    match sub.state {
                        SubState::Claiming(_) => sub.state = SubState::Claiming(true),
                        SubState::Live => {
                            released.extend(sub.claim);
                            self.end(*number, now_ms);
                        }
                        SubState::Over => {}
                    }
                }
                if !released.is_empty() {
                    self.releases.push_back(released);
                }
                self.requests.insert(*req, Request::Answered((AnswerCode::Done, 0)));
            }
            Said::Ack(entries) => self.ack(entries)?,
            Said::Window(blobs, bytes) => self.set_window(*blobs, *bytes, relay),
            Said::Ping(nonce) => self.pongs.push_back(*nonce),
            // the description comes once.
            Said::About(req) => match self.about {
                None => self.about = Some(*req),
                Some(_) => {
                    self.requests.insert(*req, Request::Answered((AnswerCode::Busy, 0)));
                }
            },
            //
            Said::Hello | Said::CaughtUp => return Err(Breach),
        }
        Ok(())
    }

    /// Returns the answer to a request if the link itself refuses it, without asking the store.
    fn ask(&mut self, asked: &Asked, relay: &mut RelayModel) -> Option<Answered> {
        let now_ms = relay.now.ms;
        let taken = match asked {
            Asked::Put { class, .. } => {
                self.used_ms = now_ms;
                // a put that is refused for its bytes counts.
                let taken = self.puts.take(1, now_ms);
                taken.and_then(|()| self.put_bytes.take(class.bytes(), now_ms))
            }
            //
            Asked::Create { lease, quota, flags, .. }
                if lease.days().is_none() || quota.blobs().is_none() || flags.has_unknown() =>
            {
                relay.note("a class is unknown");
                return Some((AnswerCode::BadClass, 0));
            }
            Asked::Delete { .. } => Ok(()),
            //
            _ => self.creates.take(1, now_ms),
        };
        taken.err().map(|wait| {
            let is_put = matches!(asked, Asked::Put { .. });
            relay.note(if is_put { "a put is too fast for its link" } else { "a change is too fast" });
            (AnswerCode::Busy, wait)
        })
    }

    fn subscribe(&mut self, req: u32, subs: &[(u32, u8)], relay: &RelayModel) -> Result<(), Breach> {
        let have = self.subs.values().filter(|sub| sub.state != SubState::Over).count();
        //
        if have + subs.len() > relay.limits.subscriptions as usize {
            return Err(Breach);
        }
        for (number, read) in subs {
            //
            if self.subs.get(number).is_some_and(|sub| sub.state != SubState::Over) {
                return Err(Breach);
            }
            self.subs.insert(*number, SubModel::new(*read));
        }
        let subs = subs.iter().map(|(sub, _)| *sub).collect();
        self.subscribes.insert(req, SubscribeModel { subs, stage: Stage::Asked });
        self.claims.push_back(req);
        Ok(())
    }

    fn ack(&mut self, entries: &[AckEntry]) -> Result<(), Breach> {
        let mut acks = Vec::new();
        for entry in entries {
            let is_empty = entry.upto == 0 && entry.also.is_empty();
            if self.is_claiming(entry.sub) && !is_empty {
                return Err(Breach);
            }
            let sub = self.subs.get_mut(&entry.sub).filter(|sub| sub.state == SubState::Live);
            let Some(sub) = sub else { continue };
            let last = sub.last_tag();
            //
            if entry.upto > last || entry.also.iter().any(|tag| *tag == 0 || *tag > last) {
                return Err(Breach);
            }
            let is_named = |tag: &u32| *tag <= entry.upto || entry.also.contains(tag);
            let named: Vec<u32> = sub.unacked.iter().copied().filter(is_named).collect();
            sub.unacked.retain(|tag| !is_named(tag));
            let blobs = named.iter().map(|tag| sub.blob_of(*tag)).collect();
            acks.push(Acking { entry: entry.clone(), claim: sub.claim.unwrap(), blobs });
        }
        if !acks.is_empty() {
            self.acks.push_back(acks);
        }
        Ok(())
    }

    fn set_window(&mut self, blobs: u16, bytes: u32, relay: &RelayModel) {
        let limits = &relay.limits;
        self.window = (blobs.min(limits.window_blobs).into(), bytes.min(limits.window_bytes) as usize);
    }

    /// Ends the subscription `number`. If no live one is left, the link may become idle from
    /// `now_ms` on.
    pub(super) fn end(&mut self, number: u32, now_ms: u64) {
        if let Some(sub) = self.subs.get_mut(&number) {
            let was_live = std::mem::replace(&mut sub.state, SubState::Over) == SubState::Live;
            sub.unacked.clear();
            if was_live && self.live().next().is_none() {
                self.used_ms = now_ms;
            }
        }
    }

    /// Applies a call that the store has just run to the model, and returns what the outcome must
    /// bring; fails if the model does not expect the call. `verdicts` are those of the store for a
    /// call of puts, else empty.
    pub fn decide(
        &mut self,
        call: &CallHead,
        verdicts: &[Verdict],
        relay: &mut RelayModel,
    ) -> Result<Expected, String> {
        match call {
            CallHead::Requests(reqs) => {
                let has_verdicts = !verdicts.is_empty();
                for (at, req) in reqs.iter().enumerate() {
                    let Some(Request::Undecided(asked)) = self.requests.get(req) else {
                        return Err(format!("a call for request {req}, which is not open"));
                    };
                    let verdict = if has_verdicts { verdicts.get(at).copied() } else { None };
                    let answered = relay.decide(asked, verdict)?;
                    self.requests.insert(*req, Request::Answered(answered));
                }
            }
            CallHead::Claim(subs) => self.claim(subs, relay)?,
            CallHead::Release => {
                for claim in self.releases.pop_front().ok_or("a release that is not due")? {
                    relay.release(claim);
                }
            }
            CallHead::Ack => {
                let mut acked = Vec::new();
                for Acking { entry, claim, blobs } in self.acks.pop_front().ok_or("an ack that is not due")? {
                    // The relay may not know yet that a subscription has ended, and what confirms no blob
                    // in flight is confirmed.
                    let is_certain = relay.ack(claim, &blobs);
                    if is_certain || !relay.has_any(&blobs) {
                        acked.push(DueEntry { entry, is_certain });
                    }
                }
                return Ok(Expected::Acked(acked));
            }
            CallHead::Peek => {
                self.look_into(relay)?;
                return Ok(Expected::Looked);
            }
        }
        Ok(Expected::Nothing)
    }

    fn claim(&mut self, subs: &[u32], relay: &mut RelayModel) -> Result<(), String> {
        let req = self.claims.pop_front().ok_or("a claim that is not due")?;
        let subscribe = self.subscribes.get_mut(&req).unwrap();
        if subscribe.subs != subs {
            return Err(format!("claims of {subs:?} for Subscribe {req}"));
        }
        let (mut refused, mut contended) = (Vec::new(), Vec::new());
        for number in subs {
            let sub = self.subs.get_mut(number).unwrap();
            match relay.claim(sub.read, self.id, *number, self.token) {
                Claimed::Refused => refused.push(*number),
                Claimed::Contended => contended.push(*number),
                Claimed::Done(claim, blobs) => (sub.claim, sub.at_claim) = (Some(claim), blobs),
            }
        }
        subscribe.stage = Stage::Decided(refused, contended);
        Ok(())
    }
}

/// The kind of a call to the store, with the numbers of its requests or subscriptions.
#[derive(Clone, Debug)]
pub enum CallHead {
    Requests(Vec<u32>),
    Claim(Vec<u32>),
    Release,
    Ack,
    Peek,
}

impl CallHead {
    pub fn of(call: &Call) -> Self {
        match call {
            Call::Create { req, .. } | Call::Change { req, .. } => Self::Requests(vec![*req]),
            Call::Put(puts) => Self::Requests(puts.iter().map(|(req, _, _)| *req).collect()),
            Call::Claim { claims, .. } => Self::Claim(claims.iter().map(|claim| claim.sub).collect()),
            Call::Release(_) => Self::Release,
            Call::Ack(_) => Self::Ack,
            Call::Peek { .. } => Self::Peek,
        }
    }
}

impl SubModel {
    fn new(read: u8) -> Self {
        Self {
            state: SubState::Claiming(false),
            read,
            claim: None,
            at_claim: Vec::new(),
            delivered: Vec::new(),
            unacked: BTreeSet::new(),
            known: None,
            passed: BTreeSet::new(),
        }
    }

    /// Returns the tag of the newest delivery; 0 before the first.
    pub fn last_tag(&self) -> u32 {
        self.delivered.len().try_into().unwrap()
    }

    /// Returns the id of the blob that was delivered with this tag.
    pub fn blob_of(&self, tag: u32) -> u64 {
        self.delivered[tag as usize - 1]
    }
}
