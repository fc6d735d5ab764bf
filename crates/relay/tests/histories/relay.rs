//! The relay's side of the model: mailboxes, their rights, blobs, readers and days, as
//! spec/12-relay.md sections 4 and 6 say.

use super::asked::Asked;
use super::pause::{Pause, Room};
use super::rate::Rate;
use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::hints::SubscriptionEnd;
use deaddrop_relay::store::Verdict;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::{AnswerCode, CreateFlags};
use std::collections::{BTreeMap, BTreeSet};

/// The code of an answer and its `retry_s`.
pub type Answered = (AnswerCode, u16);

const REFUSED: Answered = (AnswerCode::Refused, 0);
const DONE: Answered = (AnswerCode::Done, 0);
const BUSY: Answered = (AnswerCode::Busy, 30);

/// The relay as the model sees it: all mailboxes, links and ends of claims.
pub struct RelayModel {
    pub limits: Limits,
    pub now: Now,
    pub mailboxes: Vec<MailboxModel>,
    /// Numbers of the links that exist.
    pub links: BTreeSet<u64>,
    /// Claims that have ended at the relay, by number of the link and of the subscription.
    pub ends: BTreeMap<(u64, u32), End>,
    /// Number of times that each rule was applied, by the name of the rule.
    pub met: BTreeMap<&'static str, u32>,
    ids: u64,
}

/// The reason for which a claim ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub why: SubscriptionEnd,
    /// Whether another subscription of the same link took the mailbox.
    pub is_own: bool,
}

/// A mailbox, as the model sees it.
pub struct MailboxModel {
    pub id: u64,
    pub own: u8,
    pub read: u8,
    /// The number of each sender, with its `via`.
    sends: Vec<(u8, u8)>,
    lease_days: u32,
    most_blobs: usize,
    most_bytes: usize,
    is_fixed: bool,
    last_day: u32,
    unused_until: Option<u32>,
    pub blobs: Vec<BlobModel>,
    puts: Rate,
    pause: Pause,
    holder: Option<Holder>,
    fence: u64,
    taken_ms: Option<u64>,
}

/// The subscription that has claimed a mailbox, with the client token of its link.
#[derive(Clone, Copy, Debug)]
struct Holder {
    link: u64,
    sub: u32,
    token: u8,
}

/// A blob, as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobModel {
    /// Number by which the model names the blob. Later blobs have higher numbers.
    pub id: u64,
    /// Number in the first four bytes of the blob, which the test chose.
    pub number: u32,
    pub class: SizeClass,
    pub via: u8,
    last_day: u32,
    /// Whether the blob had expired on some day. It may be delivered all the same if a later
    /// correction of the clock puts expiry off.
    pub was_over: bool,
}

/// A claim of a mailbox: it holds as long as the fence of the mailbox is this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimModel {
    pub mailbox: u64,
    fence: u64,
}

/// The result of one entry of a Subscribe.
pub enum Claimed {
    Refused,
    Contended,
    /// The claim holds. The ids of the blobs that are in the mailbox.
    Done(ClaimModel, Vec<u64>),
}

impl RelayModel {
    pub fn new(limits: Limits, now: Now) -> Self {
        let (mailboxes, links, ends, met) = <_>::default();
        Self { limits, now, mailboxes, links, ends, met, ids: 0 }
    }

    /// Returns the number of mailboxes, of blobs and of bytes of blobs.
    pub fn counts(&self) -> (u64, u64, u64) {
        let blobs = || self.mailboxes.iter().flat_map(|mailbox| &mailbox.blobs);
        let bytes: usize = blobs().map(|blob| blob.class.bytes()).sum();
        (self.mailboxes.len() as u64, blobs().count() as u64, bytes as u64)
    }

    pub fn note(&mut self, rule: &'static str) {
        *self.met.entry(rule).or_default() += 1;
    }

    /// Whether a blob or mailbox that lives to the end of `last_day` has expired.
    fn is_over(&self, last_day: u32) -> bool {
        let today = self.now.day.number();
        last_day < today && today >= self.now.expires_from.number()
    }

    pub fn has_expired(&self, blob: &BlobModel) -> bool {
        self.is_over(blob.last_day)
    }

    /// Moves the time of the model to `now`, and notes which blobs have expired.
    pub fn begin_day(&mut self, now: Now) {
        self.now = now;
        let mut mailboxes = std::mem::take(&mut self.mailboxes);
        for blob in mailboxes.iter_mut().flat_map(|mailbox| &mut mailbox.blobs) {
            blob.was_over |= self.has_expired(blob);
        }
        self.mailboxes = mailboxes;
    }

    /// Returns the blob `id` of the claimed mailbox; `None` if it was destroyed.
    pub fn blob(&self, claim: ClaimModel, id: u64) -> Option<BlobModel> {
        let mailbox = self.mailboxes.iter().find(|mailbox| mailbox.id == claim.mailbox)?;
        mailbox.blobs.iter().find(|blob| blob.id == id).copied()
    }

    /// Returns the mailbox of a claim that still holds; fails with the reason for which it ended.
    pub fn claimed(&self, claim: ClaimModel) -> Result<&MailboxModel, SubscriptionEnd> {
        let mailbox = self.mailboxes.iter().find(|mailbox| mailbox.id == claim.mailbox);
        let mailbox = mailbox.ok_or(SubscriptionEnd::Gone)?;
        if mailbox.fence == claim.fence { Ok(mailbox) } else { Err(SubscriptionEnd::Displaced) }
    }

    fn claimed_mut(&mut self, claim: ClaimModel) -> Result<&mut MailboxModel, SubscriptionEnd> {
        let mailbox = self.mailboxes.iter_mut().find(|mailbox| mailbox.id == claim.mailbox);
        let mailbox = mailbox.ok_or(SubscriptionEnd::Gone)?;
        if mailbox.fence == claim.fence { Ok(mailbox) } else { Err(SubscriptionEnd::Displaced) }
    }

    /// Applies a request of an owner or a sender, and returns the answer that is due. `verdict` is
    /// the relay's own for a put, because it draws the end of a pause at random; fails if it is
    /// impossible.
    pub fn decide(&mut self, asked: &Asked, verdict: Option<Verdict>) -> Result<Answered, String> {
        let answered = match asked {
            Asked::Create { .. } => self.create(asked),
            Asked::Put { send, number, class } => return self.put(*send, *number, *class, verdict),
            Asked::Delete { own } => self.delete(*own),
            _ => self.change(asked),
        };
        self.note(match answered.0 {
            AnswerCode::Done => "an owner's request is done",
            AnswerCode::Refused => "an owner's request is refused",
            AnswerCode::Busy => "a create finds the relay at its limits",
            _ => "a mailbox has no place for a sender",
        });
        Ok(answered)
    }

    fn create(&mut self, asked: &Asked) -> Answered {
        let Asked::Create { own, read, sends, lease, quota, flags } = asked else { return REFUSED };
        //
        if let Some(known) = self.mailboxes.iter().find(|known| known.own == *own) {
            return if known.read == *read { DONE } else { REFUSED };
        }
        //
        let is_taken = |known: &MailboxModel| {
            known.read == *read || sends.iter().any(|(send, _)| known.via(*send).is_some())
        };
        if self.mailboxes.iter().any(is_taken) {
            return REFUSED;
        }
        //
        let (mailboxes, blobs, bytes) = self.counts();
        let percent = self.limits.create_percent;
        if is_at(mailboxes, self.limits.mailboxes, percent)
            || is_at(blobs, self.limits.blobs, percent)
            || is_at(bytes, self.limits.store_bytes, percent)
        {
            return BUSY;
        }
        let mut granted: Vec<(u8, u8)> = Vec::new();
        for (send, via) in sends {
            if !granted.iter().any(|(known, _)| known == send) {
                granted.push((*send, *via));
            }
        }
        self.ids += 1;
        let (today, lease_days) = (self.now.day.number(), lease.days().unwrap());
        self.mailboxes.push(MailboxModel {
            id: self.ids,
            own: *own,
            read: *read,
            sends: granted,
            lease_days,
            most_blobs: quota.blobs().unwrap() as usize,
            most_bytes: quota.bytes().unwrap() as usize,
            is_fixed: flags.contains(CreateFlags::FIXED),
            last_day: today + lease_days,
            unused_until: Some(today + u32::from(self.limits.unused_days)),
            blobs: Vec::new(),
            puts: Rate::new(self.limits.mailbox_puts_per_s, self.limits.mailbox_put_burst),
            pause: Pause::new(),
            holder: None,
            fence: 0,
            taken_ms: None,
        });
        DONE
    }

    fn change(&mut self, asked: &Asked) -> Answered {
        let (own, is_taken) = match asked {
            Asked::Grant { own, send, .. } => (own, self.has_sender(*own, *send)),
            Asked::Rekey { own, read } => {
                let is_of_other = |other: &MailboxModel| other.own != *own && other.read == *read;
                (own, self.mailboxes.iter().any(is_of_other))
            }
            Asked::Revoke { own, .. } | Asked::Renew { own } => (own, false),
            _ => return REFUSED,
        };
        let today = self.now.day.number();
        let most = self.limits.sends_per_mailbox as usize;
        let full = (AnswerCode::Full, self.limits.full_retry_s);
        //
        let Some(mailbox) = self.mailboxes.iter_mut().find(|known| known.own == *own) else { return REFUSED };
        //
        if is_taken {
            return REFUSED;
        }
        match asked {
            Asked::Grant { send, via, .. } => {
                let is_new = mailbox.via(*send).is_none();
                //
                if is_new && mailbox.sends.len() >= most {
                    return full;
                }
                mailbox.sends.retain(|known| known.0 != *send);
                mailbox.sends.push((*send, *via));
            }
            Asked::Revoke { send, .. } => mailbox.sends.retain(|known| known.0 != *send),
            Asked::Renew { .. } => mailbox.renew(today),
            Asked::Rekey { read, .. } if mailbox.read != *read => {
                mailbox.read = *read;
                mailbox.fence += 1;
                let holder = mailbox.holder.take();
                self.end(holder, SubscriptionEnd::Displaced, None);
            }
            _ => {}
        }
        DONE
    }

    fn has_sender(&self, own: u8, send: u8) -> bool {
        self.mailboxes.iter().any(|other| other.own != own && other.via(send).is_some())
    }

    fn delete(&mut self, own: u8) -> Answered {
        let Some(at) = self.mailboxes.iter().position(|known| known.own == own) else { return REFUSED };
        let mailbox = self.mailboxes.remove(at);
        self.end(mailbox.holder, SubscriptionEnd::Gone, None);
        DONE
    }

    fn put(
        &mut self,
        send: u8,
        number: u32,
        class: SizeClass,
        verdict: Option<Verdict>,
    ) -> Result<Answered, String> {
        let (_, blobs, bytes) = self.counts();
        let limits = self.limits.clone();
        let (today, now_ms, id) = (self.now.day.number(), self.now.ms, self.ids + 1);
        //
        let Some(mailbox) = self.mailboxes.iter_mut().find(|known| known.via(send).is_some()) else {
            self.note("a put is refused");
            return Ok(REFUSED);
        };
        //
        if mailbox.blobs.iter().any(|blob| (blob.number, blob.class) == (number, class)) {
            self.note("a put is there already");
            return Ok(DONE);
        }
        //
        if is_at(blobs, limits.blobs, limits.put_percent)
            || is_at(bytes, limits.store_bytes, limits.put_percent)
        {
            self.note("a put finds the relay at its limits");
            return Ok(BUSY);
        }
        //
        let was_taken = matches!(verdict, Some(Verdict::Done | Verdict::TooFast(_)));
        let room = mailbox.room();
        let taken = mailbox.pause.note_put(class, room, was_taken, now_ms, limits.full_pause_ms);
        taken.map_err(|why| format!("the place of a put in mailbox {}: {why}", mailbox.own))?;
        if !was_taken {
            let had_room = room.blobs > 0 && room.bytes >= class.bytes();
            self.note(match had_room {
                true if room.is_half => "a put finds its class closed for a time",
                true => "a put finds its class closed until half is free",
                false => "a put finds a mailbox full",
            });
            return Ok((AnswerCode::Full, limits.full_retry_s));
        }
        //
        if let Err(wait) = mailbox.puts.take(1, now_ms) {
            self.note("a put is too fast for its mailbox");
            return Ok((AnswerCode::Full, wait));
        }
        let days = if class == SizeClass::Large { limits.large_blob_days } else { limits.blob_days };
        let last_day = today + u32::from(days).min(mailbox.lease_days);
        let via = mailbox.via(send).unwrap();
        mailbox.blobs.push(BlobModel { id, number, class, via, last_day, was_over: false });
        mailbox.unused_until = None;
        self.ids = id;
        self.note("a put is stored");
        Ok(DONE)
    }

    /// Claims the mailbox that the right `read` names, for the subscription `sub` of `link`.
    pub fn claim(&mut self, read: u8, link: u64, sub: u32, token: u8) -> Claimed {
        let (now_ms, today, takeover_ms) = (self.now.ms, self.now.day.number(), self.limits.takeover_ms);
        //
        let Some(mailbox) = self.mailboxes.iter_mut().find(|known| known.read == read) else {
            self.note("a claim is refused");
            return Claimed::Refused;
        };
        let present = mailbox.holder.filter(|holder| self.links.contains(&holder.link));
        let is_takeover = present.is_some_and(|present| token == 0 || present.token != token);
        //
        if is_takeover && mailbox.taken_ms.is_some_and(|at| now_ms - at < takeover_ms) {
            self.note("a claim is contended");
            return Claimed::Contended;
        }
        if is_takeover {
            mailbox.taken_ms = Some(now_ms);
        }
        mailbox.fence += 1;
        mailbox.note_reading(today);
        let before = mailbox.holder.replace(Holder { link, sub, token });
        let claim = ClaimModel { mailbox: mailbox.id, fence: mailbox.fence };
        let blobs = mailbox.blobs.iter().map(|blob| blob.id).collect();
        self.note(match present {
            None => "a claim finds no reader",
            Some(_) if is_takeover => "a claim takes a mailbox over",
            Some(_) => "a claim replaces the reader's own",
        });
        self.end(before, SubscriptionEnd::Displaced, Some(link));
        Claimed::Done(claim, blobs)
    }

    /// Gives a claim up, if it still holds.
    pub fn release(&mut self, claim: ClaimModel) {
        if let Ok(mailbox) = self.claimed_mut(claim) {
            mailbox.fence += 1;
            mailbox.holder = None;
        }
    }

    /// Destroys the blobs with the ids `blobs`, which an entry of an Ack names. Returns false, and
    /// destroys nothing, if the claim does not hold.
    pub fn ack(&mut self, claim: ClaimModel, blobs: &[u64]) -> bool {
        let today = self.now.day.number();
        let Ok(mailbox) = self.claimed_mut(claim) else {
            self.note("an ack comes too late");
            return false;
        };
        let before = mailbox.blobs.len();
        mailbox.blobs.retain(|blob| !blobs.contains(&blob.id));
        if mailbox.blobs.len() < before {
            mailbox.note_reading(today);
        }
        self.note("an ack destroys its blobs");
        true
    }

    /// Whether a blob with one of the ids `blobs` exists.
    pub fn has_any(&self, blobs: &[u64]) -> bool {
        self.mailboxes.iter().flat_map(|mailbox| &mailbox.blobs).any(|blob| blobs.contains(&blob.id))
    }

    /// Removes all mailboxes and blobs that have expired.
    pub fn sweep(&mut self) {
        let (gone, kept) = std::mem::take(&mut self.mailboxes).into_iter().partition(|mailbox| {
            self.is_over(mailbox.last_day) || mailbox.unused_until.is_some_and(|day| self.is_over(day))
        });
        self.mailboxes = kept;
        let _: &Vec<MailboxModel> = &gone;
        for mailbox in gone {
            self.note("a mailbox expires");
            self.end(mailbox.holder, SubscriptionEnd::Gone, None);
        }
        let mut mailboxes = std::mem::take(&mut self.mailboxes);
        for mailbox in &mut mailboxes {
            let before = mailbox.blobs.len();
            mailbox.blobs.retain(|blob| !self.has_expired(blob));
            if before > mailbox.blobs.len() {
                self.note("a blob expires");
            }
        }
        self.mailboxes = mailboxes;
    }

    /// Notes that the claim of `holder`, if there is one, has ended. `by` is the link of the next
    /// reader.
    fn end(&mut self, holder: Option<Holder>, why: SubscriptionEnd, by: Option<u64>) {
        if let Some(Holder { link, sub, .. }) = holder {
            self.ends.insert((link, sub), End { why, is_own: by == Some(link) });
        }
    }
}

impl MailboxModel {
    fn via(&self, send: u8) -> Option<u8> {
        self.sends.iter().find(|known| known.0 == send).map(|known| known.1)
    }

    fn room(&self) -> Room {
        let used_bytes: usize = self.blobs.iter().map(|blob| blob.class.bytes()).sum();
        let (blobs, bytes) = (self.most_blobs - self.blobs.len(), self.most_bytes - used_bytes);
        let is_half = blobs >= self.most_blobs / 2 && bytes >= self.most_bytes / 2;
        Room { blobs, bytes, is_half }
    }

    /// Notes a use of the mailbox by its reader, which renews the lease unless the mailbox is
    /// fixed.
    fn note_reading(&mut self, today: u32) {
        self.unused_until = None;
        if !self.is_fixed {
            self.renew(today);
        }
    }

    /// If less than half of the lease is left, extends it in steps of seven days to at least its
    /// full length.
    fn renew(&mut self, today: u32) {
        let left = self.last_day.saturating_sub(today);
        if left * 2 < self.lease_days {
            while self.last_day < today + self.lease_days {
                self.last_day += 7;
            }
        }
    }
}

/// Whether `have` is at least `percent` percent of the limit `most`.
fn is_at(have: u64, most: u64, percent: u8) -> bool {
    have * 100 >= most * u64::from(percent)
}
