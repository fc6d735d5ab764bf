//! The requests of owners: create, grant, revoke, renew, rekey, delete (spec/12-relay.md section
//! 4.1).
//!
//! A change is decided, written, and made in memory when it is on stable storage: one that finds no
//! room has changed nothing. The caller has at most one change under way at a time, except deletes,
//! so that each is decided on what the one before has left. *Changes by reading* are those of the
//! lease and of the first use.

use super::job::Job;
use super::mailbox::renewed;
use super::{Mailboxes, record, record::Lasting};
use crate::clock::{Calendar, Now};
use crate::hints::SubscriptionEnd;
use crate::limits::Limits;
use crate::names::{Handle, Name};
use crate::store::{Change, NewMailbox, Verdict};
use deaddrop_wire::{Day, OwnId};

/// The decision on an owner's request, and what the caller must do.
#[derive(Debug)]
pub(crate) enum ChangeStep {
    /// The answer is known, and nothing is to be written.
    Answer(Verdict),
    /// The mailbox has the wanted state already. The answer waits until all earlier writes are on
    /// stable storage.
    AsBefore(Handle),
    /// The caller writes the job, and then calls [`Mailboxes::finish_change`] with the planned
    /// change.
    Write(Planned, Job),
    /// The mailbox is removed from memory. The caller erases its records.
    Delete {
        /// The job for the store of the mailboxes.
        lasting: Job,
        /// The job for blobs that are kept in memory only.
        volatile: Job,
    },
}

/// A create or an owner's change that was decided and is being written.
#[derive(Debug)]
pub(crate) struct Planned {
    handle: Handle,
    edit: Edit,
    /// Whether the job also writes changes by reading that were not written before.
    saves: bool,
    /// The calendar that the job also writes; `None` if the store remembers one.
    calendar: Option<Calendar>,
}

/// The effect of an owner's change on a mailbox, applied when it is on stable storage.
#[derive(Debug)]
enum Edit {
    Make(Lasting),
    Grant(Name, u8),
    Revoke(Name),
    Renew(Day),
    Rekey(Name),
    /// No edit: the record is written only to save changes by reading.
    Nothing,
}

impl Edit {
    fn apply_to(&self, lasting: &mut Lasting) {
        match self {
            Self::Make(_) | Self::Nothing => {}
            Self::Grant(name, via) => lasting.sends.grant(*name, *via),
            Self::Revoke(name) => lasting.sends.revoke(name),
            Self::Renew(ends) => lasting.ends = lasting.ends.max(*ends),
            Self::Rekey(read) => lasting.read = *read,
        }
    }
}

impl Mailboxes {
    /// Decides a create: plans a new mailbox, or finds that it exists.
    pub(crate) fn create(&mut self, new: &NewMailbox, now: Now) -> ChangeStep {
        self.try_create(new, now).unwrap_or_else(ChangeStep::Answer)
    }

    /// Decides a change of the mailbox of the owner `own`.
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
        // The sort is stable: of equal senders the first stays.
        sends.sort_by_key(|(name, _)| name.0);
        sends.dedup_by_key(|(name, _)| *name);
        if let Some(handle) = self.directory.by_owner(&own) {
            // the same create again is the same mailbox; anything else of this owner is not.
            let same = self.directory.get(handle).is_some_and(|mailbox| mailbox.lasting.read == read);
            return if same { Ok(self.as_before(handle)) } else { Err(Verdict::Refused) };
        }
        // the reader and the senders belong to no other mailbox.
        if self.directory.by_reader(&read).is_some()
            || sends.iter().any(|(name, _)| self.directory.by_sender(name).is_some())
        {
            return Err(Verdict::Refused);
        }
        // there is room for one more.
        let (limits, percent) = (&self.limits, self.limits.create_percent);
        if Limits::reached(self.directory.len() as u64, limits.mailboxes, percent)
            || Limits::reached(self.blobs, limits.blobs, percent)
            || Limits::reached(self.bytes, limits.store_bytes, percent)
        {
            return Err(Verdict::Busy);
        }
        let lasting = Lasting {
            own,
            read,
            sends: sends.into_iter().collect(),
            lease: new.lease,
            quota: new.quota,
            flags: new.flags,
            ends: now.day.plus(new.lease.days().unwrap_or(0)),
            unused_until: Some(now.day.plus(u32::from(limits.unused_days))),
        };
        let handle = self.fresh_handle();
        let mut job = Job { puts: vec![record::mailbox(handle, &lasting)], erases: Vec::new() };
        // A store with a mailbox remembers a day: a process that begins with it does not believe every clock.
        let calendar = self.calendar.is_none().then(|| now.calendar());
        job.puts.extend(calendar.map(record::day));
        Ok(ChangeStep::Write(Planned { handle, edit: Edit::Make(lasting), saves: false, calendar }, job))
    }

    fn try_change(&mut self, own: &OwnId, change: Change, now: Now) -> Result<ChangeStep, Verdict> {
        if self.stopped {
            return Err(Verdict::Stopped);
        }
        // the owner exists.
        let handle = self.directory.by_owner(&self.key.own(own)).ok_or(Verdict::Refused)?;
        let lasting = &self.directory.get(handle).ok_or(Verdict::Refused)?.lasting;
        let edit = match change {
            Change::Grant(grant) => {
                let name = self.key.send(&grant.send);
                match self.directory.by_sender(&name) {
                    // the sender belongs to no other mailbox.
                    Some((other, _)) if other != handle => return Err(Verdict::Refused),
                    Some(_) => {}
                    None => {
                        let most = usize::try_from(self.limits.sends_per_mailbox).unwrap_or(usize::MAX);
                        // few senders.
                        if lasting.sends.len() >= most.min(record::MAX_RECORDED_SENDS) {
                            return Err(Verdict::Full);
                        }
                    }
                }
                Edit::Grant(name, grant.via)
            }
            Change::Revoke(send) => {
                let name = self.key.send(&send);
                if lasting.sends.via(&name).is_none() {
                    return Ok(self.as_before(handle));
                }
                Edit::Revoke(name)
            }
            Change::Renew => match renewed(lasting, now.day) {
                Some(ends) => Edit::Renew(ends),
                None => return Ok(self.as_before(handle)),
            },
            Change::Rekey(read) => {
                let name = self.key.read(&read);
                match self.directory.by_reader(&name) {
                    Some(other) if other == handle => return Ok(self.as_before(handle)),
                    // the reader belongs to no other mailbox.
                    Some(_) => return Err(Verdict::Refused),
                    None => Edit::Rekey(name),
                }
            }
            Change::Delete => {
                let (mut mailbox, lasting, volatile) = self.remove(handle).ok_or(Verdict::Refused)?;
                mailbox.end_reader(SubscriptionEnd::Gone);
                return Ok(ChangeStep::Delete { lasting, volatile });
            }
        };
        self.plan(handle, edit).ok_or(Verdict::Refused)
    }

    /// Returns the step for a mailbox that has the wanted state already. If changes by reading of
    /// its record are not written yet, the step writes them.
    fn as_before(&mut self, handle: Handle) -> ChangeStep {
        if self.directory.get(handle).is_some_and(|mailbox| mailbox.unsaved)
            && let Some(step) = self.plan(handle, Edit::Nothing)
        {
            return step;
        }
        ChangeStep::AsBefore(handle)
    }

    /// Returns the step that writes the mailbox's record with this edit; `None` if the mailbox does
    /// not exist.
    fn plan(&mut self, handle: Handle, edit: Edit) -> Option<ChangeStep> {
        let mailbox = self.directory.get_mut(handle)?;
        let saves = std::mem::take(&mut mailbox.unsaved);
        let mut lasting = mailbox.lasting.clone();
        // A first use that is on its way to the disk is not undone there.
        lasting.unused_until = lasting.unused_until.filter(|_| mailbox.first_uses() == 0);
        edit.apply_to(&mut lasting);
        self.changing = Some(handle);
        let job = Job { puts: vec![record::mailbox(handle, &lasting)], erases: Vec::new() };
        Some(ChangeStep::Write(Planned { handle, edit, saves, calendar: None }, job))
    }

    /// Applies a planned change if it was `written` to stable storage, and drops it otherwise.
    /// Returns whether the mailbox still exists; for a create, always `true`.
    pub(crate) fn finish_change(&mut self, planned: Planned, written: bool) -> bool {
        let Planned { handle, edit, saves, calendar } = planned;
        self.changing = None;
        if let Some(calendar) = calendar.filter(|_| written) {
            self.note_day(calendar);
        }
        if let Edit::Make(lasting) = edit {
            if written {
                self.directory.insert(handle, lasting);
            }
            return true;
        }
        // It may have been deleted meanwhile.
        let Some(mailbox) = self.directory.get_mut(handle) else { return false };
        if !written {
            mailbox.unsaved |= saves;
            return true;
        }
        if let Edit::Rekey(_) = edit {
            mailbox.fence += 1;
            mailbox.end_reader(SubscriptionEnd::Displaced);
        }
        self.directory.change(handle, |lasting| edit.apply_to(lasting));
        true
    }

    fn fresh_handle(&mut self) -> Handle {
        loop {
            let handle = Handle::random(&mut self.rng);
            if !self.directory.contains(handle) {
                return handle;
            }
        }
    }
}
