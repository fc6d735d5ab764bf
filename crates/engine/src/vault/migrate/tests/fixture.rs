//! A vault of format 1 with real sessions, and what each of its rows becomes.

use super::super::{OLD_BLOCKED, OLD_RELAYS, migrated_id};
use crate::{
    event::EventKind,
    vault::{
        AcceptedInvite, AgainRow, BlockedRow, ConfigRow, ConversationRow, DraftRow, EventRow, HeldRow,
        InStream, InviteRow, ItemKind, MailboxKind, MailboxRow, MailboxState, MissingRow, OutStream,
        ParkedRow, PeerAddress, PeerKind, PeerRow, PersonRow, RelayToken, RelaysRow, RowKey, Sealed,
        SessionSlot, Table, encode, format1, key, sub_key,
    },
};
use deaddrop_e2ee::{
    Day,
    contact::Contact,
    content::{self, Content, Message, StreamDigest, StreamId},
    identity::{IdentityHash, IdentityKeyPair, IdentitySeed},
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use rand::rngs::StdRng;
use serde::Serialize;
use std::{collections::BTreeMap, collections::BTreeSet};
use zeroize::Zeroizing;

pub(super) const TODAY: Day = Day::from_number(20_000);
const RELAY: &str = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

pub(super) type Stored = BTreeMap<RowKey, Zeroizing<Vec<u8>>>;

/// The rows of a vault before and after the migration. The ids of outgoing streams, which are
/// random, are zero in the latter.
#[derive(Default)]
pub(super) struct Fixture {
    pub(super) old: Stored,
    pub(super) new: Stored,
}

/// Encodes a row as format 1 did.
pub(super) fn old_row<T: Serialize>(row: &T) -> Zeroizing<Vec<u8>> {
    let mut bytes = vec![1];
    bytes.extend(postcard::to_allocvec(row).unwrap());
    bytes.into()
}

/// Returns the lowest byte of a contact's number, which differs among the first 256 contacts.
const fn byte(id: u32) -> u8 {
    id.to_le_bytes()[0]
}

pub(super) fn out_stream(contact: u32) -> [u8; 16] {
    let mut stream = [0xa0; 16];
    stream[..4].copy_from_slice(&contact.to_be_bytes());
    stream
}

pub(super) fn in_stream(contact: u32) -> [u8; 16] {
    let mut stream = out_stream(contact);
    stream[15] = 0xb0;
    stream
}

pub(super) fn text(stream: [u8; 16], number: u64, text: &str) -> Zeroizing<Vec<u8>> {
    content::encode(&[Content::Text { stream: StreamId(stream), number, text: text.to_owned() }]).unwrap()
}

/// Encodes a MailboxMove as format 1 did: without the flag of numbered items.
fn old_move(stream: [u8; 16], number: u64) -> Zeroizing<Vec<u8>> {
    let address = b"address".to_vec();
    let mut bytes =
        content::encode(&[Content::MailboxMove { stream: StreamId(stream), number, address }]).unwrap();
    bytes[2] = 1;
    bytes
}

/// One contact of format 1, and what the migration is to make of it; [`Fixture::contact`] adds
/// both.
pub(super) struct OldContact {
    pub(super) row: format1::ContactRow,
    /// The id of the session that the migrated contact has; `None`: it has no session.
    pub(super) slot: Option<[u8; 16]>,
    /// The row of the e2ee `Contact` that the migrated contact has; `None`: it has no such row.
    pub(super) ratchet: Option<Zeroizing<Vec<u8>>>,
    /// Number of texts in the outbox, which is the clock of the migrated conversation.
    pub(super) clock: u64,
    /// Whether a receipt is due in the migrated contact, because its control message was erased.
    pub(super) receipt_due: bool,
}

impl OldContact {
    pub(super) fn new(id: u32, name: &str) -> Self {
        let row = format1::ContactRow {
            name: name.to_owned(),
            identity: None,
            verified: false,
            established: false,
            contested: false,
            unreachable: false,
            mailboxes: vec![mailbox(id)],
            next_mailbox: 1,
            addresses: vec![PeerAddress { encoded: vec![byte(id); 90].into(), stale: id.is_multiple_of(2) }],
            out_stream: out_stream(id),
            next_number: 1,
            in_stream: None,
            low_water: 0,
            sparse: BTreeSet::new(),
            receipt_due: false,
            hello_due: false,
            unacked: vec![[byte(id); 16]; 3],
            junk: u64::from(id) * 1_000,
            accepted_invite: None,
        };
        Self { row, slot: None, ratchet: None, clock: 0, receipt_due: false }
    }
}

fn mailbox(id: u32) -> MailboxRow {
    MailboxRow {
        id: 0,
        relay: RELAY.to_owned(),
        kind: MailboxKind::Private,
        state: MailboxState::Live,
        own: OwnCapability::copy_of(&[byte(id); 32]),
        read: ReadCapability::copy_of(&[byte(id) ^ 0x55; 32]),
        send: SendCapability::copy_of(&[byte(id) ^ 0xaa; 32]),
    }
}

/// This user's session with a person, the person's own side of it, and the person's identity.
pub(super) struct Pair {
    pub(super) session: Session,
    pub(super) peer: Session,
    pub(super) peer_identity: IdentityKeyPair,
}

impl Fixture {
    /// Adds a row of format 1, and the row of format 2 that it is to become.
    pub(super) fn becomes<A: Serialize, B: Serialize>(&mut self, row: RowKey, old: &A, new: (RowKey, &B)) {
        self.old.insert(row, old_row(old));
        self.new.insert(new.0, encode(new.1).unwrap());
    }

    /// Adds a row that the migration is to leave unchanged.
    pub(super) fn stays(&mut self, row: RowKey, bytes: &[u8]) {
        self.old.insert(row, bytes.to_vec().into());
        self.new.insert(row, bytes.to_vec().into());
    }

    fn same<T: Serialize>(&mut self, row: RowKey, body: &T) {
        self.becomes(row, body, (row, body));
    }

    /// Adds the config row of a person whose next contact gets the number `next_id`.
    pub(super) fn config(&mut self, identity: &IdentityKeyPair, next_id: u32) {
        let (seed, relay) = (identity.seed(), Some(RELAY.to_owned()));
        let duplicate = |seed: &IdentitySeed| seed.duplicate();
        let old = format1::ConfigRow {
            seed: duplicate(seed),
            relay: relay.clone(),
            next_contact: next_id,
            event_floor: 3,
        };
        let new = ConfigRow { seed: duplicate(seed), root: None, relay, next_id, event_floor: 3 };
        self.becomes(key(Table::Config, 0, 0), &old, (key(Table::Config, 0, 0), &new));
    }

    /// Adds one row of each table whose rows keep their fields, and a note of a missing item, which
    /// is to be erased.
    pub(super) fn small_rows(&mut self, identity: &IdentityKeyPair, rng: &mut StdRng) {
        let relays = RelaysRow {
            adopted: Some(RELAY.to_owned()),
            allowed: vec!["10.0.0.1".parse().unwrap()],
            tokens: vec![RelayToken { relay: [7; 32], token: b"token".to_vec() }],
        };
        self.becomes(key(OLD_RELAYS, 0, 0), &relays, (key(Table::Relays, 0, 0), &relays));
        for id in [1, 2, 6] {
            let blocked = BlockedRow { address: [192, 168, 0, byte(id)].into() };
            self.becomes(key(OLD_BLOCKED, id, 0), &blocked, (key(Table::Blocked, id, 0), &blocked));
        }
        let (pending, bundle) = PendingInvite::create(identity, TODAY.plus(7), b"landing", rng).unwrap();
        let invite = InviteRow {
            pending: pending.to_bytes(),
            relay: RELAY.to_owned(),
            own: OwnCapability::copy_of(&[1; 32]),
            send: SendCapability::copy_of(&[2; 32]),
            bundle: Some(bundle),
        };
        self.same(key(Table::Invite, 3, 0), &invite);
        self.same(key(Table::Cursor, 0, 0), &77_u64);
        self.same(key(Table::Attempt, 0x0102_0304, 5), &2_u8);
        self.same(key(Table::Running, 0, 0), &true);
        self.same(key(Table::StaleTried, 0, 0), &1_700_000_000_u64);
        self.same(key(Table::Again, 1, 0), &AgainRow { hour: 480_000, bytes: 65_536 });
        self.stays(key(Table::Aside, 1, 99), &[1; 1_024]);
        for number in 1..4 {
            self.old.insert(key(Table::Missing, 1, number), old_row(&MissingRow { tries: 1, at: 5 }));
        }
    }

    /// Adds the rows of a session with a person, and returns both sides of it. The keys of
    /// `skipped` messages of the person that have not come are among the rows.
    pub(super) fn session(
        &mut self,
        id: u32,
        own: &IdentityKeyPair,
        skipped: usize,
        rng: &mut StdRng,
    ) -> Pair {
        let peer_identity = IdentityKeyPair::generate(rng);
        let (pending, blob) = PendingInvite::create(&peer_identity, TODAY.plus(7), b"landing", rng).unwrap();
        let own_hash = own.identity_key().hash();
        let bundle = VerifiedBundle::open(pending.secret(), &blob, own_hash, None, TODAY).unwrap();
        let (mut session, _) = Session::initiate(own, &bundle, rng).unwrap();
        let (first, mut set) = session.encrypt(&hello(), rng).unwrap();
        let mut accepted =
            pending.accept(&peer_identity, first.as_bytes(), |_| false, TODAY).expect("a first message");
        for at in 0..=skipped {
            let (envelope, _) = accepted.session.encrypt(&hello(), rng).unwrap();
            if at < skipped {
                continue;
            }
            let opened = session.decrypt(own, envelope.as_bytes(), TODAY).unwrap();
            set = opened.changes;
        }
        assert_eq!(set.skipped_added.len(), skipped);
        self.stays(key(Table::Session, id, 0), &session.snapshot());
        if let Some(resets) = &set.reset_secrets {
            self.stays(key(Table::Resets, id, 0), resets);
        }
        for row in &set.skipped_added {
            let number = u64::from(row.id.turn) << 32 | u64::from(row.id.message_number);
            self.stays(key(Table::Skipped, id, number), &row.bytes);
        }
        Pair { session, peer: accepted.session, peer_identity }
    }

    /// Adds outbox items with these numbers, in every state that an outbox has: moves at multiples
    /// of 10, else texts. Returns the number of texts.
    pub(super) fn outbox(&mut self, id: u32, numbers: core::ops::Range<u64>) -> u64 {
        let (stream, mut clock) = (out_stream(id), 0);
        for number in numbers {
            let is_move = number.is_multiple_of(10);
            let words = format!("text {number} for {id}");
            let content = if is_move { old_move(stream, number) } else { text(stream, number, &words) };
            let address = vec![byte(id); 90].into();
            let old = format1::ItemRow {
                kind: if is_move { format1::ItemKind::Move } else { format1::ItemKind::Text },
                content,
                sealed: (number % 3 == 1).then(|| Sealed { address, envelope: vec![7; 1_024] }),
                again_on: number.is_multiple_of(3).then_some(20_008),
            };
            let zero = StreamId([0; 16]);
            let message = migrated_id(&stream, number);
            let item = if is_move {
                Content::MailboxMove { stream: zero, number: 0, address: b"address".to_vec() }
            } else {
                clock += 1;
                let message = Message { id: message, clock, time: 0, text: words };
                Content::Message { stream: zero, number: 0, to_version: 0, to_mask: 1, message }
            };
            let new = DraftRow {
                kind: if is_move { ItemKind::Move } else { ItemKind::Message },
                content: content::encode(&[item]).unwrap(),
                stored_at_relay: number.is_multiple_of(3),
                message: (!is_move).then_some(message.0),
            };
            self.becomes(key(Table::Outbox, id, number), &old, (sub_key(Table::Outbox, id, number, 1), &new));
        }
        clock
    }

    /// Adds the control message of a contact with this encoded content, which the migration is to
    /// erase.
    pub(super) fn control(&mut self, id: u32, content: Zeroizing<Vec<u8>>) {
        let old =
            format1::ItemRow { kind: format1::ItemKind::Control, content, sealed: None, again_on: None };
        self.old.insert(key(Table::Outbox, id, 0), old_row(&old));
    }

    pub(super) fn add_event(
        &mut self,
        number: u64,
        old: (&str, format1::EventKind),
        new: (u32, u32, Option<[u8; 16]>, EventKind),
    ) {
        let (day, (conversation, author, message, kind)) =
            (19_000 + u32::try_from(number % 100).unwrap(), new);
        let old = format1::EventRow { day, contact: old.0.to_owned(), kind: old.1 };
        let new = EventRow { day, conversation, author, message, kind };
        self.becomes(key(Table::Event, 0, number), &old, (key(Table::Event, 0, number), &new));
    }

    pub(super) fn held(&mut self, id: u32, number: u64) {
        let content = text(in_stream(id), number, &format!("held {number}"));
        let hash = content::item_hash(&content).unwrap();
        let row = key(Table::Held, id, number);
        self.old.insert(row, content.clone());
        self.new.insert(row, encode(&HeldRow { hash, content }).unwrap());
    }

    pub(super) fn parked(&mut self, id: u32, at: u64, content: &[u8], stream: [u8; 16], number: u64) {
        let row = key(Table::Parked, id, at);
        let content: Zeroizing<Vec<u8>> = content.to_vec().into();
        self.old.insert(row, content.clone());
        self.new.insert(row, encode(&ParkedRow { peer: id, stream, number, content }).unwrap());
    }

    pub(super) fn contact(&mut self, id: u32, contact: OldContact) {
        let OldContact { row: old, slot, ratchet, clock, receipt_due } = contact;
        self.old.insert(key(Table::Person, id, 0), old_row(&old));
        let person = PersonRow {
            name: old.name,
            root: old.identity,
            main_peer: id,
            conversation: id,
            contested: old.contested,
        };
        let incoming = old.in_stream.map(|stream| InStream {
            slot: 0,
            id: stream,
            low_water: old.low_water,
            digest: StreamDigest::empty(),
            has_digest: false,
            sparse: old.sparse,
            shown: old.low_water,
            beyond: 0,
            waits_since: None,
            used_on: 0,
            receipt_due,
        });
        let peer = PeerRow {
            person: id,
            leaf: old.identity,
            kind: PeerKind::Contact,
            slots: slot.map(|session| SessionSlot { slot: 0, session }).into_iter().collect(),
            established: old.established,
            unreachable: old.unreachable,
            mailboxes: old.mailboxes,
            next_mailbox: old.next_mailbox,
            addresses: old.addresses,
            outgoing: OutStream::new([0; 16]),
            incoming: incoming.into_iter().collect(),
            hello_due: old.hello_due,
            reset_due: false,
            troubled_on: 0,
            unread: 0,
            unacked: old.unacked,
            junk: old.junk,
            accepted_invite: old.accepted_invite,
        };
        self.new.insert(key(Table::Person, id, 0), encode(&person).unwrap());
        self.new.insert(key(Table::Peer, id, 0), encode(&peer).unwrap());
        let conversation = ConversationRow::new(id, clock);
        self.new.insert(key(Table::Conversation, id, 0), encode(&conversation).unwrap());
        if let Some(ratchet) = ratchet {
            self.new.insert(key(Table::Ratchet, id, 0), ratchet);
        }
    }
}

fn hello() -> Vec<u8> {
    content::encode(&[Content::Hello { address: b"address".to_vec() }]).unwrap().to_vec()
}

/// Returns the row of an accepted invite whose mailbox is still to be emptied.
pub(super) fn accepted_invite() -> AcceptedInvite {
    AcceptedInvite { relay: RELAY.to_owned(), read: ReadCapability::copy_of(&[9; 32]), stored_at_relay: true }
}

/// Returns the row of an e2ee `Contact` without a session, as after its rows were lost.
pub(super) fn lost(identity: [u8; 32], verified: bool) -> Zeroizing<Vec<u8>> {
    let mut contact = Contact::new(IdentityHash::from_bytes(identity));
    let _ = contact.set_verified(verified);
    contact.row()
}
