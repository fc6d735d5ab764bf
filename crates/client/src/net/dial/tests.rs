//! The addresses to which a client connects, with listeners that must hear nothing.
// The whole of 127.0.0.0/8 is this machine on Linux alone.
#![cfg(target_os = "linux")]

use super::*;
use crate::{
    ContactInfo, Event, EventKind, Resolve, UnreachableReason,
    engine::Engine,
    home,
    net::{self, Shared},
    resolve::Resolving,
};
use deaddrop_e2ee::{
    content::{self, Content, StreamId},
    identity::IdentityKeyPair,
    invite::{InviteLink, VerifiedBundle},
    session::Session,
};
use deaddrop_engine::MailboxName;
use deaddrop_link::{
    ClientHello, MailboxAddress, RelayHandshake, RelayIdentity, RelaySeed, capability::SendCapability,
};
use deaddrop_websocket::{Progress, Socket};
use deaddrop_wire::{
    Day, Fingerprint, Item, Offer,
    item::{Answer, AnswerCode, Hello, RelayHello},
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{io::AsyncReadExt, net::TcpListener, sync::mpsc, time::sleep};

mod putting;
mod several;

const TODAY: Day = Day::from_number(20_781);
/// The address of the client's own relay, which is allowed. The listener that must hear nothing,
/// the canary, has another address of this machine.
const OWN: &str = "127.0.0.2";
const CANARY: &str = "127.0.0.1";
const PATIENCE: Duration = Duration::from_secs(20);

fn relay(host: &str, port: u16) -> RelayAddress {
    RelayAddress::new(Fingerprint::from_bytes([7; 32]), &format!("ws://{host}:{port}/")).unwrap()
}

/// A resolver with a list of answers for each name: each call takes the next answer, and the last
/// one is given again and again. An empty list is never answered.
#[derive(Default)]
struct Names(Mutex<BTreeMap<&'static str, Vec<Vec<IpAddr>>>>);

impl Names {
    fn set(&self, name: &'static str, looks: &[&[&str]]) {
        let looks = looks.iter().map(|look| look.iter().map(|ip| ip.parse().unwrap()).collect());
        self.0.lock().unwrap().insert(name, looks.collect());
    }

    /// Lets the resolution of this name never end.
    fn never(&self, name: &'static str) {
        self.0.lock().unwrap().insert(name, Vec::new());
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        let mut names = self.0.lock().unwrap();
        if names.get(host).is_some_and(Vec::is_empty) {
            return Box::pin(std::future::pending());
        }
        let found = names.get_mut(host).map(|looks| match looks.len() {
            1 => looks[0].clone(),
            _ => looks.remove(0),
        });
        Box::pin(async move { found.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

struct World {
    _folder: tempfile::TempDir,
    shared: Arc<Shared>,
    names: Arc<Names>,
    own: TcpListener,
    canary: TcpListener,
}

fn config(names: &Arc<Names>, private_addresses: PrivateAddresses) -> Config {
    Config {
        now: Arc::new(|| u64::from(TODAY.number()) * 86_400),
        backoff: Duration::from_millis(10)..Duration::from_millis(40),
        patience: Duration::from_secs(2),
        putter_idle: Duration::from_secs(1),
        resolver: Arc::<Names>::clone(names),
        private_addresses,
        ..Config::default()
    }
}

impl World {
    /// Creates a client whose own relay has this host and the port of a listener at [`OWN`].
    async fn new(own_host: &str, private_addresses: PrivateAddresses) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = TcpListener::bind((OWN, 0)).await.unwrap();
        let address = relay(own_host, own.local_addr().unwrap().port());
        let store =
            home::create(folder.path(), &crate::Unlock::KeyFile, deaddrop_shred::PassphraseCost::default())
                .unwrap();
        let engine = crate::engine::create_in(store, Some(&address), 0).unwrap();
        let names = Arc::new(Names::default());
        let shared = Shared::new(engine, config(&names, private_addresses));
        let canary = TcpListener::bind((CANARY, 0)).await.unwrap();
        Self { _folder: folder, shared, names, own, canary }
    }

    /// Returns the address of a relay with this host, at the canary's port.
    fn canary(&self, host: &str) -> RelayAddress {
        relay(host, self.canary.local_addr().unwrap().port())
    }

    async fn dial(&self, relay: &RelayAddress, consent: Consent) -> Result<IpAddr, ConnectError> {
        let reach = || self.shared.look(Engine::reach).ok();
        let target = Destination { relay, consent, reach: &reach };
        dial(&self.shared.config, &target).await.map(|(stream, ip)| {
            assert_eq!(stream.peer_addr().unwrap().ip(), ip);
            ip
        })
    }

    /// Adds a contact with a session. The contact has told these addresses of its mailbox: the
    /// first by [`Content::Hello`], then the others by [`Content::MailboxMove`]. A text waits for
    /// it.
    async fn contact(&self, hello: &RelayAddress, moves: &[RelayAddress]) -> u32 {
        let address = |relay: &RelayAddress| {
            MailboxAddress { relay: relay.clone(), send: SendCapability::from_bytes([9; 32]) }.encode()
        };
        let mut items = vec![Content::Hello { address: address(hello).to_vec() }];
        for (number, relay) in (1..).zip(moves) {
            items.push(Content::MailboxMove {
                stream: StreamId([5; 16]),
                number,
                address: address(relay).to_vec(),
            });
        }
        let accepted = self.shared.step(move |engine, today| {
            let id = engine.begin_invite("Eve", today, 7).unwrap();
            let bundle = engine.publication(id).unwrap().bundle;
            engine.published(id).unwrap();
            let link: InviteLink = engine.link_text(id).unwrap().parse().unwrap();
            let random = &mut crate::random::SystemRandom;
            let eve = IdentityKeyPair::generate(random);
            let own = eve.identity_key().hash();
            let bundle = VerifiedBundle::open(link.secret(), &bundle, own, None, today).unwrap();
            let (mut session, _) = Session::initiate(&eve, &bundle, random).unwrap();
            let (envelope, _) = session.encrypt(&content::encode(&items).unwrap(), random).unwrap();
            engine.delivered(MailboxName { contact: id, mailbox: 0 }, envelope.as_bytes(), today)?;
            engine.send_text("Eve", "for Eve's eyes", 0).unwrap();
            Ok::<_, crate::error::VaultError>(id)
        });
        accepted.await.unwrap()
    }

    fn events(&self) -> Vec<Event> {
        self.shared.look(|engine| engine.events_after(0, 100)).unwrap().unwrap()
    }

    fn info(&self) -> ContactInfo {
        self.shared.look(Engine::contact_list).unwrap().remove(0)
    }

    fn blocked_events(&self) -> usize {
        let kinds = self.events().into_iter().map(|event| event.kind);
        kinds.filter(|kind| matches!(kind, EventKind::PrivateAddress { .. })).count()
    }

    /// Waits until the app is told of an address to which the client does not connect. Fails as soon as the canary hears
    /// anything.
    async fn told(&self) {
        let told = async {
            let begin = Instant::now();
            while self.blocked_events() == 0 {
                assert!(begin.elapsed() < PATIENCE, "{:?}", self.events());
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            biased;
            _ = self.canary.accept() => panic!("the canary was connected to"),
            () = told => {}
        }
        assert!(!is_heard(&self.canary).await, "the canary was connected to");
    }
}

/// Whether a connection has come to a listener, or comes within 300 ms.
async fn is_heard(listener: &TcpListener) -> bool {
    tokio::time::timeout(Duration::from_millis(300), listener.accept()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_does_not_point_a_client_into_its_own_network() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    let canary = world.canary(CANARY);
    let id = world.contact(&relay(OWN, 1), &[relay(OWN, 2), canary]).await;
    let supervisor = tokio::spawn(net::supervise(Arc::clone(&world.shared)));
    world.told().await;
    let canary_ip: IpAddr = CANARY.parse().unwrap();
    assert_eq!(world.blocked_events(), 1, "once, however often it is tried");
    assert_eq!(world.info().unreachable, Some(UnreachableReason::PrivateAddress(canary_ip)));
    assert_eq!(world.info().waiting, 1);
    let state = world.shared.progress.putting()[&id].state;
    assert_eq!(state, deaddrop_engine::conversation::PutState::Private(canary_ip));
    // With the user's consent what waited goes to where it was meant to go.
    world.shared.step(move |engine, _| engine.allow_private(canary_ip)).await.unwrap();
    world.shared.wake_all();
    assert!(is_heard(&world.canary).await);
    world.shared.closing.send_replace(true);
    supervisor.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_told_in_a_hello_is_no_better() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    world.contact(&world.canary(CANARY), &[]).await;
    let supervisor = tokio::spawn(net::supervise(Arc::clone(&world.shared)));
    world.told().await;
    world.shared.closing.send_replace(true);
    supervisor.await.unwrap();
}

/// A contact that moves on from an address to which the client does not connect is reached at its
/// next address.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_blocked_address_goes_to_a_newer_one() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    let id = world.contact(&world.canary(CANARY), &[]).await;
    let newer = world.own.local_addr().unwrap().port();
    let learn = MailboxAddress { relay: relay(OWN, newer), send: SendCapability::from_bytes([3; 32]) };
    // No reading link takes part: only the put may come to the listener.
    let putter = tokio::spawn(net::put(Arc::clone(&world.shared), id));
    world.told().await;
    assert!(!is_heard(&world.own).await);
    let step = move |engine: &mut Engine<_>, _| {
        engine.learn_address(id, &learn.encode());
        Ok::<_, crate::error::VaultError>(())
    };
    world.shared.step(step).await.unwrap();
    world.shared.wake_all();
    assert!(is_heard(&world.own).await);
    assert!(!is_heard(&world.canary).await);
    world.shared.closing.send_replace(true);
    putter.await.unwrap();
}

#[tokio::test]
async fn every_form_of_a_private_address_is_refused_and_the_own_relays_is_not() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    for host in [
        CANARY,
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
    ] {
        let refused = world.dial(&world.canary(host), Consent::Rule).await;
        let ip: IpAddr = host.trim_matches(['[', ']']).parse().unwrap();
        assert_eq!(refused, Err(ConnectError::Private(ip.to_canonical())), "{host}");
    }
    assert!(!is_heard(&world.canary).await);
    // The very address of the own relay, at any port and in any form.
    let own_ip: IpAddr = OWN.parse().unwrap();
    let port = world.own.local_addr().unwrap().port();
    for host in [OWN, "[::ffff:127.0.0.2]"] {
        assert_eq!(world.dial(&relay(host, port), Consent::Rule).await, Ok(own_ip), "{host}");
    }
    assert_eq!(world.dial(&relay(OWN, 1), Consent::Rule).await, Err(ConnectError::Down));
}

#[tokio::test]
async fn a_name_is_judged_at_each_connection_and_resolved_once_for_it() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    let port = world.own.local_addr().unwrap().port();
    let (own_ip, canary_ip): (IpAddr, IpAddr) = (OWN.parse().unwrap(), CANARY.parse().unwrap());
    world.names.set("turns.example", &[&[OWN], &[CANARY]]);
    assert_eq!(world.dial(&relay("turns.example", port), Consent::Rule).await, Ok(own_ip));
    let turned = world.dial(&world.canary("turns.example"), Consent::Rule).await;
    assert_eq!(turned, Err(ConnectError::Private(canary_ip)));
    // Of several addresses only those that are allowed are tried.
    world.names.set("both.example", &[&[CANARY, "10.0.0.1", OWN]]);
    assert_eq!(world.dial(&relay("both.example", port), Consent::Rule).await, Ok(own_ip));
    assert_eq!(world.dial(&world.canary("both.example"), Consent::Rule).await, Err(ConnectError::Down));
    world.names.set("none.example", &[&[]]);
    assert_eq!(world.dial(&relay("none.example", port), Consent::Rule).await, Err(ConnectError::Down));
    assert_eq!(world.dial(&relay("unknown.example", port), Consent::Rule).await, Err(ConnectError::Down));
    // A name that is written like a number to some resolvers.
    world.names.set("0x7f000001", &[&[CANARY]]);
    let hex = world.dial(&world.canary("0x7f000001"), Consent::Rule).await;
    assert_eq!(hex, Err(ConnectError::Private(canary_ip)));
    assert!(!is_heard(&world.canary).await);
}

#[tokio::test]
async fn the_own_relay_by_name_is_looked_up_when_it_matters() {
    let world = World::new("relay.lan", PrivateAddresses::Refuse).await;
    let (own_ip, canary_ip): (IpAddr, IpAddr) = (OWN.parse().unwrap(), CANARY.parse().unwrap());
    let port = world.own.local_addr().unwrap().port();
    world.names.set("relay.lan", &[&[OWN]]);
    // The user has named it.
    assert_eq!(world.dial(&relay("relay.lan", port), Consent::Rule).await, Ok(own_ip));
    // A contact at the same address, under whatever name.
    world.names.set("contact.example", &[&[OWN]]);
    assert_eq!(world.dial(&relay("contact.example", port), Consent::Rule).await, Ok(own_ip));
    assert_eq!(world.dial(&world.canary(CANARY), Consent::Rule).await, Err(ConnectError::Private(canary_ip)));
}

#[tokio::test]
async fn a_pasted_address_is_allowed_and_a_pasted_name_is_not() {
    let world = World::new(OWN, PrivateAddresses::Refuse).await;
    let canary_ip: IpAddr = CANARY.parse().unwrap();
    world.names.set("link.example", &[&[CANARY]]);
    assert_eq!(world.dial(&world.canary(CANARY), Consent::Shown).await, Ok(canary_ip));
    let by_name = world.dial(&world.canary("link.example"), Consent::Shown).await;
    assert_eq!(by_name, Err(ConnectError::Private(canary_ip)));
    assert_eq!(world.dial(&world.canary("link.example"), Consent::Given).await, Ok(canary_ip));
}

#[tokio::test]
async fn an_app_can_allow_hosts_or_everything() {
    let canary_ip: IpAddr = CANARY.parse().unwrap();
    for (allowed, by_ip, by_name) in [
        (PrivateAddresses::Allow, true, true),
        (PrivateAddresses::AllowRelays(vec![CANARY.to_owned()]), true, true),
        (PrivateAddresses::AllowRelays(vec!["link.example".to_owned()]), false, true),
        (PrivateAddresses::AllowRelays(vec!["127.0.0.3".to_owned(), "example".to_owned()]), false, false),
    ] {
        let world = World::new(OWN, allowed).await;
        world.names.set("link.example", &[&[CANARY]]);
        for (host, is_allowed) in [(CANARY, by_ip), ("link.example", by_name)] {
            let wanted = if is_allowed { Ok(canary_ip) } else { Err(ConnectError::Private(canary_ip)) };
            assert_eq!(world.dial(&world.canary(host), Consent::Rule).await, wanted, "{host}");
        }
    }
}

/// A connection that is opened in another file would escape the rule about addresses.
#[test]
fn nothing_else_in_this_crate_connects_or_resolves() {
    fn look(folder: &Path, seen: &mut usize) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, seen);
                continue;
            }
            *seen += 1;
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_owned();
            let may = [
                "src/net/dial.rs",
                "src/resolve.rs",
                "src/net/dial/tests.rs",
                "src/net/dial/tests/several.rs",
                "src/net/tests/slow.rs",
            ];
            if may.iter().any(|known| name == Path::new(known)) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for mark in [
                "TcpStream::connect",
                "TcpSocket",
                "UdpSocket",
                "UnixStream",
                "lookup_host",
                "ToSocketAddrs",
                "std::net::TcpStream",
                ".connect(",
            ] {
                assert!(!text.contains(mark), "{} has {mark}", name.display());
            }
        }
    }
    let mut seen = 0;
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut seen);
    assert!(seen > 20, "{seen}");
}

/// Answers every Put with Done, and reports each over `told`. Serves one connection after the
/// other, and closes one whose handshake is not for this relay.
async fn take_puts(listener: TcpListener, identity: Arc<RelayIdentity>, told: mpsc::UnboundedSender<()>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = take_puts_of(stream, &identity, &told).await;
    }
}

async fn take_puts_of(
    mut stream: TcpStream,
    identity: &RelayIdentity,
    told: &mpsc::UnboundedSender<()>,
) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut request).await.ok().filter(|n| *n > 0)?;
    }
    let mut socket = deaddrop_websocket::accept(stream, request, 300_000).await.ok()?;
    let c1 = next_message(&mut socket).await?;
    let c1 = ClientHello::parse(&c1).ok()?;
    let (handshake, s1) =
        RelayHandshake::answer(identity, &Offer::v1(), &c1, &mut crate::random::SystemRandom).ok()?;
    socket.send(s1, 0);
    let c2 = next_message(&mut socket).await?;
    let (link, hello) = handshake.on_c2(identity, &c2).ok()?;
    let (mut seal, mut open) = link.split();
    let relay = RelayHello {
        day: TODAY,
        max_subscriptions: 1,
        max_in_flight: 1,
        puts_per_s: 9,
        put_burst: 9,
        blob_days: 9,
        large_blob_days: 9,
        token_needed: false,
    };
    let mut items = vec![Hello { relay: Some(relay), ..hello }.into()];
    loop {
        seal.seal(&items).ok()?.into_iter().for_each(|record| socket.send(record, 0));
        let record = next_message(&mut socket).await?;
        items.clear();
        for item in open.open(&record).ok()?.items {
            if let Item::Put(put) = item {
                told.send(()).ok()?;
                items.push(Answer { req: put.req, code: AnswerCode::Done, retry_s: 0 }.into());
            }
        }
    }
}

async fn next_message(socket: &mut Socket<TcpStream>) -> Option<Vec<u8>> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Some(message),
            Progress::Over(_) => return None,
            _ => {}
        }
    }
}

/// An operator who replaces a stolen key keeps the URL: the thief of the old key must get nothing that is for the new one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_a_new_key_does_not_go_to_the_old_one_at_the_same_url() {
    let mut world = World::new(OWN, PrivateAddresses::Refuse).await;
    let identity = Arc::new(RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32])));
    let url = format!("ws://{OWN}:{}/", world.own.local_addr().unwrap().port());
    let at = |fingerprint| RelayAddress::new(fingerprint, &url).unwrap();
    let id = world.contact(&at(*identity.fingerprint()), &[]).await;
    let listener = std::mem::replace(&mut world.own, TcpListener::bind((OWN, 0)).await.unwrap());
    let (told, mut puts) = mpsc::unbounded_channel();
    let old_relay = tokio::spawn(take_puts(listener, identity, told));
    let putter = tokio::spawn(net::put(Arc::clone(&world.shared), id));
    tokio::time::timeout(PATIENCE, puts.recv()).await.unwrap().unwrap();
    let (new, send) = (at(Fingerprint::from_bytes([2; 32])), SendCapability::from_bytes([3; 32]));
    let step = move |engine: &mut Engine<_>, _| {
        engine.learn_address(id, &MailboxAddress { relay: new, send }.encode());
        engine.send_text("Eve", "for the new key alone", 0).unwrap();
        Ok::<_, crate::error::VaultError>(())
    };
    world.shared.step(step).await.unwrap();
    let more = tokio::time::timeout(Duration::from_secs(1), puts.recv()).await;
    assert!(more.is_err(), "the old relay got a put that was for the new one");
    world.shared.closing.send_replace(true);
    putter.await.unwrap();
    old_relay.abort();
}
