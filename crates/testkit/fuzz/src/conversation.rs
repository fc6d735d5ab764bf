//! Histories of two sessions, driven by bytes. A sent message arrives, once and whole, or not; a
//! refusal leaves no trace. If a state was put back, a message may be lost.

use super::{
    input::Input,
    scenes::{self, Message, Rows, Side},
};
use deaddrop_e2ee::session::{DecryptError, EncryptError, MAX_CLOSED_CHAINS, SkippedId};
use deaddrop_testkit::rng;
use deaddrop_wire::Day;
use rand_chacha::ChaCha20Rng;

/// Maximum number of steps: enough to reach any kind of state, few enough for a fast run.
const MOST_STEPS: usize = 120;

/// The seed of the random generator. It differs from the people's seeds, because keys that come
/// twice are refused (C-26).
const SEED: u64 = 81;

/// One of the two sides, with an earlier state of it.
struct Party {
    side: Side,
    /// An earlier state: the rows, and for each message of the peer whether it was read; `None` if
    /// none was kept.
    earlier: Option<(Rows, Vec<bool>)>,
}

/// The two sides of one session, and the source of their randomness.
struct World {
    parties: [Option<Party>; 2],
    random: ChaCha20Rng,
    today: Day,
    /// Whether no state was put back and no key has expired, so that every message must arrive.
    whole: bool,
}

pub fn conversation(data: &[u8]) {
    let mut input = Input(data);
    let one = Side::new(&scenes::people().initiator, scenes::people().initial.clone());
    let one = Some(Party { side: one, earlier: None });
    let mut world = World { parties: [one, None], random: rng(SEED), today: scenes::TODAY, whole: true };
    for _ in 0..MOST_STEPS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.drain();
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.u8();
        let by = usize::from(op & 1);
        match op >> 1 & 15 {
            0..=3 => self.say(by, 0),
            4 => self.say(by, [600, 2_000, 5_000, 20_000][input.pick(4)]),
            5..=8 => {
                let at = self.recent(1 - by, input);
                self.deliver(by, at);
            }
            9 => {
                let at = self.recent(1 - by, input);
                self.tamper(by, at, input);
            }
            10 => self.cross(by, input),
            11 => self.reload(by),
            12 => self.keep(by),
            13 => self.set_back(by),
            14 => self.later(by, input.u8()),
            _ => self.too_long(by),
        }
    }

    fn party(&mut self, by: usize) -> Option<&mut Party> {
        self.parties[by].as_mut()
    }

    fn say(&mut self, by: usize, extra: usize) {
        let Some(party) = self.parties[by].as_mut() else { return };
        party.side.say(extra, &mut self.random);
        party.side.rows.are_of(&party.side.session);
    }

    /// Returns the index of a message that a side has sent; `None` if it has sent none. A byte of
    /// the input chooses: 0 stands for the newest, 1 for the one before it, and so on.
    fn recent(&mut self, by: usize, input: &mut Input<'_>) -> Option<usize> {
        let back = usize::from(input.u8());
        let sent = self.party(by)?.side.sent.len();
        sent.checked_sub(1)?.checked_sub(back % sent)
    }

    fn deliver(&mut self, to: usize, at: Option<usize>) {
        let Some(at) = at else { return };
        let today = self.today;
        let [one, two] = &mut self.parties;
        let (from, to) = if to == 1 { (one, two) } else { (two, one) };
        let Some(from) = from else { return };
        let message = &mut from.side.sent[at];
        let Some(to) = to else {
            let side = scenes::accept(scenes::people(), &mut from.side, at);
            *to = Some(Party { side, earlier: None });
            return;
        };
        let before = to.side.session.snapshot();
        match to.side.session.decrypt(to.side.identity, &message.envelope, today) {
            Ok(opened) => {
                assert!(!message.read, "read twice");
                assert!(*opened.content == message.text, "not what was sent");
                to.side.rows.store(opened.changes);
                message.read = true;
            }
            Err(error) => {
                assert!(*to.side.session.snapshot() == *before);
                if self.whole {
                    assert!(message.read || forgotten(&to.side, message), "a genuine message: {error:?}");
                    assert!(matches!(error, DecryptError::Duplicate | DecryptError::Junk), "{error:?}");
                }
            }
        }
        to.side.rows.are_of(&to.side.session);
    }

    fn tamper(&mut self, to: usize, at: Option<usize>, input: &mut Input<'_>) {
        let (Some(at), Some(from)) = (at, self.parties[1 - to].as_ref()) else { return };
        let mut envelope = from.side.sent[at].envelope.clone();
        let place = usize::from(input.u16()) % envelope.len();
        envelope[place] ^= 1 << (input.u8() % 8);
        if let Some(party) = self.party(to) {
            party.side.refuses(&envelope);
        }
    }

    /// Delivers a message of the side itself, and one of another pair of people: both must be
    /// refused.
    fn cross(&mut self, by: usize, input: &mut Input<'_>) {
        let foreign = &scenes::foreign()[input.pick(scenes::foreign().len())];
        let own = self.recent(by, input);
        let Some(party) = self.party(by) else { return };
        if let Some(at) = own {
            let own = party.side.sent[at].envelope.clone();
            party.side.refuses(&own);
        }
        party.side.refuses(foreign);
    }

    fn reload(&mut self, by: usize) {
        if let Some(party) = self.party(by) {
            party.side.session = party.side.rows.load();
            party.side.rows.are_of(&party.side.session);
        }
    }

    fn keep(&mut self, by: usize) {
        let read: Vec<bool> = match &self.parties[1 - by] {
            Some(peer) => peer.side.sent.iter().map(|message| message.read).collect(),
            None => vec![],
        };
        if let Some(party) = self.party(by) {
            party.earlier = Some((party.side.rows.clone(), read));
        }
    }

    fn set_back(&mut self, by: usize) {
        let Some(party) = self.party(by) else { return };
        let Some((rows, read)) = party.earlier.clone() else { return };
        party.side.session = rows.load();
        party.side.rows = rows;
        self.whole = false;
        if let Some(peer) = self.party(1 - by) {
            for (at, message) in peer.side.sent.iter_mut().enumerate() {
                message.read = read.get(at).copied().unwrap_or(false);
            }
        }
    }

    fn later(&mut self, by: usize, days: u8) {
        self.today = self.today.plus(u32::from(days % 64));
        let today = self.today;
        let Some(party) = self.party(by) else { return };
        let before: Vec<SkippedId> = party.side.rows.skipped.keys().copied().collect();
        if let Some(set) = party.side.session.expire(today) {
            party.side.rows.store(set);
            assert!(party.side.rows.skipped.len() < before.len());
            self.whole = false;
        }
        if let Some(party) = self.party(by) {
            party.side.rows.are_of(&party.side.session);
            assert!(party.side.session.expire(today).is_none(), "nothing is left to expire");
        }
    }

    fn too_long(&mut self, by: usize) {
        let Some(party) = self.parties[by].as_mut() else { return };
        let before = party.side.session.snapshot();
        let refused = party.side.session.encrypt(&[0; 65_536], &mut self.random);
        assert_eq!(refused.err(), Some(EncryptError::TooLong));
        assert!(*party.side.session.snapshot() == *before);
    }

    /// Delivers every message once more, newest first, and then all of them again.
    fn drain(&mut self) {
        (0..2).for_each(|by| self.reload(by));
        for _ in 0..2 {
            for to in [1, 0] {
                let sent = self.parties[1 - to].as_ref().map_or(0, |party| party.side.sent.len());
                for at in (0..sent).rev() {
                    self.deliver(to, Some(at));
                }
            }
        }
    }
}

/// Whether a message is of a turn that its receiver may have forgotten: the receiver's newest turn,
/// sent or received, is more than twice [`MAX_CLOSED_CHAINS`] turns later. Only whole turns are
/// forgotten.
fn forgotten(to: &Side, message: &Message) -> bool {
    to.session.turn() > message.turn + 2 * u32::try_from(MAX_CLOSED_CHAINS).expect("small")
}
