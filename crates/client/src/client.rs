//! The client of one person: [`Client`] has a method for each thing that an app can ask for.
//! The *error of the vault* is one of the variants of [`ClientError`] that begin with `Vault`.

mod about;
mod sync;
mod waiting;

use crate::{
    config::{Config, MAX_INVITE_DAYS},
    engine::{Engine, create_in, open_in},
    error::{ClientError, OpenError, VaultError},
    home::{self, Unlock},
    net::{self, Consent, STEP_STACK, Shared},
    pasted,
};
use deaddrop_engine::{Acceptance, ContactAsks, ContactInfo, Event, InviteLink, MessageId, SafetyNumber};
use deaddrop_wire::RelayAddress;
use std::{net::IpAddr, path::Path, sync::Arc};
pub use sync::{ContactSync, SendWait, SyncReport};
use tokio::task::JoinHandle;
pub use waiting::{ClockStatus, Patience, Status};
use zeroize::Zeroizing;

/// Maximum number of events that [`Client::events_after`] returns. Any number above 0 would do.
const EVENTS_AT_ONCE: usize = 1_000;

/// An open vault and its connections to relays. After a drop without [`close`](Self::close), as
/// after a power cut, the vault holds everything that a call has stored.
pub struct Client {
    shared: Arc<Shared>,
    supervisor: JoinHandle<()>,
}

impl Client {
    /// Creates a new person: makes a vault in a folder that holds none or does not exist, and
    /// opens it. `relay` is the relay on which new mailboxes are made; it need not be reachable.
    /// If it is `None`, the relay of the first invite that is accepted becomes that relay.
    ///
    /// # Errors
    /// Fails with [`OpenError`]; nothing that is there is overwritten, and what was made is removed.
    pub async fn create(
        home: impl AsRef<Path>,
        unlock: Unlock,
        relay: Option<RelayAddress>,
        config: Config,
    ) -> Result<Self, OpenError> {
        let (home, cost, now) = (home.as_ref().to_owned(), config.passphrase_cost, (config.now)());
        let mib = config.vault_mib;
        let engine = blocking(move || match home::begin(&home, &unlock, cost, mib) {
            Ok((store, made)) => {
                let engine = create_in(store, relay.as_ref(), now)?;
                made.keep();
                Ok(engine)
            }
            // A vault whose making was cut short holds nothing yet.
            Err(OpenError::Exists) => match home::open(&home, &unlock) {
                Ok(store) if store.entries().next().is_none() => create_in(store, relay.as_ref(), now),
                _ => Err(OpenError::Exists),
            },
            Err(error) => Err(error),
        });
        Ok(Self::start(engine.await?, config))
    }

    /// Opens a person's folder and connects in the background.
    ///
    /// # Errors
    /// Fails with [`OpenError`]; nothing is changed.
    pub async fn open(home: impl AsRef<Path>, unlock: Unlock, config: Config) -> Result<Self, OpenError> {
        let home = home.as_ref().to_owned();
        let now = (config.now)();
        let engine = blocking(move || {
            let store = home::open(&home, &unlock)?;
            if store.entries().next().is_none() {
                return Err(OpenError::Absent);
            }
            open_in(store, now)
        });
        Ok(Self::start(engine.await?, config))
    }

    /// Whether the vault in a folder opens with a passphrase, and not with a key file. Does not open the vault.
    ///
    /// # Errors
    /// Fails with [`OpenError`].
    pub fn has_passphrase(home: impl AsRef<Path>) -> Result<bool, OpenError> {
        home::has_passphrase(home.as_ref())
    }

    /// Sets the number of MiB to which the vault's file may grow, 64 to 262,144. No client may have
    /// it open. A file that is larger is shortened later, while the vault is in use.
    ///
    /// # Errors
    /// Fails with [`OpenError::BadLimit`], and as [`open`](Self::open) does; nothing is changed unless the disk fails.
    pub async fn change_vault_limit(home: &Path, unlock: Unlock, vault_mib: u32) -> Result<(), OpenError> {
        let home = home.to_owned();
        blocking(move || home::change_limit(&home, &unlock, vault_mib)).await
    }

    fn start(engine: Engine<deaddrop_shred::FileDisk>, config: Config) -> Self {
        let shared = Shared::new(engine, config);
        let supervisor = tokio::spawn(net::supervise(Arc::clone(&shared)));
        Self { shared, supervisor }
    }

    /// Returns the relay on which new mailboxes are made; `None` if none is set.
    ///
    /// # Errors
    /// Fails with [`ClientError::VaultStopped`] after the vault failed.
    pub fn relay(&self) -> Result<Option<RelayAddress>, ClientError> {
        self.shared.look(Engine::relay)
    }

    /// Sets the relay on which new mailboxes are made. Existing mailboxes stay: see [`move_to_relay`](Self::move_to_relay).
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub async fn set_relay(&self, relay: RelayAddress) -> Result<(), ClientError> {
        self.shared.step(move |engine, _| engine.set_relay(&relay)).await
    }

    /// Sets the relay on which new mailboxes are made, and moves there: each contact is told the
    /// address of a mailbox at the new relay. A mailbox at another relay is read until its contact
    /// has used the new one; [`ContactInfo::relays`] shows it. The old relay need not be reachable
    /// for the contacts to learn of the new one.
    ///
    /// # Errors
    /// Fails with [`ClientError::StillMoving`], or with the error of the vault.
    pub async fn move_to_relay(&self, relay: RelayAddress) -> Result<(), ClientError> {
        self.shared.step(move |engine, _| engine.move_to_relay(&relay)).await?;
        self.shared.wake_all();
        Ok(())
    }

    /// Gives up all mailboxes at a relay, and all messages in them, without telling the relay. Used
    /// for a relay that does not come back. Messages of a contact that knows no mailbox at another
    /// relay yet do not arrive until it was told one.
    ///
    /// # Errors
    /// Fails with [`ClientError::RelayInUse`], or with the error of the vault.
    pub async fn leave_relay(&self, relay: &RelayAddress) -> Result<(), ClientError> {
        let relay = relay.clone();
        self.shared.step(move |engine, _| engine.leave_relay(&relay)).await
    }

    /// Makes an invite for one person, to be called `name` here, and returns its link. A contact
    /// that has lost its vault, or whose session is lost, is invited once more by its name: a new
    /// session begins when the contact accepts. The relay must be reachable; if it fails after the
    /// invite was made, calling again with the same name continues.
    ///
    /// # Errors
    /// Fails with [`ClientError`]. [`ClientError::WrongClock`]: it would end on a wrong day.
    pub async fn invite(&self, name: &str) -> Result<String, ClientError> {
        let days = self.shared.config.invite_days.min(MAX_INVITE_DAYS);
        let contact = net::make_invite(&self.shared, name, days).await?;
        let link = self.shared.look(|engine| engine.link_text(contact))?.ok_or(ClientError::InviteUsed)?;
        Ok(link.as_str().to_owned())
    }

    /// Returns the link of an open invite once more; [`ContactInfo::invite_until`] tells whether there is one.
    ///
    /// # Errors
    /// Returns [`ClientError::UnknownContact`], [`ClientError::NoInvite`] or the vault's error.
    pub fn invite_link(&self, name: &str) -> Result<String, ClientError> {
        Ok(self.shared.look(|engine| engine.open_link(name))??.as_str().to_owned())
    }

    /// Ends an open invite. Its secrets are gone when this returns, so its link no longer works; its mailboxes are deleted as
    /// soon as their relay answers. The contact stays, with the messages that wait for it.
    ///
    /// # Errors
    /// Fails with [`ClientError::UnknownContact`], [`ClientError::NoInvite`], or with the error of the vault.
    pub async fn withdraw_invite(&self, name: &str) -> Result<(), ClientError> {
        let name = name.to_owned();
        self.shared.step(move |engine, _| engine.withdraw_invite(&name)).await?;
        self.shared.wake_all();
        Ok(())
    }

    /// Accepts an invite, whose link may be mangled by mail programs as
    /// [`read_pasted_invite`](crate::read_pasted_invite) describes. The session is durable when
    /// this returns, and the inviter is told by itself. With the name of a contact that sent a new
    /// invite, a new session begins: messages that were not delivered are sent again in it.
    ///
    /// # Errors
    /// Fails with [`ClientError`]. [`PrivateAddress`](ClientError::PrivateAddress): the link leads to a private network or to
    /// this machine; ask the user, then call [`accept_at_private_address`](Self::accept_at_private_address).
    /// [`NeedsToken`](ClientError::NeedsToken): mailboxes would be made at the link's relay, which wants a token; see
    /// [`set_create_token`](Self::set_create_token).
    pub async fn accept(&self, link: &str, name: &str) -> Result<(), ClientError> {
        // A user without a relay has pasted this relay's address, and it becomes the user's own.
        let consent = if self.relay()?.is_none() { Consent::Shown } else { Consent::Rule };
        self.accept_with(link, name, consent, false).await
    }

    /// Does the same as [`accept`](Self::accept), and replaces the identity of the contact of this
    /// name: call it only if the user knows that the contact has lost its old identity. Every
    /// session with the old identity ends, and the contact is to be verified again.
    ///
    /// # Errors
    /// Fails as [`accept`](Self::accept) does.
    pub async fn accept_new_identity(&self, link: &str, name: &str) -> Result<(), ClientError> {
        self.accept_with(link, name, Consent::Rule, true).await
    }

    /// Agrees to a request of a contact (see [`ContactInfo::asks`]): to begin again without a proof, or to be known by another
    /// identity. Ask the contact by another way first: somebody who has stolen its identity, or found the invite, asks the same.
    ///
    /// # Errors
    /// Fails with [`ClientError::UnknownContact`], with [`ClientError::NothingAsked`] if the contact does not ask for this or its
    /// request is over (make a new invite then), or with the error of the vault. A request that was tried is gone in each case.
    pub async fn agree(&self, name: &str, asks: &ContactAsks) -> Result<(), ClientError> {
        let (name, asks) = (name.to_owned(), asks.clone());
        self.shared.step_then(move |engine, today| engine.agree(&name, &asks, today), Shared::wake_all).await
    }

    /// Declines all requests of a contact. It may ask again.
    ///
    /// # Errors
    /// Returns [`ClientError::UnknownContact`], [`ClientError::NothingAsked`] or the vault's error.
    pub async fn decline(&self, name: &str) -> Result<(), ClientError> {
        let name = name.to_owned();
        self.shared.step(move |engine, _| engine.decline(&name)).await
    }

    /// Begins again with a contact whose session is lost or unusable, without a new invite. The contact's user is asked and has to
    /// [`agree`](Self::agree); both have to compare safety numbers again.
    ///
    /// # Errors
    /// Fails with [`ClientError::UnknownContact`], [`ClientError::NoSession`] or the error of the vault; with
    /// [`ClientError::NoResetBundle`]: make a new invite; with [`ClientError::AsksAlready`] if the contact asks for a new
    /// session: [`agree`](Self::agree) or [`decline`](Self::decline) first.
    pub async fn begin_again(&self, name: &str) -> Result<(), ClientError> {
        let (name, now) = (name.to_owned(), self.shared.now());
        let begin = move |engine: &mut Engine<_>, today| engine.begin_again(&name, now, today);
        self.shared.step_then(begin, Shared::wake_all).await
    }

    /// Does the same as [`accept`](Self::accept), and allows that the link leads to a private network or to this machine. The
    /// address stays allowed, for this contact's messages too.
    ///
    /// # Errors
    /// Fails as [`accept`](Self::accept) does.
    pub async fn accept_at_private_address(&self, link: &str, name: &str) -> Result<(), ClientError> {
        self.accept_with(link, name, Consent::Given, false).await
    }

    async fn accept_with(
        &self,
        link: &str,
        name: &str,
        consent: Consent,
        new_identity: bool,
    ) -> Result<(), ClientError> {
        let link = pasted::read_pasted_invite(link).map_err(ClientError::Link)?;
        self.shared.look(|engine| engine.check_accept(name, &link))??;
        let relay = link.relay();
        let found = net::fetch_bundle(&self.shared, relay, &read_capability(&link), consent).await?;
        let bundle = found.bundle.ok_or(ClientError::InviteUsed)?;
        let is_own = self.relay()?.is_none_or(|own| own.fingerprint() == relay.fingerprint());
        let has_token = !self.shared.look(|engine| engine.create_token(relay.fingerprint()))?.is_empty();
        let takes_mailbox = self.shared.look(|engine| engine.accepting_takes_mailbox(name, new_identity))?;
        if found.link.needs_token && is_own && takes_mailbox && !has_token {
            return Err(ClientError::NeedsToken);
        }
        let allowed =
            (consent != Consent::Rule && !net::is_public(found.link.address)).then_some(found.link.address);
        let clock = self.shared.check_clock(found.link.day);
        // A wrong clock takes a good invite for an old one.
        let dated = |error| match error {
            ClientError::Bundle(deaddrop_engine::BundleError::Expired) => clock.err().unwrap_or(error),
            error => error,
        };
        let name = name.to_owned();
        let accept = move |engine: &mut Engine<_>, believed| {
            let today = clock.unwrap_or(believed);
            let (name, link, blob) = (name.as_str(), &link, bundle.as_slice());
            engine.begin_accept(&Acceptance { name, link, blob, allowed, new_identity }, today)
        };
        self.shared.step_then(accept, Shared::retry_private).await.map(|_| ()).map_err(dated)
    }

    /// Allows the client to connect to an IP address of a private network, or of this machine, to which a contact's address or an
    /// invite leads. Messages that wait for it leave by themselves. Ask the user first: a contact can name any address.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub async fn allow_private_address(&self, address: IpAddr) -> Result<(), ClientError> {
        self.shared.step_then(move |engine, _| engine.allow_private(address), Shared::retry_private).await
    }

    /// Sets the token that a relay's operator has given the user for new mailboxes; `None` forgets
    /// it. Only the relay with this fingerprint is shown it. Work that waits for it continues by
    /// itself.
    ///
    /// # Errors
    /// Fails with [`ClientError::BadToken`], or with the error of the vault.
    pub async fn set_create_token(
        &self,
        relay: &RelayAddress,
        token: Option<Zeroizing<String>>,
    ) -> Result<(), ClientError> {
        let fingerprint = *relay.fingerprint();
        let set = move |engine: &mut Engine<_>, _| {
            engine.set_create_token(&fingerprint, token.as_ref().map(|token| token.as_bytes()))
        };
        let retry = move |shared: &Shared| {
            shared.forget_token_wanted(&fingerprint);
            shared.wake_all();
        };
        self.shared.step_then(set, retry).await
    }

    /// Returns all contacts, sorted by name.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub fn contacts(&self) -> Result<Vec<ContactInfo>, ClientError> {
        self.shared.look(Engine::contact_list)
    }

    /// Returns the contact with a name, in any spelling: names are compared in NFC, without white space at the ends.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub fn contact(&self, name: &str) -> Result<Option<ContactInfo>, ClientError> {
        self.shared.look(|engine| engine.contact_info(name))
    }

    /// Sends a text of at most [`MAX_TEXT`](crate::MAX_TEXT) bytes. The text is durable in the
    /// outbox when this returns, whether or not any relay can be reached. Returns the message's id,
    /// which the event [`Delivered`](crate::EventKind::Delivered) names later.
    ///
    /// # Errors
    /// Fails with [`ClientError`]; nothing was sent.
    pub async fn send(&self, name: &str, text: &str) -> Result<MessageId, ClientError> {
        let (name, text, now) = (name.to_owned(), text.to_owned(), self.shared.now());
        self.shared.step_then(move |engine, _| engine.send_text(&name, &text, now), Shared::retry_now).await
    }

    /// Returns the events with numbers above `after`, oldest first, at most 1,000.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub fn events_after(&self, after: u64) -> Result<Vec<Event>, ClientError> {
        self.shared
            .look_at_stored(|engine| engine.events_after(after, EVENTS_AT_ONCE))?
            .map_err(ClientError::from)
    }

    /// Returns the first event with a number above `after`, and waits if there is none yet. Safe to cancel.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub async fn next_event(&self, after: u64) -> Result<Event, ClientError> {
        let mut newest = self.shared.events.subscribe();
        loop {
            let events = self.shared.look_at_stored(|engine| engine.events_after(after, 1))??;
            if let Some(event) = events.into_iter().next() {
                return Ok(event);
            }
            if self.shared.look_at_stored(Engine::is_dead)? {
                return Err(ClientError::VaultStopped);
            }
            newest.changed().await.map_err(|_| ClientError::VaultStopped)?;
        }
    }

    /// Erases the events below a number. An app with a store of its own does not need them any more.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub async fn forget_events_before(&self, number: u64) -> Result<(), ClientError> {
        self.shared.step(move |engine, _| engine.forget_events_before(number)).await
    }

    /// Returns the number that [`set_cursor`](Self::set_cursor) has stored; 0 before that.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub fn cursor(&self) -> Result<u64, ClientError> {
        self.shared.look(Engine::cursor)
    }

    /// Stores the number of the last event that was shown, for an app without a store of its own.
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub async fn set_cursor(&self, number: u64) -> Result<(), ClientError> {
        self.shared.step(move |engine, _| engine.set_cursor(number)).await
    }

    /// Whether an event was shown, according to [`set_cursor`](Self::set_cursor) and [`set_shown_of`](Self::set_shown_of).
    ///
    /// # Errors
    /// Returns the error of the vault.
    pub fn is_shown(&self, event: &Event) -> Result<bool, ClientError> {
        self.shared.look(|engine| engine.is_shown(event))
    }

    /// Returns the number up to which all events of all these contacts were shown, at least the
    /// [`cursor`](Self::cursor). An empty name stands for events that concern no contact.
    ///
    /// # Errors
    /// Fails with [`ClientError::UnknownContact`], or with the error of the vault.
    pub fn shown_of(&self, contacts: &[&str]) -> Result<u64, ClientError> {
        let contacts = owned(contacts);
        Ok(self.shared.look(|engine| engine.shown_of(&contacts))??)
    }

    /// Stores the number up to which the events of these contacts were shown, for an app without a store of its own that shows
    /// one contact's events before those of others. Show the events in their order. A lower number than the stored one changes
    /// nothing.
    ///
    /// # Errors
    /// Fails with [`ClientError::UnknownContact`], or with the error of the vault.
    pub async fn set_shown_of(&self, contacts: &[&str], number: u64) -> Result<(), ClientError> {
        let contacts = owned(contacts);
        self.shared.step(move |engine, _| engine.set_shown_of(&contacts, number)).await
    }

    /// Returns the safety number to compare with a contact, the same on both sides.
    ///
    /// # Errors
    /// Returns [`ClientError::UnknownContact`], [`ClientError::NoSession`] or the vault's error.
    pub fn safety_number(&self, name: &str) -> Result<SafetyNumber, ClientError> {
        Ok(self.shared.look(|engine| engine.safety_number(name))??)
    }

    /// Notes whether the user has compared the safety number and trusts the contact's identity.
    ///
    /// # Errors
    /// Fails with [`ClientError::UnknownContact`], with [`ClientError::NoSession`], or with the error of the vault.
    pub async fn set_verified(&self, name: &str, verified: bool) -> Result<(), ClientError> {
        let name = name.to_owned();
        self.shared.step(move |engine, _| engine.set_verified(&name, verified)).await
    }

    /// Ends the connections, waiting at most 2 s for what is being sent, and closes the vault.
    ///
    /// # Errors
    /// Returns the error of the vault; the client is closed all the same, as after a drop.
    pub async fn close(mut self) -> Result<(), ClientError> {
        self.shared.closing.send_replace(true);
        let _ = (&mut self.supervisor).await;
        match self.shared.take_engine() {
            Some(engine) => blocking(move || engine.close()).await.map_err(|error: VaultError| error.into()),
            None => Err(ClientError::VaultStopped),
        }
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

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn read_capability(link: &InviteLink) -> deaddrop_link::capability::ReadCapability {
    deaddrop_link::capability::ReadCapability::copy_of(link.secret().read_capability().expose())
}

/// Runs work that blocks on tokio's threads for such work, and then wipes its stack. Opening and
/// closing a vault wait for the disk, and opening derives a key with Argon2id.
async fn blocking<T: Send + 'static, E: From<Stopped> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    let work = || {
        let done = work();
        deaddrop_e2ee::wipe_stack::<STEP_STACK>();
        done
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Stopped.into()))
}

/// The error of blocking work that panicked or was cancelled, so that there is no result.
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
