//! The conversation of one link as a value: items and outcomes go in, items and calls come out
//! (spec/12-relay.md section 5). To *look* into a mailbox is to ask the store for its blobs (a
//! peek). An *entry* is the unit in which requests beside accepted puts and useful acks are paced:
//! one item, or one element of the list of a subscribe, unsubscribe or ack (section 7.4).
//!
//! Sans-I/O: a request to the store leaves as a [`Call`]; its result comes back as an [`Outcome`],
//! in any order.

mod call;
mod context;
mod deliveries;
mod entries;
mod output;
mod reading;
mod requests;
mod subscription;

pub use call::{Acking, Call, Outcome};
pub use context::{AboutTooLong, SessionContext};
pub use output::{Close, Output};

use crate::admission::Prefix;
use crate::bucket::Bucket;
use crate::clock::Now;
use crate::hints::{Hints, News};
use crate::store::ConnectedReader;
use deaddrop_wire::item::{
    About, AboutText, Answer, AnswerCode, GoAway, Hello, Moved, Ping, Pong, RelayHello,
};
use deaddrop_wire::{ClientToken, Item, Received};
use entries::Entries;
use reading::Reading;
use std::sync::Arc;

/// The relay's side of the conversation with one client on one link: its subscriptions, the window,
/// rates, and the calls to the store that have no outcome yet.
#[derive(Debug)]
pub struct RelaySession {
    shared: Arc<SessionContext>,
    prefix: Prefix,
    greeted: bool,
    ping_s: u16,
    reader: ConnectedReader,
    reading: Reading,
    puts: Bucket,
    put_bytes: Bucket,
    creates: Bucket,
    entries: Entries,
    /// Whether the client has got the relay's description on this link.
    has_described: bool,
    /// Number of acks that wait for the store.
    open_acks: u32,
    open_calls: u32,
    held_bytes: u64,
    peeked_bytes: u64,
    used_ms: u64,
}

impl RelaySession {
    /// Begins a conversation with a client from the network `prefix`. The client must send `Hello`
    /// first.
    #[must_use]
    pub fn new(shared: Arc<SessionContext>, prefix: Prefix, now: Now) -> Self {
        let limits = &shared.limits;
        Self {
            prefix,
            greeted: false,
            ping_s: limits.ping_max_s,
            reader: ConnectedReader {
                token: ClientToken::from_bytes([0; 16]),
                hints: Arc::new(Hints::default()),
            },
            reading: Reading::default(),
            puts: Bucket::default(),
            put_bytes: Bucket::default(),
            creates: Bucket::default(),
            entries: Entries::default(),
            has_described: false,
            open_acks: 0,
            open_calls: 0,
            held_bytes: 0,
            peeked_bytes: 0,
            used_ms: now.ms,
            shared,
        }
    }

    /// Returns the channel through which the store hints that a look into one of the subscribed
    /// mailboxes may find something.
    #[must_use]
    pub fn hints(&self) -> Arc<Hints> {
        Arc::clone(&self.reader.hints)
    }

    /// Returns the reader that the store gets with each claim: the client's token and the hints.
    /// The token is zeros until the client's `Hello` was handled.
    #[must_use]
    pub const fn reader(&self) -> &ConnectedReader {
        &self.reader
    }

    /// Returns the number of bytes of memory that the calls without an outcome count for: puts,
    /// creates, changes, claims and acks. Looks ([`peeked_bytes`](Self::peeked_bytes)) and releases
    /// count for none.
    #[must_use]
    pub const fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Returns the maximum number of bytes of blobs that the look under way may bring into memory;
    /// 0 if none is under way.
    #[must_use]
    pub const fn peeked_bytes(&self) -> u64 {
        self.peeked_bytes
    }

    /// Returns the number of calls without an outcome.
    #[must_use]
    pub const fn open_calls(&self) -> u32 {
        self.open_calls
    }

    /// Returns the milliseconds without a record after which the client is taken for lost: 2.5
    /// times the ping interval of the relay's `Hello`; until that is sent, of the longest interval.
    #[must_use]
    pub fn silence_ms(&self) -> u64 {
        u64::from(self.ping_s) * 2_500
    }

    /// Whether the link has a subscription. A mailbox whose claim the store has not answered does
    /// not count.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.reading.has_subscriptions()
    }

    /// Returns the time in milliseconds of the last use of the link: its start, a put (also a
    /// refused one), the start of a subscription, or the end of a subscription after which the link
    /// has none.
    #[must_use]
    pub const fn used_ms(&self) -> u64 {
        self.used_ms
    }

    /// Whether the link has no subscription and no claim under way, and was last used (`used_ms`)
    /// at least `idle_ms` ago.
    #[must_use]
    pub fn is_idle(&self, now: Now) -> bool {
        self.reading.is_empty() && now.ms.saturating_sub(self.used_ms) >= self.shared.limits.idle_ms
    }

    /// Whether the conversation is over because the relay has moved. The caller sends what the last
    /// step gave and ends the link; further items of the client have no effect.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.greeted && self.shared.moved_to().is_some()
    }

    /// Whether entries of earlier records are not paid for.
    #[must_use]
    pub const fn owes(&self) -> bool {
        self.entries.owes()
    }

    /// Adds the entries that a record of `bytes` bytes, as it was sealed, asks for to those that are
    /// owed (spec/12-relay.md section 7.4). Called before the record is handled.
    pub fn charge(&mut self, received: &Received, bytes: usize) {
        let entries = received.items.iter().map(entries_of).sum::<usize>();
        self.entries.charge(entries + received.unsupported.len(), bytes);
    }

    /// Pays for what is owed. Returns whether nothing is owed any more: until then the caller
    /// handles no record and reads none, and asks again within a second.
    pub fn pay(&mut self, now: Now) -> bool {
        self.entries.pay(&self.shared, self.prefix, now)
    }

    /// Handles the items of one record of the client. All puts of a record become one call.
    ///
    /// # Errors
    /// Fails with [`Close::Breach`] when the client broke the rules.
    pub fn on_received(&mut self, received: Received, now: Now, out: &mut Output) -> Result<(), Close> {
        let mut puts = Vec::new();
        for item in received.items {
            self.on_item(item, now, &mut puts, out)?;
        }
        if !puts.is_empty() {
            self.call(Call::Put(puts), out);
        }
        self.entries.end_record();
        if !self.is_over() {
            out.items.extend(received.unsupported.into_iter().map(deaddrop_wire::Unsupported::answer));
        }
        self.note_reading(now);
        self.pump(out);
        Ok(())
    }

    /// Handles the outcome of a call.
    ///
    /// # Errors
    /// Fails with [`Close::Stopped`] when the store has failed.
    pub fn on_outcome(&mut self, outcome: Outcome, now: Now, out: &mut Output) -> Result<(), Close> {
        self.open_calls = self.open_calls.saturating_sub(1);
        self.held_bytes = self.held_bytes.saturating_sub(outcome.bytes());
        match outcome {
            Outcome::Answered(answers) => self.answer(answers, out)?,
            Outcome::Put { answers, bytes } => {
                self.held_bytes = self.held_bytes.saturating_sub(bytes);
                self.answer(answers, out)?;
            }
            Outcome::Claimed { request, claimed } => self.on_claimed(request, claimed, out),
            Outcome::Peeked { sub, fence, peeked } => {
                self.peeked_bytes = 0;
                self.on_peeked(sub, fence, peeked, out);
            }
            Outcome::Acked(acked) => self.on_acked(acked, out)?,
            Outcome::Released => {}
        }
        self.note_reading(now);
        self.pump(out);
        Ok(())
    }

    /// Handles `news`, the hints that the store gave to this link.
    pub fn on_news(&mut self, news: News, now: Now, out: &mut Output) {
        self.reading.on_news(news, out);
        self.note_reading(now);
        self.pump(out);
    }

    /// Plans a look into every subscribed mailbox, because hints may have been lost.
    pub fn look_again(&mut self, out: &mut Output) {
        self.reading.want_all();
        self.pump(out);
    }

    /// Sets the time of the last use to `now` if, since the last call, a subscription has begun or
    /// the link has lost its only one. Called after each step.
    const fn note_reading(&mut self, now: Now) {
        if self.reading.take_use() {
            self.used_ms = now.ms;
        }
    }

    fn on_item(
        &mut self,
        item: Item,
        now: Now,
        puts: &mut call::Puts,
        out: &mut Output,
    ) -> Result<(), Close> {
        // the first item of a client is its Hello, and it sends one only.
        if matches!(item, Item::Hello(_)) == self.greeted {
            return Err(Close::Breach);
        }
        if self.is_over() {
            return Ok(());
        }
        match item {
            Item::Hello(hello) => return self.on_hello(&hello, now, out),
            Item::Ping(Ping { nonce }) => out.items.push(Pong { nonce }.into()),
            Item::Pong(_) | Item::Error(_) => {}
            Item::Window(window) => self.reading.set_window(window.blobs, window.bytes, &self.shared.limits),
            Item::Create(create) => self.on_create(create, now, out),
            Item::Grant(grant) => self.on_grant(&grant, now, out),
            Item::Revoke(revoke) => self.on_revoke(&revoke, now, out),
            Item::Renew(renew) => self.on_renew(&renew, now, out),
            Item::Delete(delete) => self.on_delete(&delete, out),
            Item::Rekey(rekey) => self.on_rekey(&rekey, now, out),
            Item::Put(put) => {
                self.used_ms = now.ms;
                self.on_put(put, now, puts, out);
            }
            Item::Subscribe(subscribe) => self.on_subscribe(subscribe, out)?,
            Item::Unsubscribe(unsubscribe) => self.on_unsubscribe(&unsubscribe, out),
            Item::Ack(ack) => self.on_ack(ack, out)?,
            Item::About(about) => self.on_about(about, out),
            // only a relay sends the other items.
            _ => return Err(Close::Breach),
        }
        Ok(())
    }

    fn on_hello(&mut self, hello: &Hello, now: Now, out: &mut Output) -> Result<(), Close> {
        // a relay does not call a relay.
        if hello.relay.is_some() {
            return Err(Close::Breach);
        }
        let limits = &self.shared.limits;
        self.greeted = true;
        self.ping_s = hello.ping_s.max(limits.ping_min_s).min(limits.ping_max_s);
        self.reader.token = hello.client;
        self.reading.set_window(hello.window_blobs, hello.window_bytes, limits);
        let ours = Hello {
            features: 0,
            ping_s: self.ping_s,
            window_blobs: limits.window_blobs,
            window_bytes: limits.window_bytes,
            client: ClientToken::from_bytes([0; 16]),
            relay: Some(RelayHello {
                day: now.day,
                max_subscriptions: limits.subscriptions,
                max_in_flight: limits.in_flight_per_mailbox,
                puts_per_s: limits.puts_per_s,
                put_burst: limits.put_burst,
                blob_days: limits.blob_days,
                large_blob_days: limits.large_blob_days,
                token_needed: self.shared.needs_token(),
            }),
        };
        out.items.push(ours.into());
        if let Some(url) = self.shared.moved_to() {
            out.items.push(Moved { url: url.clone() }.into());
            out.items.push(GoAway { within_s: limits.go_away_s }.into());
        }
        Ok(())
    }

    fn on_about(&mut self, About { req }: About, out: &mut Output) {
        // the text is long and the request short, so a link gets it once.
        if self.has_described {
            out.items.push(Answer { req, code: AnswerCode::Busy, retry_s: 0 }.into());
            return;
        }
        self.has_described = true;
        out.items.push(AboutText { req, json: self.shared.about().into() }.into());
    }

    fn call(&mut self, call: Call, out: &mut Output) {
        self.open_calls = self.open_calls.saturating_add(1);
        self.held_bytes = self.held_bytes.saturating_add(call.bytes());
        out.calls.push(call);
    }
}

/// Returns the number of entries that an item asks for. Those of puts and acks show only when they
/// are handled.
const fn entries_of(item: &Item) -> usize {
    match item {
        Item::Subscribe(subscribe) => subscribe.mailboxes.len(),
        Item::Unsubscribe(unsubscribe) => unsubscribe.subs.len(),
        Item::Put(_) | Item::Ack(_) => 0,
        _ => 1,
    }
}

#[cfg(test)]
mod kit;
