//! What owners do: create, grant, revoke, renew, rekey, delete (spec/12-relay.md section 4.1).

use super::{Job, Mailbox, Mailboxes, record::Lasting, renewed};
use crate::clock::Now;
use crate::hints::Ended;
use crate::limits::Limits;
use crate::names::Handle;
use crate::store::{Change, NewMailbox, Verdict};
use deaddrop_wire::OwnId;

/// What an owner's request leads to.
#[derive(Debug)]
pub(crate) enum ChangeStep {
    /// An answer at once; nothing is written.
    Answer(Verdict),
    /// An answer once this is written; without content it waits for all that was written before it.
    Write {
        /// Whose record it is.
        handle: Handle,
        /// To be written with the mailboxes.
        lasting: Job,
        /// To be erased from memory.
        volatile: Job,
    },
}

impl ChangeStep {
    fn rewrite(handle: Handle, mailbox: &Mailbox) -> Self {
        Self::Write { handle, lasting: Mailboxes::rewrite(handle, mailbox), volatile: Job::default() }
    }

    /// It is so already: wait until it is durable.
    fn unchanged(handle: Handle, mailbox: &Mailbox) -> Self {
        if mailbox.unsaved {
            return Self::rewrite(handle, mailbox);
        }
        Self::Write { handle, lasting: Job::default(), volatile: Job::default() }
    }
}

impl Mailboxes {
    /// Makes a mailbox, or finds it made.
    pub(crate) fn create(&mut self, new: &NewMailbox, now: Now) -> ChangeStep {
        self.try_create(new, now).unwrap_or_else(ChangeStep::Answer)
    }

    /// Changes a mailbox.
    pub(crate) fn change(&mut self, own: &OwnId, change: Change, now: Now) -> ChangeStep {
        self.try_change(own, change, now).unwrap_or_else(ChangeStep::Answer)
    }

    fn try_create(&mut self, new: &NewMailbox, now: Now) -> Result<ChangeStep, Verdict> {
        if self.stopped {
            return Err(Verdict::Stopped);
        }
        let (own, read) = (self.key.own(&new.own), self.key.read(&new.read));
        let mut sends: Vec<_> =
            new.sends.iter().map(|grant| (self.key.send(&grant.send), grant.via)).collect();
        // Stable: of equal doors the first stays.
        sends.sort_by_key(|(name, _)| name.0);
        sends.dedup_by_key(|(name, _)| *name);
        if let Some(handle) = self.owns.get(&own).copied() {
            // the same create again is the same mailbox; anything else of this owner is not.
            let mailbox = self.boxes.get(&handle).ok_or(Verdict::Refused)?;
            let same = mailbox.lasting.read == read;
            return if same { Ok(ChangeStep::unchanged(handle, mailbox)) } else { Err(Verdict::Refused) };
        }
        // no one else's reader or sender.
        if self.reads.contains_key(&read) || sends.iter().any(|(name, _)| self.sends.contains_key(name)) {
            return Err(Verdict::Refused);
        }
        // there is room for one more.
        let (limits, percent) = (&self.limits, self.limits.create_percent);
        if Limits::reached(self.boxes.len() as u64, limits.mailboxes, percent)
            || Limits::reached(self.blobs, limits.blobs, percent)
            || Limits::reached(self.bytes, limits.store_bytes, percent)
        {
            return Err(Verdict::Busy);
        }
        let lasting = Lasting {
            own,
            read,
            sends,
            lease: new.lease,
            quota: new.quota,
            flags: new.flags,
            ends: now.day.plus(new.lease.days().unwrap_or(0)),
            unused_until: Some(now.day.plus(u32::from(limits.unused_days))),
        };
        let handle = self.fresh_handle();
        self.index(handle, &lasting);
        let mailbox = Mailbox::new(lasting);
        let step = ChangeStep::rewrite(handle, &mailbox);
        self.boxes.insert(handle, mailbox);
        Ok(step)
    }

    fn try_change(&mut self, own: &OwnId, change: Change, now: Now) -> Result<ChangeStep, Verdict> {
        if self.stopped {
            return Err(Verdict::Stopped);
        }
        // the owner exists.
        let handle = self.owns.get(&self.key.own(own)).copied().ok_or(Verdict::Refused)?;
        let mailbox = self.boxes.get_mut(&handle).ok_or(Verdict::Refused)?;
        match change {
            Change::Grant(grant) => {
                let name = self.key.send(&grant.send);
                match self.sends.get_mut(&name) {
                    // no one else's sender.
                    Some((other, _)) if *other != handle => return Err(Verdict::Refused),
                    Some((_, via)) => *via = grant.via,
                    None => {
                        let most = usize::try_from(self.limits.sends_per_mailbox).unwrap_or(usize::MAX);
                        // few senders.
                        if mailbox.lasting.sends.len() >= most.min(super::record::MAX_RECORDED_SENDS) {
                            return Err(Verdict::Full);
                        }
                        self.sends.insert(name, (handle, grant.via));
                    }
                }
                mailbox.lasting.sends.retain(|(other, _)| *other != name);
                mailbox.lasting.sends.push((name, grant.via));
            }
            Change::Revoke(send) => {
                let name = self.key.send(&send);
                let before = mailbox.lasting.sends.len();
                mailbox.lasting.sends.retain(|(other, _)| *other != name);
                if mailbox.lasting.sends.len() == before {
                    return Ok(ChangeStep::unchanged(handle, mailbox));
                }
                self.sends.remove(&name);
            }
            Change::Renew => match renewed(&mailbox.lasting, now.day) {
                Some(ends) => mailbox.lasting.ends = ends,
                None => return Ok(ChangeStep::unchanged(handle, mailbox)),
            },
            Change::Rekey(read) => {
                let name = self.key.read(&read);
                match self.reads.get(&name) {
                    Some(other) if *other == handle => return Ok(ChangeStep::unchanged(handle, mailbox)),
                    // no one else's reader.
                    Some(_) => return Err(Verdict::Refused),
                    None => {}
                }
                self.reads.remove(&mailbox.lasting.read);
                self.reads.insert(name, handle);
                mailbox.lasting.read = name;
                mailbox.fence += 1;
                mailbox.end_reader(Ended::Displaced);
            }
            Change::Delete => {
                let (mut mailbox, lasting, volatile) = self.remove(handle).ok_or(Verdict::Refused)?;
                mailbox.end_reader(Ended::Gone);
                return Ok(ChangeStep::Write { handle, lasting, volatile });
            }
        }
        Ok(ChangeStep::rewrite(handle, mailbox))
    }

    fn fresh_handle(&mut self) -> Handle {
        loop {
            let handle = Handle::random(&mut self.rng);
            if !self.boxes.contains_key(&handle) {
                return handle;
            }
        }
    }
}
