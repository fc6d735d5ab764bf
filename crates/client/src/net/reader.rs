//! The reading link of one relay: makes, reads and deletes own mailboxes. Nothing is put over it.

use super::{
    Connectivity,
    backoff::Backoff,
    connection::{Closed, ConnectError, Connection},
    losses::Losses,
    publish::{classes, create},
    shared::{Shared, closed},
};
use crate::{
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
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

/// A mailbox that another reader took over is left to it for at least this long, twice as long each time.
const DISPLACED_WAIT: Duration = Duration::from_secs(60);
/// How long a mailbox that was taken over a moment ago is not asked for again.
const CONTENDED_WAIT: Duration = Duration::from_secs(6);
/// Maximum number of deliveries of one link that the relay has not confirmed to be destroyed. It has at most the window of 64 under
/// way; a relay that confirms nothing must not make the list grow.
const MAX_UNCONFIRMED: usize = 1_024;
/// A relay that wants another token is asked again after this, or once another token is set.
const TOKEN_WAIT: Duration = Duration::from_secs(300);
/// A relay that is not the pinned one is looked at again after this.
const WRONG_RELAY_WAIT: Duration = Duration::from_secs(300);

/// Reads at one relay until the client closes.
pub(super) async fn read(shared: Arc<Shared>, relay: String) {
    let Ok(address) = relay.parse::<RelayAddress>() else { return };
    let mut backoff = Backoff::new(&shared);
    let (mut displaced, mut losses, mut unmade) = (BTreeMap::new(), Losses::default(), TokenWait::default());
    while !shared.is_closing() {
        shared.set_link(&relay, Connectivity::Connecting);
        let token = shared.tokens.token(address.fingerprint());
        let state = match Connection::open(&shared, &address, token).await {
            Ok(connection) => {
                backoff.reset(&shared);
                shared.set_link(&relay, Connectivity::Fetching);
                let waits = (&mut displaced, &mut losses, &mut unmade);
                let mut reader = Reader::new(&shared, &relay, &address, connection, waits);
                if reader.run().await.is_ok() {
                    reader.connection.close().await;
                    return;
                }
                Connectivity::Down
            }
            Err(ConnectError::Down) => Connectivity::Down,
            Err(ConnectError::WrongRelay) => Connectivity::WrongRelay,
            Err(ConnectError::NoTls) => Connectivity::NoTls,
            Err(ConnectError::Private(_)) => Connectivity::PrivateAddress,
        };
        shared.set_link(&relay, state);
        if matches!(state, Connectivity::Down | Connectivity::PrivateAddress) {
            if !backoff.wait(&shared).await {
                return;
            }
        } else {
            let mut closing = shared.closing.subscribe();
            tokio::select! {
                () = sleep(WRONG_RELAY_WAIT) => {}
                () = closed(&mut closing) => return,
            }
        }
    }
}

/// What a request was about.
enum Request {
    /// The mailbox, and how many tokens had been replaced when this one was shown.
    Create(MailboxName, u64),
    Delete(MailboxName),
    /// Ends with `CaughtUp`; whether the vault's own mailboxes are among those that are asked for.
    Subscribe(bool),
}

/// A mailbox that is being read.
struct Reading {
    name: MailboxName,
    /// Delivered and not yet destroyed: tag, first bytes.
    unacked: VecDeque<(u32, [u8; 16])>,
}

/// Mailboxes that the relay does not make without another token.
#[derive(Default)]
struct TokenWait {
    mailboxes: BTreeSet<MailboxName>,
    /// The token that is shown.
    shown: Zeroizing<Vec<u8>>,
    /// How many tokens it has replaced.
    before: u64,
}

struct Reader<'a> {
    shared: &'a Arc<Shared>,
    relay: &'a str,
    address: &'a RelayAddress,
    connection: Connection,
    requests: BTreeMap<u32, Request>,
    next: u32,
    reading: BTreeMap<u32, Reading>,
    /// Not to be subscribed before: and how often it was taken over.
    displaced: &'a mut BTreeMap<MailboxName, (Instant, u32)>,
    losses: &'a mut Losses,
    unmade: &'a mut TokenWait,
}

impl<'a> Reader<'a> {
    fn new(
        shared: &'a Arc<Shared>,
        relay: &'a str,
        address: &'a RelayAddress,
        connection: Connection,
        (displaced, losses, unmade): (
            &'a mut BTreeMap<MailboxName, (Instant, u32)>,
            &'a mut Losses,
            &'a mut TokenWait,
        ),
    ) -> Self {
        let (requests, reading) = (BTreeMap::new(), BTreeMap::new());
        Self { shared, relay, address, connection, requests, next: 1, reading, displaced, losses, unmade }
    }

    /// `Ok`: the client closes.
    async fn run(&mut self) -> Result<(), Closed> {
        let mut work = self.shared.work.subscribe();
        let mut closing = self.shared.closing.subscribe();
        loop {
            self.keep_up().await?;
            let recheck = self.next_recheck();
            tokio::select! {
                items = self.connection.receive() => {
                    let items = items?;
                    let items = self.connection.answer(items)?;
                    self.handle(items).await?;
                }
                _ = work.changed() => {}
                () = tokio::time::sleep_until(recheck) => {}
                () = closed(&mut closing) => return Ok(()),
            }
        }
    }

    /// Asks for whatever the engine wants and was not asked for.
    async fn keep_up(&mut self) -> Result<(), Closed> {
        let wanted = |engine: &Engine<FileDisk>| {
            (engine.mailboxes_at(self.relay), engine.create_token(self.address.fingerprint()))
        };
        let (mailboxes, token) = self.shared.look(wanted).map_err(|_| Closed)?;
        self.use_token(&mailboxes, token);
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
                MailboxState::Live if !self.is_read(mailbox.name) && !self.is_left_alone(mailbox.name) => {
                    let sub = self.number();
                    self.reading.insert(sub, Reading { name: mailbox.name, unacked: VecDeque::new() });
                    subscriptions
                        .push(Subscription { sub, read: mailbox.read.present(self.address.fingerprint()) });
                }
                _ => {}
            }
        }
        for chunk in subscriptions.chunks(deaddrop_wire::limits::MAX_SUBSCRIBE) {
            let is_own = |sub: &Subscription| {
                self.reading.get(&sub.sub).is_some_and(|reading| reading.name.contact == OWN)
            };
            let req = self.request(Request::Subscribe(chunk.iter().any(is_own)));
            items.push(Subscribe { req, mailboxes: chunk.iter().map(copy).collect() }.into());
        }
        if !items.is_empty() {
            self.shared.set_link(self.relay, Connectivity::Fetching);
            self.connection.send(&items)?;
        } else if self.requests.is_empty() {
            let is_made = self.unmade.mailboxes.is_empty();
            let state = if is_made { Connectivity::CaughtUp } else { Connectivity::NeedsToken };
            self.shared.set_link(self.relay, state);
        }
        Ok(())
    }

    /// Mailboxes that were refused for want of a token are asked for again once there is another one.
    fn use_token(&mut self, mailboxes: &[OwnMailbox], token: Zeroizing<Vec<u8>>) {
        let is_wanted =
            |name: &MailboxName| mailboxes.iter().any(|row| row.name == *name && row.state.is_wanted());
        self.unmade.mailboxes.retain(is_wanted);
        if *token != *self.unmade.shown {
            for name in std::mem::take(&mut self.unmade.mailboxes) {
                self.displaced.remove(&name);
            }
            self.unmade.shown = token;
            self.unmade.before = self.unmade.before.saturating_add(1);
        }
    }

    fn create(&mut self, mailbox: &OwnMailbox) -> Item {
        let classes = classes(mailbox.name, mailbox.kind);
        let req = self.request(Request::Create(mailbox.name, self.unmade.before));
        let capabilities = (&mailbox.own, &mailbox.read, &mailbox.send);
        let (fingerprint, token) = (self.address.fingerprint(), &self.unmade.shown);
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
                    self.requests.remove(&caught_up.req);
                }
                Item::Acked(acked) => acks.extend(acked.acks),
                Item::Displaced(displaced) => {
                    self.leave_alone(displaced.sub);
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
            let Some(reading) = self.reading.get_mut(&deliver.sub) else { continue };
            if let Some(tag) = deliver.blob.as_bytes().first_chunk::<16>() {
                reading.unacked.push_back((deliver.tag, *tag));
            }
            last.insert(deliver.sub, deliver.tag);
            blobs.push((reading.name, deliver.blob));
        }
        if self.reading.values().map(|reading| reading.unacked.len()).sum::<usize>() > MAX_UNCONFIRMED {
            return Err(Closed);
        }
        let stored = self.shared.step(move |engine, today| {
            blobs
                .iter()
                .try_for_each(|(name, blob)| engine.delivered(*name, blob.as_bytes(), today).map(|_| ()))
        });
        stored.await.map_err(|_| Closed)?;
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
                self.shared.step(move |engine, _| engine.mailbox_created(name)).await
            }
            (Some(Request::Delete(name)), AnswerCode::Done | AnswerCode::Refused) => {
                self.reading.retain(|_, reading| reading.name != name);
                self.shared.step(move |engine, _| engine.mailbox_gone(name)).await
            }
            // Another token was set meanwhile: it is asked for with that one at once.
            (Some(Request::Create(_, before)), AnswerCode::NeedToken) if before != self.unmade.before => {
                Ok(())
            }
            (Some(Request::Create(name, _)), AnswerCode::NeedToken) => {
                self.displaced.insert(name, (Instant::now() + TOKEN_WAIT, 0));
                self.unmade.mailboxes.insert(name);
                Ok(())
            }
            (Some(Request::Create(name, _) | Request::Delete(name)), _) => {
                let wait = Duration::from_secs(u64::from(answer.retry_s).max(5));
                self.displaced.insert(name, (Instant::now() + wait, 0));
                Ok(())
            }
            _ => Ok(()),
        };
        step.map_err(|_| Closed)
    }

    async fn subscribed(&mut self, answer: &Subscribed) -> Result<(), Closed> {
        for sub in &answer.contended {
            if let Some(reading) = self.reading.remove(sub) {
                self.displaced.insert(reading.name, (Instant::now() + CONTENDED_WAIT, 0));
            }
        }
        let refused: Vec<MailboxName> =
            answer.refused.iter().filter_map(|sub| Some(self.reading.remove(sub)?.name)).collect();
        for name in refused {
            self.lost(name).await?;
        }
        let with_own = matches!(self.requests.get(&answer.req), Some(Request::Subscribe(true)));
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
        // A relay that always refuses must be asked less and less often.
        let now = Instant::now();
        let wait = self.losses.note(name, now);
        self.displaced.insert(name, (now + wait, 0));
        self.shared.step(move |engine, _| engine.mailbox_lost(name)).await.map_err(|_| Closed)
    }

    fn leave_alone(&mut self, sub: u32) {
        if let Some(reading) = self.reading.remove(&sub) {
            let times = self.displaced.get(&reading.name).map_or(0, |(_, times)| *times);
            let wait = DISPLACED_WAIT.saturating_mul(1 << times.min(6));
            self.displaced.insert(reading.name, (Instant::now() + wait, times + 1));
        }
    }

    fn next_recheck(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3_600);
        let soon = self.displaced.values().map(|(until, _)| *until).filter(|until| *until > Instant::now());
        soon.min().unwrap_or(far)
    }

    fn is_asked(&self, name: MailboxName) -> bool {
        let open = self.requests.values().any(
            |request| matches!(request, Request::Create(asked, _) | Request::Delete(asked) if *asked == name),
        );
        open || self.is_left_alone(name)
    }

    fn is_read(&self, name: MailboxName) -> bool {
        self.reading.values().any(|reading| reading.name == name)
    }

    fn is_left_alone(&self, name: MailboxName) -> bool {
        self.displaced.get(&name).is_some_and(|(until, _)| *until > Instant::now())
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
