//! Two people with several sessions: both invite, states are lost or put back, resets cross. They always come to one session
//! that both use, and nobody takes a contact over in silence.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_crypto::{
    ChangeSet, Contact, ContactChanges, ContactEvent, Content, DecryptError, Hour, IdentityKeyPair,
    IdentitySeed, Meeting, PendingInvite, Received, ResetError, ResetKind, SafetyNumber, Session, SessionId,
    SkippedId, Standing, StoredSession, StreamId, VerifiedBundle, content,
};
use deaddrop_testkit::rng;
use deaddrop_wire::Day;
use rand_chacha::{ChaCha20Rng, rand_core::Rng};
use std::collections::{BTreeMap, BTreeSet};

const TODAY: Day = Day::from_number(20_780);
const NOW: Hour = Hour::from_number(20_780 * 24);

#[derive(Clone, Default)]
struct SessionRows {
    snapshot: Vec<u8>,
    resets: Vec<u8>,
    skipped: BTreeMap<SkippedId, Vec<u8>>,
}

/// What an app has stored, from changes alone.
#[derive(Clone, Default)]
struct Rows {
    contact: Vec<u8>,
    sessions: BTreeMap<SessionId, SessionRows>,
}

impl Rows {
    fn store(&mut self, changes: &ContactChanges) {
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

    fn store_session(&mut self, id: SessionId, set: &ChangeSet) {
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

    fn load(&self) -> Contact {
        let sessions = self.sessions.iter().map(|(id, rows)| StoredSession {
            id: *id,
            snapshot: &rows.snapshot,
            reset_secrets: &rows.resets,
            skipped: rows.skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect(),
        });
        Contact::load(&self.contact, sessions).unwrap()
    }
}

struct Person {
    identity: IdentityKeyPair,
    contact: Contact,
    rows: Rows,
    events: Vec<ContactEvent>,
    read: BTreeSet<u64>,
    said: u64,
    rng: ChaCha20Rng,
    /// To the other person, not delivered yet.
    sent: Vec<Vec<u8>>,
}

impl Person {
    fn new(seed: u64, peer: &IdentityKeyPair, identity: IdentityKeyPair) -> Self {
        let contact = Contact::new(*peer.identity_key().hash());
        let rows = Rows { contact: contact.row().to_vec(), ..Rows::default() };
        let (events, read, sent) = (vec![], BTreeSet::new(), vec![]);
        Self { identity, contact, rows, events, read, said: 0, rng: rng(seed), sent }
    }

    fn invite(&mut self) -> (PendingInvite, Vec<u8>) {
        PendingInvite::create(&self.identity, TODAY.plus(7), b"landing", &mut self.rng).unwrap()
    }

    fn take(&mut self, pending: &PendingInvite, blob: &[u8], meeting: Meeting) {
        let own = self.identity.identity_key().hash();
        let bundle = VerifiedBundle::open(pending.secret(), blob, own, None, TODAY).unwrap();
        let (session, set) = Session::initiate(&self.identity, &bundle, &mut self.rng).unwrap();
        let received = self.contact.add_initiated(session, set, bundle.not_after(), meeting).unwrap();
        self.keep(received);
    }

    fn accept(&mut self, pending: &PendingInvite, envelope: &[u8], meeting: Meeting) {
        let accepted = pending.accept(&self.identity, envelope, |_| false, TODAY).unwrap();
        let received = self.contact.add_accepted(accepted, meeting).unwrap();
        self.keep(received);
    }

    /// Says the next number; a reset bundle goes with it when one is due.
    fn say(&mut self) -> bool {
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

    fn keep(&mut self, received: Received) {
        self.rows.store(&received.changes);
        assert_eq!(*self.contact.row(), self.rows.contact, "what changed was told");
        self.events.extend(received.events);
        for item in received.content.iter().flat_map(|bytes| content::decode(bytes).unwrap()) {
            if let Content::Text { number, .. } = &item {
                assert!(self.read.insert(*number), "read twice");
            }
        }
    }

    fn hear(&mut self, envelope: &[u8]) -> Result<(), DecryptError> {
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

    fn snapshots(&self) -> Vec<Vec<u8>> {
        vec![self.contact.row().to_vec(), self.contact.sending().map_or(vec![], |s| s.snapshot().to_vec())]
    }

    fn reload(&mut self) {
        self.contact = self.rows.load();
        assert_eq!(*self.contact.row(), self.rows.contact);
    }

    /// The session rows are gone, the rows of reset secrets are not.
    fn lose_sessions(&mut self) {
        self.rows.sessions.values_mut().for_each(|rows| {
            rows.snapshot.clear();
            rows.skipped.clear();
        });
        self.reload();
        assert!(self.contact.is_lost());
    }

    fn reset(&mut self, kind: ResetKind, now: Hour) -> Result<(), ResetError> {
        let received = self.contact.reset(&self.identity, kind, now, &mut self.rng)?;
        self.keep(received);
        Ok(())
    }

    fn sending(&self) -> Option<SessionId> {
        self.contact.sending().map(Session::id)
    }

    fn verify(&mut self) {
        let own = *self.identity.identity_key().hash();
        let payload = SafetyNumber::new(self.contact.peer(), &own).to_qr_payload();
        let changes = self.contact.verify_scanned(&own, &payload).unwrap();
        self.rows.store(&changes);
        assert!(self.contact.is_verified());
    }

    fn saw(&self, wanted: impl Fn(&ContactEvent) -> bool) -> bool {
        self.events.iter().any(wanted)
    }
}

/// Everything that was sent arrives, in order.
fn pass(from: &mut Person, to: &mut Person) {
    for envelope in std::mem::take(&mut from.sent) {
        let _ = to.hear(&envelope);
    }
}

fn talk(one: &mut Person, two: &mut Person, rounds: usize) {
    for _ in 0..rounds {
        one.say();
        pass(one, two);
        two.say();
        pass(two, one);
    }
}

fn strangers(seed: u64) -> (Person, Person) {
    let mut random = rng(seed);
    let seeds = [IdentitySeed::generate(&mut random), IdentitySeed::generate(&mut random)];
    let pairs = || seeds.each_ref().map(|seed| IdentityKeyPair::from_seed(seed.duplicate()));
    let ([a, b], [peer_of_b, peer_of_a]) = (pairs(), pairs());
    (Person::new(seed * 2 + 1, &peer_of_a, a), Person::new(seed * 2 + 2, &peer_of_b, b))
}

/// Two who have talked for a while.
fn friends(seed: u64, rounds: usize) -> (Person, Person) {
    let (mut one, mut two) = strangers(seed);
    let (pending, blob) = two.invite();
    one.take(&pending, &blob, Meeting::Beside);
    one.say();
    let first = one.sent.pop().unwrap();
    two.accept(&pending, &first, Meeting::Beside);
    two.say();
    pass(&mut two, &mut one);
    talk(&mut one, &mut two, rounds);
    assert_eq!(one.sending(), two.sending());
    (one, two)
}

/// The sessions of a person, for a failing test.
fn describe(person: &Person) -> String {
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

/// From now on both use one session, and all that is said is read.
fn assert_converged(one: &mut Person, two: &mut Person) {
    talk(one, two, 4);
    assert_eq!(one.sending(), two.sending(), "{}\n{}", describe(one), describe(two));
    assert_eq!(one.contact.standing(), Some(Standing::Established));
    assert_eq!(two.contact.standing(), Some(Standing::Established));
    let (said, read) = (one.said, two.read.len());
    talk(one, two, 3);
    assert_eq!((one.said, two.read.len()), (said + 3, read + 3));
}

#[test]
fn a_lost_session_is_reset_in_silence() {
    let (mut one, mut two) = friends(1, 3);
    one.verify();
    two.verify();
    let old = one.sending();
    // Each of them in turn.
    for (lost, hour) in [(true, 1), (false, 2), (true, 3), (true, 4)] {
        let (loser, other) = if lost { (&mut one, &mut two) } else { (&mut two, &mut one) };
        loser.lose_sessions();
        assert!(!loser.say(), "nothing can be sent with a lost session");
        loser.reset(ResetKind::Soft, Hour::from_number(NOW.number() + hour)).unwrap();
        // What the other said before it learned of the loss cannot be read: it is said again by the app.
        other.say();
        pass(other, loser);
        loser.say();
        pass(loser, other);
        assert!(other.saw(|event| matches!(event, ContactEvent::PeerReset { .. })));
        assert_converged(loser, other);
        assert!(loser.contact.is_verified() && other.contact.is_verified());
        assert!(!other.saw(|event| matches!(event, ContactEvent::PeerWantsReset { .. })));
        loser.reload();
        other.reload();
        assert_converged(other, loser);
    }
    assert_ne!(one.sending(), old);
    // Unused sessions go after a week.
    for person in [&mut one, &mut two] {
        let received = person.contact.tidy(TODAY.plus(20), false);
        assert!(received.changes.dropped.is_empty(), "not before the mailbox is read");
        let received = person.contact.tidy(TODAY.plus(20), true);
        assert!(!received.changes.dropped.is_empty());
        person.keep(received);
        assert_eq!(person.contact.sessions().count(), 1);
    }
    assert_converged(&mut one, &mut two);
}

#[test]
fn both_reset_at_once_and_again() {
    let (mut one, mut two) = friends(2, 2);
    for hour in 0..6 {
        one.lose_sessions();
        two.lose_sessions();
        let now = Hour::from_number(NOW.number() + 10 * hour);
        one.reset(ResetKind::Soft, now).unwrap();
        two.reset(ResetKind::Soft, now).unwrap();
        assert_eq!(one.reset(ResetKind::Soft, now), Err(ResetError::TooSoon));
        // Both begin before either hears of the other.
        one.say();
        two.say();
        pass(&mut one, &mut two);
        pass(&mut two, &mut one);
        for person in [&one, &two] {
            let hard = person.saw(|event| matches!(event, ContactEvent::PeerWantsReset { .. }));
            assert!(!hard, "hour {hour}: {:?}", person.events);
        }
        assert_converged(&mut one, &mut two);
    }
    assert!(!one.saw(|event| matches!(event, ContactEvent::PeerWantsReset { .. })));
    assert!(!two.saw(|event| matches!(event, ContactEvent::PeerWantsReset { .. })));
}

/// A thief: everything of a person at one moment.
fn thief(of: &Person, seed: u64) -> Person {
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

#[test]
fn an_old_state_cannot_take_over_in_silence() {
    let (mut one, mut two) = friends(3, 3);
    two.verify();
    let mut old = thief(&one, 99);
    talk(&mut one, &mut two, 2);
    // The thief knows the identity and a whole state of some turns ago, with the peer's reset bundle in it.
    old.reset(ResetKind::Soft, NOW).unwrap();
    assert!(old.say());
    let before = two.sending();
    let envelope = old.sent.pop().unwrap();
    two.hear(&envelope).unwrap();
    assert_eq!(two.events.last(), Some(&ContactEvent::PeerWantsReset { stale: true }));
    assert_eq!((two.sending(), two.contact.sessions().count()), (before, 1), "nothing was begun");
    assert!(!two.read.contains(&1_001));
    assert!(two.contact.agree_to_reset(&two.identity, &envelope, TODAY).is_err());
    // There is nothing to agree to.
    assert_converged(&mut one, &mut two);
}

#[test]
fn the_identity_alone_asks_and_waits() {
    let (mut one, mut two) = friends(4, 3);
    one.verify();
    two.verify();
    let mut old = thief(&one, 98);
    talk(&mut one, &mut two, 2);
    old.reset(ResetKind::Hard, NOW).unwrap();
    assert!(old.say());
    assert!(!old.contact.is_verified(), "a hard reset is visible on its own side");
    let envelope = old.sent.pop().unwrap();
    let before = two.sending();
    two.hear(&envelope).unwrap();
    assert_eq!(two.events.last(), Some(&ContactEvent::VerificationCleared));
    assert!(two.saw(|event| *event == ContactEvent::PeerWantsReset { stale: false }));
    assert_eq!((two.sending(), two.contact.sessions().count()), (before, 1), "nothing was begun");
    // The user agrees: the owner has restored a backup after all.
    let received = two.contact.agree_to_reset(&two.identity, &envelope, TODAY).unwrap();
    two.keep(received);
    assert!(!two.contact.is_verified());
    assert_converged(&mut old, &mut two);
    assert!(two.contact.agree_to_reset(&two.identity, &[0; 16_384], TODAY).is_err());
}

#[test]
fn nobody_else_can_reset() {
    // A third person who somehow learned the bundle, and even the secret of the newest turn.
    let (one, mut two) = friends(5, 3);
    let (mut third, _) = strangers(77);
    third.rows = one.rows.clone();
    third.contact = third.rows.load();
    for kind in [ResetKind::Soft, ResetKind::Hard] {
        third.reset(kind, NOW).unwrap();
        third.say();
        let envelope = third.sent.pop().unwrap();
        assert_eq!(two.hear(&envelope), Err(DecryptError::Junk));
    }
}

#[test]
fn a_bundle_begins_few_sessions() {
    let (mut one, mut two) = friends(6, 2);
    for hour in 0..u32::from(deaddrop_crypto::MAX_SESSIONS_OF_BUNDLE) {
        one.lose_sessions();
        one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 2 * hour)).unwrap();
        one.say();
        // Nothing comes back.
        pass(&mut one, &mut two);
    }
    assert_eq!(two.events.iter().filter(|event| matches!(event, ContactEvent::PeerReset { .. })).count(), 4);
    one.lose_sessions();
    one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 20)).unwrap();
    one.say();
    pass(&mut one, &mut two);
    assert!(two.saw(|event| *event == ContactEvent::PeerWantsReset { stale: true }));
    assert!(two.contact.sessions().count() <= deaddrop_crypto::MAX_SESSIONS);
}

/// What became of a soft reset with somebody whose state was put back.
fn heal(two: &mut Person, one: &mut Person) -> bool {
    two.reset(ResetKind::Soft, NOW).unwrap();
    two.say();
    pass(two, one);
    let silent = one.saw(|event| matches!(event, ContactEvent::PeerReset { .. }));
    if !silent {
        assert!(one.saw(|event| *event == ContactEvent::PeerWantsReset { stale: true }));
        one.reset(ResetKind::Hard, NOW).unwrap();
        one.say();
        let envelope = one.sent.pop().unwrap();
        two.hear(&envelope).unwrap();
        assert!(two.saw(|event| *event == ContactEvent::PeerWantsReset { stale: false }));
        let received = two.contact.agree_to_reset(&two.identity, &envelope, TODAY).unwrap();
        two.keep(received);
    }
    assert_converged(two, one);
    silent
}

#[test]
fn a_state_put_back_within_a_turn_is_seen_and_healed_in_silence() {
    for lonely in [1, 3, 60] {
        let (mut one, mut two) = friends(7, 3);
        one.say();
        pass(&mut one, &mut two);
        let backup = one.rows.clone();
        (0..lonely).for_each(|_| assert!(one.say()));
        pass(&mut one, &mut two);
        let (read, own) = (two.read.clone(), one.said);
        one.rows = backup;
        one.reload();
        assert!(one.say());
        pass(&mut one, &mut two);
        assert_eq!(two.events.last(), Some(&ContactEvent::PeerRewound));
        assert_eq!(two.read, read, "a second message of a number is not read as the first");
        assert_eq!(one.said, own + 1);
        assert!(heal(&mut two, &mut one));
    }
}

#[test]
fn a_state_put_back_to_an_earlier_turn_is_seen_and_healed_by_the_user() {
    for rounds in [0, 1, 3] {
        let (mut one, mut two) = friends(17, 3);
        let backup = one.rows.clone();
        talk(&mut one, &mut two, rounds);
        one.say();
        pass(&mut one, &mut two);
        let read = two.read.clone();
        one.rows = backup;
        one.reload();
        one.say();
        pass(&mut one, &mut two);
        assert_eq!(two.read, read);
        // Its next turn begins anew what the peer has read; a turn of long ago is junk, and no receipt comes for it.
        assert_eq!(two.saw(|event| *event == ContactEvent::PeerRewound), rounds == 0);
        assert!(!heal(&mut two, &mut one));
    }
}

#[test]
fn two_who_invite_each_other_end_with_one_session() {
    for seed in 0..30 {
        let (mut one, mut two) = strangers(100 + seed);
        let mut random = rng(seed);
        let (by_two, for_one) = two.invite();
        let (by_one, for_two) = one.invite();
        one.take(&by_two, &for_one, Meeting::Beside);
        two.take(&by_one, &for_two, Meeting::Beside);
        for person in [&mut one, &mut two] {
            (0..1 + random.next_u32() % 3).for_each(|_| assert!(person.say()));
        }
        // Each first message comes at a moment of its own, before or after others were answered.
        let first_of_one: Vec<_> = one.sent.drain(..).collect();
        let first_of_two: Vec<_> = two.sent.drain(..).collect();
        let late = random.next_u32() % 3;
        if late != 1 {
            two.accept(&by_two, &first_of_one[0], Meeting::Beside);
        }
        if late != 2 {
            one.accept(&by_one, &first_of_two[0], Meeting::Beside);
        }
        talk(&mut one, &mut two, (random.next_u32() % 4) as usize);
        if late == 1 {
            two.accept(&by_two, &first_of_one[0], Meeting::Beside);
        }
        if late == 2 {
            one.accept(&by_one, &first_of_two[0], Meeting::Beside);
        }
        for envelope in &first_of_one[1..] {
            two.hear(envelope).unwrap();
        }
        for envelope in &first_of_two[1..] {
            one.hear(envelope).unwrap();
        }
        assert_converged(&mut one, &mut two);
        assert_eq!(one.read.len() as u64, two.said, "no message is lost");
        assert_eq!(two.read.len() as u64, one.said, "no message is lost");
        assert_eq!(one.contact.sessions().count(), 2);
        for person in [&mut one, &mut two] {
            let received = person.contact.tidy(TODAY, true);
            person.keep(received);
            let received = person.contact.tidy(TODAY.plus(8), true);
            person.keep(received);
            assert_eq!(person.contact.sessions().count(), 1);
        }
        assert_converged(&mut two, &mut one);
    }
}

#[test]
fn a_new_invite_begins_anew() {
    let (mut one, mut two) = friends(8, 2);
    two.verify();
    // One has nothing left but the identity; the two meet and use a new invite.
    one.contact = Contact::new(*two.identity.identity_key().hash());
    one.rows = Rows { contact: one.contact.row().to_vec(), ..Rows::default() };
    let (pending, blob) = one.invite();
    two.take(&pending, &blob, Meeting::Again);
    assert!(!two.contact.is_verified());
    two.say();
    let first = two.sent.pop().unwrap();
    one.accept(&pending, &first, Meeting::Beside);
    assert_converged(&mut one, &mut two);
}

#[test]
fn a_new_invite_supersedes_a_session_that_the_peer_began_and_lost() {
    let (mut one, mut two) = friends(12, 2);
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    one.say();
    pass(&mut one, &mut two);
    // What two holds unanswered is of a later era than what was answered.
    one.contact = Contact::new(*two.identity.identity_key().hash());
    one.rows = Rows { contact: one.contact.row().to_vec(), ..Rows::default() };
    let (pending, blob) = one.invite();
    two.take(&pending, &blob, Meeting::Again);
    two.say();
    let first = two.sent.pop().unwrap();
    one.accept(&pending, &first, Meeting::Beside);
    assert_converged(&mut one, &mut two);
}

#[test]
fn a_used_invite_is_contested_or_taken() {
    let (mut one, mut two) = strangers(9);
    let (mut thief, _) = strangers(10);
    let (pending, blob) = two.invite();
    one.take(&pending, &blob, Meeting::Beside);
    thief.contact = Contact::new(*two.identity.identity_key().hash());
    thief.take(&pending, &blob, Meeting::Beside);
    one.say();
    thief.say();
    let first = one.sent.pop().unwrap();
    two.accept(&pending, &first, Meeting::Beside);
    pass(&mut thief, &mut two);
    assert_eq!(two.events, [ContactEvent::InviteContested]);
    // Who came second learns it when the invite's time is over.
    assert!(thief.contact.tidy(TODAY.plus(7), true).events.is_empty());
    let received = thief.contact.tidy(TODAY.plus(8), true);
    assert!(matches!(received.events[..], [ContactEvent::InviteTaken { .. }]));
    thief.keep(received);
    assert!(thief.contact.tidy(TODAY.plus(9), true).events.is_empty(), "told once");
}

#[test]
fn another_identity_is_another_person() {
    let (mut one, two) = friends(11, 2);
    one.verify();
    let (mut third, _) = strangers(12);
    let (pending, blob) = third.invite();
    let own = one.identity.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).unwrap();
    let begin = |one: &mut Person| Session::initiate(&one.identity, &bundle, &mut one.rng).unwrap();
    let (session, set) = begin(&mut one);
    assert!(one.contact.add_initiated(session, set, TODAY, Meeting::Beside).is_err());
    assert!(one.contact.is_verified());
    let now = *third.identity.identity_key().hash();
    let received = one.contact.change_identity(now);
    let before = *two.identity.identity_key().hash();
    assert_eq!(
        received.events,
        [ContactEvent::IdentityChanged { before, now }, ContactEvent::VerificationCleared]
    );
    assert_eq!(received.changes.dropped.len(), 1);
    one.keep(received);
    let (session, set) = begin(&mut one);
    one.contact.add_initiated(session, set, TODAY, Meeting::Beside).unwrap();
    let other = SafetyNumber::new(&before, one.identity.identity_key().hash()).to_qr_payload();
    let own = *one.identity.identity_key().hash();
    assert!(one.contact.verify_scanned(&own, &other).is_err());
    assert!(!one.contact.is_verified());
}

#[test]
fn resets_converge_under_loss_and_reordering() {
    for seed in 0..60 {
        let random = &mut rng(5_000 + seed);
        let (mut one, mut two) = friends(200 + seed, 2);
        one.verify();
        two.verify();
        let mut hour = NOW.number();
        let mut losses = [0; 2];
        for _ in 0..60 {
            let swap = random.next_u32().is_multiple_of(2);
            let (from, to) = if swap { (&mut one, &mut two) } else { (&mut two, &mut one) };
            if from.contact.standing() == Some(Standing::Established) {
                losses[usize::from(swap)] = 0;
            }
            match random.next_u32() % 16 {
                0..6 => {
                    from.say();
                }
                6..11 if !from.sent.is_empty() => {
                    let at = random.next_u32() as usize % from.sent.len();
                    let envelope = from.sent.remove(at);
                    let _ = to.hear(&envelope);
                }
                11 if !from.sent.is_empty() => drop(from.sent.remove(0)),
                12 => from.reload(),
                // Up to the bound: a bundle begins few sessions, and beyond that the user is asked.
                13 if from.contact.sending().is_some() && losses[usize::from(swap)] < 3 => {
                    losses[usize::from(swap)] += 1;
                    from.lose_sessions();
                }
                14 | 15 => {
                    hour += 1;
                    if from.contact.is_lost() {
                        let _ = from.reset(ResetKind::Soft, Hour::from_number(hour));
                    }
                }
                _ => {}
            }
        }
        // The network works again, and nobody loses anything any more.
        for _ in 0..4 {
            for person in [&mut one, &mut two] {
                hour += 1;
                if person.contact.is_lost() {
                    let answer = person.reset(ResetKind::Soft, Hour::from_number(hour));
                    assert_eq!(answer, Ok(()), "seed {seed}");
                }
            }
            talk(&mut one, &mut two, 2);
        }
        for (name, person) in [("one", &one), ("two", &two)] {
            let hard = person.saw(|event| *event == ContactEvent::PeerWantsReset { stale: false });
            assert!(!hard && person.contact.is_verified(), "seed {seed}: {name} was asked for a hard reset");
        }
        assert_converged(&mut one, &mut two);
    }
}

#[test]
fn a_damaged_contact_row_is_refused() {
    let (mut one, mut two) = friends(13, 2);
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    talk(&mut one, &mut two, 1);
    let good = two.rows.clone();
    for cut in 0..good.contact.len() {
        assert!(Contact::load(&good.contact[..cut], []).is_err(), "{cut}");
    }
    let mut newer = good.contact.clone();
    newer[0] = 2;
    assert_eq!(Contact::load(&newer, []).err(), Some(deaddrop_crypto::LoadError::NewerVersion));
    // A newer session row is never taken for a lost one.
    let mut rows = good.clone();
    rows.sessions.values_mut().for_each(|session| session.snapshot[0] = 99);
    let sessions = rows.sessions.iter().map(|(id, rows)| StoredSession {
        id: *id,
        snapshot: &rows.snapshot,
        reset_secrets: &rows.resets,
        skipped: vec![],
    });
    let error = Contact::load(&rows.contact, sessions).err();
    assert_eq!(error, Some(deaddrop_crypto::LoadError::NewerVersion));
    // Any bytes get an answer.
    let random = &mut rng(14);
    for _ in 0..2_000 {
        let mut rows = good.clone();
        let at = random.next_u32() as usize % rows.contact.len();
        rows.contact[at] ^= 1 << (random.next_u32() % 8);
        let _ = Contact::load(&rows.contact, []);
    }
}
