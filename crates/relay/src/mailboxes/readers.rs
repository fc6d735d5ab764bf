//! The requests of readers: claim, release, peek, ack (spec/12-relay.md sections 4.4 and 5). A blob
//! is *dying* while its erase is under way.

use super::attached::Attached;
use super::job::{Job, Medium};
use super::mailbox::Mailbox;
use super::{Mailboxes, keeping_days};
use crate::clock::Now;
use crate::hints::SubscriptionEnd;
use crate::limits::Limits;
use crate::names::Handle;
use crate::store::{
    Claim, Claimed, ConnectedReader, Fence, NotAcked, NotClaimed, Peek, RecordId, Stale, Verdict,
};
use deaddrop_shred::RecordKey;
use deaddrop_wire::{Blob, Day, SizeClass};

/// The result of a look into a mailbox (a peek). The caller reads the bodies that are not in
/// memory.
#[derive(Debug, Default)]
pub(crate) struct PeekStep {
    pub(crate) found: Vec<Found>,
    pub(crate) gone: Vec<RecordId>,
    pub(crate) more: bool,
    /// Whether the look passed over blobs that could not be read before.
    pub(crate) unread: bool,
}

/// One blob of a [`PeekStep`].
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: RecordId,
    pub(crate) key: RecordKey,
    pub(crate) medium: Medium,
    pub(crate) via: u8,
    /// The blob, if it was in memory or was read since; `None` until then.
    pub(crate) hot: Option<Blob>,
}

/// The decision on an ack, or on blobs that are destroyed without one. When the job, which may be
/// empty, is durable, the caller calls [`Mailboxes::note_destroyed`], or
/// [`Mailboxes::note_expired`] if no reader acked the blobs.
#[derive(Debug)]
pub(crate) struct AckStep {
    pub(crate) handle: Handle,
    pub(crate) medium: Medium,
    pub(crate) job: Job,
    /// Numbers of the blobs that the job erases.
    pub(crate) dying: Vec<RecordId>,
    /// The job that writes the mailbox's record, if reading has changed it.
    pub(crate) renewal: Option<Job>,
}

impl Mailboxes {
    /// Makes `reader` the reader of a mailbox. Returns also the job that writes the mailbox's
    /// record, if the claim has changed it. Fails if the right does not exist, or if a connected
    /// reader with another token holds the mailbox and the last takeover was less than
    /// `takeover_ms` ago.
    pub(crate) fn claim(
        &mut self,
        claim: &Claim,
        reader: &ConnectedReader,
        now: Now,
    ) -> Result<(Claimed, Option<Job>), NotClaimed> {
        // the reader exists.
        let handle = self.directory.by_reader(&self.key.read(&claim.read)).ok_or(NotClaimed::Refused)?;
        let takeover_ms = self.limits.takeover_ms;
        let mailbox = self.directory.get_mut(handle).ok_or(NotClaimed::Refused)?;
        if let Some(present) = mailbox.reader().filter(|present| present.is_connected()) {
            let same = present.is_same(reader);
            let recently = mailbox
                .active()
                .and_then(|active| active.taken_ms)
                .is_some_and(|at| now.ms.saturating_sub(at) < takeover_ms);
            // readers do not take turns quickly; a reader's own broken connection is replaced at once.
            if !same && recently {
                return Err(NotClaimed::Contended);
            }
            if !same {
                mailbox.active_mut().taken_ms = Some(now.ms);
            }
        }
        mailbox.end_reader(SubscriptionEnd::Displaced);
        mailbox.fence += 1;
        mailbox.active_mut().reader = Some(Attached::new(reader, claim.sub));
        let residents = mailbox.queue().into_iter().flat_map(|queue| queue.residents.iter().rev());
        let newest = residents.filter(|resident| !resident.dying).map(|resident| resident.id).next();
        let claimed = Claimed { handle, fence: Fence(mailbox.fence), newest };
        self.statistics.note_claim(handle);
        let job = if mailbox.note_reading(now) { Self::save(handle, mailbox, self.changing) } else { None };
        Ok((claimed, job))
    }

    /// Gives up the claim with this fence. Does nothing if the mailbox has another fence.
    pub(crate) fn release(&mut self, handle: Handle, fence: Fence) {
        if let Some(mailbox) = self.directory.get_mut(handle).filter(|mailbox| mailbox.fence == fence.0) {
            mailbox.detach_reader();
            mailbox.fence += 1;
        }
    }

    /// Returns the oldest blobs that are not in flight. Fails if the mailbox is gone, or has
    /// another fence.
    pub(crate) fn peek(&mut self, peek: &Peek, now: Now) -> Result<PeekStep, Stale> {
        let mailbox = self.directory.get_mut(peek.handle).ok_or(Stale(SubscriptionEnd::Gone))?;
        // the fence is the mailbox's.
        if mailbox.fence != peek.fence.0 {
            return Err(Stale(SubscriptionEnd::Displaced));
        }
        let medium = mailbox.medium();
        let mut step = PeekStep::default();
        step.gone.extend(peek.in_flight.iter().filter(|id| mailbox.active_mut().queue.place(**id).is_none()));
        let mut bytes = peek.bytes;
        let queue = &mut mailbox.active_mut().queue;
        for resident in &mut queue.residents {
            if resident.dying || now.is_over(resident.expiry) || peek.in_flight.contains(&resident.id) {
                continue;
            }
            if queue.unread.contains(&resident.id) {
                step.unread = true;
                continue;
            }
            let is_allowed = peek.any_first && step.found.is_empty();
            if step.found.len() >= peek.blobs || resident.class.bytes() > bytes && !is_allowed {
                step.more = true;
                break;
            }
            bytes = bytes.saturating_sub(resident.class.bytes());
            let hot = resident.hot.take();
            self.hot_bytes =
                self.hot_bytes.saturating_sub(hot.as_ref().map_or(0, |blob| blob.as_bytes().len() as u64));
            let (id, key, via) = (resident.id, resident.key, resident.via);
            step.found.push(Found { id, key, medium, via, hot });
        }
        Ok(step)
    }

    /// Notes the blobs of a look that could not be read, so that further looks pass over them. With
    /// `more` false the look has found all others: then all are forgotten, and the next look tries
    /// them again.
    pub(crate) fn note_unread(&mut self, handle: Handle, records: &[RecordId], more: bool) {
        if let Some(mailbox) = self.directory.get_mut(handle) {
            let unread = &mut mailbox.active_mut().queue.unread;
            if more {
                unread.extend(records);
            } else {
                unread.clear();
            }
        }
    }

    /// Marks acked blobs as dying, and returns the step that erases them. The step also waits for
    /// blobs that are dying already. Fails if the mailbox is gone, if it has another fence, or if
    /// the store has stopped.
    pub(crate) fn ack(
        &mut self,
        handle: Handle,
        fence: Fence,
        records: &[RecordId],
        now: Now,
    ) -> Result<AckStep, NotAcked> {
        if self.stopped {
            return Err(NotAcked::Stopped);
        }
        let mailbox = self.directory.get_mut(handle).ok_or(NotAcked::Stale(SubscriptionEnd::Gone))?;
        // an ack under an older fence does nothing.
        if mailbox.fence != fence.0 {
            return Err(NotAcked::Stale(SubscriptionEnd::Displaced));
        }
        let mut step = Self::kill(handle, mailbox, records.iter().copied());
        if !step.dying.is_empty() {
            let delays = delays(mailbox, &step.dying, &self.limits, now.day);
            self.statistics.note_ack(handle, delays);
            if mailbox.note_reading(now) {
                step.renewal = Self::save(handle, mailbox, self.changing);
            }
        }
        Ok(step)
    }

    /// Marks a damaged blob as dying and returns the step that erases it, so that it does not block
    /// others; `None` if there is no such mailbox.
    pub(crate) fn discard(&mut self, handle: Handle, record: RecordId) -> Option<AckStep> {
        let mailbox = self.directory.get_mut(handle)?;
        self.damaged += 1;
        Some(Self::kill(handle, mailbox, [record].into_iter()))
    }

    /// Marks blobs as dying and returns the step that erases them. Blobs that do not exist or are
    /// dying already are left out.
    pub(super) fn kill(
        handle: Handle,
        mailbox: &mut Mailbox,
        records: impl Iterator<Item = RecordId>,
    ) -> AckStep {
        let medium = mailbox.medium();
        let mut step = AckStep { handle, medium, job: Job::default(), dying: Vec::new(), renewal: None };
        for id in records {
            let Some(at) = mailbox.active_mut().queue.place(id) else { continue };
            if let Some(resident) =
                mailbox.active_mut().queue.residents.get_mut(at).filter(|resident| !resident.dying)
            {
                resident.dying = true;
                step.job.erases.push(resident.key);
                step.dying.push(id);
            }
        }
        step
    }

    /// Notes that these blobs are destroyed without an ack, and tells the reader: their room in its
    /// window is free again.
    pub(crate) fn note_expired(&mut self, handle: Handle, records: &[RecordId]) {
        self.note_destroyed(handle, records);
        if let Some(reader) = self.directory.get(handle).and_then(|mailbox| mailbox.reader()) {
            reader.tell_expired();
        }
    }

    /// Removes these destroyed blobs from their mailbox and from the counts, and answers puts that
    /// waited for that.
    pub(crate) fn note_destroyed(&mut self, handle: Handle, records: &[RecordId]) {
        let in_memory = self.in_memory;
        for id in records {
            let Some(mailbox) = self.directory.get_mut(handle) else { return };
            let volatile = mailbox.medium() == Medium::Volatile || in_memory;
            let Some((class, hot, waiters)) = mailbox.active_mut().queue.remove(*id) else { continue };
            self.forget(class, hot, volatile);
            for waiter in waiters {
                waiter.tell(Verdict::Done);
            }
        }
    }

    /// Removes a destroyed blob from the counts of the store. `hot` is the number of its bytes that
    /// were kept in memory for a reader.
    pub(super) fn forget(&mut self, class: SizeClass, hot: u64, volatile: bool) {
        let len = class.bytes() as u64;
        self.blobs = self.blobs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(len);
        self.hot_bytes = self.hot_bytes.saturating_sub(hot);
        if volatile {
            self.volatile_bytes = self.volatile_bytes.saturating_sub(len);
        }
    }
}

/// Returns for each of these blobs the number of days since its put. The store keeps no such day: the
/// last day of a blob and the days for which it is kept tell it, unless the limits were changed.
fn delays<'a>(
    mailbox: &'a Mailbox,
    blobs: &'a [RecordId],
    limits: &'a Limits,
    today: Day,
) -> impl Iterator<Item = u32> + 'a {
    let residents = blobs.iter().filter_map(|id| {
        let queue = mailbox.queue()?;
        queue.residents.get(queue.place(*id)?)
    });
    residents.map(move |resident| {
        let days = keeping_days(limits, &mailbox.lasting, resident.class);
        let put = Day::from_number(resident.expiry.number().saturating_sub(days));
        today.since(put)
    })
}
