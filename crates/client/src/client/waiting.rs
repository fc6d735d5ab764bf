//! The state of a client, and calls that wait. The *error of the vault* is one of the variants of
//! [`ClientError`] that begin with `Vault`.

use super::{
    Client,
    sync::{ContactSync, Pending, Persistence, SILENCE, Scope, SyncReport},
};
use crate::{engine::Engine, error::ClientError};
use deaddrop_engine::{VaultStatus, conversation::Connectivity, is_same_day};
use deaddrop_wire::Day;
use std::{collections::BTreeMap, pin::pin, time::Duration};
use tokio::time::{Instant, sleep_until, timeout_at};

/// The state of a client at one moment: its relays, the messages that wait, the clock, the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state of each relay on which own mailboxes lie, by the relay's address.
    pub relays: BTreeMap<String, Connectivity>,
    /// Number of messages of any kind that no relay has taken yet.
    pub unsent: usize,
    /// Number of the user's texts, sent or waiting to be sent, that their contacts have not
    /// confirmed by a receipt yet.
    pub unreceipted: usize,
    /// Number of received contents that came before an earlier one that is missing, whether they
    /// were shown already or not.
    pub held: usize,
    /// Number of sent messages that have not reached their contact, as its receipts show. They are
    /// sent again.
    pub missing: usize,
    /// Number of rows of the vault that are lost because the disk is damaged. It is not known which rows they were: tell the
    /// user.
    pub damaged: u64,
    /// The days that the clock of this machine and the relays say.
    pub clock: ClockStatus,
    /// Number of own mailboxes that are not used any more and wait to be deleted at their relays.
    pub deletions: usize,
    /// The fill level of the vault, with the erased records that are still on the disk.
    pub vault: VaultStatus,
}

/// The days that the clock of this machine and the relays say, and the day that the client
/// believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockStatus {
    /// The day that the clock of this machine shows.
    pub clock: Day,
    /// The day by which invites and sessions end. It follows a clock that is at most two days
    /// ahead, and waits for one that is at most two days behind. A larger difference is believed
    /// once a relay says the same as the clock and none says another day, or after the clock has
    /// kept to it for 24 hours; never while relays only contradict the clock.
    pub believed: Day,
    /// The days that own relays with an open link say, by the relay's address. Own relays are those
    /// with own mailboxes and the one on which new mailboxes are made.
    pub relays: BTreeMap<String, Day>,
}

/// The time for which a call waits. A [`Duration`] converts to a time that is not extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    least: Duration,
    most: Duration,
}

impl Patience {
    /// Creates a time of `least` that is extended, up to `most`, as long as what the call waits for
    /// makes progress over a slow line.
    #[must_use]
    pub const fn while_moving(least: Duration, most: Duration) -> Self {
        Self { least, most }
    }
}

impl From<Duration> for Patience {
    fn from(time: Duration) -> Self {
        Self { least: time, most: time }
    }
}

/// Length of one extension of a wait, see [`Patience::while_moving`]: short against 10 s, the time
/// for which progress counts as recent.
const LOOK: Duration = Duration::from_secs(1);

impl ClockStatus {
    /// Returns the first relay, by address, whose day is more than two days from the day that the
    /// clock shows, and the relay's day; `None` if there is none. Tell the user to set the clock,
    /// or to ask the relay's operator.
    #[must_use]
    pub fn disagreement(&self) -> Option<(&str, Day)> {
        let mut relays = self.relays.iter();
        let found = relays.find(|(_, day)| !is_same_day(**day, self.clock))?;
        Some((found.0, *found.1))
    }
}

impl Client {
    /// Returns the state of the client now.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub fn status(&self) -> Result<Status, ClientError> {
        let (unsent, unreceipted) = self.shared.look(Engine::waiting)?;
        let (held, missing) = self.shared.look(Engine::gaps)?;
        let damaged = self.shared.look(Engine::damaged)?;
        let deletions = self.shared.look(Engine::deletions)?;
        let clock = ClockStatus {
            clock: Day::of_unix_seconds(self.shared.now()),
            believed: self.shared.look(Engine::believed_day)?,
            relays: self.shared.days.by_relay(),
        };
        let newest = *self.shared.round.borrow();
        Ok(Status {
            relays: self.links(newest)?,
            unsent,
            unreceipted,
            held,
            missing,
            damaged,
            clock,
            deletions,
            vault: self.shared.look(Engine::vault_status)?,
        })
    }

    /// Reads what lies at the relays, sends what waits, and reports both for each relay and each contact. Ends when all is done,
    /// when only the user can change what is left, or after `patience`. The rest continues afterwards.
    ///
    /// ```no_run
    /// # use deaddrop_client::{Client, ClientError};
    /// # use std::time::Duration;
    /// # async fn example(client: &Client) -> Result<(), ClientError> {
    /// let report = client.sync(Duration::from_secs(20)).await?;
    /// for (relay, state) in &report.relays {
    ///     println!("{relay}: {state:?}");
    /// }
    /// for contact in &report.contacts {
    ///     println!("{}: {} texts stored, {} wait", contact.name, contact.stored, contact.waiting.len());
    ///     if let Some(why) = &contact.why {
    ///         println!("  {why}");
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub async fn sync(&self, patience: impl Into<Patience>) -> Result<SyncReport, ClientError> {
        let before = self.shared.look(Engine::texts_stored)?;
        let round = self.shared.begin_round();
        self.wait_in(round, Scope::All, Persistence::Deadline, patience.into()).await?;
        Ok(SyncReport { relays: self.links(round)?, contacts: self.contacts_since(&before, None)? })
    }

    /// Waits until everything that lay at the relays is read, and messages that have waited for
    /// [`gap_wait`](crate::Config::gap_wait) behind missing ones have become events. A relay that
    /// cannot be read does not end the wait as long as another one can be.
    ///
    /// # Errors
    /// Fails with [`ClientError::VaultFull`], [`ClientError::WrongRelay`],
    /// [`ClientError::NoCommonVersion`], [`ClientError::Tls`], [`ClientError::PrivateAddress`] or
    /// [`ClientError::Displaced`] once everything else was read. After `patience` it fails with one
    /// of these, [`ClientError::RelayDown`] or [`ClientError::TimedOut`]. Returns any other error
    /// of the vault at once.
    pub async fn wait_caught_up(&self, patience: impl Into<Patience>) -> Result<(), ClientError> {
        result_of(&self.wait(Scope::Read, Persistence::Deadline, patience.into()).await?)
    }

    /// Does the same as [`wait_caught_up`](Self::wait_caught_up), but only for the relays on which one contact's messages are awaited
    /// ([`ContactInfo::relays`](crate::ContactInfo::relays)).
    ///
    /// # Errors
    /// Fails as [`wait_caught_up`](Self::wait_caught_up) does, and with [`ClientError::UnknownContact`].
    pub async fn wait_caught_up_from(
        &self,
        name: &str,
        patience: impl Into<Patience>,
    ) -> Result<(), ClientError> {
        let contact = self.contact(name)?.ok_or(ClientError::UnknownContact)?;
        let scope = Scope::ReadAt(contact.relays.into_iter().collect());
        result_of(&self.wait(scope, Persistence::Deadline, patience.into()).await?)
    }

    /// Sends what waits, and receipts without their random wait
    /// ([`receipt_delay`](crate::Config::receipt_delay)), and waits until relays have taken all of
    /// it. What was not sent is sent later.
    ///
    /// # Errors
    /// Fails with [`ClientError::NeedsToken`], [`ClientError::PrivateAddress`],
    /// [`ClientError::WrongRelay`], [`ClientError::NoCommonVersion`], [`ClientError::Tls`] or
    /// [`ClientError::VaultFull`] once nothing else is left that can be sent; with
    /// [`ClientError::TimedOut`] if that is so because another reader has a mailbox. After
    /// `patience` it fails with one of these or [`ClientError::RelayDown`]. Returns any other error
    /// of the vault at once.
    pub async fn flush(&self, patience: impl Into<Patience>) -> Result<(), ClientError> {
        result_of(&self.wait(Scope::Send(None), Persistence::Deadline, patience.into()).await?)
    }

    /// Does the same as [`flush`](Self::flush), but does not wait for a relay that is known to have
    /// failed: meant for an app that is about to close. A relay that is down does not delay what is
    /// sent to the others, and a relay that does not answer at all is waited for one second.
    ///
    /// # Errors
    /// Fails as [`flush`](Self::flush) does.
    pub async fn flush_reachable(&self, patience: impl Into<Patience>) -> Result<(), ClientError> {
        let persistence = Persistence::FirstFailure { is_silent: false };
        result_of(&self.wait(Scope::Send(None), persistence, patience.into()).await?)
    }

    /// Sends what waits for one contact, and returns what was sent and what still waits. Ends when
    /// nothing waits, when only the user or the contact can change what is left, or after
    /// `patience`. The state of other contacts' relays does not matter.
    ///
    /// # Errors
    /// Fails with [`ClientError::UnknownContact`], or with the error of the vault.
    pub async fn flush_to(
        &self,
        name: &str,
        patience: impl Into<Patience>,
    ) -> Result<ContactSync, ClientError> {
        let find = |engine: &Engine<_>| (engine.contact_id(name), engine.texts_stored());
        let (contact, before) = self.shared.look(find)?;
        let contact = contact.ok_or(ClientError::UnknownContact)?;
        self.wait(Scope::Send(Some(contact)), Persistence::Deadline, patience.into()).await?;
        let mut contacts = self.contacts_since(&before, Some(contact))?;
        contacts.pop().ok_or(ClientError::UnknownContact)
    }

    /// Waits until a scope is done or waiting longer does not help, at most for `patience`. Returns
    /// the work of the scope that is not done.
    async fn wait(
        &self,
        scope: Scope,
        persistence: Persistence,
        patience: Patience,
    ) -> Result<Vec<Pending>, ClientError> {
        self.wait_in(self.shared.begin_round(), scope, persistence, patience).await
    }

    async fn wait_in(
        &self,
        round: u64,
        scope: Scope,
        mut persistence: Persistence,
        patience: Patience,
    ) -> Result<Vec<Pending>, ClientError> {
        let begun = Instant::now();
        let silence = begun + SILENCE;
        let _flush = matches!(scope, Scope::Send(_) | Scope::All).then(|| self.shared.flush_receipts());
        let mut changed = self.shared.changed.subscribe();
        let last = persistence;
        let mut waiting = pin!(async {
            loop {
                changed.mark_unchanged();
                let pending = self.pending(&scope, round, persistence)?;
                if pending.iter().all(|pending| pending.is_settled) {
                    return Ok(pending);
                }
                let is_heard = persistence == (Persistence::FirstFailure { is_silent: false });
                tokio::select! {
                    news = changed.changed() => news.map_err(|_| ClientError::VaultStopped)?,
                    () = sleep_until(silence), if is_heard => {
                        persistence = Persistence::FirstFailure { is_silent: true };
                    }
                }
            }
        });
        // No process lives for a century.
        let after = |time| begun.checked_add(time).unwrap_or(begun + Duration::from_secs(3_000_000_000));
        let mut until = after(patience.least);
        loop {
            if let Ok(done) = timeout_at(until, &mut waiting).await {
                return done;
            }
            let pending = self.pending(&scope, round, last)?;
            let time = until.duration_since(begun);
            if time >= patience.most || !pending.iter().any(|pending| pending.is_moving) {
                return Ok(pending);
            }
            until = after((time + LOOK).min(patience.most));
        }
    }

    /// Returns the state of each relay with own mailboxes. A relay that was last read to its end
    /// before this round counts as [`Fetching`](Connectivity::Fetching).
    fn links(&self, round: u64) -> Result<BTreeMap<String, Connectivity>, ClientError> {
        let known = self.shared.progress.links();
        let relays = self.shared.look(Engine::reading_relays)?;
        let state = |relay: &String| match known.get(relay) {
            // The relay was asked whether it is still there, and has not answered.
            Some(link) if link.state.is_read() && link.round < round => Connectivity::Fetching,
            Some(link) => link.state,
            None => Connectivity::Connecting,
        };
        Ok(relays.into_iter().map(|relay| (relay.clone(), state(&relay))).collect())
    }
}

/// Fails with the error that best describes why work is not done: the first of a fixed order. `Ok`
/// if no work has an error.
fn result_of(pending: &[Pending]) -> Result<(), ClientError> {
    let order = [
        ClientError::VaultFull,
        ClientError::WrongRelay,
        ClientError::NoCommonVersion,
        ClientError::RelayDown,
        ClientError::TimedOut,
        ClientError::NeedsToken,
        ClientError::PrivateAddress,
    ];
    let errors = || pending.iter().filter_map(|pending| pending.error);
    let first = order.into_iter().find(|error| errors().any(|other| other == *error));
    match first.or_else(|| errors().next()) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tidying_up_is_no_error_and_others_have_an_order() {
        let pending = |errors: &[Option<ClientError>]| {
            let pending: Vec<Pending> = errors
                .iter()
                .map(|error| Pending { error: *error, is_settled: false, is_moving: false })
                .collect();
            result_of(&pending)
        };
        use ClientError::{Displaced, NeedsToken, TimedOut, WrongRelay};
        assert_eq!(pending(&[]), Ok(()));
        assert_eq!(pending(&[None]), Ok(()));
        assert_eq!(pending(&[None, Some(NeedsToken)]), Err(NeedsToken));
        assert_eq!(pending(&[Some(Displaced)]), Err(Displaced));
        assert_eq!(pending(&[Some(NeedsToken), Some(TimedOut), Some(WrongRelay)]), Err(WrongRelay));
    }
}
