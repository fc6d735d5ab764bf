//! Requests of owners and senders, and their answers.

use super::{Call, Close, Output, RelaySession, call::Puts};
use crate::clock::Now;
use crate::store::{Change, NewMailbox, Verdict};
use deaddrop_link::capability::{own_id, send_id};
use deaddrop_wire::PresentedOwn;
use deaddrop_wire::item::{Answer, AnswerCode, Create, Delete, Grant, Put, Rekey, Renew, Revoke, SendGrant};

/// Seconds that a client is told to wait when the store as a whole is at a limit (spec/12-relay.md
/// section 4).
const BUSY_RETRY_S: u16 = 30;

impl RelaySession {
    pub(super) fn on_create(&mut self, create: Create, now: Now, out: &mut Output) {
        let Create { req, own, read, sends, lease, quota, flags, token } = create;
        // classes and flags are known.
        if lease.days().is_none() || quota.blobs().is_none() || flags.has_unknown() {
            return refuse(req, AnswerCode::BadClass, 0, out);
        }
        // the token is the operator's.
        if !self.shared.accepts_token(&token) {
            return refuse(req, AnswerCode::NeedToken, 0, out);
        }
        // not too many in a short time: on this link, from this network, and over all in fair shares.
        if let Err(wait) = self.take_change(now) {
            return refuse(req, AnswerCode::Busy, wait, out);
        }
        let new = NewMailbox { own, read, sends, lease, quota, flags };
        self.call(Call::Create { req, new }, out);
    }

    pub(super) fn on_grant(&mut self, grant: &Grant, now: Now, out: &mut Output) {
        let change = Change::Grant(SendGrant { send: grant.send, via: grant.via });
        self.change(grant.req, &grant.own, change, now, out);
    }

    pub(super) fn on_revoke(&mut self, revoke: &Revoke, now: Now, out: &mut Output) {
        self.change(revoke.req, &revoke.own, Change::Revoke(revoke.send), now, out);
    }

    pub(super) fn on_renew(&mut self, renew: &Renew, now: Now, out: &mut Output) {
        self.change(renew.req, &renew.own, Change::Renew, now, out);
    }

    pub(super) fn on_delete(&mut self, delete: &Delete, out: &mut Output) {
        // It counts as one entry alone: a mailbox is deleted once, and a delete of an absent one costs one look-up.
        self.call(Call::Change { req: delete.req, own: own_id(&delete.own), change: Change::Delete }, out);
    }

    pub(super) fn on_rekey(&mut self, rekey: &Rekey, now: Now, out: &mut Output) {
        self.change(rekey.req, &rekey.own, Change::Rekey(rekey.read), now, out);
    }

    pub(super) fn on_put(&mut self, put: Put, now: Now, puts: &mut Puts, out: &mut Output) {
        let Put { req, send, blob } = put;
        let limits = &self.shared.limits;
        let bytes = blob.as_bytes().len() as u64;
        // not too much in a short time: on this link, from this network, and over all in fair shares.
        let mut put_bytes = self.put_bytes;
        let by_count = self.puts.take(1, limits.puts_per_s.into(), limits.put_burst.into(), now.ms);
        let by_link = by_count.and_then(|()| {
            let (rate, burst) = (limits.put_bytes_per_s.into(), limits.put_bytes_burst.into());
            put_bytes.take(bytes, rate, burst, now.ms)
        });
        if let Err(wait) = by_link.and_then(|()| self.shared.take_put(self.prefix, bytes, now)) {
            self.entries.add(1);
            return refuse(req, AnswerCode::Busy, wait, out);
        }
        self.entries.note_use(blob.as_bytes().len());
        self.put_bytes = put_bytes;
        self.held_bytes += bytes;
        puts.push((req, send_id(&send), blob));
    }

    pub(super) fn answer(&mut self, answers: Vec<(u32, Verdict)>, out: &mut Output) -> Result<(), Close> {
        for (req, verdict) in answers {
            let (code, retry_s) = match verdict {
                Verdict::Done => (AnswerCode::Done, 0),
                Verdict::Refused => (AnswerCode::Refused, 0),
                Verdict::Full => (AnswerCode::Full, self.shared.limits.full_retry_s),
                Verdict::TooFast(wait) => (AnswerCode::Full, wait),
                Verdict::Busy => {
                    self.shared.note_busy();
                    (AnswerCode::Busy, BUSY_RETRY_S)
                }
                Verdict::Stopped => return Err(Close::Stopped),
            };
            out.items.push(Answer { req, code, retry_s }.into());
        }
        Ok(())
    }

    fn change(&mut self, req: u32, own: &PresentedOwn, change: Change, now: Now, out: &mut Output) {
        // changes have the rates of creates. Each change writes the mailbox's record again.
        if let Err(wait) = self.take_change(now) {
            return refuse(req, AnswerCode::Busy, wait, out);
        }
        self.call(Call::Change { req, own: own_id(own), change }, out);
    }

    /// Takes one create or change from the rate of this link and from those that all links share,
    /// or returns the seconds to wait. Counts a refusal.
    fn take_change(&mut self, now: Now) -> Result<(), u16> {
        let limits = &self.shared.limits;
        let here = self.creates.take(1, limits.creates_per_s.into(), limits.create_burst.into(), now.ms);
        here.and_then(|()| self.shared.take_create(self.prefix, now))
            .inspect_err(|_| self.shared.note_create_too_fast())
    }
}

fn refuse(req: u32, code: AnswerCode, retry_s: u16, out: &mut Output) {
    out.items.push(Answer { req, code, retry_s }.into());
}

#[cfg(test)]
mod tests;
