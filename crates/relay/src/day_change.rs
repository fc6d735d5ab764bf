//! Setting the relay's day by hand, after its clock was wrong (spec/12-relay.md section 6).
//!
//! A change to a later day tells beforehand how much expires. A change to an earlier day also
//! shortens the leases that were counted from a later day.

use crate::clock::{Calendar, MAX_STEP};
use crate::limits::Limits;
use crate::mailboxes::record::{self, Kind};
use crate::names::Handle;
use deaddrop_shred::{Batch, CommitError, Disk, Record, Shred};
use deaddrop_wire::Day;
use rand::CryptoRng;
use std::collections::HashSet;

/// Maximum number of records that are written by one commit, so that no commit is large.
const AT_ONCE: usize = 1_024;

/// A planned change of the day, with its consequences.
#[derive(Debug)]
pub struct DayChange {
    before: Option<Calendar>,
    to: Calendar,
    mailboxes: u64,
    blobs: u64,
    /// Records of the mailboxes whose lease ends later than one that begins on the new day, or that
    /// may be unused for longer than a new mailbox, with these days shortened to those of a new
    /// one. Empty unless the new day is earlier.
    cut: Vec<Record>,
}

impl DayChange {
    /// Reads all records and plans the change to the day `to`. Nothing is changed yet.
    #[must_use]
    pub fn plan<D: Disk>(shred: &Shred<D>, to: Day, limits: &Limits) -> Self {
        let entries: Vec<_> = shred.entries().collect();
        let mut plan = Self {
            before: None,
            to: Calendar { day: to, expires_from: Day::from_number(0) },
            mailboxes: 0,
            blobs: 0,
            cut: Vec::new(),
        };
        let mut ended: HashSet<Handle> = HashSet::new();
        for entry in &entries {
            match record::kind(entry) {
                Kind::Day(day) => {
                    plan.before = Some(record::calendar(day, shred.read(&entry.key).ok().as_deref()))
                }
                Kind::Mailbox(handle) => {
                    let lasting = shred.read(&entry.key).ok().and_then(|body| record::decode(&body));
                    let Some(mut lasting) = lasting else { continue };
                    if lasting.ends < to || lasting.unused_until.is_some_and(|until| until < to) {
                        plan.mailboxes += 1;
                        ended.insert(handle);
                    }
                    let whole = to.plus(lasting.lease.days().unwrap_or(0));
                    let unused = to.plus(u32::from(limits.unused_days));
                    if lasting.ends > whole || lasting.unused_until.is_some_and(|until| until > unused) {
                        lasting.ends = lasting.ends.min(whole);
                        lasting.unused_until = lasting.unused_until.map(|until| until.min(unused));
                        plan.cut.push(record::mailbox(handle, &lasting));
                    }
                }
                Kind::Blob { .. } | Kind::IndexKey | Kind::Statistics | Kind::Unknown => {}
            }
        }
        for entry in &entries {
            if let Kind::Blob { handle, .. } = record::kind(entry)
                && (entry.expiry_day < to.number() || ended.contains(&handle))
            {
                plan.blobs += 1;
            }
        }
        if let Some(Calendar { day, expires_from }) = plan.before {
            let is_large = day.since(to).max(to.since(day)) > MAX_STEP;
            plan.to =
                if is_large { Calendar::after_large_step(to) } else { Calendar { day: to, expires_from } };
        }
        if !plan.is_back() {
            plan.cut.clear();
        }
        plan
    }

    /// Whether the new day is later than the one that the store remembers; `false` if it remembers
    /// none.
    #[must_use]
    pub fn is_forward(&self) -> bool {
        self.before.is_some_and(|before| self.to.day > before.day)
    }

    /// Returns the numbers of mailboxes and of blobs that have expired on the new day, whether or
    /// not expiry pauses then. The blobs of these mailboxes count, too.
    #[must_use]
    pub const fn expires(&self) -> (u64, u64) {
        (self.mailboxes, self.blobs)
    }

    /// Returns the calendar before the change, and the one after it.
    #[must_use]
    pub const fn calendars(&self) -> (Option<Calendar>, Calendar) {
        (self.before, self.to)
    }

    /// Writes the change. The day is written last, so that an interrupted change can be repeated.
    ///
    /// # Errors
    /// Fails with the [`CommitError`] of the store.
    pub fn apply<D: Disk>(
        self,
        shred: &mut Shred<D>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(), CommitError> {
        let mut cut = self.cut.into_iter().peekable();
        while cut.peek().is_some() {
            let puts = cut.by_ref().take(AT_ONCE).collect();
            shred.commit(Batch { puts, erases: Vec::new() }, rng)?;
        }
        shred.commit(Batch { puts: vec![record::day(self.to)], erases: Vec::new() }, rng)?;
        // This destroys the older versions of the replaced records.
        shred.settle()
    }

    fn is_back(&self) -> bool {
        self.before.is_some_and(|before| self.to.day < before.day)
    }
}
