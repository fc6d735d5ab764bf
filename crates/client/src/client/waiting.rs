//! How a client is doing, and waiting on purpose.

use super::Client;
use crate::{
    engine::{Engine, is_same_day},
    error::ClientError,
    net::Connectivity,
};
use deaddrop_wire::Day;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::timeout;

/// How a client is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Each relay on which own mailboxes lie.
    pub relays: BTreeMap<String, Connectivity>,
    /// Messages of any kind that no relay has taken yet.
    pub unsent: usize,
    /// Texts whose receipt has not come.
    pub unreceipted: usize,
    /// Contents that have come before an earlier one that is missing, whether they were shown already or not.
    pub held: usize,
    /// Sent messages that a contact misses, as its receipts show; they are sent again.
    pub missing: usize,
    /// Rows of the vault that a damaged disk has cost. Which they were cannot be told: tell the user.
    pub damaged: u64,
    /// What the clock of this machine and the relays say about the day.
    pub clock: ClockStatus,
}

/// What the clock of this machine and the relays say about the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockStatus {
    /// The day that the clock of this machine shows.
    pub clock: Day,
    /// The day by which invites and sessions end. It follows the clock in small steps; a larger step is believed once one of the
    /// relays says the same, or after the clock has kept to it for a day.
    pub believed: Day,
    /// The day that each own relay says whose link stands.
    pub relays: BTreeMap<String, Day>,
}

impl ClockStatus {
    /// The first relay that says another day than the clock shows, more than two days apart: tell the user to set the clock, or to
    /// ask the relay's operator.
    #[must_use]
    pub fn disagreement(&self) -> Option<(&str, Day)> {
        let mut relays = self.relays.iter();
        let found = relays.find(|(_, day)| !is_same_day(**day, self.clock))?;
        Some((found.0, *found.1))
    }
}

impl Client {
    /// How it is doing now.
    ///
    /// # Errors
    /// The vault's.
    pub fn status(&self) -> Result<Status, ClientError> {
        let (unsent, unreceipted) = self.shared.look(Engine::waiting)?;
        let (held, missing) = self.shared.look(Engine::gaps)?;
        let damaged = self.shared.look(Engine::damaged)?;
        let clock = ClockStatus {
            clock: Day::of_unix_seconds(self.shared.now()),
            believed: self.shared.look(Engine::believed_day)?,
            relays: self.shared.days.by_relay(),
        };
        Ok(Status { relays: self.links()?, unsent, unreceipted, held, missing, damaged, clock })
    }

    /// Waits until everything that lay at the relays when they were reached is read, and what has waited for long enough behind missing
    /// messages is given.
    ///
    /// # Errors
    /// [`ClientError::WrongRelay`], [`ClientError::NoTls`], [`ClientError::PrivateAddress`] at once; [`ClientError::RelayDown`] or
    /// [`ClientError::TimedOut`] after `patience`.
    pub async fn wait_caught_up(&self, patience: Duration) -> Result<(), ClientError> {
        self.shared.try_now();
        self.wait(patience, |client| {
            let links = client.links()?;
            let state = |wanted| links.values().any(|state| *state == wanted);
            if state(Connectivity::WrongRelay) {
                return Err(ClientError::WrongRelay);
            }
            if state(Connectivity::NoTls) {
                return Err(ClientError::NoTls);
            }
            if state(Connectivity::PrivateAddress) {
                return Err(ClientError::PrivateAddress);
            }
            if !links.values().all(|state| state.is_read()) {
                return Ok(false);
            }
            // What has waited long enough behind a missing message is given before the app goes.
            let (now, wait) = (client.shared.now(), client.shared.gap_wait());
            let read: BTreeSet<String> = links.into_keys().collect();
            Ok(client.shared.look(|engine| engine.gap_due(now, wait, &read))? != Some(0))
        })
        .await
    }

    /// Sends what waits, receipts that are due included, and waits until relays have taken all of it.
    ///
    /// # Errors
    /// [`ClientError::NeedsToken`] or [`ClientError::PrivateAddress`] once nothing else is left that can be sent without the user;
    /// [`ClientError::WrongRelay`], [`ClientError::RelayDown`] or [`ClientError::TimedOut`] after `patience`; it is sent later then.
    pub async fn flush(&self, patience: Duration) -> Result<(), ClientError> {
        self.shared.try_now();
        self.shared.hurry.send_replace(true);
        let done = self.wait(patience, Self::is_flushed).await;
        self.shared.hurry.send_replace(false);
        done
    }

    /// Whether everything has left; an error if what is left cannot leave without the user.
    fn is_flushed(&self) -> Result<bool, ClientError> {
        let links = self.links()?;
        let waits_for = |relay: Option<&str>| {
            let state = relay.and_then(|relay| links.get(relay));
            matches!(state, Some(Connectivity::Fetching | Connectivity::CaughtUp))
        };
        if !self.shared.look(Engine::has_work)? {
            return self.shared.look(|engine| !waits_for(engine.sentinel_waits(self.shared.now())));
        }
        let links = links.into_iter();
        let want_token: BTreeSet<String> =
            links.filter_map(|(relay, state)| (state == Connectivity::NeedsToken).then_some(relay)).collect();
        let blocked = self.shared.blocked();
        if want_token.is_empty() && blocked.is_empty()
            || self.shared.look(|engine| engine.has_free_work(&want_token, &blocked))?
        {
            return Ok(false);
        }
        Err(if want_token.is_empty() { ClientError::PrivateAddress } else { ClientError::NeedsToken })
    }

    async fn wait(
        &self,
        patience: Duration,
        is_done: impl Fn(&Self) -> Result<bool, ClientError>,
    ) -> Result<(), ClientError> {
        let mut work = self.shared.work.subscribe();
        let waiting = async {
            while !is_done(self)? {
                work.changed().await.map_err(|_| ClientError::VaultStopped)?;
            }
            Ok(())
        };
        match timeout(patience, waiting).await {
            Ok(done) => done,
            Err(_) => {
                let links = self.links()?;
                let any = |wanted| links.values().any(|state| *state == wanted);
                Err(match () {
                    () if any(Connectivity::WrongRelay) => ClientError::WrongRelay,
                    () if any(Connectivity::Down) => ClientError::RelayDown,
                    () => ClientError::TimedOut,
                })
            }
        }
    }

    fn links(&self) -> Result<BTreeMap<String, Connectivity>, ClientError> {
        let known = self.shared.links();
        let relays = self.shared.look(Engine::reading_relays)?;
        let state = |relay: &String| known.get(relay).copied().unwrap_or(Connectivity::Connecting);
        Ok(relays.into_iter().map(|relay| (relay.clone(), state(&relay))).collect())
    }
}
