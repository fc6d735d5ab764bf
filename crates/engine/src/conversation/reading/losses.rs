//! The times for which a mailbox that its relay lost is left alone: longer with each loss.

use crate::{conversation::moment::Moment, engine::MailboxName};
use std::{collections::BTreeMap, time::Duration};

/// Wait after the second loss in a row; it doubles with each further one. After the first loss
/// there is no wait, so that a command that ends soon still sees the mailbox made again.
const FIRST_WAIT: Duration = Duration::from_secs(6);
/// The longest wait after a loss.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// The time without a loss after which the next one counts as the first.
const FORGET_AFTER: Duration = Duration::from_secs(86_400);

/// The losses of the mailboxes at one relay: the time of the last loss, and the number of losses in
/// a row.
#[derive(Default)]
pub(super) struct Losses(BTreeMap<MailboxName, (Moment, u32)>);

impl Losses {
    /// Counts a loss of a mailbox. Returns the wait before it is created again.
    pub(super) fn note(&mut self, name: MailboxName, now: Moment) -> Duration {
        // Only losses of the last day count, so the map holds no mailbox for longer.
        self.0.retain(|_, (last, _)| now.since(*last) < FORGET_AFTER);
        let (last, times) = self.0.entry(name).or_insert((now, 0));
        let wait = match times.checked_sub(1) {
            None => Duration::ZERO,
            Some(before) => FIRST_WAIT.saturating_mul(1 << before.min(10)).min(LONGEST_WAIT),
        };
        (*last, *times) = (now, times.saturating_add(1));
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_waits_longer_until_a_day_has_passed() {
        let (mut losses, name) = (Losses::default(), MailboxName { contact: 1, mailbox: 2 });
        let mut now = Moment::default();
        let mut waits = Vec::new();
        for _ in 0..20 {
            let wait = losses.note(name, now);
            waits.push(wait.as_secs());
            now = now.plus(wait);
        }
        assert_eq!(waits[..5], [0, 6, 12, 24, 48]);
        assert_eq!(waits[19], 3_600);
        assert_eq!(
            losses.note(MailboxName { contact: 2, mailbox: 2 }, now),
            Duration::ZERO,
            "another mailbox"
        );
        assert_eq!(losses.note(name, now.plus(FORGET_AFTER)), Duration::ZERO);
        assert_eq!(losses.0.len(), 1, "a mailbox without losses takes no room");
    }
}
