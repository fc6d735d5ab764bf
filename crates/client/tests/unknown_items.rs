//! A relay that sends unknown items: the client answers critical ones, and pings, on every link, and continues.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use deaddrop_client::{Client, Config, Unlock};
use deaddrop_link::{ClientHello, LinkSession, RelayHandshake, RelayIdentity, RelaySeed};
use deaddrop_primitives::{aead, hash::sha256, hkdf, kem, x25519};
use deaddrop_websocket::{Progress, Socket, accept};
use deaddrop_wire::{
    ClientToken, Item, Offer, RelayAddress, encode_items,
    item::{Answer, AnswerCode, CaughtUp, ErrorCode, Hello, Ping, RelayHello, Subscribe, Subscribed},
};
use std::time::Duration;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

const SEED: [u8; 32] = [7; 32];
/// Types of critical items that no version of the protocol has.
const CRITICAL: [u16; 2] = [0x7777, 0x7779];
const OPTIONAL: u16 = 0x7778;
const NONCE: u32 = 77;

/// A generator that returns these bytes, so that the test knows the secrets of the handshake.
struct Known(Vec<u8>);

impl rand::rand_core::TryRng for Known {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("only bytes are drawn")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("only bytes are drawn")
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl rand::rand_core::TryCryptoRng for Known {}

/// The relay's end of a link whose records can hold any bytes, items that no library makes
/// included.
struct RawLink {
    session: LinkSession,
    key: [u8; 32],
    sealed: u64,
}

fn label(text: &str) -> Vec<u8> {
    format!("deaddrop/1 {text}\0").into_bytes()
}

fn expand(prk: &[u8; 32], text: &str, context: &[u8]) -> [u8; 32] {
    hkdf::expand(prk, &[&label(text), context])
}

/// Computes the key with which the relay seals its records, by the formulas of spec/10-link.md
/// section 4. The arguments are the messages of the handshake, and the relay's ephemeral X25519
/// secret and ML-KEM randomness.
fn relay_key(c1: &[u8], s1: &[u8], c2: &[u8], fresh: &[u8; 32], m: &[u8; 32]) -> [u8; 32] {
    let prk = *hkdf::extract(&label("relay identity"), &[&SEED]).expose();
    let x = x25519::SecretKey::from_bytes(&expand(&prk, "relay identity x25519", &[]));
    let dz: [u8; 64] = hkdf::expand(&prk, &[&label("relay identity ml-kem-768")]);
    let hello = ClientHello::parse(c1).unwrap();
    assert!(hello.cookie().is_none());
    let (client_x, client_kem) = c1.split_at(c1.len() - 1_184);
    let client_x = x25519::PublicKey::from_bytes(client_x.last_chunk().unwrap()).unwrap();
    let client_kem = kem::EncapsulationKey::from_bytes(client_kem.first_chunk().unwrap()).unwrap();
    let (_, kem_ephemeral) = client_kem.encapsulate(&mut Known(m.to_vec()));
    let (s1_head, rest) = s1.split_at(1_134);
    let (identity, confirmation) = rest.split_at(1_232);
    let c2_head = &c2[..1_092];
    let ephemeral = x25519::SecretKey::from_bytes(fresh).diffie_hellman(&client_x).unwrap();
    let h1 = sha256(&[&label("link transcript 1"), c1, s1_head]);
    let p1 = hkdf::extract(&label("link"), &[ephemeral.expose(), kem_ephemeral.expose()]);
    let h2 = sha256(&[&label("link transcript 2"), &h1, identity]);
    let p2 = hkdf::extract(
        &expand(p1.expose(), "link chain 1", &h1),
        &[x.diffie_hellman(&client_x).unwrap().expose()],
    );
    let h3 = sha256(&[&label("link transcript 3"), &h2, confirmation, c2_head]);
    let kem_identity = kem::DecapsulationKey::from_seed(&dz).decapsulate(c2_head.last_chunk().unwrap());
    let p3 = hkdf::extract(&expand(p2.expose(), "link chain 2", &h2), &[kem_identity.expose()]);
    expand(p3.expose(), "link relay", &h3)
}

impl RawLink {
    /// Seals these bytes, padded to 512 bytes, as the next record of the relay.
    fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut padded = plaintext.to_vec();
        padded.resize(512, 0);
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.sealed.to_le_bytes());
        self.sealed += 1;
        aead::seal(&self.key, &nonce, &[], &padded)
    }

    fn seal_items(&mut self, items: &[Item]) -> Vec<u8> {
        self.seal(&encode_items(items).unwrap())
    }
}

fn unknown(kind: u16, flags: u8) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &[flags, 3, 0, 0], b"new"].concat()
}

fn greeting() -> Item {
    let relay = RelayHello {
        day: today(),
        max_subscriptions: 100,
        max_in_flight: 16,
        puts_per_s: 50,
        put_burst: 500,
        blob_days: 30,
        large_blob_days: 7,
        token_needed: false,
    };
    let client = ClientToken::from_bytes([0; 16]);
    Hello { features: 0, ping_s: 45, window_blobs: 64, window_bytes: 1 << 20, client, relay: Some(relay) }
        .into()
}

async fn message(socket: &mut Socket<TcpStream>) -> Option<Vec<u8>> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Some(message),
            Progress::Over(_) => return None,
            _ => {}
        }
    }
}

/// An item from the client, as far as the test looks at it.
#[derive(Debug, PartialEq, Eq)]
enum Answered {
    /// An Error item: the client does not know items of this type.
    Unknown(u16),
    /// A Pong with this nonce.
    Ping(u32),
    /// An Answer to a request. The client must send none, because only relays answer requests.
    Request,
}

/// Serves one link: sends the unknown items, and reports what the client sends over `told`.
async fn serve(mut stream: TcpStream, told: mpsc::UnboundedSender<Answered>) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut request).await.ok().filter(|n| *n > 0)?;
    }
    let mut socket = accept(stream, request, 300_000).await.ok()?;
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes(SEED));
    let c1 = message(&mut socket).await?;
    let hello = ClientHello::parse(&c1).ok()?;
    let (fresh, m) = ([5; 32], [6; 32]);
    let mut random = Known([fresh, m].concat());
    let (handshake, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &hello, &mut random).ok()?;
    socket.send(s1.clone(), 0);
    let c2 = message(&mut socket).await?;
    let key = relay_key(&c1, &s1, &c2, &fresh, &m);
    let (session, _) = handshake.on_c2(&identity, &c2).ok()?;
    let mut link = RawLink { session, key, sealed: 0 };
    let hello = encode_items(&[greeting()]).unwrap();
    let first = [hello, unknown(OPTIONAL, 0), unknown(CRITICAL[0], 1)].concat();
    socket.send(link.seal(&first), 0);
    // A Put is no item of a relay's, whatever its class.
    let mut put = unknown(0x20, 1);
    put[3] = 34;
    put.truncate(6);
    put.extend_from_slice(&[[0; 34].as_slice()].concat());
    *put.last_mut().unwrap() = 9;
    let ping = encode_items(&[Ping { nonce: NONCE }.into()]).unwrap();
    socket.send(link.seal(&[unknown(CRITICAL[1], 1), put, ping].concat()), 0);
    loop {
        let record = message(&mut socket).await?;
        let mut items = Vec::new();
        for item in link.session.open(&record).ok()?.items {
            let req = match item {
                Item::Create(create) => create.req,
                Item::Put(put) => put.req,
                Item::Subscribe(Subscribe { req, .. }) => {
                    items.push(Subscribed { req, refused: vec![], contended: vec![] }.into());
                    items.push(CaughtUp { req }.into());
                    continue;
                }
                Item::Error(error) => {
                    assert_eq!(error.code, ErrorCode::Unsupported);
                    let _ = told.send(Answered::Unknown(error.kind));
                    continue;
                }
                Item::Pong(pong) => {
                    let _ = told.send(Answered::Ping(pong.nonce));
                    continue;
                }
                Item::Answer(_) => {
                    let _ = told.send(Answered::Request);
                    continue;
                }
                _ => continue,
            };
            items.push(Answer { req, code: AnswerCode::Done, retry_s: 0 }.into());
        }
        if !items.is_empty() {
            socket.send(link.seal_items(&items), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn critical_items_that_a_client_does_not_know_and_pings_are_answered_on_every_link() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes(SEED));
    let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
    let (links, mut told) = mpsc::unbounded_channel();
    let relay = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (of_link, errors) = mpsc::unbounded_channel();
            let _ = links.send(errors);
            tokio::spawn(serve(stream, of_link));
        }
    });
    let client = Client::create(folder.path().join("a"), Unlock::KeyFile, Some(address), Config::default())
        .await
        .unwrap();
    client.invite("friend").await.unwrap();
    // The creates, the put, and the reading link.
    for link in ["creates", "put", "reading"] {
        let mut errors = tokio::time::timeout(Duration::from_secs(60), told.recv()).await.unwrap().unwrap();
        for expected in CRITICAL.map(Answered::Unknown).into_iter().chain([Answered::Ping(NONCE)]) {
            let answered = tokio::time::timeout(Duration::from_secs(60), errors.recv()).await.unwrap();
            assert_eq!(answered, Some(expected), "{link}");
        }
    }
    client.close().await.unwrap();
    relay.abort();
}

/// Returns the day of the system's clock, for the relay's Hello: a client makes no invite with a
/// relay of another day.
fn today() -> deaddrop_wire::Day {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    deaddrop_wire::Day::of_unix_seconds(since.as_secs())
}
