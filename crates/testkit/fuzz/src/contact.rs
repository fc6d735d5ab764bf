//! Two contacts of each other through losses, repeats, resets, agreements and states that are put back, as the bytes
//! say: nothing is read twice or changed, a refusal leaves no trace, and at the end both use one session again.

use super::{input::Input, scenes::person};
use deaddrop_e2ee::{
    contact::{
        Contact, ContactChanges, ContactEvent, Hour, InvitePolicy, MAX_OWN_BUNDLES, MAX_SESSIONS, Received,
        ResetKind, StoredSession,
    },
    content::{self, Content, StreamId},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::{ChangeSet, Session, SessionId, SkippedId, Standing},
};
use deaddrop_testkit::rng;
use deaddrop_wire::Day;
use rand_chacha::ChaCha20Rng;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

const MOST_STEPS: usize = 80;
const FIRST_DAY: u32 = 20_780;

#[derive(Clone, Default)]
struct SessionRows {
    snapshot: Vec<u8>,
    resets: Vec<u8>,
    skipped: BTreeMap<SkippedId, Vec<u8>>,
}

/// The rows that an app has stored for a contact, taken from change sets alone.
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
            assert!(self.sessions.remove(id).is_some(), "only what is stored is dropped");
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
        Contact::load(&self.contact, sessions).expect("what was stored loads")
    }
}

/// One of the two people: the contact for the other one, and what this one has read and sent.
struct Person {
    identity: &'static IdentityKeyPair,
    contact: Contact,
    rows: Rows,
    random: ChaCha20Rng,
    /// The person's own invite with its sealed bundle; `None` once it is used.
    invite: Option<(PendingInvite, Vec<u8>)>,
    /// The numbers of the texts that this person has read.
    read: BTreeSet<u64>,
    sent: Vec<Vec<u8>>,
    /// The envelope in which the peer asks for a reset, until the user agrees.
    asked: Option<Vec<u8>>,
    /// Whether this person was told `PeerRewound` or `StaleReset`, and has not yet acted on it.
    rewound: bool,
    earlier: Option<(Rows, BTreeSet<u64>)>,
}

/// The two people, and the time.
struct World {
    people: [Person; 2],
    said: u64,
    hour: u32,
    /// Whether nothing but messages was lost so far: no rows were cleared, no state was put back,
    /// no day has passed, and the input has asked for no reset.
    gentle: bool,
}

fn identities() -> &'static [IdentityKeyPair; 2] {
    static IDENTITIES: OnceLock<[IdentityKeyPair; 2]> = OnceLock::new();
    IDENTITIES.get_or_init(|| [person([31; 32]), person([32; 32])])
}

pub fn contact(data: &[u8]) {
    let mut input = Input(data);
    let mut world = World::new();
    let begin = input.u8();
    if begin & 3 != 2 {
        world.invite(0, InvitePolicy::KeepSessions);
    }
    if begin & 3 >= 2 {
        world.invite(1, InvitePolicy::KeepSessions);
    }
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.converge();
}

impl World {
    fn new() -> Self {
        let people = [0, 1].map(|who| {
            let contact = Contact::new(*identities()[1 - who].identity_key().hash());
            Person {
                identity: &identities()[who],
                rows: Rows { contact: contact.row().to_vec(), ..Rows::default() },
                contact,
                random: rng(who as u64),
                invite: None,
                read: BTreeSet::new(),
                sent: vec![],
                asked: None,
                rewound: false,
                earlier: None,
            }
        });
        World { people, said: 0, hour: FIRST_DAY * 24, gentle: true }
    }

    fn today(&self) -> Day {
        Hour::from_number(self.hour).day()
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.u8();
        let by = usize::from(op & 1);
        match op >> 1 & 15 {
            0..=2 => {
                self.say(by);
            }
            3..=6 => {
                let sent = self.people[1 - by].sent.len();
                let back = usize::from(input.u8());
                if let Some(last) = sent.checked_sub(1) {
                    self.hear(by, last - back % sent);
                }
            }
            7 => {
                // Whatever was changed is refused.
                let sent = &self.people[1 - by].sent;
                let Some(mut envelope) = sent.get(input.pick(sent.len())).cloned() else { return };
                let at = usize::from(input.u16()) % envelope.len();
                envelope[at] ^= 1 << (input.u8() % 8);
                self.refuses(by, &envelope);
            }
            8 => {
                let Some(own) = self.people[by].sent.last().cloned() else { return };
                self.refuses(by, &own);
            }
            9 => {
                let person = &mut self.people[by];
                person.contact = person.rows.load();
                person.check();
            }
            10 => {
                self.gentle = false;
                let person = &mut self.people[by];
                let resets_too = input.one_in(4);
                for rows in person.rows.sessions.values_mut() {
                    rows.snapshot.clear();
                    rows.skipped.clear();
                    if resets_too {
                        rows.resets.clear();
                    }
                }
                person.contact = person.rows.load();
                person.check();
            }
            11 => {
                self.gentle = false;
                self.hour += u32::from(input.u8() % 3);
                let kind = if input.one_in(4) { ResetKind::Hard } else { ResetKind::Soft };
                self.reset(by, kind);
            }
            12 => {
                self.agree(by);
            }
            13 => {
                let person = &mut self.people[by];
                if input.one_in(2) {
                    person.earlier = Some((person.rows.clone(), person.read.clone()));
                } else if let Some((rows, read)) = person.earlier.clone() {
                    self.gentle = false;
                    (person.contact, person.rows, person.read) = (rows.load(), rows, read);
                    person.check();
                }
            }
            14 => {
                let days = u32::from(input.u8() % 40);
                self.hour += 24 * days;
                let today = self.today();
                // Keys, bundles and sessions have their days.
                self.gentle &= days == 0;
                let person = &mut self.people[by];
                let received = person.contact.tidy(today, input.one_in(2));
                person.keep(received);
                let again = person.contact.tidy(today, false);
                assert!(again.events.is_empty() && again.changes.sessions.is_empty(), "once a day is enough");
            }
            _ => {
                let verified = input.one_in(2);
                let person = &mut self.people[by];
                let changes = person.contact.set_verified(verified);
                person.rows.store(&changes);
                person.check();
            }
        }
    }

    /// Makes an invite of the person `by`, which the other accepts.
    fn invite(&mut self, by: usize, meeting: InvitePolicy) {
        let today = self.today();
        let [one, two] = &mut self.people;
        let (one, two) = if by == 0 { (one, two) } else { (two, one) };
        let (pending, blob) =
            PendingInvite::create(one.identity, today.plus(7), b"landing", &mut one.random).expect("short");
        let own = two.identity.identity_key().hash();
        let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, today).expect("just made");
        let (session, set) = Session::initiate(two.identity, &bundle, &mut two.random).expect("honest");
        let received =
            two.contact.add_initiated(session, set, bundle.not_after(), meeting).expect("this person");
        two.keep(received);
        one.invite = Some((pending, blob));
    }

    fn say(&mut self, by: usize) -> bool {
        let today = self.today();
        let person = &mut self.people[by];
        let mut items = vec![];
        if person.contact.standing() == Some(Standing::Unanswered) {
            items.push(Content::Hello { address: b"here".to_vec() });
        }
        let renewed =
            person.contact.renew_bundle(person.identity, b"", today, &mut person.random).expect("short");
        if let Some((bundle, changes)) = renewed {
            person.rows.store(&changes);
            items.push(bundle);
        }
        let number = self.said + 1;
        items.push(Content::Text { stream: StreamId([7; 16]), number, text: number.to_string() });
        let bytes = content::encode(&items).expect("short");
        let row = person.contact.row();
        let Ok((envelope, changes)) = person.contact.encrypt(&bytes, &mut person.random) else {
            assert!(*person.contact.row() == *row);
            return false;
        };
        person.rows.store(&changes);
        person.check();
        self.said = number;
        person.sent.push(envelope.into_bytes());
        true
    }

    fn refuses(&mut self, by: usize, envelope: &[u8]) {
        let today = self.today();
        let person = &mut self.people[by];
        // An envelope that cannot be opened can still tell, by an authentic header, of a state that was put back.
        if let Ok(received) = person.contact.decrypt(person.identity, envelope, today) {
            assert!(received.content.is_none(), "not from the peer, or not as it was sent");
            assert_eq!(received.events, [ContactEvent::PeerRewound]);
            assert!(received.changes.contact.is_none() && received.changes.sessions.is_empty());
        }
        person.check();
    }

    fn hear(&mut self, by: usize, at: usize) {
        let today = self.today();
        let envelope = self.people[1 - by].sent[at].clone();
        let person = &mut self.people[by];
        match person.contact.decrypt(person.identity, &envelope, today) {
            Ok(received) => {
                for event in &received.events {
                    match event {
                        ContactEvent::ResetRequested { .. } => person.asked = Some(envelope.clone()),
                        ContactEvent::StaleReset | ContactEvent::PeerRewound => {
                            person.rewound = true;
                        }
                        ContactEvent::VerificationCleared => assert!(!person.contact.is_verified()),
                        ContactEvent::IdentityChanged { .. } => panic!("no person has another identity"),
                        _ => {}
                    }
                }
                person.keep(received);
            }
            Err(_) => {
                person.check();
                let Some((invite, _)) = &person.invite else { return };
                let Ok(accepted) = invite.accept(person.identity, &envelope, |_| false, today) else {
                    return;
                };
                person.invite = None;
                let received =
                    person.contact.add_accepted(accepted, InvitePolicy::KeepSessions).expect("this person");
                person.keep(received);
            }
        }
    }

    fn reset(&mut self, by: usize, kind: ResetKind) -> bool {
        let now = Hour::from_number(self.hour);
        let person = &mut self.people[by];
        let begun = person.contact.reset(person.identity, kind, now, &mut person.random);
        let done = begun.is_ok();
        if let Ok(received) = begun {
            assert!(kind == ResetKind::Soft || !person.contact.is_verified(), "a hard reset is seen");
            person.keep(received);
        }
        person.check();
        done
    }

    fn agree(&mut self, by: usize) {
        let today = self.today();
        let person = &mut self.people[by];
        let Some(envelope) = person.asked.take() else { return };
        if let Ok(received) = person.contact.agree_to_reset(person.identity, &envelope, today) {
            assert!(received.content.is_some() && !person.contact.is_verified());
            person.keep(received);
        }
        person.check();
    }

    fn talk(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for by in 0..2 {
                let first = self.people[by].sent.len();
                self.say(by);
                (first..self.people[by].sent.len()).for_each(|at| self.hear(1 - by, at));
            }
        }
    }

    /// Whether both use one session and read every message, after a few in which they can recover.
    fn is_whole(&mut self) -> bool {
        self.talk(4);
        let [one, two] = self.people.each_ref().map(|person| person.contact.sending().map(Session::id));
        let before: usize = self.people.iter().map(|person| person.read.len()).sum();
        let said = self.said;
        self.talk(2);
        let after: usize = self.people.iter().map(|person| person.read.len()).sum();
        one.is_some()
            && one == two
            && self.people.iter().all(|person| person.contact.standing() == Some(Standing::Established))
            && self.said == said + 4
            && after == before + 4
    }

    fn converge(&mut self) {
        let whole = self.is_whole();
        if self.gentle {
            assert!(whole, "messages were lost, and nothing else");
            return;
        }
        // Each does the step that it is told to do.
        for _ in 0..4 {
            for by in 0..2 {
                self.agree(by);
                self.hour += 1;
                let person = &mut self.people[by];
                if std::mem::take(&mut person.rewound) || person.contact.is_lost() {
                    let _ = self.reset(by, ResetKind::Soft) || self.reset(by, ResetKind::Hard);
                }
            }
            self.talk(2);
        }
        if !self.is_whole() {
            // A new invite always helps.
            self.hour += 1;
            self.invite(0, InvitePolicy::StartOver);
            self.talk(2);
            assert!(self.is_whole(), "not even a new invite helps");
        }
    }
}

impl Person {
    fn keep(&mut self, received: Received) {
        self.rows.store(&received.changes);
        self.check();
        for item in received.content.iter().flat_map(|bytes| content::decode(bytes).expect("the peer's own"))
        {
            if let Content::Text { number, text, .. } = &item {
                assert_eq!(*text, number.to_string());
                assert!(self.read.insert(*number), "read twice");
            }
        }
    }

    /// Checks that memory and stored rows agree, and that the number of sessions is within its
    /// bound.
    fn check(&self) {
        assert!(*self.contact.row() == self.rows.contact);
        let sessions: BTreeSet<SessionId> = self.contact.sessions().collect();
        assert!(sessions.len() <= MAX_SESSIONS);
        assert!(self.rows.sessions.keys().all(|id| sessions.contains(id)), "what was dropped is dropped");
        if let Some(session) = self.contact.sending() {
            assert!(*session.snapshot() == self.rows.sessions[&session.id()].snapshot);
        }
    }
}

/// Runs the target `contact_row`: loads changed or any bytes as a contact's row, with the rows of
/// its sessions or without.
pub fn row(data: &[u8]) {
    static GENUINE: OnceLock<Rows> = OnceLock::new();
    let genuine = GENUINE.get_or_init(|| after(&[0, 1, 6, 0, 7, 0]));
    let mut input = Input(data);
    let mode = input.u8();
    let mut rows = genuine.clone();
    input.change(&mut rows.contact);
    for session in rows.sessions.values_mut() {
        input.change(&mut session.snapshot);
        input.change(&mut session.resets);
    }
    if mode & 1 != 0 {
        rows.contact.truncate(usize::from(input.u16()));
    }
    if mode & 2 != 0 {
        rows.sessions.clear();
    }
    rows.contact.extend_from_slice(input.rest());
    let sessions = rows.sessions.iter().map(|(id, rows)| StoredSession {
        id: *id,
        snapshot: &rows.snapshot,
        reset_secrets: &rows.resets,
        skipped: vec![],
    });
    let Ok(mut contact) = Contact::load(&rows.contact, sessions) else { return };
    assert!(*contact.row() == rows.contact, "a contact has one row");
    let identity = &identities()[0];
    let (today, now) = (Day::from_number(FIRST_DAY), Hour::from_number(FIRST_DAY * 24));
    let random = &mut rng(1);
    let _ = contact.encrypt(b"", random);
    let _ = contact.tidy(today.plus(u32::from(mode)), true);
    let _ = contact.renew_bundle(identity, b"", today, random);
    for kind in [ResetKind::Soft, ResetKind::Hard] {
        let _ = contact.reset(identity, kind, now, random);
    }
    let _ = contact.decrypt(identity, &[7; 16_384], today);
    let row = contact.row();
    assert!(*Contact::load(&row, []).expect("just written").row() == *row);
    assert!(contact.sessions().count() <= MAX_SESSIONS && MAX_OWN_BUNDLES > 0);
}

/// Lets each person accept an invite of the other, does [`World::step`] with these bytes until all
/// are taken, and lets the two talk for two rounds. Returns the rows of the first person.
fn after(steps: &[u8]) -> Rows {
    let mut world = World::new();
    (0..2).for_each(|by| world.invite(by, InvitePolicy::KeepSessions));
    let mut input = Input(steps);
    while !input.is_empty() {
        world.step(&mut input);
    }
    world.talk(2);
    let [one, _] = world.people;
    one.rows
}
