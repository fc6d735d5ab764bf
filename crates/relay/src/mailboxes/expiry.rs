//! Expiry: blobs and leases whose last day is over, mailboxes never used (spec/12-relay.md section
//! 6).

use super::job::Job;
use super::readers::AckStep;
use super::{Mailboxes, record};
use crate::clock::{Calendar, Now};
use crate::hints::SubscriptionEnd;
use crate::names::Handle;

/// The writes of one step of expiry. The caller submits all jobs.
#[derive(Debug, Default)]
pub(crate) struct SweepStep {
    /// The calendar to remember, with the job that writes it; `None` if the store remembers it.
    /// The caller calls [`Mailboxes::note_day`] after the job is durable.
    pub(crate) day: Option<(Calendar, Job)>,
    /// The job that writes or erases the statistics; `None` if the store has the newest ones. The caller calls
    /// [`Mailboxes::note_statistics`] after the job is durable.
    pub(crate) statistics: Option<Job>,
    /// Mailboxes whose record reading has changed and that was not written before, each with the
    /// job that writes it.
    pub(crate) unsaved: Vec<(Handle, Job)>,
    /// Jobs that erase the mailboxes that have expired: for each, the job for the store of the
    /// mailboxes and the one for blobs in memory.
    pub(crate) mailboxes: Vec<(Job, Job)>,
    /// Blobs that have expired, by mailbox.
    pub(crate) blobs: Vec<AckStep>,
    /// Whether the step ended before the last mailbox of the directory. The next step goes on
    /// there.
    pub(crate) more: bool,
}

/// Maximum number of slots of the directory that one step looks at, so that other requests do not
/// wait long for the lock.
const LOOKED_AT: usize = 10_000;

/// Number of bytes of destroyed blobs after which a step ends (spec/12-relay.md section 6): the
/// disk zeroes them before the next step.
const AT_ONCE: u64 = 16 << 20;
/// Maximum number of mailboxes whose records one step writes because reading has changed them and
/// they were not written before.
const SAVED_AT_ONCE: usize = 16;

impl Mailboxes {
    /// Notes the calendar that is on stable storage.
    pub(crate) fn note_day(&mut self, calendar: Calendar) {
        self.calendar = Some(calendar);
    }

    /// Notes that the statistics of the last step are on stable storage.
    pub(crate) fn note_statistics(&mut self) {
        self.statistics.note_saved();
    }

    /// Decides one step of expiry: which blobs and mailboxes, at most `limit`, are destroyed,
    /// beginning after those of the last step. A mailbox goes with all its blobs, even if they
    /// exceed the limit.
    pub(crate) fn sweep(&mut self, now: Now, limit: usize) -> SweepStep {
        let mut step = SweepStep::default();
        if self.stopped {
            return step;
        }
        let calendar = now.calendar();
        if self.calendar.is_none_or(|before| before.day < now.day || before.expires_from < now.expires_from) {
            step.day = Some((calendar, Job { puts: vec![record::day(calendar)], erases: Vec::new() }));
        }
        self.statistics.advance(now);
        step.statistics = self.statistics.unsaved().map(|history| {
            if history.is_empty() {
                return Job { puts: Vec::new(), erases: vec![record::STATISTICS_KEY] };
            }
            Job { puts: vec![record::statistics(history)], erases: Vec::new() }
        });
        let first = self.sweep_from;
        let (handles, behind) = self.directory.slots(first, LOOKED_AT);
        let (mut count, mut bytes) = (0, 0);
        self.sweep_from = behind.unwrap_or(0);
        step.more = behind.is_some();
        for (slot, handle) in handles {
            if bytes >= AT_ONCE {
                (step.more, self.sweep_from) = (true, slot);
                break;
            }
            let before =
                self.directory.get(handle).and_then(|mailbox| Some(mailbox.queue()?.bytes())).unwrap_or(0);
            let destroyed = self.sweep_one(handle, now, limit - count, &mut step);
            (count, bytes) = (count + destroyed, bytes + if destroyed > 0 { u64::from(before) } else { 0 });
            if count >= limit {
                // This mailbox may hold more: the next step begins with it.
                (step.more, self.sweep_from) = (true, slot);
                break;
            }
        }
        step
    }

    fn sweep_one(&mut self, handle: Handle, now: Now, limit: usize, step: &mut SweepStep) -> usize {
        let Some(mailbox) = self.directory.get_mut(handle) else { return 0 };
        let over = now.is_over(mailbox.lasting.ends);
        let unused = mailbox.lasting.unused_until.is_some_and(|until| now.is_over(until));
        let unused = unused && mailbox.first_uses() == 0;
        if over || unused {
            let Some((mut mailbox, lasting, volatile)) = self.remove(handle) else { return 0 };
            mailbox.end_reader(SubscriptionEnd::Gone);
            let count = lasting.erases.len() + volatile.erases.len();
            step.mailboxes.push((lasting, volatile));
            return count;
        }
        let residents = mailbox.queue().into_iter().flat_map(|queue| &queue.residents);
        let expired = residents.filter(|resident| now.is_over(resident.expiry) && !resident.dying);
        let expired: Vec<_> = expired.map(|resident| resident.id).take(limit).collect();
        if mailbox.unsaved && step.unsaved.len() < SAVED_AT_ONCE {
            let job = Self::save(handle, mailbox, self.changing);
            step.unsaved.extend(job.map(|job| (handle, job)));
        }
        if expired.is_empty() {
            mailbox.rest(now, &self.limits);
            return 0;
        }
        let killed = Self::kill(handle, mailbox, expired.into_iter());
        let count = killed.dying.len();
        step.blobs.push(killed);
        count
    }
}
