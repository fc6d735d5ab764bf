//! The answer in plain words.

use super::{Asked, BlobCounts, DisclosedBlob, DisclosedMailbox, Disclosure, Door, Match, Note, RightForm};
use std::fmt::{Display, Formatter, Result};

impl Display for Disclosure {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "Relay {}", self.fingerprint)?;
        if let Some(day) = self.day {
            writeln!(f, "The store remembers the day {day}.")?;
        }
        match (self.asked, self.mailboxes.len()) {
            (Asked::All, number) => writeln!(f, "All that is stored: {number} mailboxes.")?,
            (Asked::Mailbox, 0) => {
                writeln!(f, "No mailbox has this id as that of its owner, its reader or a sender.")?
            }
            (Asked::Capability, 0) => writeln!(f, "No mailbox gives a right to the bearer of these bytes.")?,
            (_, _) => writeln!(f, "All that is stored about this mailbox:")?,
        }
        if self.damaged_mailboxes > 0 {
            writeln!(
                f,
                "The records of {} mailboxes are damaged and cannot be read.",
                self.damaged_mailboxes
            )?;
        }
        if let Some(moved) = &self.moved {
            writeln!(
                f,
                "This relay moved to {} on {}, by the transfer key {}: this store is as it was then, and what was fetched \
                 there since is not missing here.",
                moved.url, moved.moved_on, moved.key_hash
            )?;
        }
        if let Some(day) = self.expires_from {
            writeln!(f, "Nothing expires before {day}, because the clock made a large step.")?;
        }
        for mailbox in &self.mailboxes {
            writeln!(f, "\n{mailbox}")?;
        }
        if self.blobs_without_mailbox_count > 0 {
            writeln!(
                f,
                "\n{} blobs belong to mailboxes whose records are damaged; no right opens them any more{}",
                self.blobs_without_mailbox_count,
                if self.blobs_without_mailbox.is_empty() { ". `--all` lists them." } else { ":" }
            )?;
            for blob in &self.blobs_without_mailbox {
                writeln!(f, "{blob}")?;
            }
        }
        if self.statistics_days > 0 {
            writeln!(
                f,
                "\nCounts of used mailboxes of {} days, with noise that hides each single mailbox, and the total of blobs on days of many used mailboxes, with noise that hides a single blob and not a busy mailbox: `deaddrop-relay statistics` shows them.",
                self.statistics_days
            )?;
        }
        if self.other_records > 0 {
            writeln!(f, "\n{} further records belong to no mailbox.", self.other_records)?;
        }
        writeln!(f, "\nThe store's file: {}", self.store)?;
        notes(f, "Not there:", self.not_there)?;
        notes(f, "A running relay holds in memory besides, until it ends:", self.while_running)?;
        notes(f, "Traces may be in other places, which this program cannot search:", self.elsewhere)
    }
}

fn notes(f: &mut Formatter<'_>, title: &str, notes: &[Note]) -> Result {
    write!(f, "\n{title}")?;
    notes.iter().try_for_each(|note| write!(f, "\n- {}", note.text))?;
    writeln!(f)
}

impl Display for DisclosedMailbox {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.matched {
            Some(matched) => {
                writeln!(f, "Mailbox {}, record {}, found by {matched}", self.handle, self.order)?
            }
            None => writeln!(f, "Mailbox {}, record {}", self.handle, self.order)?,
        }
        let BlobCounts { small, medium, large } = self.counts;
        writeln!(
            f,
            "  Blobs that wait: {small} of 4 KiB, {medium} of 16 KiB, {large} of 64 KiB; {} bytes{}",
            self.bytes,
            if self.blobs.is_empty() { "" } else { ", sealed for keys that the relay never had" },
        )?;
        for blob in &self.blobs {
            writeln!(f, "  - {blob}")?;
        }
        let doors: Vec<String> = self.doors.iter().map(|door| door.number.to_string()).collect();
        writeln!(
            f,
            "  Senders: {} (doors {})",
            doors.len(),
            if doors.is_empty() { "none".to_owned() } else { doors.join(", ") }
        )?;
        writeln!(
            f,
            "  Lease: {} days, ends after {}{}",
            self.lease_days,
            self.lease_ends,
            if self.fixed { "; reading does not renew it" } else { "" },
        )?;
        writeln!(f, "  Quota: {} blobs, {} bytes", self.quota_blobs, self.quota_bytes)?;
        match self.unused_until {
            Some(day) => writeln!(f, "  Never used; removed after {day} if that stays so")?,
            None => writeln!(f, "  Was used: a blob was put, or a reader has subscribed")?,
        }
        if self.volatile {
            writeln!(f, "  Volatile: its blobs are in the memory of the process only")?;
        }
        writeln!(f, "  Keyed hash of the owner's id: {}", self.owner)?;
        write!(f, "  Keyed hash of the reader's id: {}", self.reader)?;
        for door in &self.doors {
            write!(f, "\n  Keyed hash of the id of the sender at door {}: {}", door.number, door.sender)?;
        }
        Ok(())
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self.form {
            RightForm::Id => "the id",
            RightForm::Presented => "the presented right",
            RightForm::Secret => "the secret of the right",
        })?;
        match (self.right, self.door) {
            (Door::Owner, _) => f.write_str(" of its owner"),
            (Door::Reader, _) => f.write_str(" of its reader"),
            (Door::Sender, None) => f.write_str(" of a sender"),
            (Door::Sender, Some(door)) => write!(f, " of its sender at door {door}"),
        }
    }
}

impl Display for DisclosedBlob {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { order, bytes, door, last_day, put_on, hash, .. } = self;
        write!(f, "number {order}: {bytes} bytes, by door {door}, delivered until {last_day}")?;
        if let Some(day) = put_on {
            write!(f, " (put on {day}, by the limits of today)")?;
        }
        write!(f, ", keyed hash {hash}")?;
        match (&self.file, self.damaged) {
            (Some(file), _) => write!(f, ", in {file}"),
            (None, Some(true)) => f.write_str(", damaged"),
            (None, _) => Ok(()),
        }
    }
}
