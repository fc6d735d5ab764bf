//! A person's client: everything an app calls.

use crate::{
    config::{Config, MAX_INVITE_DAYS},
    engine::{ContactInfo, Engine},
    error::{ClientError, OpenError, VaultError},
    event::Event,
    home::{self, Unlock},
    net::{self, Connectivity, Consent, STEP_STACK, Shared},
};
use deaddrop_crypto::{InviteLink, SafetyNumber, wipe_stack};
use deaddrop_wire::{Day, RelayAddress};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinHandle, time::timeout};
use zeroize::Zeroizing;

/// Events read at once.
const EVENTS_AT_ONCE: usize = 1_000;

/// An open vault with its connections. Dropping it without [`close`](Self::close) is as safe as pulling the plug.
pub struct Client {
    shared: Arc<Shared>,
    supervisor: JoinHandle<()>,
}

/// How a client is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Each relay on which own mailboxes lie.
    pub relays: BTreeMap<String, Connectivity>,
    /// Messages of any kind that no relay has taken yet.
    pub unsent: usize,
    /// Texts whose receipt has not come.
    pub unreceipted: usize,
    /// Contents that have come and are not shown yet, because an earlier one is missing.
    pub held: usize,
    /// Sent messages that a contact misses, as its receipts show; they are sent again.
    pub missing: usize,
    /// Rows of the vault that a damaged disk has cost. Which they were cannot be told: tell the user.
    pub damaged: u64,
}

impl Client {
    /// Makes a new person in a folder that holds none. Works without the relay.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing that is there is overwritten.
    pub async fn create(
        home: impl AsRef<Path>,
        unlock: Unlock,
        relay: Option<RelayAddress>,
        config: Config,
    ) -> Result<Self, OpenError> {
        let (home, cost) = (home.as_ref().to_owned(), config.passphrase_cost);
        let engine = blocking(move || match home::create(&home, &unlock, cost) {
            Ok(store) => Engine::create(store, relay.as_ref()),
            // A vault whose making was cut short holds nothing yet.
            Err(OpenError::Exists) => match home::open(&home, &unlock) {
                Ok(store) if store.entries().next().is_none() => Engine::create(store, relay.as_ref()),
                _ => Err(OpenError::Exists),
            },
            Err(error) => Err(error),
        });
        Ok(Self::start(engine.await?, config))
    }

    /// Opens a person's folder and connects in the background.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is changed.
    pub async fn open(home: impl AsRef<Path>, unlock: Unlock, config: Config) -> Result<Self, OpenError> {
        let home = home.as_ref().to_owned();
        let today = Day::of_unix_seconds((config.now)());
        let engine = blocking(move || {
            let store = home::open(&home, &unlock)?;
            if store.entries().next().is_none() {
                return Err(OpenError::Absent);
            }
            Engine::open(store, today)
        });
        Ok(Self::start(engine.await?, config))
    }

    fn start(engine: Engine<deaddrop_shred::FileDisk>, config: Config) -> Self {
        let shared = Shared::new(engine, config);
        let supervisor = tokio::spawn(net::supervise(Arc::clone(&shared)));
        Self { shared, supervisor }
    }

    /// The relay on which new mailboxes are made.
    ///
    /// # Errors
    /// [`ClientError::VaultStopped`] after the vault failed.
    pub fn relay(&self) -> Result<Option<RelayAddress>, ClientError> {
        self.shared.look(Engine::relay)
    }

    /// Sets the relay on which new mailboxes are made.
    ///
    /// # Errors
    /// [`ClientError::NoTls`], or the vault's.
    pub async fn set_relay(&self, relay: RelayAddress) -> Result<(), ClientError> {
        if relay.is_tls() {
            return Err(ClientError::NoTls);
        }
        self.shared.step(move |engine, _| engine.set_relay(&relay)).await
    }

    /// Makes an invite for one person, to be called `name` here, and gives its link. The relay must be reachable; if it is not, what
    /// was made is kept, and calling again with the same name goes on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn invite(&self, name: &str) -> Result<String, ClientError> {
        let (name, days) = (name.to_owned(), self.shared.config.invite_days.min(MAX_INVITE_DAYS));
        if self.relay()?.is_some_and(|relay| relay.is_tls()) {
            return Err(ClientError::NoTls);
        }
        let contact = self.shared.step(move |engine, today| engine.begin_invite(&name, today, days)).await?;
        if let Some(publication) = self.shared.look(|engine| engine.publication(contact))? {
            net::publish(&self.shared, &publication).await?;
            self.shared.step(move |engine, _| engine.published(publication.contact)).await?;
        }
        let link = self.shared.look(|engine| engine.link_text(contact))?.ok_or(ClientError::InviteUsed)?;
        Ok(link.as_str().to_owned())
    }

    /// Takes an invite. Durable when this returns; the first message leaves by itself, see [`flush`](Self::flush).
    ///
    /// # Errors
    /// See [`ClientError`]. [`PrivateAddress`](ClientError::PrivateAddress): the link leads to a private network or to this machine;
    /// ask the user, then call [`accept_at_private_address`](Self::accept_at_private_address).
    /// [`NeedsToken`](ClientError::NeedsToken): mailboxes would be made at the link's relay, which wants a token; see
    /// [`set_create_token`](Self::set_create_token).
    pub async fn accept(&self, link: &str, name: &str) -> Result<(), ClientError> {
        // A user without a relay has pasted this relay's address, and it becomes the user's own.
        let consent = if self.relay()?.is_none() { Consent::Shown } else { Consent::Rule };
        self.accept_with(link, name, consent).await
    }

    /// As [`accept`](Self::accept), when the user allows that the link leads to a private network or to this machine. The address
    /// stays allowed, for this contact's messages too.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub async fn accept_at_private_address(&self, link: &str, name: &str) -> Result<(), ClientError> {
        self.accept_with(link, name, Consent::Given).await
    }

    async fn accept_with(&self, link: &str, name: &str, consent: Consent) -> Result<(), ClientError> {
        let link: InviteLink = link.parse().map_err(ClientError::Link)?;
        self.shared.look(|engine| engine.check_accept(name, &link))??;
        let relay = link.relay();
        let found = net::fetch_bundle(&self.shared, relay, &read_capability(&link), consent).await?;
        let bundle = found.bundle.ok_or(ClientError::InviteUsed)?;
        let is_own = self.relay()?.is_none_or(|own| own.fingerprint() == relay.fingerprint());
        let has_token = !self.shared.look(|engine| engine.create_token(relay.fingerprint()))?.is_empty();
        if found.needs_token && is_own && !has_token {
            return Err(ClientError::NeedsToken);
        }
        let allowed = (consent != Consent::Rule && !net::is_public(found.address)).then_some(found.address);
        let name = name.to_owned();
        let accept =
            move |engine: &mut Engine<_>, today| engine.begin_accept(&name, &link, &bundle, allowed, today);
        self.shared.step(accept).await?;
        self.shared.forget_blocked();
        self.shared.try_now();
        Ok(())
    }

    /// Lets the client connect to an IP address of a private network, or of this machine, to which a contact's address or an invite
    /// leads. What waits for it leaves by itself. Ask the user first: a contact can name any address.
    ///
    /// # Errors
    /// The vault's.
    pub async fn allow_private_address(&self, address: IpAddr) -> Result<(), ClientError> {
        self.shared.step(move |engine, _| engine.allow_private(address)).await?;
        self.shared.forget_blocked();
        self.shared.try_now();
        Ok(())
    }

    /// Sets what the operator of a relay has given the user for new mailboxes, or forgets it with `None`. It is shown to the relay
    /// with this fingerprint and to no other. What waits for it goes on by itself.
    ///
    /// # Errors
    /// [`ClientError::BadToken`], or the vault's.
    pub async fn set_create_token(
        &self,
        relay: &RelayAddress,
        token: Option<Zeroizing<String>>,
    ) -> Result<(), ClientError> {
        let fingerprint = *relay.fingerprint();
        let set = move |engine: &mut Engine<_>, _| {
            engine.set_create_token(&fingerprint, token.as_ref().map(|token| token.as_bytes()))
        };
        self.shared.step(set).await?;
        self.shared.forget_token_wanted(relay.fingerprint());
        self.shared.try_now();
        Ok(())
    }

    /// All contacts by name.
    ///
    /// # Errors
    /// The vault's.
    pub fn contacts(&self) -> Result<Vec<ContactInfo>, ClientError> {
        self.shared.look(Engine::contact_list)
    }

    /// Sends a text of at most [`MAX_TEXT`](crate::MAX_TEXT) bytes. Durable in the outbox when this returns, whether or not any relay can
    /// be reached. Gives the number that [`Delivered`](crate::EventKind::Delivered) will name.
    ///
    /// # Errors
    /// See [`ClientError`]; nothing was sent.
    pub async fn send(&self, name: &str, text: &str) -> Result<u64, ClientError> {
        let (name, text) = (name.to_owned(), text.to_owned());
        let number = self.shared.step(move |engine, _| engine.send_text(&name, &text)).await?;
        self.shared.nudge.send_modify(|count| *count = count.wrapping_add(1));
        Ok(number)
    }

    /// Events with numbers above `after`, oldest first, at most 1,000.
    ///
    /// # Errors
    /// The vault's.
    pub fn events_after(&self, after: u64) -> Result<Vec<Event>, ClientError> {
        self.shared.look(|engine| engine.events_after(after, EVENTS_AT_ONCE))?.map_err(ClientError::from)
    }

    /// The first event with a number above `after`, awaited if there is none yet. Safe to cancel.
    ///
    /// # Errors
    /// The vault's.
    pub async fn next_event(&self, after: u64) -> Result<Event, ClientError> {
        let mut newest = self.shared.events.subscribe();
        loop {
            let events = self.shared.look(|engine| engine.events_after(after, 1))??;
            if let Some(event) = events.into_iter().next() {
                return Ok(event);
            }
            if self.shared.look(Engine::is_dead)? {
                return Err(ClientError::VaultStopped);
            }
            newest.changed().await.map_err(|_| ClientError::VaultStopped)?;
        }
    }

    /// Erases events below a number: an app with a store of its own needs them no more.
    ///
    /// # Errors
    /// The vault's.
    pub async fn forget_events_before(&self, number: u64) -> Result<(), ClientError> {
        self.shared.step(move |engine, _| engine.forget_events_before(number)).await
    }

    /// How far an app without a store of its own has shown events.
    ///
    /// # Errors
    /// The vault's.
    pub fn cursor(&self) -> Result<u64, ClientError> {
        self.shared.look(Engine::cursor)
    }

    /// Remembers how far events were shown.
    ///
    /// # Errors
    /// The vault's.
    pub async fn set_cursor(&self, number: u64) -> Result<(), ClientError> {
        self.shared.step(move |engine, _| engine.set_cursor(number)).await
    }

    /// The number to compare with a contact, the same on both sides.
    ///
    /// # Errors
    /// [`ClientError::UnknownContact`], [`ClientError::NoSession`].
    pub fn safety_number(&self, name: &str) -> Result<SafetyNumber, ClientError> {
        self.shared.look(|engine| engine.safety_number(name))?
    }

    /// Remembers that the safety number was compared, or that it is not to be trusted.
    ///
    /// # Errors
    /// [`ClientError::UnknownContact`], [`ClientError::NoSession`], the vault's.
    pub async fn set_verified(&self, name: &str, verified: bool) -> Result<(), ClientError> {
        let name = name.to_owned();
        self.shared.step(move |engine, _| engine.set_verified(&name, verified)).await
    }

    /// How it is doing now.
    ///
    /// # Errors
    /// The vault's.
    pub fn status(&self) -> Result<Status, ClientError> {
        let (unsent, unreceipted) = self.shared.look(Engine::waiting)?;
        let (held, missing) = self.shared.look(Engine::gaps)?;
        let damaged = self.shared.look(Engine::damaged)?;
        Ok(Status { relays: self.links()?, unsent, unreceipted, held, missing, damaged })
    }

    /// Waits until everything that lay at the relays when they were reached is read.
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
            let is_read = |state| matches!(state, &Connectivity::CaughtUp | &Connectivity::NeedsToken);
            Ok(links.values().all(is_read))
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
        if !self.shared.look(Engine::has_work)? {
            return Ok(true);
        }
        let links = self.links()?.into_iter();
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

    /// Ends the connections and finishes the vault.
    ///
    /// # Errors
    /// [`ClientError::VaultStopped`] when the disk failed.
    pub async fn close(mut self) -> Result<(), ClientError> {
        self.shared.closing.send_replace(true);
        let _ = (&mut self.supervisor).await;
        match self.shared.take_engine() {
            Some(engine) => blocking(move || engine.close()).await.map_err(|error: VaultError| error.into()),
            None => Err(ClientError::VaultStopped),
        }
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

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.closing.send_replace(true);
        self.supervisor.abort();
    }
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Client(..)")
    }
}

fn read_capability(link: &InviteLink) -> deaddrop_link::capability::ReadCapability {
    deaddrop_link::capability::ReadCapability::copy_of(link.secret().read_capability().expose())
}

/// Opening and closing wait for the disk and for Argon2id.
async fn blocking<T: Send + 'static, E: From<Stopped> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let work = || {
        let done = work();
        wipe_stack::<STEP_STACK>();
        done
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Stopped.into()))
}

/// The blocking task did not end.
struct Stopped;

impl From<Stopped> for OpenError {
    fn from(_: Stopped) -> Self {
        Self::Io
    }
}

impl From<Stopped> for VaultError {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}
