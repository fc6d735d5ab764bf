//! The reading link of one relay: makes, reads and deletes own mailboxes. Nothing is put over it.

mod pauses;
mod probe;

use super::{
    backoff::{Backoff, Waited},
    connection::Connection,
    publish::{classes, create},
    shared::{Shared, closed},
};
use crate::{
    conversation::{Closed, ConnectError, Connectivity, Strays},
    engine::{Engine, MailboxName, OWN, OwnMailbox},
    vault::MailboxState,
};
use deaddrop_shred::FileDisk;
use deaddrop_wire::{
    Item, RelayAddress,
    item::{
        Ack, AckEntry, Answer, AnswerCode, CreateFlags, Delete, Deliver, Subscribe, Subscribed, Subscription,
    },
};
use pauses::{Cause, Pauses};
use probe::Probes;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Maximum number of deliveries of one link that the relay has not confirmed to be destroyed. It has at most the window of 64 under
/// way; a relay that confirms nothing must not make the list grow.
const MAX_UNCONFIRMED: usize = 1_024;
/// A relay that is not the pinned one is looked at again after about this.
const WRONG_RELAY_WAIT: Duration = Duration::from_secs(300);

/// Reads at one relay until the client closes, or no own mailbox lies there any more.
pub(super) async fn read(shared: Arc<Shared>, relay: String) {
    let Ok(address) = relay.parse::<RelayAddress>() else { return };
    let mut backoff = Backoff::new(&shared);
    let moved = shared.progress.moved_at(&relay);
    let mut pauses = Pauses::default();
    let mut closing = shared.closing.subscribe();
    while !shared.is_closing() && is_needed(&shared, &relay) {
        backoff.listen();
        let round = shared.newest_round();
        if shared.look(Engine::is_full).unwrap_or(false) {
            shared.set_link(&relay, Connectivity::VaultFull, round);
            wait_for_room(&shared, round).await;
            continue;
        }
        if shared.progress.is_new(&relay) {
            shared.set_link(&relay, Connectivity::Connecting, round);
        }
        let token = shared.tokens.token(address.fingerprint());
        let opened = tokio::select! {
            opened = Connection::open(&shared, &address, token, &moved) => opened,
            () = closed(&mut closing) => return,
        };
        let state = match opened {
            Ok(connection) => {
                shared.set_link(&relay, Connectivity::Fetching, round);
                let opened = Instant::now();
                let mut reader = Reader::new(&shared, &relay, &address, connection, &mut pauses, round);
                if reader.run().await.is_ok() {
                    reader.connection.close().await;
                    return;
                }
                backoff.note_link(&shared, opened, reader.was_useful);
                backoff.listen();
                if reader.has_no_room { Connectivity::VaultFull } else { Connectivity::Down }
            }
            Err(ConnectError::Down) => Connectivity::Down,
            Err(ConnectError::WrongRelay) => Connectivity::WrongRelay,
            Err(ConnectError::NoCommonVersion) => Connectivity::NoCommonVersion,
            Err(ConnectError::NoTls) => Connectivity::NoTls,
            Err(ConnectError::Private(_)) => Connectivity::PrivateAddress,
        };
        shared.set_link(&relay, state, round);
        let is_other = matches!(state, Connectivity::WrongRelay | Connectivity::NoTls);
        let shortest = if is_other { WRONG_RELAY_WAIT } else { Duration::ZERO };
        if backoff.wait(shortest, &shared).await == Waited::Closing {
            return;
        }
    }
}

/// Waits as long as the vault is full, and no caller begins a newer round.
async fn wait_for_room(shared: &Shared, round: u64) {
    let mut changed = shared.changed.subscribe();
    let mut closing = shared.closing.subscribe();
    let is_full = || shared.look(Engine::is_full).unwrap_or(false);
    while is_full() && shared.newest_round() == round {
        tokio::select! {
            _ = changed.changed() => {}
            () = closed(&mut closing) => return,
        }
    }
}

/// Whether own mailboxes lie at a relay, or are to be made there.
fn is_needed(shared: &Shared, relay: &str) -> bool {
    shared.look(|engine| engine.reading_relays().iter().any(|needed| needed == relay)).unwrap_or(false)
}

/// What a request was about.
enum Request {
    /// The mailbox, and how many tokens had been replaced when this one was shown.
    Create(MailboxName, u64),
    Delete(MailboxName),
    /// Ends with `CaughtUp`.
    Subscribe {
        /// The numbers of the subscriptions that are asked for.
        subs: Vec<u32>,
        /// `Subscribed` has come.
        is_answered: bool,
    },
}

/// A mailbox that is being read.
struct Reading {
    name: MailboxName,
    /// Delivered and not yet destroyed: tag, first bytes.
    unacked: VecDeque<(u32, [u8; 16])>,
}

struct Reader<'a> {
    shared: &'a Arc<Shared>,
    relay: &'a str,
    address: &'a RelayAddress,
    connection: Connection,
    requests: BTreeMap<u32, Request>,
    next: u32,
    reading: BTreeMap<u32, Reading>,
    pauses: &'a mut Pauses,
    probes: Probes,
    strays: Strays,
    /// The relay has made a mailbox, or handed over all that lay there.
    was_useful: bool,
    /// The vault has taken nothing of what came.
    has_no_room: bool,
}

impl<'a> Reader<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        relay: &'a str,
        address: &'a RelayAddress,
        connection: Connection,
        pauses: &'a mut Pauses,
        round: u64,
    ) -> Self {
        Self {
            shared,
            relay,
            address,
            connection,
            requests: BTreeMap::new(),
            next: 1,
            reading: BTreeMap::new(),
            pauses,
            probes: Probes::new(round),
            strays: Strays::new(),
            was_useful: false,
            has_no_room: false,
        }
    }

    /// `Ok`: the client closes, or nothing is to be read at this relay any more.
    async fn run(&mut self) -> Result<(), Closed> {
        let mut changed = self.shared.changed.subscribe();
        let mut closing = self.shared.closing.subscribe();
        let mut retries = self.shared.retries.subscribe();
        let mut rounds = self.shared.round.subscribe();
        // A round that began while the connection was opened.
        rounds.mark_changed();
        loop {
            self.keep_up().await?;
            if self.requests.is_empty() && self.reading.is_empty() && !is_needed(self.shared, self.relay) {
                return Ok(());
            }
            let recheck = self.next_recheck();
            let can_hurry = self.pauses.can_hurry();
            if !can_hurry {
                retries.mark_unchanged();
            }
            tokio::select! {
                items = self.connection.receive() => {
                    let items = items?;
                    let items = self.connection.answer(items)?;
                    self.handle(items).await?;
                }
                _ = changed.changed() => {}
                _ = retries.changed(), if can_hurry => self.pauses.hurry(),
                _ = rounds.changed() => self.probe()?,
                () = tokio::time::sleep_until(recheck) => {
                    if self.probes.is_silent(self.connection.bytes_read(), self.shared.config.patience) {
                        return Err(Closed);
                    }
                }
                () = closed(&mut closing) => return Ok(()),
            }
        }
    }

    /// A caller wants to know whether everything was read: only a relay that answers now shows that nothing has come meanwhile.
    fn probe(&mut self) -> Result<(), Closed> {
        let ping = self.probes.ask(self.shared.newest_round(), self.connection.bytes_read());
        ping.map_or(Ok(()), |ping| self.connection.send(&[ping.into()]))
    }

    /// Asks for everything that the engine wants and that was not asked for.
    async fn keep_up(&mut self) -> Result<(), Closed> {
        let wanted = |engine: &Engine<FileDisk>| {
            (engine.mailboxes_at(self.relay), engine.create_token(self.address.fingerprint()))
        };
        let (mailboxes, token) = self.shared.look(wanted).map_err(|_| Closed)?;
        self.pauses
            .use_token(token, |name| mailboxes.iter().any(|row| row.name == *name && row.state.is_wanted()));
        // Long enough from the start: a list that grew would leave copies of what is shown in them.
        let mut items = Vec::with_capacity(2 * mailboxes.len());
        let mut subscriptions = Vec::with_capacity(mailboxes.len());
        for mailbox in &mailboxes {
            match mailbox.state {
                MailboxState::Wanted | MailboxState::Lost if !self.is_asked(mailbox.name) => {
                    items.push(self.create(mailbox))
                }
                MailboxState::Retiring if !self.is_asked(mailbox.name) => {
                    let req = self.request(Request::Delete(mailbox.name));
                    items.push(Delete { req, own: mailbox.own.present(self.address.fingerprint()) }.into());
                }
                MailboxState::Live if !self.is_read(mailbox.name) && !self.pauses.has(mailbox.name) => {
                    let sub = self.number();
                    self.reading.insert(sub, Reading { name: mailbox.name, unacked: VecDeque::new() });
                    subscriptions
                        .push(Subscription { sub, read: mailbox.read.present(self.address.fingerprint()) });
                }
                _ => {}
            }
        }
        for chunk in subscriptions.chunks(deaddrop_wire::limits::MAX_SUBSCRIBE) {
            let subs = chunk.iter().map(|subscription| subscription.sub).collect();
            let req = self.request(Request::Subscribe { subs, is_answered: false });
            items.push(Subscribe { req, mailboxes: chunk.iter().map(copy).collect() }.into());
        }
        let is_asking = !items.is_empty();
        if is_asking {
            self.connection.send(&items)?;
        }
        let state = if is_asking { Connectivity::Fetching } else { self.state(&mailboxes) };
        self.shared.set_link(self.relay, state, self.probes.round());
        Ok(())
    }

    /// What the relay's mailboxes are waiting for, if nothing more is to be asked for now. The vault's own mailboxes, to which
    /// nothing is put, do not count.
    fn state(&self, mailboxes: &[OwnMailbox]) -> Connectivity {
        if !self.requests.is_empty() {
            return Connectivity::Fetching;
        }
        let (mut is_displaced, mut waits) = (false, false);
        for mailbox in mailboxes.iter().filter(|mailbox| mailbox.name.contact != OWN) {
            let cause = self.pauses.cause(mailbox.name);
            match (mailbox.state, cause) {
                (MailboxState::Live, _) if self.is_read(mailbox.name) => {}
                (MailboxState::Live, Some(Cause::Displaced)) => is_displaced = true,
                (MailboxState::Live, _) => return Connectivity::Fetching,
                (MailboxState::Wanted | MailboxState::Lost, cause) => waits |= cause != Some(Cause::Token),
                (MailboxState::Retiring, _) => {}
            }
        }
        match () {
            () if is_displaced => Connectivity::Displaced,
            () if waits => Connectivity::Waiting,
            () if self.pauses.is_token_wanted() => Connectivity::NeedsToken,
            () => Connectivity::CaughtUp,
        }
    }

    fn create(&mut self, mailbox: &OwnMailbox) -> Item {
        let classes = classes(mailbox.name, mailbox.kind);
        let req = self.request(Request::Create(mailbox.name, self.pauses.tokens_before()));
        let capabilities = (&mailbox.own, &mailbox.read, &mailbox.send);
        let (fingerprint, token) = (self.address.fingerprint(), self.pauses.token());
        create(req, fingerprint, capabilities, classes, CreateFlags::NONE, token)
    }

    async fn handle(&mut self, items: Vec<Item>) -> Result<(), Closed> {
        let (mut delivered, mut acks) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Deliver(deliver) => delivered.push(deliver),
                Item::Answer(answer) => self.answered(&answer).await?,
                Item::Subscribed(answer) => self.subscribed(&answer).await?,
                Item::CaughtUp(caught_up) => {
                    let is_answered =
                        |request: &Request| matches!(request, Request::Subscribe { is_answered: true, .. });
                    if self.requests.get(&caught_up.req).is_some_and(is_answered) {
                        self.requests.remove(&caught_up.req);
                        self.was_useful = true;
                    }
                }
                Item::Pong(pong) => {
                    self.probes.note_pong(pong);
                    self.probe()?;
                }
                Item::Acked(acked) => acks.extend(acked.acks),
                Item::Displaced(displaced) => {
                    let Some(reading) = self.reading.remove(&displaced.sub) else { continue };
                    self.pauses.displaced(reading.name);
                    let told = self.shared.step(|engine, today| engine.note_displaced(today));
                    told.await.map_err(|_| Closed)?;
                }
                Item::Gone(gone) => {
                    if let Some(reading) = self.reading.remove(&gone.sub) {
                        self.lost(reading.name).await?;
                    }
                }
                Item::GoAway(_) => return Err(Closed),
                _ => {}
            }
        }
        self.acked(acks).await?;
        if delivered.is_empty() { Ok(()) } else { self.take(delivered).await }
    }

    /// Stores what came, then acks it. If storing fails nothing is acked and the link ends.
    async fn take(&mut self, delivered: Vec<Deliver>) -> Result<(), Closed> {
        let mut blobs = Vec::with_capacity(delivered.len());
        let mut last = BTreeMap::new();
        for deliver in delivered {
            let Some(reading) = self.reading.get_mut(&deliver.sub) else {
                self.strays.note()?;
                continue;
            };
            if let Some(tag) = deliver.blob.as_bytes().first_chunk::<16>() {
                reading.unacked.push_back((deliver.tag, *tag));
            }
            last.insert(deliver.sub, deliver.tag);
            blobs.push((reading.name, deliver.blob));
        }
        let unconfirmed = self.reading.values().map(|reading| reading.unacked.len()).sum::<usize>();
        if unconfirmed > MAX_UNCONFIRMED {
            return Err(Closed);
        }
        if blobs.is_empty() {
            return Ok(());
        }
        let stored = self.shared.step(move |engine, today| {
            blobs
                .iter()
                .try_for_each(|(name, blob)| engine.delivered(*name, blob.as_bytes(), today).map(|_| ()))
        });
        stored.await.map_err(|error| {
            self.has_no_room = error.is_passing();
            Closed
        })?;
        let acks = last.into_iter().map(|(sub, upto)| AckEntry { sub, upto, also: Vec::new() }).collect();
        self.connection.send(&[Ack { acks }.into()])
    }

    async fn acked(&mut self, acks: Vec<AckEntry>) -> Result<(), Closed> {
        let mut gone = Vec::new();
        for ack in acks {
            let Some(reading) = self.reading.get_mut(&ack.sub) else { continue };
            while let Some((_, tag)) = reading.unacked.pop_front_if(|(tag, _)| *tag <= ack.upto) {
                gone.push((reading.name, tag));
            }
        }
        // A relay that confirms nothing must not cost a step.
        if gone.is_empty() {
            return Ok(());
        }
        let forget = self.shared.step(move |engine, _| {
            gone.iter().for_each(|(name, tag)| engine.acked(*name, tag));
            Ok::<_, crate::error::VaultError>(())
        });
        forget.await.map_err(|_| Closed)
    }

    async fn answered(&mut self, answer: &Answer) -> Result<(), Closed> {
        let request = self.requests.remove(&answer.req);
        let step = match (request, answer.code) {
            // A create whose answer was lost is refused when it is repeated: subscribing tells whether the mailbox is there.
            (Some(Request::Create(name, _)), AnswerCode::Done | AnswerCode::Refused) => {
                self.was_useful |= answer.code == AnswerCode::Done;
                self.pauses.done(name);
                self.shared.step(move |engine, _| engine.mailbox_created(name)).await
            }
            (Some(Request::Delete(name)), AnswerCode::Done | AnswerCode::Refused) => {
                self.pauses.done(name);
                self.reading.retain(|_, reading| reading.name != name);
                self.shared.step(move |engine, _| engine.mailbox_gone(name)).await
            }
            // Another token was set meanwhile: it is asked for with that one at once.
            (Some(Request::Create(_, before)), AnswerCode::NeedToken)
                if before != self.pauses.tokens_before() =>
            {
                Ok(())
            }
            (Some(Request::Create(name, _)), AnswerCode::NeedToken) => {
                self.pauses.wants_token(name);
                Ok(())
            }
            (Some(Request::Create(name, _) | Request::Delete(name)), _) => {
                self.pauses.asked(name, answer.retry_s);
                Ok(())
            }
            // Nothing of it is read.
            (Some(Request::Subscribe { subs, .. }), _) => {
                for sub in subs {
                    if let Some(reading) = self.reading.remove(&sub) {
                        self.pauses.asked(reading.name, answer.retry_s);
                    }
                }
                Ok(())
            }
            (None, _) => Ok(()),
        };
        step.map_err(|_| Closed)
    }

    async fn subscribed(&mut self, answer: &Subscribed) -> Result<(), Closed> {
        // A second answer to the same request, or one to none, must not cost a step.
        let Some(Request::Subscribe { subs, is_answered: is_answered @ false }) =
            self.requests.get_mut(&answer.req)
        else {
            return Ok(());
        };
        *is_answered = true;
        let reads_own = |sub: &u32| self.reading.get(sub).is_some_and(|reading| reading.name.contact == OWN);
        let with_own = subs.iter().any(reads_own);
        for sub in &answer.contended {
            if let Some(reading) = self.reading.remove(sub) {
                self.pauses.contended(reading.name);
            }
        }
        let refused: Vec<MailboxName> =
            answer.refused.iter().filter_map(|sub| Some(self.reading.remove(sub)?.name)).collect();
        for name in refused {
            self.lost(name).await?;
        }
        if with_own && self.reading.values().any(|reading| reading.name.contact == OWN) {
            let found = self.shared.step(|engine, _| {
                engine.sentinel_found();
                Ok::<_, crate::error::VaultError>(())
            });
            found.await.map_err(|_| Closed)?;
        }
        Ok(())
    }

    async fn lost(&mut self, name: MailboxName) -> Result<(), Closed> {
        if name.contact == OWN {
            let others = self.reading.values().any(|reading| reading.name.contact != OWN);
            let now = self.shared.now();
            let lost = self.shared.step(move |engine, today| engine.sentinel_lost(name, others, now, today));
            return lost.await.map_err(|_| Closed);
        }
        self.pauses.lost(name);
        self.shared.step(move |engine, _| engine.mailbox_lost(name)).await.map_err(|_| Closed)
    }

    fn next_recheck(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3_600);
        let probe = self.probes.next_look(self.shared.config.patience);
        self.pauses.next_end().into_iter().chain(probe).min().unwrap_or(far)
    }

    fn is_asked(&self, name: MailboxName) -> bool {
        let open = self.requests.values().any(
            |request| matches!(request, Request::Create(asked, _) | Request::Delete(asked) if *asked == name),
        );
        open || self.pauses.has(name)
    }

    fn is_read(&self, name: MailboxName) -> bool {
        self.reading.values().any(|reading| reading.name == name)
    }

    fn request(&mut self, request: Request) -> u32 {
        let req = self.number();
        self.requests.insert(req, request);
        req
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        number
    }
}

fn copy(subscription: &Subscription) -> Subscription {
    let read = deaddrop_wire::PresentedRead::copy_of(subscription.read.expose());
    Subscription { sub: subscription.sub, read }
}
