//! Rows come back as they were written; damaged ones are refused, never a panic, whatever their bytes.

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

assert_rows!(ConfigRow ContactRow MailboxRow PeerAddress ItemRow Sealed InviteRow AcceptedInvite);

/// Rows hold secrets and have no `Debug`; a test's do not matter.
struct Shown<T>(T);

impl<T: Serialize> core::fmt::Debug for Shown<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        postcard::to_allocvec(&self.0).unwrap().fmt(f)
    }
}

fn mailbox() -> impl Strategy<Value = Shown<MailboxRow>> {
    let kind = prop_oneof![Just(MailboxKind::Landing), Just(MailboxKind::Private)];
    let state =
        prop_oneof![Just(MailboxState::Wanted), Just(MailboxState::Live), Just(MailboxState::Retiring)];
    let keys = any::<([u8; 32], [u8; 32], [u8; 32])>();
    (any::<u32>(), ".{0,40}", kind, state, keys).prop_map(|(id, relay, kind, state, (own, read, send))| {
        let (own, read, send) =
            (OwnCapability::copy_of(&own), ReadCapability::copy_of(&read), SendCapability::copy_of(&send));
        Shown(MailboxRow { id, relay, kind, state, own, read, send })
    })
}

fn contact() -> impl Strategy<Value = Shown<ContactRow>> {
    let addresses = proptest::collection::vec((any::<Vec<u8>>(), any::<bool>()), 0..3);
    let streams = any::<([u8; 16], u64, Option<[u8; 16]>, u64)>();
    let invite = proptest::option::of((".{0,40}", any::<[u8; 32]>(), any::<bool>()));
    let flags = any::<[bool; 6]>();
    let rest = (any::<Option<[u8; 32]>>(), any::<BTreeSet<u64>>(), any::<Vec<[u8; 16]>>(), any::<u64>());
    (".{1,64}", proptest::collection::vec(mailbox(), 0..3), addresses, streams, invite, flags, rest).prop_map(
        |(name, mailboxes, addresses, streams, invite, flags, (identity, sparse, unacked, junk))| {
            let (out_stream, next_number, in_stream, low_water) = streams;
            let [verified, established, contested, unreachable, receipt_due, hello_due] = flags;
            let address = |(encoded, stale)| PeerAddress { encoded: Zeroizing::new(encoded), stale };
            Shown(ContactRow {
                name,
                identity,
                verified,
                established,
                contested,
                unreachable,
                next_mailbox: u32::try_from(mailboxes.len()).unwrap(),
                mailboxes: mailboxes.into_iter().map(|row| row.0).collect(),
                addresses: addresses.into_iter().map(address).collect(),
                out_stream,
                next_number,
                in_stream,
                low_water,
                sparse,
                receipt_due,
                hello_due,
                unacked,
                junk,
                accepted_invite: invite.map(|(relay, read, answered)| AcceptedInvite {
                    relay,
                    read: ReadCapability::copy_of(&read),
                    answered,
                }),
            })
        },
    )
}

/// Reads what `row` was written as, gives the same bytes when that is written again, and refuses it cut short or run over.
fn comes_back<T: Serialize + DeserializeOwned>(row: &T) {
    let bytes = postcard::to_allocvec(row).unwrap();
    let back: T = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(postcard::to_allocvec(&back).unwrap(), bytes);
    for end in 0..bytes.len() {
        assert!(postcard::from_bytes::<T>(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
}

/// Whatever the bytes are, there is an answer.
fn survives(bytes: &[u8]) {
    let _ = postcard::from_bytes::<ConfigRow>(bytes);
    let _ = postcard::from_bytes::<ContactRow>(bytes);
    let _ = postcard::from_bytes::<ItemRow>(bytes);
    let _ = postcard::from_bytes::<EventRow>(bytes);
    let _ = postcard::from_bytes::<InviteRow>(bytes);
}

proptest! {
    #[test]
    fn contacts_come_back(row in contact()) {
        comes_back(&row.0);
    }

    #[test]
    fn items_and_events_come_back(
        content: Vec<u8>,
        sealed: Option<(Vec<u8>, Vec<u8>)>,
        again_on: Option<u32>,
        day: u32,
        name in ".{0,64}",
        text in ".{0,200}",
        number: u64,
        kind in 0..8_u8,
    ) {
        for kind in [ItemKind::Control, ItemKind::Text, ItemKind::Move] {
            let sealed = sealed.clone().map(|(address, envelope)| Sealed { address: address.into(), envelope });
            comes_back(&ItemRow { kind, content: content.clone().into(), sealed, again_on });
        }
        let kind = match kind {
            0 => EventKind::MessageReceived { number, text },
            1 => EventKind::Delivered { number },
            2 => EventKind::Established,
            3 => EventKind::InviteAccepted,
            4 => EventKind::InviteContested,
            5 => EventKind::Unreachable,
            6 => EventKind::NeedsNewerVersion,
            _ => EventKind::InviteExpired,
        };
        comes_back(&EventRow { day, contact: name, kind });
    }

    #[test]
    fn config_and_invites_come_back(
        seed: [u8; 32],
        relay: Option<String>,
        next_contact: u32,
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
        comes_back(&ConfigRow { seed: IdentitySeed::copy_of(&seed), relay, next_contact, event_floor });
    }

    #[test]
    fn any_bytes_have_an_answer(bytes: Vec<u8>) {
        survives(&bytes);
    }

    #[test]
    fn a_damaged_contact_has_an_answer(row in contact(), at: prop::sample::Index, bits in 1..=255_u8) {
        let mut bytes = postcard::to_allocvec(&row.0).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        survives(&bytes);
    }
}

/// Secrets are written as arrays and bytes are: what older versions wrote still reads, and the other way round.
#[test]
fn secrets_have_the_bytes_of_plain_fields() {
    let row = ConfigRow {
        seed: IdentitySeed::copy_of(&[7; 32]),
        relay: Some("r".to_owned()),
        next_contact: 300,
        event_floor: 2,
    };
    let plain = postcard::to_allocvec(&([7_u8; 32], Some("r"), 300_u32, 2_u64)).unwrap();
    assert_eq!(postcard::to_allocvec(&row).unwrap(), plain);
    let address = PeerAddress { encoded: vec![9; 200].into(), stale: true };
    let plain = postcard::to_allocvec(&(vec![9_u8; 200], true)).unwrap();
    assert_eq!(postcard::to_allocvec(&address).unwrap(), plain);
}

/// The numbers in the chapter's tables are what is written.
#[test]
fn kinds_have_the_numbers_of_the_specification() {
    let first = |kind: EventKind| postcard::to_allocvec(&kind).unwrap()[0];
    let kinds = [
        EventKind::MessageReceived { number: 1, text: String::new() },
        EventKind::Delivered { number: 1 },
        EventKind::Established,
        EventKind::InviteAccepted,
        EventKind::InviteContested,
        EventKind::Unreachable,
        EventKind::NeedsNewerVersion,
        EventKind::InviteExpired,
        EventKind::PrivateAddress { address: [10, 0, 0, 1].into() },
    ];
    assert_eq!(kinds.map(first), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let number = |kind: ItemKind| postcard::to_allocvec(&kind).unwrap();
    assert_eq!([ItemKind::Control, ItemKind::Text, ItemKind::Move].map(number), [[0], [1], [2]]);
    let state = |state: MailboxState| postcard::to_allocvec(&state).unwrap();
    assert_eq!(
        [MailboxState::Wanted, MailboxState::Live, MailboxState::Retiring].map(state),
        [[0], [1], [2]]
    );
}
