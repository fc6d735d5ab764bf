//! Change sets in a database: one transaction a call, before anything leaves or is acknowledged;
//! and a start after a crash.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use deaddrop_e2ee::{
    contact::{Contact, ContactChanges, Hour, InvitePolicy, ResetKind, StoredSession},
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::{Session, SessionId, SkippedId},
};
use deaddrop_wire::Day;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

/// Table for the row of the one contact of this example. An app has one row for each contact.
const CONTACT: TableDefinition<'_, (), &[u8]> = TableDefinition::new("contact");
const SESSIONS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("sessions");
const RESETS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("resets");
const SKIPPED: TableDefinition<'_, ([u8; 16], u32, u32), &[u8]> = TableDefinition::new("skipped");

/// Stores all changes of one call in one transaction, so that all of them are stored or none. An
/// app encrypts its database, because these rows contain keys.
fn store(database: &Database, changes: &ContactChanges) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut contact = write.open_table(CONTACT)?;
        let mut sessions = write.open_table(SESSIONS)?;
        let mut resets = write.open_table(RESETS)?;
        let mut skipped = write.open_table(SKIPPED)?;
        if let Some(row) = &changes.contact {
            contact.insert((), row.as_slice())?;
        }
        for (SessionId(id), set) in &changes.sessions {
            sessions.insert(id, set.session.as_slice())?;
            if let Some(row) = &set.reset_secrets {
                resets.insert(id, row.as_slice())?;
            }
            for row in &set.skipped_added {
                skipped.insert((*id, row.id.turn, row.id.message_number), row.bytes.as_slice())?;
            }
            for gone in &set.skipped_removed {
                skipped.remove((*id, gone.turn, gone.message_number))?;
            }
        }
        for SessionId(id) in &changes.dropped {
            sessions.remove(id)?;
            resets.remove(id)?;
            skipped.retain_in((*id, 0, 0)..=(*id, u32::MAX, u32::MAX), |_, _| false)?;
        }
    }
    write.commit()?;
    Ok(())
}

/// Loads the contact as it was stored. A session whose row is damaged comes back as lost, and can
/// be reset.
fn load(database: &Database) -> Result<Contact, Box<dyn std::error::Error>> {
    let read = database.begin_read()?;
    let (contact, sessions) = (read.open_table(CONTACT)?, read.open_table(SESSIONS)?);
    let (resets, skipped) = (read.open_table(RESETS)?, read.open_table(SKIPPED)?);
    let row = contact.get(())?.ok_or("no such contact")?.value().to_vec();
    let mut stored = Vec::new();
    for entry in resets.iter()? {
        let (id, reset_secrets) = entry?;
        let id = id.value();
        let snapshot = sessions.get(id)?.map(|row| row.value().to_vec()).unwrap_or_default();
        let mut keys = Vec::new();
        for entry in skipped.range((id, 0, 0)..=(id, u32::MAX, u32::MAX))? {
            let (place, bytes) = entry?;
            let (_, turn, message_number) = place.value();
            keys.push((SkippedId { turn, message_number }, bytes.value().to_vec()));
        }
        stored.push((SessionId(id), snapshot, reset_secrets.value().to_vec(), keys));
    }
    let sessions = stored.iter().map(|(id, snapshot, reset_secrets, keys)| StoredSession {
        id: *id,
        snapshot,
        reset_secrets,
        skipped: keys.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect(),
    });
    Ok(Contact::load(&row, sessions)?)
}

pub(crate) fn main() {
    let rng = &mut ChaCha20Rng::seed_from_u64(5);
    let now = Hour::from_number(20_780 * 24);
    let today: Day = now.day();
    let folder = tempfile::tempdir().unwrap();
    let database = Database::create(folder.path().join("alice.redb")).unwrap();
    let (alice, bob) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let (pending, blob) = PendingInvite::create(&bob, today.plus(7), b"bob's mailbox", rng).unwrap();
    let own = alice.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, today).unwrap();

    let mut bobs = Contact::new(*bundle.identity().hash());
    let (session, first) = Session::initiate(&alice, &bundle, rng).unwrap();
    let begun = bobs.add_initiated(session, first, bundle.not_after(), InvitePolicy::KeepSessions).unwrap();
    store(&database, &begun.changes).unwrap();
    let hello = content::encode(&[Content::Hello { address: b"alice's mailbox".to_vec() }]).unwrap();
    let (envelope, changes) = bobs.encrypt(&hello, rng).unwrap();
    // First the database, then the network.
    store(&database, &changes).unwrap();

    // Bob takes it, and answers twice; the first answer is late. He gives a reset bundle with it.
    let mut alices = Contact::new(*own);
    let accepted = pending.accept(&bob, envelope.as_bytes(), |_| false, today).unwrap();
    let _ = alices.add_accepted(accepted, InvitePolicy::KeepSessions).unwrap();
    let (late, _) = alices.encrypt(&[], rng).unwrap();
    let (bundle, _) = alices.renew_bundle(&bob, b"", today, rng).unwrap().unwrap();
    let (answer, _) = alices.encrypt(&content::encode(&[bundle]).unwrap(), rng).unwrap();

    // Alice's app is closed and opened again between any two calls.
    for envelope in [&answer, &late] {
        let mut bobs = load(&database).unwrap();
        let received = bobs.decrypt(&alice, envelope.as_bytes(), today).unwrap();
        // The content is stored in the same transaction; then the envelope is acknowledged.
        store(&database, &received.changes).unwrap();
        println!("read, with {:?}", received.events);
    }
    let twice = load(&database).unwrap().decrypt(&alice, late.as_bytes(), today).unwrap_err();
    println!("again: {twice}");

    // The disk has lost the session's row: a soft reset begins a new session, and Bob sees nothing but an event.
    let write = database.begin_write().unwrap();
    write.open_table(SESSIONS).unwrap().retain(|_, _| false).unwrap();
    write.commit().unwrap();
    let mut bobs = load(&database).unwrap();
    assert!(bobs.is_lost());
    let reset = bobs.reset(&alice, ResetKind::Soft, now, rng).unwrap();
    store(&database, &reset.changes).unwrap();
    let (envelope, changes) = bobs.encrypt(&hello, rng).unwrap();
    store(&database, &changes).unwrap();
    let received = alices.decrypt(&bob, envelope.as_bytes(), today).unwrap();
    println!("Bob sees {:?}", received.events);
    assert_eq!(load(&database).unwrap().standing(), bobs.standing());
}
