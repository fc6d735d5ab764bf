//! Putting: capability, then duplicate, then the store's limits, then the mailbox's
//! (spec/12-relay.md section 4.3).

use super::attached::Attached;
use super::job::{Job, Medium};
use super::queue::{Dying, Pending, Waiter};
use super::{Mailboxes, keep_hot, record};
use crate::clock::Now;
use crate::limits::Limits;
use crate::names::Handle;
use crate::store::{RecordId, Verdict};
use deaddrop_shred::RecordKey;
use deaddrop_wire::{Blob, SendId};
use rand::RngExt;

/// The decision on a put, and what the caller must do.
pub(crate) enum PutStep {
    /// The answer is known, and nothing is to be written.
    Answer(Verdict),
    /// A commit or an erase of the same blob is under way. The waiter is told when it is durable.
    Join,
    /// An owner's change of the mailbox is under way. The caller decides the put again after that.
    AfterChange(Blob),
    /// The caller writes the jobs, and then calls [`Mailboxes::finish_put`] with the order number
    /// of the blob, the first record of its job, or [`Mailboxes::undo_put`] if there was no room.
    Write {
        handle: Handle,
        key: RecordKey,
        medium: Medium,
        /// The job for `medium`. Its first record is the blob.
        blob: Job,
        /// The job for the store of the mailboxes, submitted first: the record of a volatile
        /// mailbox that is used for the first time; `None` if no record is written now.
        mailbox: Option<Job>,
        /// Whether this is the first use of a mailbox that is not volatile, so that the blob's job
        /// also holds the mailbox's record.
        first_use: bool,
    },
}

impl Mailboxes {
    /// Decides one put. With `overdue`, the disk must zero dead bytes before it takes more blobs.
    /// `waiter` is dropped without a verdict if the step is an answer or waits for an owner's
    /// change.
    pub(crate) fn put(
        &mut self,
        send: &SendId,
        blob: Blob,
        overdue: bool,
        now: Now,
        waiter: Waiter,
    ) -> PutStep {
        use PutStep::{AfterChange, Answer, Join};
        if self.stopped {
            return Answer(Verdict::Stopped);
        }
        // the sender exists. A sender that was revoked or never granted, and one whose mailbox is gone, are absent from the map.
        let Some((handle, via)) = self.directory.by_sender(&self.key.send(send)) else {
            return Answer(Verdict::Refused);
        };
        let key = self.key.blob(handle, &blob);
        let Some(mailbox) = self.directory.get_mut(handle) else { return Answer(Verdict::Refused) };
        let (class, len) = (blob.class(), blob.as_bytes().len());
        // a blob that is there is the same put, and is answered with the commit that it depends on.
        let queue = &mut mailbox.active_mut().queue;
        if let Some(pending) = queue.pending.iter_mut().find(|pending| pending.key == key) {
            pending.waiters.push(waiter);
            return Join;
        }
        if let Some(resident) = queue.residents.iter().find(|resident| resident.key == key) {
            if !resident.dying {
                return Answer(Verdict::Done);
            }
            queue.dying.push(Dying { id: resident.id, waiter });
            return Join;
        }
        // the store as a whole has room.
        let volatile = mailbox.medium() == Medium::Volatile || self.in_memory;
        let (limits, percent) = (&self.limits, self.limits.put_percent);
        if Limits::reached(self.blobs, limits.blobs, percent)
            || Limits::reached(self.bytes, limits.store_bytes, percent)
            || volatile && Limits::reached(self.volatile_bytes, limits.memory_bytes, percent)
        {
            return Answer(Verdict::Busy);
        }
        if overdue && !volatile {
            self.overdue += 1;
            return Answer(Verdict::Busy);
        }
        let (medium, first_use) = (mailbox.medium(), mailbox.lasting.unused_until.is_some());
        if medium == Medium::Lasting && first_use && self.changing == Some(handle) {
            return AfterChange(blob);
        }
        // the mailbox has room, and had some a while ago.
        let (rng, most_ms) = (&mut self.rng, limits.full_pause_ms);
        if !mailbox.admit(class, now.ms, || rng.random_range(0..=most_ms)) {
            return Answer(Verdict::Full);
        }
        // not too many in a short time.
        let (rate, burst) = (limits.mailbox_puts_per_s.into(), limits.mailbox_put_burst.into());
        if let Err(wait) = mailbox.active_mut().rate.take(1, rate, burst, now.ms) {
            return Answer(Verdict::TooFast(wait));
        }

        let listening = mailbox.reader().is_some_and(Attached::is_connected);
        let hot =
            (listening && !self.in_memory && keep_hot(&blob, self.hot_bytes, limits)).then(|| blob.clone());
        self.blobs += 1;
        self.bytes += len as u64;
        self.volatile_bytes += if volatile { len as u64 } else { 0 };
        self.hot_bytes += if hot.is_some() { len as u64 } else { 0 };
        let Some(mailbox) = self.directory.get(handle) else { return Answer(Verdict::Refused) };
        let expiry = self.expiry(mailbox, class, now.day);
        let Some(mailbox) = self.directory.get_mut(handle) else { return Answer(Verdict::Refused) };
        mailbox.active_mut().queue.begin(Pending { key, class, via, expiry, hot, waiters: vec![waiter] });
        let stored = record::blob(key, handle, via, expiry, blob.into_bytes());
        let mut blob = Job { puts: vec![stored], erases: Vec::new() };
        let mut rewritten = None;
        match medium {
            Medium::Lasting if first_use => {
                // One commit for both. In memory it is used once that is durable.
                let used = record::Lasting { unused_until: None, ..mailbox.lasting.clone() };
                blob.puts.push(record::mailbox(handle, &used));
                mailbox.active_mut().first_uses += 1;
            }
            Medium::Volatile if first_use => {
                mailbox.lasting.unused_until = None;
                rewritten = Self::save(handle, mailbox, self.changing);
            }
            Medium::Lasting | Medium::Volatile => {}
        }
        let first_use = first_use && medium == Medium::Lasting;
        PutStep::Write { handle, key, medium, blob, mailbox: rewritten, first_use }
    }

    /// Makes the blob of a [`PutStep::Write`] resident in its mailbox, because it is on stable
    /// storage, and tells the reader and the waiters.
    pub(crate) fn finish_put(&mut self, handle: Handle, key: RecordKey, id: RecordId, first_use: bool) {
        // A mailbox deleted meanwhile has taken the blob with it.
        let Some(mailbox) = self.directory.get_mut(handle) else { return };
        if first_use {
            mailbox.active_mut().first_uses = mailbox.active_mut().first_uses.saturating_sub(1);
            mailbox.lasting.unused_until = None;
        }
        let waiters = mailbox.active_mut().queue.commit(key, id);
        if let Some(class) = mailbox.queue().and_then(|queue| queue.class_of(id)) {
            self.statistics.note_put(handle, class);
        }
        if let Some(reader) = mailbox.reader() {
            reader.tell_changed();
        }
        for waiter in waiters {
            waiter.tell(Verdict::Done);
        }
    }

    /// Removes the blob of a [`PutStep::Write`] from its mailbox and from the counts, because it
    /// was not written, and tells the waiters.
    pub(crate) fn undo_put(&mut self, handle: Handle, key: RecordKey, first_use: bool) {
        let in_memory = self.in_memory;
        let Some(mailbox) = self.directory.get_mut(handle) else { return };
        if first_use {
            mailbox.active_mut().first_uses = mailbox.active_mut().first_uses.saturating_sub(1);
            // A change that was decided meanwhile may have written that it is used.
            mailbox.unsaved |= mailbox.lasting.unused_until.is_some();
        }
        // It never got an order number; any that is not in use will do to take it out again.
        let id = RecordId(u64::MAX);
        let waiters = mailbox.active_mut().queue.commit(key, id);
        let volatile = mailbox.medium() == Medium::Volatile || in_memory;
        if let Some((class, hot, _)) = mailbox.active_mut().queue.remove(id) {
            self.forget(class, hot, volatile);
        }
        let verdict = if self.stopped { Verdict::Stopped } else { Verdict::Busy };
        for waiter in waiters {
            waiter.tell(verdict);
        }
    }
}
