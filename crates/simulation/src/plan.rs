//! The plan of a run: its people and relays, the actions of the users, and the faults, each with
//! its time. All of it comes from the seed; entries can be left out, to find the ones that matter.

use crate::{
    ids::{PersonId, RelayId},
    random::SimRandom,
};
use rand::RngExt;

/// An entry of the plan. `for_ms` is the time for which a fault lasts, `down_ms` that until a
/// process starts again, both in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// A user invites another one, who accepts.
    Invite(PersonId, PersonId),
    /// A user sends `count` texts to another one.
    Send { from: PersonId, to: PersonId, count: u32, is_long: bool },
    /// A client is closed in good order and opened again.
    Close { person: PersonId, down_ms: u64 },
    /// The power of a client is cut, at once, or after this many more writes and syncs of its disk;
    /// then it starts again within 20 seconds, and `down_ms` has no effect.
    KillPerson { person: PersonId, writes: Option<u64>, down_ms: u64 },
    /// The power of a relay is cut, at once, or after this many more writes and syncs of its disk;
    /// then it starts again within 20 seconds, and `down_ms` has no effect.
    KillRelay { relay: RelayId, writes: Option<u64>, down_ms: u64 },
    /// A connection of a person breaks after this many messages. With `is_silent`, no end is told.
    Cut { person: PersonId, messages: u64, is_silent: bool },
    /// Each message of a person takes `ms` milliseconds longer.
    Slow { person: PersonId, ms: u64, for_ms: u64 },
    /// A person reaches no relay: open connections break, and new ones do not open.
    Unreachable { person: PersonId, for_ms: u64 },
    /// The disk of a person has only `room` bytes left.
    FullVault { person: PersonId, room: usize, for_ms: u64 },
    /// The disk of a relay has only `room` bytes left.
    FullStore { relay: RelayId, room: usize, for_ms: u64 },
    /// The clock of a person is wrong by this many days; a positive number is ahead.
    PersonClock { person: PersonId, days: i64, for_ms: u64 },
    /// The clock of a relay is wrong by this many days, or fewer ([`Plan::bounded_skew`]); a
    /// positive number is ahead.
    RelayClock { relay: RelayId, days: i64, for_ms: u64 },
    /// A relay drops its items of one kind. When that ends, its links end, and the items come over
    /// new ones. Deliveries are not dropped beside a move ([`Plan::has_move_beside`]).
    Withhold { relay: RelayId, what: Withheld, for_ms: u64 },
    /// A copy of a vault is made, if its client runs and all of its contacts are established.
    Copy(PersonId),
    /// The last copy of a vault is put back, on the same conditions and if it has the present
    /// contacts.
    PutBack { person: PersonId, down_ms: u64 },
    /// A stranger, who is no contact of a person, makes a mailbox at a relay, uses it in four times
    /// `visits` visits, empties it and deletes it.
    Stranger { relay: RelayId, visits: u32 },
    /// A user asks the client to try everything now.
    Retry(PersonId),
    /// An app lets its client forget the events that it has shown.
    Forget(PersonId),
    /// A user moves to another relay.
    Move(PersonId, RelayId),
}

/// The kind of items that a relay holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Withheld {
    /// Deliveries.
    Deliveries,
    /// Answers to puts.
    Answers,
    /// Confirmations of acks, and the news that all is delivered.
    Confirmations,
    /// Everything but the Hello.
    Everything,
}

/// The plan of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) people: usize,
    pub(crate) relays: usize,
    /// The entries, each with its time in milliseconds of the run, in order of time. The index of
    /// an entry is its number.
    pub(crate) ops: Vec<(u64, Op)>,
}

const MINUTE_MS: u64 = 60_000;

impl Plan {
    /// Makes the plan of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = SimRandom::of(seed, 0);
        let people = rng.random_range(2..=4);
        let relays = rng.random_range(1..=3);
        let minutes = rng.random_range(3..=40);
        let mut plan = Self { seed, people, relays, ops: Vec::new() };
        let mut pairs = Vec::new();
        for b in 1..people {
            let a = rng.random_range(0..b);
            pairs.push(if rng.random() { (a, b) } else { (b, a) });
        }
        let end_ms = minutes * MINUTE_MS;
        for (at, (a, b)) in pairs.iter().enumerate() {
            let first = if at == 0 { 1_000 } else { rng.random_range(1_000..end_ms / 2) };
            plan.ops.push((first, Op::Invite(*a, *b)));
        }
        let faulty = rng.random_range(0..6_u32);
        for _ in 0..rng.random_range(6..30) {
            let at = rng.random_range(2_000..end_ms);
            let (a, b) = pairs.get(rng.random_range(0..pairs.len())).copied().unwrap_or((0, 1));
            let (from, to) = if rng.random() { (a, b) } else { (b, a) };
            let count = if rng.random_range(0..8) == 0 { rng.random_range(5..40) } else { 1 };
            let is_long = rng.random_range(0..6) == 0;
            plan.ops.push((at, Op::Send { from, to, count, is_long }));
        }
        for _ in 0..(faulty * rng.random_range(1..6)) {
            let at = rng.random_range(0..end_ms);
            let op = plan.fault(&mut rng);
            plan.ops.push((at, op));
        }
        for _ in 0..rng.random_range(0..3) {
            let at = rng.random_range(0..end_ms);
            let (relay, visits) = (rng.random_range(0..relays), rng.random_range(1..6));
            plan.ops.push((at, Op::Stranger { relay, visits }));
        }
        if rng.random_range(0..8) == 0 {
            let person = rng.random_range(0..people);
            let copied = rng.random_range(end_ms / 4..end_ms * 3 / 4);
            let back = rng.random_range(copied..end_ms);
            plan.ops.push((copied, Op::Copy(person)));
            plan.ops.push((back, Op::PutBack { person, down_ms: rng.random_range(0..2 * MINUTE_MS) }));
        }
        if rng.random_range(0..12) == 0
            && let Some((from, to)) = pairs.first().copied()
        {
            // More than a mailbox holds, for somebody who is away.
            let at = rng.random_range(end_ms / 4..end_ms);
            plan.ops.push((at, Op::Close { person: to, down_ms: 8 * MINUTE_MS }));
            plan.ops.push((at + 1_000, Op::Send { from, to, count: 280, is_long: false }));
        }
        if relays > 1 && rng.random_range(0..6) == 0 {
            let (person, relay) = (rng.random_range(0..people), rng.random_range(0..relays));
            plan.ops.push((rng.random_range(end_ms / 2..end_ms), Op::Move(person, relay)));
        }
        plan.ops.sort_by_key(|(at, _)| *at);
        plan
    }

    /// Whether the users take no steps until they must have been told of them after a vault was put
    /// back: in the runs of even seeds whose plan puts a vault back.
    pub(crate) fn is_patient(&self) -> bool {
        let is_put_back = self.ops.iter().any(|(_, op)| matches!(op, Op::PutBack { .. }));
        is_put_back && self.seed.is_multiple_of(2)
    }

    /// Returns `days`, by which entry number `at` sets the clock of a relay wrong, or fewer. A
    /// relay believes a clock that goes ahead in several steps, and only its operator can set the
    /// day back: so each of several entries goes ahead by at most two days, which clients bear.
    pub(crate) fn bounded_skew(&self, at: usize, relay: RelayId, days: i64) -> i64 {
        let is_ahead =
            |op: &Op| matches!(op, Op::RelayClock { relay: of, days, .. } if *of == relay && *days > 0);
        let has_others = self.ops.iter().enumerate().any(|(other, (_, op))| other != at && is_ahead(op));
        if has_others { days.min(2) } else { days }
    }

    /// Whether any person moves to another relay during entry number `at`, or up to 15 minutes
    /// before: the mailboxes at the earlier relay may still exist then.
    pub(crate) fn has_move_beside(&self, at: usize) -> bool {
        const SHORTLY_MS: u64 = 15 * MINUTE_MS;
        let Some((begins, op)) = self.ops.get(at) else { return false };
        let times = begins.saturating_sub(SHORTLY_MS)..=begins.saturating_add(op.lasts_ms().unwrap_or(0));
        self.ops.iter().any(|(ms, op)| matches!(op, Op::Move(..)) && times.contains(ms))
    }

    fn fault(&self, rng: &mut SimRandom) -> Op {
        let person = rng.random_range(0..self.people);
        let relay = rng.random_range(0..self.relays);
        let for_ms = rng.random_range(1_000..10 * MINUTE_MS);
        let down_ms = rng.random_range(0..5 * MINUTE_MS);
        let writes = rng.random::<bool>().then(|| rng.random_range(0..40));
        match rng.random_range(0..17) {
            0..=2 => Op::KillPerson { person, writes, down_ms },
            3 | 4 => Op::KillRelay { relay, writes, down_ms },
            5..=7 => {
                Op::Cut { person, messages: rng.random_range(0..60), is_silent: rng.random_range(0..3) == 0 }
            }
            8 => Op::Slow { person, ms: rng.random_range(100..8_000), for_ms },
            9 => Op::Unreachable { person, for_ms },
            10 => Op::FullVault { person, room: rng.random_range(0..600_000), for_ms },
            11 => Op::FullStore { relay, room: rng.random_range(0..200_000), for_ms },
            12 => Op::PersonClock { person, days: wrong_days(rng), for_ms },
            13 => Op::RelayClock { relay, days: wrong_days(rng), for_ms },
            14 => {
                let what =
                    [Withheld::Deliveries, Withheld::Answers, Withheld::Confirmations, Withheld::Everything];
                let what = what.get(rng.random_range(0..what.len())).copied().unwrap_or(Withheld::Everything);
                Op::Withhold { relay, what, for_ms }
            }
            15 => Op::Close { person, down_ms },
            _ => {
                if rng.random() {
                    Op::Retry(person)
                } else {
                    Op::Forget(person)
                }
            }
        }
    }
}

fn wrong_days(rng: &mut SimRandom) -> i64 {
    let days = if rng.random() { rng.random_range(1..=3) } else { rng.random_range(4..=400) };
    if rng.random() { days } else { -days }
}

impl Op {
    /// Returns the number of milliseconds for which the fault of the entry lasts; `None` if the
    /// entry sets no such time.
    pub(crate) const fn lasts_ms(&self) -> Option<u64> {
        match self {
            Self::Slow { for_ms, .. }
            | Self::Unreachable { for_ms, .. }
            | Self::FullVault { for_ms, .. }
            | Self::FullStore { for_ms, .. }
            | Self::PersonClock { for_ms, .. }
            | Self::RelayClock { for_ms, .. }
            | Self::Withhold { for_ms, .. } => Some(*for_ms),
            _ => None,
        }
    }
}
