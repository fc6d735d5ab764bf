//! Two people whose apps store what the changes say, and a thief.

use deaddrop_e2ee::{
    contact::{
        Contact, ContactChanges, ContactEvent, Hour, InvitePolicy, Received, ResetError, ResetKind,
        StoredSession,
    },
    content::{self, Content, StreamId},
    identity::{IdentityKeyPair, IdentitySeed, SafetyNumber},
    invite::{PendingInvite, VerifiedBundle},
    session::{ChangeSet, DecryptError, Session, SessionId, SkippedId, Standing},
};
use deaddrop_testkit::rng;
use deaddrop_wire::Day;
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const TODAY: Day = Day::from_number(20_780);
pub(crate) const NOW: Hour = Hour::from_number(20_780 * 24);

#[derive(Clone, Default)]
pub(crate) struct SessionRows {
    pub(crate) snapshot: Vec<u8>,
    pub(crate) resets: Vec<u8>,
    pub(crate) skipped: BTreeMap<SkippedId, Vec<u8>>,
}

/// The rows as an app has stored them, from the returned changes alone.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) contact: Vec<u8>,
    pub(crate) sessions: BTreeMap<SessionId, SessionRows>,
}

impl Rows {
    pub(crate) fn store(&mut self, changes: &ContactChanges) {
        if let Some(row) = &changes.contact {
            self.contact = row.to_vec();
        }
        for (id, set) in &changes.sessions {
            self.store_session(*id, set);
        }
        for id in &changes.dropped {
            self.sessions.remove(id);
        }
    }

    pub(crate) fn store_session(&mut self, id: SessionId, set: &ChangeSet) {
        let rows = self.sessions.entry(id).or_default();
        rows.snapshot = set.session.to_vec();
        if let Some(resets) = &set.reset_secrets {
            rows.resets = resets.to_vec();
        }
        for row in &set.skipped_added {
            rows.skipped.insert(row.id, row.bytes.to_vec());
        }
        for id in &set.skipped_removed {
            rows.skipped.remove(id).expect("only what was added is removed");
        }
    }

    /// Loads a session from its rows.
    pub(crate) fn session(&self, id: SessionId) -> Session {
        let rows = &self.sessions[&id];
        let skipped = rows.skipped.iter().map(|(id, row)| (*id, row.as_slice()));
        Session::load(&rows.snapshot, &rows.resets, skipped).unwrap()
    }

    pub(crate) fn load(&self) -> Contact {
        let sessions = self.sessions.iter().map(|(id, rows)| StoredSession {
            id: *id,
            snapshot: &rows.snapshot,
            reset_secrets: &rows.resets,
            skipped: rows.skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect(),
        });
        Contact::load(&self.contact, sessions).unwrap()
    }
}

/// One of the two people: the contact for the other one, and what this one has seen and sent.
pub(crate) struct Person {
    pub(crate) identity: IdentityKeyPair,
    pub(crate) contact: Contact,
    pub(crate) rows: Rows,
    pub(crate) events: Vec<ContactEvent>,
    pub(crate) read: BTreeSet<u64>,
    pub(crate) said: u64,
    pub(crate) rng: ChaCha20Rng,
    /// Envelopes to the other person that are not delivered yet.
    pub(crate) sent: Vec<Vec<u8>>,
}

impl Person {
    pub(crate) fn new(seed: u64, peer: &IdentityKeyPair, identity: IdentityKeyPair) -> Self {
        let contact = Contact::new(*peer.identity_key().hash());
        let rows = Rows { contact: contact.row().to_vec(), ..Rows::default() };
        let (events, read, sent) = (vec![], BTreeSet::new(), vec![]);
        Self { identity, contact, rows, events, read, said: 0, rng: rng(seed), sent }
    }

    pub(crate) fn invite(&mut self) -> (PendingInvite, Vec<u8>) {
        PendingInvite::create(&self.identity, TODAY.plus(7), b"landing", &mut self.rng).unwrap()
    }

    pub(crate) fn take(&mut self, pending: &PendingInvite, blob: &[u8], meeting: InvitePolicy) {
        let own = self.identity.identity_key().hash();
        let bundle = VerifiedBundle::open(pending.secret(), blob, own, None, TODAY).unwrap();
        let (session, set) = Session::initiate(&self.identity, &bundle, &mut self.rng).unwrap();
        let received = self.contact.add_initiated(session, set, bundle.not_after(), meeting).unwrap();
        self.keep(received);
    }

    pub(crate) fn accept(&mut self, pending: &PendingInvite, envelope: &[u8], meeting: InvitePolicy) {
        let accepted = pending.accept(&self.identity, envelope, |_| false, TODAY).unwrap();
        let received = self.contact.add_accepted(accepted, meeting).unwrap();
        self.keep(received);
    }

    /// Sends a text with the next number, after Hello and a reset bundle if they are due. Returns
    /// `false` if the contact cannot send.
    pub(crate) fn say(&mut self) -> bool {
        let mut items = vec![];
        if self.contact.standing() == Some(Standing::Unanswered) {
            items.push(Content::Hello { address: b"here".to_vec() });
        }
        let renewed = self.contact.renew_bundle(&self.identity, b"", TODAY, &mut self.rng).unwrap();
        if let Some((bundle, changes)) = renewed {
            self.rows.store(&changes);
            items.push(bundle);
        }
        let number = self.said + 1;
        items.push(Content::Text { stream: StreamId([7; 16]), number, text: number.to_string() });
        let bytes = content::encode(&items).unwrap();
        let Ok((envelope, changes)) = self.contact.encrypt(&bytes, &mut self.rng) else { return false };
        self.rows.store(&changes);
        self.said = number;
        self.sent.push(envelope.into_bytes());
        true
    }

    pub(crate) fn keep(&mut self, received: Received) {
        self.rows.store(&received.changes);
        assert_eq!(*self.contact.row(), self.rows.contact, "what changed was told");
        self.events.extend(received.events);
        for item in received.content.iter().flat_map(|bytes| content::decode(bytes).unwrap()) {
            if let Content::Text { number, .. } = &item {
                assert!(self.read.insert(*number), "read twice");
            }
        }
    }

    pub(crate) fn hear(&mut self, envelope: &[u8]) -> Result<(), DecryptError> {
        let before: Vec<_> = self.snapshots();
        match self.contact.decrypt(&self.identity, envelope, TODAY) {
            Ok(received) => {
                self.keep(received);
                Ok(())
            }
            Err(error) => {
                assert_eq!(self.snapshots(), before, "a failed call changes nothing");
                Err(error)
            }
        }
    }

    pub(crate) fn snapshots(&self) -> Vec<Vec<u8>> {
        vec![self.contact.row().to_vec(), self.contact.sending().map_or(vec![], |s| s.snapshot().to_vec())]
    }

    pub(crate) fn reload(&mut self) {
        self.contact = self.rows.load();
        assert_eq!(*self.contact.row(), self.rows.contact);
    }

    /// Removes the snapshots and skipped keys of all sessions, but not the reset secrets, and loads
    /// the contact again.
    pub(crate) fn lose_sessions(&mut self) {
        self.rows.sessions.values_mut().for_each(|rows| {
            rows.snapshot.clear();
            rows.skipped.clear();
        });
        self.reload();
        assert!(self.contact.is_lost());
    }

    pub(crate) fn reset(&mut self, kind: ResetKind, now: Hour) -> Result<(), ResetError> {
        let received = self.contact.reset(&self.identity, kind, now, &mut self.rng)?;
        self.keep(received);
        Ok(())
    }

    pub(crate) fn sending(&self) -> Option<SessionId> {
        self.contact.sending().map(Session::id)
    }

    pub(crate) fn verify(&mut self) {
        let own = *self.identity.identity_key().hash();
        let payload = SafetyNumber::new(self.contact.peer(), &own).to_qr_payload();
        let changes = self.contact.verify_scanned(&own, &payload).unwrap();
        self.rows.store(&changes);
        assert!(self.contact.is_verified());
    }

    pub(crate) fn saw(&self, wanted: impl Fn(&ContactEvent) -> bool) -> bool {
        self.events.iter().any(wanted)
    }
}

/// Delivers all envelopes that `from` has sent, in order. Errors are ignored.
pub(crate) fn pass(from: &mut Person, to: &mut Person) {
    for envelope in std::mem::take(&mut from.sent) {
        let _ = to.hear(&envelope);
    }
}

pub(crate) fn talk(one: &mut Person, two: &mut Person, rounds: usize) {
    for _ in 0..rounds {
        one.say();
        pass(one, two);
        two.say();
        pass(two, one);
    }
}

pub(crate) fn strangers(seed: u64) -> (Person, Person) {
    let mut random = rng(seed);
    let seeds = [IdentitySeed::generate(&mut random), IdentitySeed::generate(&mut random)];
    let pairs = || seeds.each_ref().map(|seed| IdentityKeyPair::from_seed(seed.duplicate()));
    let ([a, b], [peer_of_b, peer_of_a]) = (pairs(), pairs());
    (Person::new(seed * 2 + 1, &peer_of_a, a), Person::new(seed * 2 + 2, &peer_of_b, b))
}

/// Returns two people who have met by an invite and then talked for `rounds` rounds, in each of
/// which both say something.
pub(crate) fn friends(seed: u64, rounds: usize) -> (Person, Person) {
    let (mut one, mut two) = strangers(seed);
    let (pending, blob) = two.invite();
    one.take(&pending, &blob, InvitePolicy::KeepSessions);
    one.say();
    let first = one.sent.pop().unwrap();
    two.accept(&pending, &first, InvitePolicy::KeepSessions);
    two.say();
    pass(&mut two, &mut one);
    talk(&mut one, &mut two, rounds);
    assert_eq!(one.sending(), two.sending());
    (one, two)
}

/// Returns two people who invited each other at once, and have both accepted the other's first
/// message. So they have two sessions.
pub(crate) fn crossed(seed: u64) -> (Person, Person) {
    let (mut one, mut two) = strangers(seed);
    let (by_two, for_one) = two.invite();
    let (by_one, for_two) = one.invite();
    one.take(&by_two, &for_one, InvitePolicy::KeepSessions);
    two.take(&by_one, &for_two, InvitePolicy::KeepSessions);
    one.say();
    two.say();
    let (first_of_one, first_of_two) = (one.sent.pop().unwrap(), two.sent.pop().unwrap());
    two.accept(&by_two, &first_of_one, InvitePolicy::KeepSessions);
    one.accept(&by_one, &first_of_two, InvitePolicy::KeepSessions);
    (one, two)
}

/// Returns two people who invited each other at once and have answered in both sessions.
pub(crate) fn twins(seed: u64) -> (Person, Person) {
    let (mut one, mut two) = crossed(seed);
    one.say();
    two.say();
    pass(&mut one, &mut two);
    pass(&mut two, &mut one);
    for person in [&one, &two] {
        assert!(person.events.iter().all(|event| matches!(event, ContactEvent::Established { .. })));
    }
    (one, two)
}

/// Lets two people meet by an invite. `meetings` has the policy of the guest, then that of the
/// inviter.
pub(crate) fn meet(inviter: &mut Person, guest: &mut Person, meetings: [InvitePolicy; 2]) {
    let (pending, blob) = inviter.invite();
    guest.take(&pending, &blob, meetings[0]);
    guest.say();
    let first = guest.sent.pop().unwrap();
    inviter.accept(&pending, &first, meetings[1]);
}

/// Returns the contact's row with one session taken out.
pub(crate) fn without_session(row: &[u8], id: SessionId) -> Vec<u8> {
    let mut row = row.to_vec();
    let at = row.windows(16).position(|bytes| bytes == id.0).unwrap();
    row.drain(at..at + 29);
    row[42] -= 1;
    row
}

/// Returns one envelope with `items` and a text with the next number. It is not added to `sent`.
pub(crate) fn message(from: &mut Person, items: Vec<Content>) -> Vec<u8> {
    from.said += 1;
    let number = from.said;
    let text = Content::Text { stream: StreamId([7; 16]), number, text: number.to_string() };
    let items: Vec<Content> = items.into_iter().chain([text]).collect();
    let (envelope, changes) = from.contact.encrypt(&content::encode(&items).unwrap(), &mut from.rng).unwrap();
    from.rows.store(&changes);
    envelope.into_bytes()
}

/// Replaces the contact of a person by an empty one, as on a new device that has only the identity.
pub(crate) fn new_device(of: &mut Person) {
    of.contact = Contact::new(*of.contact.peer());
    of.rows = Rows { contact: of.contact.row().to_vec(), ..Rows::default() };
    of.sent.clear();
}

/// Describes the sessions of a person, for a failing test.
pub(crate) fn describe(person: &Person) -> String {
    let (row, mut text) = (person.contact.row(), format!("lost: {}", person.contact.is_lost()));
    for held in row[43..].chunks_exact(29).take(usize::from(row[42])) {
        let id = SessionId(held[..16].try_into().unwrap());
        let rows = &person.rows.sessions[&id];
        let (role, turn) = (rows.snapshot.get(1), rows.snapshot.get(50));
        let resets: Vec<_> = rows.resets[1..].chunks_exact(37).map(|secret| (secret[0], secret[1])).collect();
        text += &format!("\n{:?} era {} role {role:?} turn {turn:?} resets {resets:?}", &id.0[..2], held[16]);
    }
    text
}

/// Asserts that both people send with the same session from now on, and read each other's messages.
pub(crate) fn assert_converged(one: &mut Person, two: &mut Person) {
    talk(one, two, 4);
    assert_eq!(one.sending(), two.sending(), "{}\n{}", describe(one), describe(two));
    assert_eq!(one.contact.standing(), Some(Standing::Established));
    assert_eq!(two.contact.standing(), Some(Standing::Established));
    let (said, read) = (one.said, two.read.len());
    talk(one, two, 3);
    assert_eq!((one.said, two.read.len()), (said + 3, read + 3));
}

/// Returns a thief who has the identity of `of`, and none of the rows.
pub(crate) fn namesake(of: &Person) -> Person {
    Person {
        contact: Contact::new(*of.contact.peer()),
        rows: Rows { contact: Contact::new(*of.contact.peer()).row().to_vec(), ..Rows::default() },
        read: BTreeSet::new(),
        ..thief(of, 7)
    }
}

/// Returns a thief who has copied the identity and all rows of `of`. The numbers of the thief's
/// texts begin at 1,001, so that they are told from those of `of`.
pub(crate) fn thief(of: &Person, seed: u64) -> Person {
    Person {
        identity: IdentityKeyPair::from_seed(of.identity.seed().duplicate()),
        contact: of.rows.load(),
        rows: of.rows.clone(),
        events: vec![],
        read: of.read.clone(),
        said: 1_000,
        rng: rng(seed),
        sent: vec![],
    }
}
