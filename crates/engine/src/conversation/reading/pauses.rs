//! Mailboxes that a reading link leaves alone for a while, with the reasons. The pauses outlive the
//! link.

use super::losses::Losses;
use crate::{
    conversation::{backoff::floor_after, moment::Moment},
    engine::MailboxName,
    named::AskedWaits,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use zeroize::Zeroizing;

/// Time for which a mailbox is left to the reader that took it over, the first time. The time
/// doubles with each takeover, up to 64 minutes (spec/14-client.md section 6).
const DISPLACED_WAIT: Duration = Duration::from_secs(60);
/// Time for which a mailbox is not asked for again after the relay has refused it because its
/// reader changed a moment ago (spec/14-client.md section 6).
const CONTENDED_WAIT: Duration = Duration::from_secs(6);
/// Wait before a mailbox is requested again from a relay that wants another token, unless another
/// token is set earlier (spec/14-client.md section 6.2).
const TOKEN_WAIT: Duration = Duration::from_secs(300);
/// Minimum time between an answer that asks to wait and the next Create, Delete or Subscribe, also
/// after a user's action (spec/14-client.md section 6.3).
const RETRY_FLOOR: Duration = Duration::from_secs(1);

/// The reason for which nothing is requested for a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Another reader has taken the mailbox over.
    Displaced,
    /// Another reader took the mailbox over a moment ago, and the relay refuses to change the
    /// reader again so soon.
    Contended,
    /// The relay has asked to wait before the next Create, Delete or Subscribe for the mailbox.
    Asked,
    /// The relay makes the mailbox only for clients that show another token.
    Token,
    /// The relay has lost the mailbox more than once within a day.
    Lost,
}

/// The pause of one mailbox. It is kept after its end, for its counts.
struct Pause {
    cause: Cause,
    until: Moment,
    /// The time before which no user's action ends the pause; `None`: no user's action ends it.
    not_before: Option<Moment>,
    /// Number of times that another reader has taken the mailbox over.
    displaced: u32,
    asked: AskedWaits,
}

/// The mailboxes that the relay does not make with the token that is shown, and that token.
#[derive(Default)]
struct TokenWait {
    mailboxes: BTreeSet<MailboxName>,
    /// The token that is shown to the relay; empty: none.
    shown: Zeroizing<Vec<u8>>,
    /// Number of tokens that were replaced before the one that is shown.
    before: u64,
}

/// The pauses of the mailboxes of one relay.
#[derive(Default)]
pub(super) struct Pauses {
    mailboxes: BTreeMap<MailboxName, Pause>,
    losses: Losses,
    token: TokenWait,
}

impl Pauses {
    /// Returns the reason for which a mailbox is left alone now; `None` if it is not.
    pub(super) fn cause(&self, name: MailboxName, now: Moment) -> Option<Cause> {
        self.mailboxes.get(&name).filter(|pause| pause.until > now).map(|pause| pause.cause)
    }

    /// Whether a mailbox is left alone now.
    pub(super) fn has(&self, name: MailboxName, now: Moment) -> bool {
        self.cause(name, now).is_some()
    }

    /// Returns the earliest time at which a pause that is not over ends; `None` if no mailbox is
    /// left alone.
    pub(super) fn next_end(&self, now: Moment) -> Option<Moment> {
        self.mailboxes.values().map(|pause| pause.until).filter(|until| *until > now).min()
    }

    /// Begins a pause, because another reader has taken the mailbox over: 60 s the first time, then
    /// twice as long each time.
    pub(super) fn note_displaced(&mut self, name: MailboxName, now: Moment) {
        let pause = self.set(name, Cause::Displaced, now);
        pause.until = now.plus(DISPLACED_WAIT.saturating_mul(1 << pause.displaced.min(6)));
        pause.displaced = pause.displaced.saturating_add(1);
    }

    /// Begins a pause, because the relay refused the mailbox: its reader changed a moment ago.
    pub(super) fn note_contended(&mut self, name: MailboxName, now: Moment) {
        self.set(name, Cause::Contended, now.plus(CONTENDED_WAIT));
    }

    /// Begins a pause, because an answer to Create, Delete or Subscribe asks to wait. `retry_s` is
    /// the number of seconds in the answer.
    pub(super) fn note_asked(&mut self, name: MailboxName, retry_s: u16, now: Moment) {
        let pause = self.set(name, Cause::Asked, now);
        let floor = floor_after(pause.asked.count()).max(RETRY_FLOOR);
        let wait = pause.asked.next_owner(retry_s);
        pause.not_before = Some(now.plus(floor.min(wait)));
        pause.until = now.plus(wait);
    }

    /// Notes that the relay has made or deleted the mailbox: the next answer that asks to wait
    /// counts as the first.
    pub(super) fn note_done(&mut self, name: MailboxName) {
        if let Some(pause) = self.mailboxes.get_mut(&name) {
            pause.asked.reset();
        }
    }

    /// Begins a pause, because the relay does not make the mailbox without another token.
    /// [`use_token`](Self::use_token) ends it.
    pub(super) fn note_token_wanted(&mut self, name: MailboxName, now: Moment) {
        self.set(name, Cause::Token, now.plus(TOKEN_WAIT));
        self.token.mailboxes.insert(name);
    }

    /// Begins a pause, because the relay does not have the mailbox, which is then to be made again.
    /// The first loss within a day costs no wait. A relay that always loses it is asked less and
    /// less often.
    pub(super) fn note_lost(&mut self, name: MailboxName, now: Moment) {
        let wait = self.losses.note(name, now);
        self.set(name, Cause::Lost, now.plus(wait));
    }

    fn set(&mut self, name: MailboxName, cause: Cause, until: Moment) -> &mut Pause {
        let new = || Pause { cause, until, not_before: None, displaced: 0, asked: AskedWaits::default() };
        let pause = self.mailboxes.entry(name).or_insert_with(new);
        (pause.cause, pause.until, pause.not_before) = (cause, until, None);
        pause
    }

    /// Whether there is a pause that a user's action may end earlier.
    pub(super) fn can_retry(&self, now: Moment) -> bool {
        self.mailboxes.values().any(|pause| pause.until > now && pause.not_before.is_some())
    }

    /// Shortens the pauses that the relay has asked for to their minimum, because of a user's
    /// action. Other pauses stay.
    pub(super) fn retry_now(&mut self) {
        for pause in self.mailboxes.values_mut() {
            if let Some(not_before) = pause.not_before.take() {
                pause.until = pause.until.min(not_before);
            }
        }
    }

    /// Takes the token that is set now. If it differs from the one that was shown, ends the pauses
    /// of mailboxes that the relay did not make for want of a token. `is_wanted` tells whether a
    /// mailbox is still to be made.
    pub(super) fn use_token(&mut self, token: Zeroizing<Vec<u8>>, is_wanted: impl Fn(&MailboxName) -> bool) {
        self.token.mailboxes.retain(is_wanted);
        if *token != *self.token.shown {
            for name in std::mem::take(&mut self.token.mailboxes) {
                self.mailboxes.remove(&name);
            }
            self.token.shown = token;
            self.token.before = self.token.before.saturating_add(1);
        }
    }

    /// Returns the token that is shown to the relay; empty: none.
    pub(super) fn token(&self) -> &[u8] {
        &self.token.shown
    }

    /// Returns the number of tokens that were replaced before the one that is shown.
    pub(super) const fn tokens_before(&self) -> u64 {
        self.token.before
    }

    /// Whether a mailbox that is still to be made waits for another token.
    pub(super) fn is_token_wanted(&self) -> bool {
        !self.token.mailboxes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: MailboxName = MailboxName { contact: 1, mailbox: 2 };

    #[test]
    fn a_user_ends_only_the_waits_that_the_relay_has_named() {
        let now = Moment::after_start(Duration::from_secs(9));
        let seconds = |pauses: &Pauses| pauses.next_end(now).unwrap().since(now).as_secs();
        let mut pauses = Pauses::default();
        pauses.note_asked(NAME, u16::MAX, now);
        assert_eq!((seconds(&pauses), pauses.can_retry(now)), (900, true));
        pauses.retry_now();
        assert_eq!((seconds(&pauses), pauses.can_retry(now)), (1, false));
        for _ in 0..10 {
            pauses.note_asked(NAME, 0, now);
        }
        assert_eq!(seconds(&pauses), 300, "its own wait grows");
        pauses.retry_now();
        assert_eq!(seconds(&pauses), 30);
        pauses.note_done(NAME);
        pauses.note_asked(NAME, 0, now);
        assert_eq!(seconds(&pauses), 5);
        type Leave = fn(&mut Pauses, MailboxName, Moment);
        let others: [(Leave, u64, Cause); 4] = [
            (Pauses::note_displaced, 60, Cause::Displaced),
            (Pauses::note_contended, 6, Cause::Contended),
            (Pauses::note_displaced, 120, Cause::Displaced),
            (Pauses::note_token_wanted, 300, Cause::Token),
        ];
        for (leave, wait, cause) in others {
            leave(&mut pauses, NAME, now);
            assert!(!pauses.can_retry(now));
            pauses.retry_now();
            assert_eq!((seconds(&pauses), pauses.cause(NAME, now)), (wait, Some(cause)));
        }
    }
}
