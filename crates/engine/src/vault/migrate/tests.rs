//! A vault of format 1 with thousands of rows becomes one of format 2, row by row, wherever it is
//! interrupted.

mod damage;
mod fixture;

use super::*;
use crate::{
    engine::{ContactState, Engine},
    event::EventKind,
    testing::{MemoryVault, random},
};
use deaddrop_e2ee::{
    contact::{Contact, StoredSession},
    content::{self, Content, StreamId},
    identity::IdentityKeyPair,
    session::{SessionId, SkippedId},
};
use fixture::{
    Fixture, OldContact, Pair, Stored, TODAY, accepted_invite, in_stream, lost, old_row, out_stream, text,
};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;

/// The numbers of the contacts that are only invited. So many that their conversion takes several
/// batches.
const INVITED: core::ops::Range<u32> = 10..130;

type TestVault = Rows<MemoryVault>;

/// Returns a vault in memory with these rows, and the access to it.
fn vault_of(rows: &Stored) -> (MemoryVault, TestVault) {
    let disk = MemoryVault::new();
    let mut vault = Rows::new(disk.clone());
    for rows in rows.iter().collect::<Vec<_>>().chunks(400) {
        let mut changes = Changes::default();
        rows.iter().for_each(|(key, body)| changes.put_bytes(**key, (*body).clone()));
        vault.commit(changes).unwrap();
    }
    (disk, vault)
}

/// Opens a copy of the disk, as after a process was killed.
fn reopened(disk: &MemoryVault) -> (MemoryVault, TestVault) {
    let disk = disk.copy();
    (disk.clone(), Rows::new(disk))
}

fn rows_of(vault: &TestVault) -> Stored {
    vault.entries().map(|row| (row.key, vault.read_bytes(&row.key).unwrap().unwrap())).collect()
}

/// Removes the ids of the outgoing streams, which are random, from the peer rows. Returns them, by
/// contact.
fn take_streams(rows: &mut Stored) -> BTreeMap<u32, [u8; 16]> {
    let mut streams = BTreeMap::new();
    for (key, body) in rows.iter_mut().filter(|(key, _)| key.0[0] == Table::Peer.code()) {
        let mut peer: super::super::PeerRow = super::super::decode(body).unwrap();
        streams.insert(parts(key).0, std::mem::take(&mut peer.outgoing.id));
        *body = super::super::encode(&peer).unwrap();
    }
    streams
}

/// Checks that the rows of the vault are those that the fixture expects, and that the ids of the
/// outgoing streams are new and differ. Returns these ids, by contact.
fn assert_migrated(vault: &TestVault, fixture: &Fixture) -> BTreeMap<u32, [u8; 16]> {
    let mut rows = rows_of(vault);
    assert_eq!(
        rows.remove(&FORMAT_KEY).map(|row| row.to_vec()),
        Some([&[2, 2, 0][..], &[0; 16][..]].concat()),
        "version, format 2, and nothing under way"
    );
    let streams = take_streams(&mut rows);
    for (key, wanted) in &fixture.new {
        let row = rows.get(key).map(|row| row.as_slice());
        assert_eq!(row, Some(wanted.as_slice()), "{:?}", key.0);
    }
    assert_eq!(rows.len(), fixture.new.len(), "no row is left over");
    let distinct: BTreeSet<_> = streams.values().collect();
    assert_eq!(distinct.len(), streams.len());
    assert!(streams.iter().all(|(id, stream)| *stream != [0; 16] && *stream != out_stream(*id)));
    streams
}

struct World {
    fixture: Fixture,
    own: IdentityKeyPair,
    ada: Pair,
}

/// Returns a fixture of more than 5,000 rows of every kind that a vault of format 1 can hold: so
/// many that the migration takes many batches.
fn world() -> World {
    let rng = &mut StdRng::seed_from_u64(1);
    let own = IdentityKeyPair::generate(rng);
    let mut fixture = Fixture::default();
    fixture.config(&own, 130);
    fixture.small_rows(&own, rng);

    // Everything at once.
    let ada = fixture.session(1, &own, 1_000, rng);
    let mut one = OldContact::new(1, "Ada");
    one.row.identity = Some(*ada.peer_identity.identity_key().hash().as_bytes());
    (one.row.verified, one.row.established, one.row.hello_due) = (true, true, true);
    (one.row.in_stream, one.row.low_water) = (Some(in_stream(1)), 40);
    one.row.sparse = (42..42 + 1_024).collect();
    one.row.sparse.iter().for_each(|number| fixture.held(1, *number));
    one.row.next_number = 301;
    one.row.accepted_invite = Some(accepted_invite());
    one.clock = fixture.outbox(1, 1..301);
    assert_eq!(one.clock, 270);
    let receipt =
        Content::DeliveryReceipt { stream: StreamId(in_stream(1)), low_water: 40, sparse: vec![42] };
    fixture.control(1, content::encode(&[receipt]).unwrap());
    one.receipt_due = true;
    one.slot = Some(ada.session.id().0);
    one.ratchet = Some(adopted(&fixture, 1, true));
    let unknown = [&[20, 0, 3, 25, 0, 0][..], &in_stream(1)[..], &7_u64.to_le_bytes()[..], &[5][..]].concat();
    fixture.parked(1, 7, &unknown, in_stream(1), 7);
    fixture.parked(1, u64::MAX - 5, &unknown, in_stream(1), 0);
    fixture.parked(1, u64::MAX - 6, &[20, 0, 1, 1, 0, 0, 9], in_stream(1), 0);
    fixture.contact(1, one);

    // Nothing has come yet; a Hello without a text is on its way.
    let ben = fixture.session(2, &own, 0, rng);
    let mut two = OldContact::new(2, "Ben");
    two.row.identity = Some(*ben.peer_identity.identity_key().hash().as_bytes());
    (two.row.contested, two.row.unreachable) = (true, true);
    two.slot = Some(ben.session.id().0);
    two.ratchet = Some(adopted(&fixture, 2, false));
    two.clock = fixture.outbox(2, 5..6);
    fixture.control(2, Zeroizing::default());
    fixture.parked(2, 1 << 60, &[20, 0, 1, 1, 0, 0, 9], [0; 16], 0);
    fixture.contact(2, two);

    // Texts wait for an invite that was not used.
    let mut three = OldContact::new(3, "Cas");
    three.clock = fixture.outbox(3, 1..10);
    fixture.contact(3, three);

    // A damaged disk has cost the session, or a part of it.
    for (id, name, table) in [(4, "Dan", Table::Session), (5, "Eve", Table::Resets)] {
        let pair = fixture.session(id, &own, 3, rng);
        fixture.old.remove(&key(table, id, 0));
        fixture.new.remove(&key(table, id, 0));
        let mut contact = OldContact::new(id, name);
        let identity = *pair.peer_identity.identity_key().hash().as_bytes();
        (contact.row.identity, contact.row.verified) = (Some(identity), id == 5);
        (contact.row.in_stream, contact.row.low_water) = (Some(in_stream(id)), 3);
        (contact.row.receipt_due, contact.receipt_due) = (true, true);
        contact.ratchet = Some(lost(identity, id == 5));
        fixture.contact(id, contact);
    }

    // The form of a snapshot is damaged, and of another session only one skipped key.
    let pair = fixture.session(6, &own, 2, rng);
    fixture.stays(key(Table::Session, 6, 0), &pair.session.snapshot()[..100]);
    let mut six = OldContact::new(6, "Fay");
    let identity = *pair.peer_identity.identity_key().hash().as_bytes();
    six.row.identity = Some(identity);
    six.ratchet = Some(lost(identity, false));
    fixture.contact(6, six);
    let pair = fixture.session(7, &own, 5, rng);
    fixture.stays(key(Table::Skipped, 7, (1 << 32) | 2), &[1, 2, 3]);
    let mut seven = OldContact::new(7, "Gil");
    seven.row.identity = Some(*pair.peer_identity.identity_key().hash().as_bytes());
    seven.slot = Some(pair.session.id().0);
    seven.ratchet = Some(adopted(&fixture, 7, false));
    fixture.contact(7, seven);

    INVITED.for_each(|id| fixture.contact(id, OldContact::new(id, &format!("contact {id}"))));
    events(&mut fixture);
    assert!(fixture.old.len() > 5_000, "{}", fixture.old.len());
    World { fixture, own, ada }
}

/// Returns the row of an e2ee `Contact` that has adopted the session of the contact `id` in the
/// fixture.
fn adopted(fixture: &Fixture, id: u32, verified: bool) -> Zeroizing<Vec<u8>> {
    let row = |table| fixture.old[&key(table, id, 0)].clone();
    let session = deaddrop_e2ee::session::Session::load(&row(Table::Session), &row(Table::Resets), [])
        .expect("whole rows");
    Contact::adopt(session, verified).row()
}

fn events(fixture: &mut Fixture) {
    use format1::EventKind as Old;
    for number in 3..3_000 {
        let (name, id) = if number % 2 == 0 { ("Ada", 1) } else { ("Ben", 2) };
        let text = format!("text {number}");
        let new = EventKind::MessageReceived { text: text.clone(), late: false };
        fixture.add_event(number, (name, Old::MessageReceived { number, text }), (id, id, None, new));
    }
    let address = "fe80::1".parse().unwrap();
    let message = Some(migrated_id(&out_stream(1), 600).0);
    let kinds = [
        (Old::Delivered { number: 600 }, 0, message, EventKind::Delivered),
        (Old::Established, 1, None, EventKind::Established),
        (Old::InviteAccepted, 1, None, EventKind::InviteAccepted),
        (Old::InviteContested, 1, None, EventKind::InviteContested),
        (Old::Unreachable, 0, None, EventKind::Unreachable),
        (Old::NeedsNewerVersion, 1, None, EventKind::NeedsNewerVersion),
        (Old::InviteExpired, 0, None, EventKind::InviteExpired),
        (Old::PrivateAddress { address }, 0, None, EventKind::PrivateAddress { address }),
    ];
    for (number, (old, author, message, new)) in (3_000..).zip(kinds) {
        fixture.add_event(number, ("Ada", old.clone()), (1, author, message, new.clone()));
        fixture.add_event(number + 100, ("unknown", old), (0, 0, None, new));
    }
}

#[test]
fn every_row_becomes_what_the_specification_says() {
    let world = world();
    let (disk, mut vault) = vault_of(&world.fixture.old);
    let mut sizes = Vec::new();
    let mut watch = |size| {
        sizes.push(size);
        Ok(())
    };
    run(&mut vault, &mut StdRng::seed_from_u64(2), &mut watch).unwrap();
    assert_migrated(&vault, &world.fixture);
    assert!(sizes.len() > 20);
    assert!(sizes.iter().all(|[rows, bytes]| *rows <= 200 && *bytes <= 2 << 20), "{sizes:?}");
    assert_eq!(sizes.last().map(|[rows, _]| *rows), Some(1), "the version goes last, alone");
    // Once more changes nothing, also from the disk.
    for mut vault in [vault, reopened(&disk).1] {
        let rows = rows_of(&vault);
        run(&mut vault, &mut StdRng::seed_from_u64(3), &mut |_| Err(VaultError::Io)).unwrap();
        assert!(rows_of(&vault) == rows);
    }
}

#[test]
fn killed_after_each_batch_it_goes_on() {
    let world = world();
    let (mut disk, mut vault) = vault_of(&world.fixture.old);
    let (mut kills, mut drawn) = (0, BTreeMap::new());
    while let Err(error) = run(&mut vault, &mut random(), &mut |_| Err(VaultError::Io)) {
        assert_eq!(error, VaultError::Io);
        kills += 1;
        assert!(kills < world.fixture.old.len(), "it goes forward");
        (disk, vault) = reopened(&disk);
        // What an older build reads first tells it that the vault is newer.
        assert_eq!(vault.read_bytes(&key(Table::Config, 0, 0)).unwrap().unwrap()[0], 2);
        if vault.read::<FormatRow>(&FORMAT_KEY).unwrap().unwrap().stage == 14 {
            let streams = take_streams(&mut rows_of(&vault));
            assert!(drawn.iter().all(|(id, stream)| streams.get(id) == Some(stream)), "drawn once");
            drawn = streams;
        }
    }
    assert_eq!(assert_migrated(&vault, &world.fixture), drawn);
    let (_, mut whole) = vault_of(&world.fixture.old);
    let mut batches = 0;
    run(&mut whole, &mut random(), &mut |_| {
        batches += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(kills, batches, "no batch is done twice");
}

#[test]
fn large_rows_make_small_batches() {
    let own = IdentityKeyPair::generate(&mut random());
    let mut fixture = Fixture::default();
    fixture.config(&own, 2);
    let mut contact = OldContact::new(1, "Ada");
    let long = "x".repeat(deaddrop_e2ee::content::MAX_TEXT);
    for number in 1..101 {
        let content = text(out_stream(1), number, &long);
        let item = format1::ItemRow { kind: format1::ItemKind::Text, content, sealed: None, again_on: None };
        fixture.old.insert(key(Table::Outbox, 1, number), old_row(&item));
    }
    contact.row.next_number = 101;
    contact.clock = 100;
    fixture.contact(1, contact);
    let (_, mut vault) = vault_of(&fixture.old);
    let mut sizes = Vec::new();
    let mut watch = |size| {
        sizes.push(size);
        Ok(())
    };
    run(&mut vault, &mut random(), &mut watch).unwrap();
    assert!(sizes.iter().all(|[_, bytes]| *bytes <= 2 << 20), "{sizes:?}");
    assert_eq!(vault.keys(Table::Outbox).len(), 100);
    let conversation: super::super::ConversationRow =
        vault.read(&key(Table::Conversation, 1, 0)).unwrap().unwrap();
    assert_eq!(conversation.clock, 100);
}

#[test]
fn a_session_goes_on_with_its_skipped_keys() {
    let World { fixture, own, mut ada } = world();
    let (_, mut vault) = vault_of(&fixture.old);
    migrate(&mut vault, &mut random()).unwrap();
    let row = |table| vault.read_bytes(&key(table, 1, 0)).unwrap().unwrap();
    let (session, resets, ratchet) = (row(Table::Session), row(Table::Resets), row(Table::Ratchet));
    let skipped: Vec<_> = vault
        .keys(Table::Skipped)
        .iter()
        .filter(|row| parts(row).0 == 1)
        .map(|row| {
            let [turn, message_number] =
                [parts(row).1 >> 32, parts(row).1 & 0xffff_ffff].map(|half| u32::try_from(half).unwrap());
            let id = SkippedId { turn, message_number };
            (id, vault.read_bytes(row).unwrap().unwrap())
        })
        .collect();
    assert_eq!(skipped.len(), 1_000);
    let peer: super::super::PeerRow = vault.read(&key(Table::Peer, 1, 0)).unwrap().unwrap();
    let stored = StoredSession {
        id: SessionId(peer.slots[0].session),
        snapshot: &session,
        reset_secrets: &resets,
        skipped: skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect(),
    };
    let mut contact = Contact::load(&ratchet, [stored]).unwrap();
    assert!(contact.is_verified() && !contact.is_lost());
    assert_eq!(contact.sending().map(deaddrop_e2ee::session::Session::skipped_keys), Some(1_000));
    let said = content::encode(&[Content::Void { stream: StreamId([1; 16]), number: 1 }]).unwrap();
    let (envelope, _) = ada.peer.encrypt(&said, &mut random()).unwrap();
    let received = contact.decrypt(&own, envelope.as_bytes(), TODAY).unwrap();
    assert_eq!(received.content, Some(said));
}

#[test]
fn migrated_names_give_their_numbers_back() {
    let (stream, other) = (out_stream(1), out_stream(2));
    for number in [1, 255, 256, u64::MAX] {
        let id = migrated_id(&stream, number);
        assert_eq!(id.0[..8], stream[..8]);
        assert_eq!(id.0[8..], number.to_le_bytes());
        assert_eq!(migrated_number(&stream, &id), Some(number));
        assert_eq!(migrated_number(&other, &id), None);
    }
}

#[test]
fn an_engine_opens_what_was_of_format_1() {
    let world = world();
    let (disk, vault) = vault_of(&world.fixture.old);
    drop(vault);
    let engine = Engine::open_on_day(disk, random(), TODAY).unwrap();
    let contacts: BTreeMap<_, _> =
        engine.contact_list().into_iter().map(|contact| (contact.name.clone(), contact)).collect();
    assert_eq!(contacts.len(), 7 + INVITED.len());
    let ada = &contacts["Ada"];
    assert_eq!((ada.state, ada.verified, ada.waiting), (ContactState::Established, true, 270));
    let ben = &contacts["Ben"];
    assert_eq!((ben.state, ben.contested, ben.waiting), (ContactState::Established, true, 1));
    assert_eq!((contacts["Cas"].state, contacts["Cas"].waiting), (ContactState::Invited, 9));
    // Their sessions are lost; a new one is to be begun.
    assert!(["Dan", "Eve", "Fay"].iter().all(|name| contacts[*name].state == ContactState::Connecting));
    assert!(contacts["Eve"].verified);
    assert_eq!(contacts["Gil"].state, ContactState::Established);
    let events = engine.events_after(0, usize::MAX).unwrap();
    assert_eq!(events.first().map(|event| (event.number, event.contact.as_str())), Some((3, "Ben")));
    let delivered = events.iter().find(|event| event.kind == EventKind::Delivered).unwrap();
    assert_eq!(delivered.message, Some(migrated_id(&out_stream(1), 600)));
    assert_eq!(delivered.contact, "Ada");
}
