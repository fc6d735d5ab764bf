//! A client whose peer keeps to the letter of the protocol and sends any content.

use super::{input::Input, scenes::person};
use deaddrop_client::{Event, EventKind, hazmat::OfflineClient};
use deaddrop_e2ee::{
    content::{self, Content, Message, MessageId, StreamId},
    identity::IdentityKeyPair,
    invite::{InviteSecret, VerifiedBundle},
    session::{Session, Standing},
};
use deaddrop_link::{MailboxAddress, capability::SendCapability};
use deaddrop_testkit::rng;
use deaddrop_wire::{Day, RelayAddress};
use rand_chacha::ChaCha20Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

const MOST_STEPS: usize = 60;
const TODAY: Day = Day::from_number(20_000);
const RELAY: &str = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

struct Start {
    image: Vec<u8>,
    bundle: Vec<u8>,
    secret: [u8; 32],
}

fn relay() -> RelayAddress {
    RELAY.parse().expect("well-formed")
}

fn start() -> &'static Start {
    static START: OnceLock<Start> = OnceLock::new();
    START.get_or_init(|| {
        let (client, bundle, secret) = OfflineClient::invite(&relay(), TODAY).expect("a fresh vault");
        Start { image: client.image(), bundle, secret }
    })
}

/// A client without a network, and the peer that it has invited.
struct World {
    client: OfflineClient,
    peer: IdentityKeyPair,
    session: Session,
    random: ChaCha20Rng,
    today: Day,
    /// The envelopes that the client has put for the peer.
    toward_peer: Vec<Vec<u8>>,
    /// The stream of the client's messages; `None` until the peer has read one.
    stream: Option<StreamId>,
    /// The envelopes that the peer has sealed, delivered to the client or not.
    sealed: Vec<Vec<u8>>,
    /// Every text that the peer ever sent, with the number of its stream and its number there.
    texts: BTreeMap<String, (u8, u64)>,
}

pub fn client(data: &[u8]) {
    let mut input = Input(data);
    let start = start();
    let mut random = rng(1);
    let peer = person([8; 32]);
    let secret = InviteSecret::from_bytes(start.secret);
    let own = peer.identity_key().hash();
    let bundle = VerifiedBundle::open(&secret, &start.bundle, own, None, TODAY).expect("genuine");
    let (session, _) = Session::initiate(&peer, &bundle, &mut random).expect("honest");
    let client = OfflineClient::open(start.image.clone(), &relay(), TODAY).expect("just made");
    let mut world = World {
        client,
        peer,
        session,
        random,
        today: TODAY,
        toward_peer: vec![],
        stream: None,
        sealed: vec![],
        texts: BTreeMap::new(),
    };
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input).expect("the vault goes on");
    }
    world.check();
    let before = world.events();
    world.client = OfflineClient::open(world.client.image(), &relay(), world.today).expect("opens again");
    let after = world.events();
    assert!(after.starts_with(&before), "events stay");
    world.check();
}

fn address(number: u8) -> Vec<u8> {
    MailboxAddress { relay: relay(), send: SendCapability::from_bytes([number; 32]) }.encode().to_vec()
}

impl World {
    fn events(&self) -> Vec<Event> {
        self.client.events().expect("the vault goes on")
    }

    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let op = input.u8();
        match op % 12 {
            0..=3 => {
                let content = self.content(input);
                // Any number of messages before it are lost.
                for _ in 0..if op & 0x80 == 0 { 0 } else { u16::from(input.u8()) * 8 } {
                    if self.session.encrypt(&self.hello(), &mut self.random).is_err() {
                        break;
                    }
                }
                if let Ok((envelope, _)) = self.session.encrypt(&content, &mut self.random) {
                    self.sealed.push(envelope.into_bytes());
                    self.client.deliver(u32::from(input.u8() % 3), self.sealed.last()?, self.today)?;
                }
            }
            4 => {
                let at = input.pick(self.sealed.len());
                if let Some(blob) = self.sealed.get(at) {
                    self.client.deliver(u32::from(input.u8() % 3), blob, self.today)?;
                }
            }
            5 => {
                for number in 0..=input.u8() % 64 {
                    assert!(self.client.send(&format!("text {number}"))?);
                }
            }
            6 => {
                let text = "y".repeat(usize::from(input.u16()));
                assert_eq!(self.client.send(&text)?, text.len() <= content::MAX_TEXT);
            }
            7 | 8 => {
                let taken = input.u8() < 200;
                let puts = self.client.put(usize::from(input.u8() % 17), taken, self.today)?;
                self.toward_peer.extend(puts);
            }
            9 => {
                for blob in self.toward_peer.drain(..) {
                    let Ok(opened) = self.session.decrypt(&self.peer, &blob, self.today) else { continue };
                    for item in content::decode(&opened.content).expect("a client's own content") {
                        if let Content::Message { stream, .. } = item {
                            self.stream = Some(stream);
                        }
                    }
                }
            }
            10 => {
                assert!(self.client.make_mailboxes()? <= 3);
            }
            _ => {
                self.today = self.today.plus(u32::from(input.u8() % 40));
                self.client.begin_day(self.today)?;
                if input.one_in(4) {
                    self.client = OfflineClient::open(self.client.image(), &relay(), self.today)?;
                }
            }
        }
        Some(())
    }

    fn hello(&self) -> Vec<u8> {
        let items = match self.session.standing() {
            Standing::Unanswered => vec![Content::Hello { address: address(1) }],
            _ => vec![],
        };
        content::encode(&items).expect("short").to_vec()
    }

    /// Returns a content that begins with Hello: items of every kind, with numbers at the limits,
    /// or any bytes.
    fn content(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let shape = input.u8();
        if shape == 0xff {
            return [&self.hello()[..], input.short()].concat();
        }
        let mut items = vec![Content::Hello { address: address(input.u8() % 10) }];
        let mut number = number(input);
        for _ in 0..shape % 63 {
            let kind = input.u8();
            let which = kind % 3;
            let (stream, place) = (StreamId([which; 16]), number.max(1));
            let text = format!("{which} {place} {}", self.sealed.len());
            items.push(match (kind >> 2) % 7 {
                0 | 1 => {
                    self.texts.insert(text.clone(), (which, place));
                    Content::Message {
                        stream,
                        number: place,
                        to_version: 0,
                        to_mask: 1,
                        message: Message { id: id(&text), clock: number, time: number, text },
                    }
                }
                2 => {
                    let text = format!("{text} without a name");
                    self.texts.insert(text.clone(), (which, place));
                    Content::Text { stream, number: place, text }
                }
                3 => Content::MailboxMove { stream, number: place, address: address(kind) },
                4 => Content::Void { stream, number: place },
                5 => Content::StreamDigest {
                    stream: self.stream.unwrap_or(stream),
                    number,
                    digest: [kind; content::SHORT_DIGEST_LEN],
                },
                _ => Content::DeliveryReceipt {
                    stream: self.stream.unwrap_or(stream),
                    low_water: number,
                    sparse: vec![number.saturating_add(1)]
                        .into_iter()
                        .filter(|next| *next > number)
                        .collect(),
                },
            });
            number = number.wrapping_add(u64::from(kind >> 4));
        }
        content::encode(&items).expect("few and short").to_vec()
    }

    fn check(&self) {
        let (mut last, mut shown) = (BTreeMap::new(), BTreeSet::new());
        for event in self.events() {
            if let EventKind::MessageReceived { text, late } = event.kind {
                let (stream, number) = *self.texts.get(&text).expect("the peer has sent it");
                let last = last.entry(stream).or_insert(0);
                assert!(late || number > *last, "in order, or marked as late");
                assert!(shown.insert((stream, number)), "one text a number");
                *last = number.max(*last);
            }
        }
    }
}

/// Returns an id of a message that depends on its text.
fn id(text: &str) -> MessageId {
    let mut id = [0_u8; 16];
    for (at, byte) in text.bytes().enumerate() {
        id[at % 16] = byte.wrapping_add(id[at % 16].rotate_left(3));
    }
    MessageId(id)
}

fn number(input: &mut Input<'_>) -> u64 {
    let number = u64::from(input.u16());
    match number >> 12 {
        15 => u64::MAX - (number & 0xff),
        14 => u64::from(u32::MAX) + (number & 0xff),
        _ => number & 0xfff,
    }
}
