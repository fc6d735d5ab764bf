//! One link over which envelopes of one contact are put.

use super::{asked::AskedToWait, outbox::Outbox};
use crate::{
    conversation::{end::LinkClosed, line::LineState, moment::Moment, states::PutState, strays::Strays},
    engine::{BlobLives, PutJob, SentPut},
};
use deaddrop_wire::{
    Blob, Item, RelayAddress,
    item::{Answer, AnswerCode, Put},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Maximum number of puts without an answer at a time (spec/14-client.md section 6).
const WINDOW: usize = 16;

/// An open link over which envelopes are put.
pub(super) struct PutLink {
    relay: RelayAddress,
    pub(super) lives: BlobLives,
    /// The newest round (spec/14-client.md section 6.4) that had begun before the attempt to open
    /// the link.
    pub(super) round: u64,
    /// The puts without an answer, by their request numbers.
    under_way: BTreeMap<u32, OpenPut>,
    /// The time of the last answer to a put; before the first one, the time at which the link was
    /// opened.
    pub(super) answered_at: Moment,
    /// The request number of the next put.
    next: u32,
    /// Whether the relay has accepted or refused a put over this link.
    pub(super) is_answered: bool,
    strays: Strays,
}

/// A put that has no answer yet.
struct OpenPut {
    sent: SentPut,
    /// Position in the link's byte stream at which the put ends; `None`: not known, because the put
    /// is not queued yet.
    end: Option<u64>,
    /// The time of the first look at which the line had taken the put; `None`: not taken yet.
    taken_at: Option<Moment>,
}

/// The answers to puts that came in one record.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) accepted: Vec<SentPut>,
    pub(super) refused: Vec<SentPut>,
    /// States that the app is told, for answers that ask to wait.
    pub(super) shown: Vec<PutState>,
    /// Whether a put was accepted or refused.
    pub(super) is_progress: bool,
}

impl PutLink {
    pub(super) const fn new(relay: RelayAddress, lives: BlobLives, round: u64, now: Moment) -> Self {
        Self {
            relay,
            lives,
            round,
            under_way: BTreeMap::new(),
            answered_at: now,
            next: 1,
            is_answered: false,
            strays: Strays::new(),
        }
    }

    /// Whether no put is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Notes that the puts without a position end at `end` in the link's byte stream.
    pub(super) fn note_queued(&mut self, end: u64) {
        for put in self.under_way.values_mut() {
            put.end.get_or_insert(end);
        }
    }

    /// Notes the time for the puts that the line has taken since the last look.
    pub(super) fn note_taken(&mut self, line: &LineState, now: Moment) {
        for put in self.under_way.values_mut().filter(|put| put.taken_at.is_none()) {
            put.taken_at = put.end.is_some_and(|end| line.taken >= end).then_some(now);
        }
    }

    /// Returns the time at which the link ends if no answer comes until then and nothing is put:
    /// `idle` after the last answer, or after the line has taken the oldest put, whichever is
    /// later. A younger put does not prolong that time. While the line has not taken the oldest
    /// put, the time does not run.
    pub(super) fn deadline(&self, now: Moment, idle: Duration) -> Moment {
        match self.under_way.values().next() {
            None => self.answered_at.plus(idle),
            Some(OpenPut { taken_at: Some(taken_at), .. }) => self.answered_at.max(*taken_at).plus(idle),
            Some(_) => now.plus(idle),
        }
    }

    /// Returns the Puts of the next envelopes of the outbox for which the window has room, and
    /// counts them as under way: at most `bytes` bytes together, but at least one if any waits.
    /// Stops at the first one that is for another relay. The outbox is not changed.
    pub(super) fn next_puts(&mut self, outbox: &impl Outbox, contact: u32, bytes: usize) -> Vec<Item> {
        let room = WINDOW.saturating_sub(self.under_way.len());
        let busy: BTreeSet<u64> = self.under_way.values().map(|put| put.sent.number).collect();
        let jobs = outbox.take_puts(contact, &busy, room, bytes);
        // Long enough from the start: a list that grew would leave copies of what is shown in it.
        let mut items = Vec::with_capacity(jobs.len());
        for job in jobs {
            let sent = job.sent();
            let PutJob { address, envelope, .. } = job;
            // By its fingerprint too: an operator may have changed the key because the old one was stolen.
            if address.relay != self.relay {
                break;
            }
            let Ok(blob) = Blob::new(envelope) else { continue };
            let req = self.next;
            self.next = self.next.wrapping_add(1);
            self.under_way.insert(req, OpenPut { sent, end: None, taken_at: None });
            items.push(Put { req, send: address.send.present(address.relay.fingerprint()), blob }.into());
        }
        items
    }

    /// Whether the next envelope is for another relay.
    pub(super) fn waits_elsewhere(&self, outbox: &impl Outbox, contact: u32) -> bool {
        outbox.next_put(contact).is_some_and(|job| job.address.relay != self.relay)
    }

    /// Handles the items of a record, and adds what they say to `answers`. `Err`: the link is to
    /// end; the answers that were found before the error are valid.
    pub(super) fn take_items(
        &mut self,
        items: Vec<Item>,
        asked: &mut AskedToWait,
        now: Moment,
        answers: &mut Answers,
    ) -> Result<(), LinkClosed> {
        for item in items {
            match item {
                Item::Answer(Answer { req, code, retry_s }) => {
                    let Some(OpenPut { sent, .. }) = self.under_way.remove(&req) else { continue };
                    match code {
                        AnswerCode::Done => answers.accepted.push(sent),
                        AnswerCode::Refused => answers.refused.push(sent),
                        _ => {
                            let until = asked.note(retry_s, now);
                            answers.shown.push(PutState::Asked { is_full: code == AnswerCode::Full, until });
                            continue;
                        }
                    }
                    answers.is_progress = true;
                }
                Item::Deliver(_) => self.strays.note()?,
                Item::GoAway(_) => return Err(LinkClosed),
                _ => {}
            }
        }
        Ok(())
    }
}
