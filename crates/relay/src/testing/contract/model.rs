//! The rules of a store over plain maps (the *model*). Random histories compare a store with it. A
//! *turn* is the number of changes of reader of a mailbox, the counterpart of the fence.

use crate::clock::{Calendar, Now};
use crate::hints::SubscriptionEnd;
use crate::limits::Limits;
use crate::store::{Change, NewMailbox, NotAcked, NotClaimed, Peek, RecordId, Stale, Verdict};
use deaddrop_wire::item::{CreateFlags, LeaseClass};
use deaddrop_wire::{Blob, Day, MailboxId, OwnId, SendId, SizeClass};
use std::collections::{BTreeMap, BTreeSet};

/// The model of a store: all mailboxes, by numbers in the order of their creation.
pub(super) struct ModelStore {
    pub(super) limits: Limits,
    pub(super) mailboxes: BTreeMap<u64, ModelMailbox>,
    pub(super) calendar: Option<Calendar>,
    /// Numbers of the connections that exist.
    pub(super) connections: BTreeSet<u64>,
    created: u64,
}

/// The model of one mailbox.
pub(super) struct ModelMailbox {
    /// The rights and classes that the mailbox has now.
    pub(super) rights: NewMailbox,
    /// The blobs, oldest first.
    pub(super) blobs: Vec<ModelBlob>,
    /// Every record number that a blob of the mailbox has had, as far as a look has shown it.
    pub(super) used: BTreeSet<RecordId>,
    /// Whether a crash may undo that the mailbox was used or its lease renewed, because no change
    /// of its owner was answered since.
    pub(super) is_uncertain: bool,
    ends: Day,
    unused_until: Option<Day>,
    closed_from: Option<SizeClass>,
    /// Number of the reader's connection, and its token; `None` if there is no reader.
    reader: Option<(u64, u8)>,
    /// Number of claims, releases and rekeys so far.
    turn: u64,
    taken_ms: Option<u64>,
}

/// The model of one blob.
pub(super) struct ModelBlob {
    pub(super) blob: Blob,
    pub(super) via: u8,
    /// Record number of the blob; `None` until a look at the store has shown it.
    pub(super) record: Option<RecordId>,
    expiry: Day,
}

/// A claim of a mailbox: the number of the mailbox, and its turn at the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModelClaim {
    pub(super) mailbox: u64,
    turn: u64,
}

impl ModelStore {
    pub(super) fn new(limits: Limits) -> Self {
        let (mailboxes, connections) = (BTreeMap::new(), BTreeSet::new());
        Self { limits, mailboxes, calendar: None, connections, created: 0 }
    }

    /// Returns the numbers of mailboxes, of blobs and of bytes of blobs.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let blobs: u64 = self.mailboxes.values().map(|mailbox| mailbox.blobs.len() as u64).sum();
        let bytes: u64 = self.mailboxes.values().map(|mailbox| u64::from(mailbox.bytes())).sum();
        (self.mailboxes.len() as u64, blobs, bytes)
    }

    pub(super) fn create(&mut self, new: &NewMailbox, now: Now) -> Verdict {
        if let Some(known) = self.mailboxes.values().find(|known| known.rights.own == new.own) {
            return if known.rights.read == new.read { Verdict::Done } else { Verdict::Refused };
        }
        let is_taken = |known: &ModelMailbox| {
            known.rights.read == new.read || new.sends.iter().any(|grant| known.via_of(&grant.send).is_some())
        };
        if self.mailboxes.values().any(is_taken) {
            return Verdict::Refused;
        }
        let (mailboxes, blobs, bytes) = self.counts();
        let Limits { create_percent, .. } = self.limits;
        if Limits::reached(mailboxes, self.limits.mailboxes, create_percent)
            || Limits::reached(blobs, self.limits.blobs, create_percent)
            || Limits::reached(bytes, self.limits.store_bytes, create_percent)
        {
            return Verdict::Busy;
        }
        self.created += 1;
        let mailbox = ModelMailbox {
            rights: new.clone(),
            blobs: Vec::new(),
            used: BTreeSet::new(),
            is_uncertain: false,
            ends: now.day.plus(new.lease.days().unwrap()),
            unused_until: Some(now.day.plus(self.limits.unused_days.into())),
            closed_from: None,
            reader: None,
            turn: 0,
            taken_ms: None,
        };
        self.mailboxes.insert(self.created, mailbox);
        self.calendar.get_or_insert(now.calendar());
        Verdict::Done
    }

    pub(super) fn change(&mut self, own: &OwnId, change: Change, now: Now) -> Verdict {
        let owned = self.mailboxes.iter().find(|(_, mailbox)| mailbox.rights.own == *own);
        let Some(id) = owned.map(|(id, _)| *id) else { return Verdict::Refused };
        let is_elsewhere = |is_it: &dyn Fn(&ModelMailbox) -> bool| {
            self.mailboxes.iter().any(|(other, mailbox)| *other != id && is_it(mailbox))
        };
        let is_refused = match change {
            Change::Grant(grant) => is_elsewhere(&|mailbox| mailbox.via_of(&grant.send).is_some()),
            Change::Rekey(read) => is_elsewhere(&|mailbox| mailbox.rights.read == read),
            Change::Revoke(_) | Change::Renew | Change::Delete => false,
        };
        if is_refused {
            return Verdict::Refused;
        }
        let mailbox = self.mailboxes.get_mut(&id).unwrap();
        let rights = &mut mailbox.rights;
        match change {
            Change::Grant(grant) => {
                let is_known = rights.sends.iter().any(|other| other.send == grant.send);
                if !is_known && rights.sends.len() >= self.limits.sends_per_mailbox as usize {
                    return Verdict::Full;
                }
                rights.sends.retain(|other| other.send != grant.send);
                rights.sends.push(grant);
            }
            Change::Revoke(send) => rights.sends.retain(|other| other.send != send),
            Change::Renew => mailbox.ends = renewed(mailbox.ends, rights.lease, now.day),
            Change::Rekey(read) if rights.read == read => {}
            Change::Rekey(read) => {
                rights.read = read;
                mailbox.reader = None;
                mailbox.turn += 1;
            }
            Change::Delete => {
                self.mailboxes.remove(&id);
                return Verdict::Done;
            }
        }
        mailbox.is_uncertain = false;
        Verdict::Done
    }

    pub(super) fn put(&mut self, send: &SendId, blob: &Blob, now: Now) -> Verdict {
        let (_, blobs, bytes) = self.counts();
        let mut mailboxes = self.mailboxes.values_mut();
        let Some(mailbox) = mailboxes.find(|mailbox| mailbox.via_of(send).is_some()) else {
            return Verdict::Refused;
        };
        if mailbox.blobs.iter().any(|known| known.blob == *blob) {
            return Verdict::Done;
        }
        let Limits { put_percent, .. } = self.limits;
        if Limits::reached(blobs, self.limits.blobs, put_percent)
            || Limits::reached(bytes, self.limits.store_bytes, put_percent)
        {
            return Verdict::Busy;
        }
        if !mailbox.admit(blob.class()) {
            return Verdict::Full;
        }
        let days = match blob.class() {
            SizeClass::Large => self.limits.large_blob_days,
            SizeClass::Small | SizeClass::Medium => self.limits.blob_days,
        };
        let expiry = now.day.plus(u32::from(days).min(mailbox.rights.lease.days().unwrap()));
        let via = mailbox.via_of(send).unwrap();
        mailbox.blobs.push(ModelBlob { blob: blob.clone(), via, record: None, expiry });
        mailbox.is_uncertain |= mailbox.unused_until.take().is_some() && mailbox.is_volatile();
        Verdict::Done
    }

    pub(super) fn claim(
        &mut self,
        read: &MailboxId,
        connection: u64,
        token: u8,
        now: Now,
    ) -> Result<ModelClaim, NotClaimed> {
        let found = self.mailboxes.iter_mut().find(|(_, mailbox)| mailbox.rights.read == *read);
        let (id, mailbox) = found.ok_or(NotClaimed::Refused)?;
        let present = mailbox.reader.filter(|(connection, _)| self.connections.contains(connection));
        if present.is_some_and(|(_, other)| token == 0 || token != other) {
            if mailbox.taken_ms.is_some_and(|at| now.ms - at < self.limits.takeover_ms) {
                return Err(NotClaimed::Contended);
            }
            mailbox.taken_ms = Some(now.ms);
        }
        mailbox.reader = Some((connection, token));
        mailbox.turn += 1;
        mailbox.note_reading(now.day);
        Ok(ModelClaim { mailbox: *id, turn: mailbox.turn })
    }

    pub(super) fn release(&mut self, claim: ModelClaim) {
        if let Ok(mailbox) = self.claimed(claim) {
            mailbox.reader = None;
            mailbox.turn += 1;
        }
    }

    /// Returns the places in `blobs` of the blobs that a look finds, and whether there are more.
    /// Fails if the claim is over.
    pub(super) fn peek(
        &mut self,
        claim: ModelClaim,
        peek: &Peek,
        now: Now,
    ) -> Result<(Vec<usize>, bool), Stale> {
        let mailbox = self.claimed(claim).map_err(Stale)?;
        let (mut places, mut bytes) = (Vec::new(), peek.bytes);
        for (place, blob) in mailbox.blobs.iter().enumerate() {
            let is_in_flight = blob.record.is_some_and(|record| peek.in_flight.contains(&record));
            if is_in_flight || now.is_over(blob.expiry) {
                continue;
            }
            let needed = blob.blob.as_bytes().len();
            if places.len() >= peek.blobs || needed > bytes && !(peek.any_first && places.is_empty()) {
                return Ok((places, true));
            }
            bytes = bytes.saturating_sub(needed);
            places.push(place);
        }
        Ok((places, false))
    }

    pub(super) fn ack(&mut self, claim: ModelClaim, records: &[RecordId], now: Now) -> Result<(), NotAcked> {
        let mailbox = self.claimed(claim).map_err(NotAcked::Stale)?;
        let before = mailbox.blobs.len();
        mailbox.blobs.retain(|blob| blob.record.is_none_or(|record| !records.contains(&record)));
        if mailbox.blobs.len() < before {
            mailbox.note_reading(now.day);
        }
        Ok(())
    }

    /// Removes all mailboxes and blobs that have expired.
    pub(super) fn sweep(&mut self, now: Now) {
        self.calendar = Some(now.calendar());
        self.mailboxes.retain(|_, mailbox| {
            !now.is_over(mailbox.ends) && !mailbox.unused_until.is_some_and(|until| now.is_over(until))
        });
        for mailbox in self.mailboxes.values_mut() {
            mailbox.blobs.retain(|blob| !now.is_over(blob.expiry));
        }
    }

    /// Forgets what a store keeps in memory only, as a crash does. Claims from before must not be
    /// used any more.
    pub(super) fn reopen(&mut self) {
        for mailbox in self.mailboxes.values_mut() {
            (mailbox.reader, mailbox.taken_ms, mailbox.closed_from) = (None, None, None);
            if mailbox.is_volatile() {
                mailbox.blobs.clear();
                mailbox.used.clear();
            }
        }
    }

    fn claimed(&mut self, claim: ModelClaim) -> Result<&mut ModelMailbox, SubscriptionEnd> {
        let mailbox = self.mailboxes.get_mut(&claim.mailbox).ok_or(SubscriptionEnd::Gone)?;
        if mailbox.turn == claim.turn { Ok(mailbox) } else { Err(SubscriptionEnd::Displaced) }
    }
}

impl ModelMailbox {
    pub(super) fn is_volatile(&self) -> bool {
        self.rights.flags.contains(CreateFlags::VOLATILE)
    }

    fn via_of(&self, send: &SendId) -> Option<u8> {
        self.rights.sends.iter().find(|grant| grant.send == *send).map(|grant| grant.via)
    }

    fn bytes(&self) -> u32 {
        self.blobs.iter().map(|blob| blob.blob.as_bytes().len() as u32).sum()
    }

    /// Whether a blob of this class is accepted. Classes that are closed after a put without room
    /// open as soon as half of the quota is free, because the histories set the random pause to 0.
    fn admit(&mut self, class: SizeClass) -> bool {
        let (blobs, bytes) = (self.rights.quota.blobs().unwrap(), self.rights.quota.bytes().unwrap());
        let (used_blobs, used_bytes) = (self.blobs.len() as u32, self.bytes());
        if used_blobs <= blobs / 2 && used_bytes <= bytes / 2 {
            self.closed_from = None;
        }
        if self.closed_from.is_some_and(|from| class >= from) {
            return false;
        }
        let has_room = |class: SizeClass| used_blobs < blobs && used_bytes + class.bytes() as u32 <= bytes;
        if !has_room(class) {
            self.closed_from = SizeClass::ALL.into_iter().find(|class| !has_room(*class));
        }
        has_room(class)
    }

    fn note_reading(&mut self, today: Day) {
        let before = (self.unused_until, self.ends);
        self.unused_until = None;
        if !self.rights.flags.contains(CreateFlags::FIXED) {
            self.ends = renewed(self.ends, self.rights.lease, today);
        }
        self.is_uncertain |= before != (self.unused_until, self.ends);
    }
}

/// Returns the last day of a lease that is renewed today: if less than half is left, whole weeks
/// are added until a full lease from today is covered; otherwise `ends`.
fn renewed(mut ends: Day, lease: LeaseClass, today: Day) -> Day {
    let days = lease.days().unwrap();
    if ends.since(today) * 2 < days {
        while ends < today.plus(days) {
            ends = ends.plus(7);
        }
    }
    ends
}
