//! Rows come back as they were written; damaged ones are refused, never a panic, whatever their
//! bytes.

use super::*;
use deaddrop_primitives::assert_secret;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use zeroize::ZeroizeOnDrop;

// Fails to compile when one of these can be cloned or printed. That their fields wipe themselves is in the types of the fields;
// that nothing else holds a copy shows `a_closed_client_leaves_no_key_in_memory`.
macro_rules! assert_rows {
    ($($name:ty)+) => {
        $(
            impl ZeroizeOnDrop for $name {}
            assert_secret!($name);
        )+
    };
}

assert_rows!(
    ConfigRow PersonRow PeerRow OutStream InStream MailboxRow PeerAddress ItemRow DraftRow HeldRow ParkedRow AskedRow
    Sealed InviteRow AcceptedInvite
);

/// A row with a `Debug`, which property tests need. Rows hold secrets and have none; those of a
/// test do not matter.
struct Shown<T>(T);

impl<T: Serialize> core::fmt::Debug for Shown<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        postcard::to_allocvec(&self.0).unwrap().fmt(f)
    }
}

fn mailbox() -> impl Strategy<Value = Shown<MailboxRow>> {
    let kind = prop_oneof![Just(MailboxKind::Landing), Just(MailboxKind::Private)];
    let state = prop_oneof![
        Just(MailboxState::Wanted),
        Just(MailboxState::Live),
        Just(MailboxState::Retiring),
        Just(MailboxState::Lost)
    ];
    let keys = any::<([u8; 32], [u8; 32], [u8; 32])>();
    (any::<u32>(), ".{0,40}", kind, state, keys).prop_map(|(id, relay, kind, state, (own, read, send))| {
        let (own, read, send) =
            (OwnCapability::copy_of(&own), ReadCapability::copy_of(&read), SendCapability::copy_of(&send));
        Shown(MailboxRow { id, relay, kind, state, own, read, send })
    })
}

fn out_stream() -> impl Strategy<Value = Shown<OutStream>> {
    let digests = any::<([u8; 32], [u8; 32])>();
    let flags = any::<(bool, bool)>();
    (any::<[u8; 16]>(), any::<(u64, u64)>(), digests, any::<u8>(), any::<u32>(), flags).prop_map(
        |(id, (next, confirmed), (digest, confirmed_digest), still, drawn_on, (disagrees, renumbers))| {
            Shown(OutStream {
                id,
                next,
                digest: StreamDigest::from_bytes(digest),
                confirmed,
                confirmed_digest: StreamDigest::from_bytes(confirmed_digest),
                still,
                drawn_on,
                disagrees,
                renumbers,
            })
        },
    )
}

fn in_stream() -> impl Strategy<Value = Shown<InStream>> {
    let marks = any::<(u64, u64, Option<u64>, u32, u64)>();
    let flags = any::<(bool, bool)>();
    (any::<u8>(), any::<[u8; 16]>(), any::<[u8; 32]>(), any::<BTreeSet<u64>>(), marks, flags).prop_map(
        |(
            slot,
            id,
            digest,
            sparse,
            (low_water, shown, waits_since, used_on, beyond),
            (has_digest, receipt_due),
        )| {
            Shown(InStream {
                slot,
                id,
                low_water,
                digest: StreamDigest::from_bytes(digest),
                has_digest,
                sparse,
                shown,
                beyond,
                waits_since,
                used_on,
                receipt_due,
            })
        },
    )
}

fn peer() -> impl Strategy<Value = Shown<PeerRow>> {
    let slots = proptest::collection::vec(any::<(u8, [u8; 16])>(), 0..3);
    let addresses = proptest::collection::vec((any::<Vec<u8>>(), any::<bool>()), 0..3);
    let streams = (out_stream(), proptest::collection::vec(in_stream(), 0..=MAX_IN_STREAMS));
    let invite = proptest::option::of((".{0,40}", any::<[u8; 32]>(), any::<bool>()));
    let flags = any::<[bool; 4]>();
    let rest = (any::<(u32, u32)>(), any::<Option<[u8; 32]>>(), any::<Vec<[u8; 16]>>(), any::<u64>(), slots);
    (proptest::collection::vec(mailbox(), 0..3), addresses, streams, invite, flags, rest).prop_map(
        |(mailboxes, addresses, (outgoing, incoming), invite, flags, rest)| {
            let ((person, troubled_on), leaf, unacked, junk, slots) = rest;
            let [established, unreachable, hello_due, reset_due] = flags;
            let address = |(encoded, stale)| PeerAddress { encoded: Zeroizing::new(encoded), stale };
            Shown(PeerRow {
                person,
                leaf,
                kind: PeerKind::Contact,
                slots: slots.into_iter().map(|(slot, session)| SessionSlot { slot, session }).collect(),
                established,
                unreachable,
                next_mailbox: u32::try_from(mailboxes.len()).unwrap(),
                mailboxes: mailboxes.into_iter().map(|row| row.0).collect(),
                addresses: addresses.into_iter().map(address).collect(),
                outgoing: outgoing.0,
                incoming: incoming.into_iter().map(|row| row.0).collect(),
                hello_due,
                reset_due,
                troubled_on,
                unread: u8::from(hello_due),
                unacked,
                junk,
                accepted_invite: invite.map(|(relay, read, stored_at_relay)| AcceptedInvite {
                    relay,
                    read: ReadCapability::copy_of(&read),
                    stored_at_relay,
                }),
            })
        },
    )
}

fn event_kind() -> impl Strategy<Value = EventKind> {
    let fixed = proptest::sample::select(fixed_kinds());
    prop_oneof![
        (".{0,200}", any::<bool>()).prop_map(|(text, late)| EventKind::MessageReceived { text, late }),
        any::<[u8; 16]>().prop_map(|address| EventKind::PrivateAddress { address: address.into() }),
        any::<Vec<(u64, u64)>>().prop_map(|gaps| EventKind::MessagesMissing { gaps }),
        (".{0,200}", ".{0,200}").prop_map(|(old, new)| EventKind::RelayMoved { old, new }),
        fixed,
    ]
}

/// Returns the kinds of events without fields, in the order of their numbers in the specification.
fn fixed_kinds() -> Vec<EventKind> {
    vec![
        EventKind::Delivered,
        EventKind::Established,
        EventKind::InviteAccepted,
        EventKind::InviteContested,
        EventKind::Unreachable,
        EventKind::NeedsNewerVersion,
        EventKind::InviteExpired,
        EventKind::PeerDisagrees,
        EventKind::SessionReset,
        EventKind::ResetRequested,
        EventKind::StaleReset,
        EventKind::BegunAgain,
        EventKind::PeerFellBack,
        EventKind::PeerRewound,
        EventKind::VerificationCleared,
        EventKind::OtherIdentity,
        EventKind::IdentityChanged,
        EventKind::InviteTaken,
        EventKind::SessionLost,
        EventKind::Restored,
        EventKind::Displaced,
    ]
}

/// Checks that `row` is read as it was written, is written to the same bytes again, and is refused
/// if it is cut short.
fn comes_back<T: Serialize + DeserializeOwned>(row: &T) {
    let bytes = postcard::to_allocvec(row).unwrap();
    let back: T = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(postcard::to_allocvec(&back).unwrap(), bytes);
    for end in 0..bytes.len() {
        assert!(postcard::from_bytes::<T>(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
}

/// Checks that decoding these bytes as each kind of row does not panic.
fn survives(bytes: &[u8]) {
    let _ = postcard::from_bytes::<ConfigRow>(bytes);
    let _ = postcard::from_bytes::<PersonRow>(bytes);
    let _ = postcard::from_bytes::<PeerRow>(bytes);
    let _ = postcard::from_bytes::<ConversationRow>(bytes);
    let _ = postcard::from_bytes::<ItemRow>(bytes);
    let _ = postcard::from_bytes::<DraftRow>(bytes);
    let _ = postcard::from_bytes::<HeldRow>(bytes);
    let _ = postcard::from_bytes::<ParkedRow>(bytes);
    let _ = postcard::from_bytes::<AskedRow>(bytes);
    let _ = postcard::from_bytes::<FormatRow>(bytes);
    let _ = postcard::from_bytes::<EventRow>(bytes);
    let _ = postcard::from_bytes::<InviteRow>(bytes);
}

proptest! {
    #[test]
    fn peers_come_back(row in peer()) {
        comes_back(&row.0);
    }

    #[test]
    fn persons_and_conversations_come_back(
        name in ".{1,64}",
        root: Option<[u8; 32]>,
        ids: (u32, u32),
        contested: bool,
        clock: u64,
        message: [u8; 16],
        format: (u32, u32, [u8; 16]),
    ) {
        comes_back(&PersonRow { name, root, main_peer: ids.0, conversation: ids.1, contested });
        comes_back(&ConversationRow { shown_clock: clock / 2, shown_time: clock, ..ConversationRow::new(ids.0, clock) });
        comes_back(&SeenRow { message });
        comes_back(&FormatRow { version: format.0, stage: format.1, after: format.2 });
    }

    #[test]
    fn items_come_back(
        content: Vec<u8>,
        sealed: Option<(Vec<u8>, Vec<u8>)>,
        again_on: Option<u32>,
        stored_at_relay: bool,
        message: Option<[u8; 16]>,
        hash: [u8; 32],
        place: (u32, [u8; 16], u64),
    ) {
        for kind in [ItemKind::Control, ItemKind::Message, ItemKind::Move] {
            let sealed = sealed.clone().map(|(address, envelope)| Sealed { address: address.into(), envelope });
            let (content, digest) = (Zeroizing::new(content.clone()), StreamDigest::from_bytes(hash));
            comes_back(&ItemRow { kind, content: content.clone(), sealed, again_on, stored_at_relay, message, digest });
            comes_back(&DraftRow { kind, content, stored_at_relay, message });
        }
        let (peer, stream, number) = place;
        let (identity, hash, mailbox) = (hash, ItemHash::from_bytes(hash), peer);
        comes_back(&HeldRow { hash, content: content.clone().into() });
        for question in [Question::Reset, Question::Identity] {
            comes_back(&AskedRow { question, identity, mailbox, envelope: content.clone() });
        }
        comes_back(&ParkedRow { peer, stream, number, content: content.into() });
    }

    #[test]
    fn events_come_back(
        day: u32,
        conversation: u32,
        author: u32,
        message: Option<[u8; 16]>,
        kind in event_kind(),
    ) {
        comes_back(&EventRow { day, conversation, author, message, kind });
    }

    #[test]
    fn config_and_invites_come_back(
        seed: [u8; 32],
        root: Option<[u8; 32]>,
        relay: Option<String>,
        next_id: u32,
        event_floor: u64,
        pending: Vec<u8>,
        secrets: ([u8; 32], [u8; 32]),
        bundle: Option<Vec<u8>>,
    ) {
        comes_back(&InviteRow {
            pending: pending.into(),
            relay: relay.clone().unwrap_or_default(),
            own: OwnCapability::copy_of(&secrets.0),
            send: SendCapability::copy_of(&secrets.1),
            bundle,
        });
        comes_back(&ConfigRow { seed: IdentitySeed::copy_of(&seed), root, relay, next_id, event_floor });
    }

    #[test]
    fn any_bytes_have_an_answer(bytes: Vec<u8>) {
        survives(&bytes);
    }

    #[test]
    fn a_damaged_peer_has_an_answer(row in peer(), at: prop::sample::Index, bits in 1..=255_u8) {
        let mut bytes = postcard::to_allocvec(&row.0).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        survives(&bytes);
    }
}

/// Secrets and digests must be encoded as plain arrays and bytes are, so that rows of older
/// versions can be read, and the other way round.
#[test]
fn secrets_have_the_bytes_of_plain_fields() {
    let row = ConfigRow {
        seed: IdentitySeed::copy_of(&[7; 32]),
        root: None,
        relay: Some("r".to_owned()),
        next_id: 300,
        event_floor: 2,
    };
    let plain = postcard::to_allocvec(&([7_u8; 32], None::<[u8; 32]>, Some("r"), 300_u32, 2_u64)).unwrap();
    assert_eq!(postcard::to_allocvec(&row).unwrap(), plain);
    let address = PeerAddress { encoded: vec![9; 200].into(), stale: true };
    let plain = postcard::to_allocvec(&(vec![9_u8; 200], true)).unwrap();
    assert_eq!(postcard::to_allocvec(&address).unwrap(), plain);
    let held = HeldRow { hash: ItemHash::from_bytes([3; 32]), content: vec![9; 200].into() };
    let plain = postcard::to_allocvec(&([3_u8; 32], vec![9_u8; 200])).unwrap();
    assert_eq!(postcard::to_allocvec(&held).unwrap(), plain);
    let format = FormatRow { version: 2, stage: 0, after: [0; 16] };
    assert_eq!(postcard::to_allocvec(&format).unwrap(), [&[2, 0][..], &[0; 16][..]].concat());
}

/// The numbers of kinds in the rows must be those in the tables of spec/14-client.md.
#[test]
fn kinds_have_the_numbers_of_the_specification() {
    let first = |kind: &EventKind| postcard::to_allocvec(kind).unwrap()[0];
    assert_eq!(first(&EventKind::MessageReceived { text: String::new(), late: false }), 0);
    assert_eq!(first(&EventKind::PrivateAddress { address: [10, 0, 0, 1].into() }), 8);
    assert_eq!(first(&EventKind::MessagesMissing { gaps: vec![] }), 9);
    assert_eq!(first(&EventKind::MessageOfLeftSession { text: String::new() }), 24);
    assert_eq!(first(&EventKind::RelayMoved { old: String::new(), new: String::new() }), 25);
    let numbers: Vec<u8> = fixed_kinds().iter().map(first).collect();
    assert_eq!(numbers, (1..8).chain(10..24).collect::<Vec<_>>());
    let number = |kind: ItemKind| postcard::to_allocvec(&kind).unwrap();
    assert_eq!([ItemKind::Control, ItemKind::Message, ItemKind::Move].map(number), [[0], [1], [2]]);
    let state = |state: MailboxState| postcard::to_allocvec(&state).unwrap();
    let states = [MailboxState::Wanted, MailboxState::Live, MailboxState::Retiring, MailboxState::Lost];
    assert_eq!(states.map(state), [[0], [1], [2], [3]]);
    assert_eq!(postcard::to_allocvec(&PeerKind::Contact).unwrap(), [0]);
    let question = |question: Question| postcard::to_allocvec(&question).unwrap();
    assert_eq!([Question::Reset, Question::Identity].map(question), [[0], [1]]);
}
