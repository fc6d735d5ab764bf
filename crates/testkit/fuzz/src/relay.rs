//! Two clients of one relay. The fuzzer chooses every item and every moment.

use super::input::Input;
use deaddrop_link::capability::{mailbox_id, own_id, send_id};
use deaddrop_relay::{
    Limits, Prefix,
    clock::Now,
    kept::{KeptStore, MemoryBacking},
    session::{Output, RelaySession, SessionContext},
    store::Store,
};
use deaddrop_testkit::rng;
use deaddrop_wire::{
    Blob, ClientToken, Day, Item, PresentedOwn, PresentedRead, PresentedSend, Received, SizeClass,
    encode_items,
    item::{
        Ack, AckEntry, Create, CreateFlags, Delete, Grant, Hello, LeaseClass, Ping, Put, QuotaClass, Rekey,
        Renew, Revoke, SendGrant, Subscribe, Subscription, Unsubscribe, Window,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

const MOST_STEPS: usize = 120;
const DAY: Day = Day::from_number(20_000);

/// A client's link at the relay, with the calls that wait to be run on the store.
struct Client {
    session: Option<RelaySession>,
    calls: VecDeque<deaddrop_relay::session::Call>,
    /// For each subscription, the number of the read capability that was last shown for it.
    subscribed: BTreeMap<u32, u8>,
    /// The numbers of the blobs in flight, by subscription and tag.
    in_flight: BTreeMap<(u32, u32), u32>,
}

/// A relay's store with two clients, and what the test knows of the blobs and rights in it.
struct World {
    store: KeptStore<MemoryBacking>,
    shared: Arc<SessionContext>,
    clients: [Client; 2],
    now: Now,
    puts: u32,
    /// The number of the sender through which each blob was put, by the blob's number.
    senders: BTreeMap<u32, u8>,
    /// The pairs (owner, sender) of which the owner ever let the sender in.
    granted: BTreeSet<(u8, u8)>,
    readers: BTreeMap<u8, BTreeSet<u8>>,
}

pub fn conversation(data: &[u8]) {
    let mut input = Input(data);
    let limits = Limits { mailbox_puts_per_s: 1_000, mailbox_put_burst: 1_000, ..Limits::DEFAULT };
    let shared = Arc::new(SessionContext::new(limits.clone(), (input.u8() & 1 != 0).then_some("token")));
    let now = Now::new(DAY, 1_000);
    let client = || Client {
        session: Some(RelaySession::new(Arc::clone(&shared), Prefix::SHARED, now)),
        calls: VecDeque::new(),
        subscribed: BTreeMap::new(),
        in_flight: BTreeMap::new(),
    };
    let mut world = World {
        store: KeptStore::in_memory(limits.clone(), &mut rng(1)),
        clients: [client(), client()],
        shared,
        now,
        puts: 0,
        senders: BTreeMap::new(),
        granted: BTreeSet::new(),
        readers: BTreeMap::new(),
    };
    (0..2).for_each(|by| world.reconnect(by, false));
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    for by in 0..2 {
        while world.run_call(by) {}
        let Some(session) = &world.clients[by].session else { continue };
        assert_eq!(session.open_calls(), 0, "every call has its outcome");
        assert_eq!(session.held_bytes(), 0, "nothing is held for a store that has answered");
    }
    let census = world.store.census();
    assert!(!census.stopped && census.blobs <= u64::from(world.puts));
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.u8();
        let by = usize::from(op & 1);
        match op >> 1 & 7 {
            0..=3 => {
                let items = (0..=input.pick(3)).map(|_| self.item(by, input)).collect();
                self.receive(by, Received { items, ..Received::default() });
            }
            4 => {
                self.run_call(by);
            }
            5 => {
                for by in 0..2 {
                    while self.run_call(by) {}
                    self.look(by);
                }
            }
            6 => {
                self.now.ms += u64::from(input.u16());
                self.now.day = self.now.day.plus(u32::from(input.u8() % 48));
                done(self.store.sweep(self.now, input.pick(8)));
            }
            _ => self.reconnect(by, op & 0x80 != 0),
        }
    }

    fn item(&mut self, by: usize, input: &mut Input<'_>) -> Item {
        let req = u32::from(input.u8());
        let name = input.u8() % 4;
        let own = || PresentedOwn::from_bytes([name; 32]);
        let sender = |sender: u8| send_id(&PresentedSend::from_bytes([sender; 32]));
        match input.u8() % 16 {
            0 | 1 => Hello {
                features: 0,
                ping_s: input.u16(),
                window_blobs: input.u16(),
                window_bytes: input.u32(),
                client: ClientToken::from_bytes([input.u8() % 3; 16]),
                relay: None,
            }
            .into(),
            2 | 3 => {
                let reader = input.u8() % 4;
                self.readers.entry(reader).or_default().insert(name);
                let sends = (0..input.pick(4)).map(|_| input.u8() % 6).collect::<Vec<_>>();
                self.granted.extend(sends.iter().map(|sender| (name, *sender)));
                Create {
                    req,
                    own: own_id(&own()),
                    read: mailbox_id(&PresentedRead::from_bytes([reader; 32])),
                    sends: sends.iter().map(|via| SendGrant { send: sender(*via), via: *via }).collect(),
                    lease: LeaseClass::from_code(input.u8() % 4),
                    quota: QuotaClass::from_code(input.u8() % 4),
                    flags: CreateFlags(input.u8() & 3),
                    token: b"token".to_vec().into(),
                }
                .into()
            }
            4 => {
                let via = input.u8() % 6;
                self.granted.insert((name, via));
                Grant { req, own: own(), send: sender(via), via }.into()
            }
            5 => Revoke { req, own: own(), send: sender(input.u8() % 6) }.into(),
            6 => Renew { req, own: own() }.into(),
            7 => {
                let reader = input.u8() % 4;
                self.readers.entry(reader).or_default().insert(name);
                let read = mailbox_id(&PresentedRead::from_bytes([reader; 32]));
                Rekey { req, own: own(), read }.into()
            }
            8 => Delete { req, own: own() }.into(),
            9 | 10 => {
                self.puts += 1;
                let sender = input.u8() % 6;
                self.senders.insert(self.puts, sender);
                let class = SizeClass::ALL[input.pick(8) / 6];
                let mut bytes = vec![0; class.bytes()];
                bytes[..4].copy_from_slice(&self.puts.to_le_bytes());
                let blob = Blob::new(bytes).expect("a size class");
                Put { req, send: PresentedSend::from_bytes([sender; 32]), blob }.into()
            }
            11 | 12 => {
                let mut mailboxes = vec![];
                for _ in 0..=input.pick(2) {
                    let (sub, reader) = (u32::from(input.u8() % 4), input.u8() % 4);
                    self.clients[by].subscribed.insert(sub, reader);
                    // Tags begin again at the start.
                    self.clients[by].in_flight.retain(|(other, _), _| *other != sub);
                    mailboxes.push(Subscription { sub, read: PresentedRead::from_bytes([reader; 32]) });
                }
                Subscribe { req, mailboxes }.into()
            }
            13 => Unsubscribe { req, subs: (0..input.pick(3)).map(|_| u32::from(input.u8() % 4)).collect() }
                .into(),
            14 => {
                let sub = u32::from(input.u8() % 4);
                let delivered = self.clients[by].in_flight.range((sub, 0)..=(sub, u32::MAX));
                let last = delivered.last().map_or(0, |((_, tag), _)| *tag);
                let mut tag = || u32::from(input.u8()).min(last);
                let (upto, also) = (tag(), vec![tag(), tag()]);
                let over = u32::from(input.u8() == 0xff);
                let also = also.into_iter().filter(|tag| *tag != 0).collect();
                Ack { acks: vec![AckEntry { sub, upto: upto + over, also }] }.into()
            }
            _ => match input.u8() % 3 {
                0 => Ping { nonce: input.u32() }.into(),
                1 => Window { blobs: input.u16(), bytes: input.u32() }.into(),
                // Only a relay says this.
                _ => deaddrop_wire::item::CaughtUp { req }.into(),
            },
        }
    }

    fn receive(&mut self, by: usize, received: Received) {
        // As it would come through a link.
        let bytes = encode_items(&received.items).expect("small");
        let received = deaddrop_wire::decode_items(&bytes).expect("just encoded");
        let now = self.now;
        let Some(session) = &mut self.clients[by].session else { return };
        let mut out = Output::default();
        let taken = session.on_received(received, now, &mut out);
        self.heed(by, out);
        if taken.is_err() {
            self.close(by);
        }
    }

    /// Runs the oldest waiting call of a link. Returns `false` if there is none.
    fn run_call(&mut self, by: usize) -> bool {
        let Some(session) = &mut self.clients[by].session else { return false };
        let Some(call) = self.clients[by].calls.pop_front() else { return false };
        let outcome = done(call.run(&self.store, session.reader(), self.now));
        let mut out = Output::default();
        session.on_outcome(outcome, self.now, &mut out).expect("the store has not failed");
        self.heed(by, out);
        true
    }

    fn look(&mut self, by: usize) {
        let Some(session) = &mut self.clients[by].session else { return };
        let mut out = Output::default();
        session.look_again(&mut out);
        let _ = session.is_idle(self.now);
        self.heed(by, out);
    }

    fn heed(&mut self, by: usize, out: Output) {
        encode_items(&out.items).expect("what a relay says can be sent");
        let client = &mut self.clients[by];
        client.calls.extend(out.calls);
        for item in out.items {
            let Item::Deliver(deliver) = item else { continue };
            let number = u32::from_le_bytes(deliver.blob.as_bytes()[..4].try_into().expect("4 bytes"));
            let sender = *self.senders.get(&number).expect("was put");
            let reader = *client.subscribed.get(&deliver.sub).expect("was asked for");
            let owners = self.readers.get(&reader).expect("was made");
            assert!(
                owners.iter().any(|name| self.granted.contains(&(*name, sender))),
                "another mailbox's blob"
            );
            let before = client.in_flight.insert((deliver.sub, deliver.tag), number);
            assert!(before.is_none(), "a tag was used twice");
        }
    }

    fn reconnect(&mut self, by: usize, silent: bool) {
        self.close(by);
        let session = RelaySession::new(Arc::clone(&self.shared), Prefix::SHARED, self.now);
        self.clients[by].session = Some(session);
        if !silent {
            let hello = Hello {
                features: 0,
                ping_s: 30,
                window_blobs: 8,
                window_bytes: 100_000,
                client: ClientToken::from_bytes([by as u8; 16]),
                relay: None,
            };
            self.receive(by, Received { items: vec![hello.into()], ..Received::default() });
        }
    }

    /// Closes a link. Its waiting calls are run nevertheless.
    fn close(&mut self, by: usize) {
        let client = &mut self.clients[by];
        let Some(session) = client.session.take() else { return };
        for call in client.calls.drain(..) {
            done(call.run(&self.store, session.reader(), self.now));
        }
        client.subscribed.clear();
        client.in_flight.clear();
    }
}

/// Returns the output of a future that must be ready at once, as those of a store in memory are.
fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store does not answer"),
    }
}

/// Runs the target `relay_records`: opens a store with records of any kind and content. The relay
/// uses the records that it can, serves, and destroys everything in time.
pub fn records(data: &[u8]) {
    use deaddrop_relay::StoreKey;
    use deaddrop_shred::{Batch, Geometry, MemoryDisk, Record, RecordKey, Shred};
    let mut input = Input(data);
    let random = &mut rng(1);
    let geometry = Geometry { segment_bytes: 1 << 20, slots_per_segment: 64, ..Geometry::server() };
    let geometry = Geometry { initial_segments: 1, max_segments: 8, ..geometry };
    let key = StoreKey::from_bytes([9; 32]);
    let disk = Arc::new(MemoryDisk::new());
    let mut store = Shred::create(Arc::clone(&disk), &geometry, &key.unlock(), random).expect("bounded");
    let mut puts = BTreeMap::new();
    for _ in 0..=input.pick(12) {
        let mut name = [input.u8() % 4; 16];
        if input.one_in(2) {
            name[6..].fill(0);
        }
        let handle = name[0];
        let meta = [input.u8() % 5, input.u8(), handle, handle, handle, handle, handle, handle];
        let body = match input.u8() % 4 {
            0 => vec![input.u8(); SizeClass::Small.bytes()],
            1 => input.short().to_vec(),
            _ => {
                // A mailbox's record: version, owner and reader, classes and flags, days, senders.
                let mut body = [&[1][..], &[input.u8() % 3; 16], &[input.u8() % 3; 16]].concat();
                body.extend_from_slice(&[input.u8() % 5, input.u8() % 5, input.u8() % 4]);
                body.extend_from_slice(&(DAY.number().wrapping_add(input.u8().into())).to_le_bytes());
                let unused = if input.one_in(2) { u32::MAX } else { input.u32() };
                body.extend_from_slice(&unused.to_le_bytes());
                let sends = input.u8() % 4;
                body.push(sends);
                body.extend((0..sends).flat_map(|via| [[input.u8() % 5; 16].to_vec(), vec![via]].concat()));
                input.change(&mut body);
                body
            }
        };
        let expiry_day = DAY.number().wrapping_add(u32::from(input.u8())).wrapping_sub(64);
        puts.insert(name, Record { key: RecordKey(name), meta, expiry_day, body });
    }
    let many = puts.len() as u64;
    store.commit(Batch { puts: puts.into_values().collect(), erases: vec![] }, random).expect("few");
    drop(store);
    let store = Shred::open(disk, &key.unlock(), random).expect("just made");
    let store = KeptStore::over(store, &key, Limits::DEFAULT, random).expect("whatever lies there");
    let census = store.census();
    assert!(census.mailboxes + census.blobs <= many && !census.stopped);
    let blob = Blob::new(vec![7; SizeClass::Small.bytes()]).expect("a size class");
    let _ = wait(store.put(vec![(send_id(&PresentedSend::from_bytes([1; 32])), blob)], Now::new(DAY, 1)));
    for days in [1, 400, 100_000] {
        let now = Now::new(DAY.plus(days), u64::from(days));
        while wait(store.sweep(now, 4)) {}
    }
    let left = store.census();
    assert!(left.blobs == 0 && !left.stopped, "nothing outlives its day");
}

/// Polls a future of a store on a disk until it is ready, which another thread sees to.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::thread::yield_now();
    }
}
