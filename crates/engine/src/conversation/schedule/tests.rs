//! The schedule over an engine that is made up, in virtual time.

use super::*;
use deaddrop_link::capability::ReadCapability;
use rand::{SeedableRng, rngs::StdRng};

#[derive(Default)]
struct FakeAgenda {
    relays: Vec<String>,
    puts: Vec<u32>,
    receipts: Vec<u32>,
    to_empty: Vec<u32>,
    /// The time, in seconds, at which a message behind a missing one is given to the app; `None`:
    /// none waits.
    gap: Option<u64>,
}

impl Agenda for FakeAgenda {
    fn reading_relays(&self) -> Vec<String> {
        self.relays.clone()
    }

    fn contacts_with_puts(&self) -> Vec<u32> {
        self.puts.clone()
    }

    fn receipts_due(&self) -> Vec<u32> {
        self.receipts.clone()
    }

    fn invites_to_empty(&self) -> Vec<InviteToEmpty> {
        let relay = "ws://relay.example:1/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let read = || ReadCapability::from_bytes([5; 32]);
        let taken =
            |contact: &u32| InviteToEmpty { contact: *contact, relay: relay.parse().unwrap(), read: read() };
        self.to_empty.iter().map(taken).collect()
    }

    fn has_ended_invites(&self, _: Day) -> bool {
        false
    }

    fn is_missing_due(&self, _: u64) -> bool {
        false
    }

    fn resets_due(&self, _: u64, _: Day) -> bool {
        false
    }

    fn is_sentinel_due(&self, _: u64) -> bool {
        false
    }

    fn is_tidy_due(&self, _: &BTreeSet<String>, _: Day) -> bool {
        false
    }

    fn gap_due(&self, time: u64, _: u64, _: &BTreeSet<String>) -> Option<u64> {
        self.gap.map(|at| at.saturating_sub(time))
    }
}

/// A schedule with a clock, the engine's answers, and a list of the tasks that were done.
struct World {
    schedule: Schedule,
    agenda: FakeAgenda,
    at: PassSituation,
    rng: StdRng,
    /// The outcome of each step of the engine.
    step: Result<bool, StepError>,
    /// Whether emptying an invite mailbox succeeds; `None`: the emptying does not end.
    empties: Option<bool>,
    done: Vec<(u64, String)>,
}

const DAY: Day = Day::from_number(20_000);

impl World {
    fn new(agenda: FakeAgenda) -> Self {
        let delay = Duration::from_secs(2)..Duration::from_secs(30);
        Self {
            schedule: Schedule::new(DAY, delay, Moment::default()),
            agenda,
            at: PassSituation {
                now: Moment::default(),
                time: 0,
                today: DAY,
                flushes_receipts: false,
                gap_wait_s: 30,
                read: BTreeSet::new(),
            },
            rng: StdRng::seed_from_u64(1),
            step: Ok(true),
            empties: Some(true),
            done: Vec::new(),
        }
    }

    /// Lets this many seconds pass, and runs a pass at each deadline, at least one.
    fn go_on(&mut self, seconds: u64) {
        let end = self.at.now.plus(Duration::from_secs(seconds));
        loop {
            self.pass();
            let mut next = self.schedule.deadline(self.at.now);
            assert!(next > self.at.now || !self.schedule.duties.is_empty(), "a pass must not begin at once");
            if let Some(pause) = self.schedule.pause() {
                next = next.max(self.at.now.plus(pause));
            }
            if next > end {
                break;
            }
            self.at.now = next;
            self.at.time = next.since_start().as_secs();
        }
        self.at.now = end;
        self.at.time = end.since_start().as_secs();
    }

    fn pass(&mut self) {
        self.schedule.begin_pass();
        while let Some(duty) = self.schedule.next_duty(&self.agenda, &self.at, &mut self.rng) {
            let done = match duty {
                Duty::Read(relay) => format!("read {relay}"),
                Duty::Put(contact) => format!("put {contact}"),
                Duty::Empty(invite) => {
                    if let Some(is_emptied) = self.empties {
                        self.schedule.on_empty_end(invite.contact, is_emptied, self.at.now);
                    }
                    format!("empty {}", invite.contact)
                }
                Duty::ShowEmptied(contact, is_emptied) => format!("show {contact} {is_emptied}"),
                Duty::Step(step) => {
                    match &step {
                        DutyStep::NoteEmptied(contact) => self.agenda.to_empty.retain(|id| id != contact),
                        DutyStep::SealReceipt(contact) if self.step == Ok(true) => {
                            self.agenda.receipts.retain(|id| id != contact);
                        }
                        DutyStep::ShowGaps(..) if self.step.is_ok() => self.agenda.gap = None,
                        _ => {}
                    }
                    let _ = self.schedule.on_step(self.step, &self.at);
                    format!("{step:?}")
                }
            };
            self.done.push((self.at.time, done));
        }
    }

    /// Returns the seconds at which the task with this name was done.
    fn times(&self, wanted: &str) -> Vec<u64> {
        self.done.iter().filter(|(_, done)| done == wanted).map(|(at, _)| *at).collect()
    }
}

#[test]
fn a_link_is_wanted_once_until_it_has_ended() {
    let agenda = FakeAgenda { relays: vec!["a".into()], puts: vec![1, 2], ..FakeAgenda::default() };
    let mut world = World::new(agenda);
    world.go_on(200);
    assert_eq!(
        (world.times("read a"), world.times("put 1"), world.times("put 2")),
        (vec![0], vec![0], vec![0])
    );
    world.schedule.on_put_end(1);
    world.schedule.on_read_end("a");
    world.go_on(0);
    assert_eq!((world.times("read a"), world.times("put 1")), (vec![0, 200], vec![0, 200]));
    assert_eq!(world.times("put 2"), [0]);
}

#[test]
fn a_receipt_waits_for_its_time_and_leaves_at_once_when_it_is_flushed() {
    let mut world = World::new(FakeAgenda { receipts: vec![1], ..FakeAgenda::default() });
    world.go_on(60);
    let sealed = world.times("SealReceipt(1)");
    assert!(sealed.len() == 1 && (2..30).contains(&sealed[0]), "{sealed:?}");
    world.agenda.receipts = vec![2];
    world.at.flushes_receipts = true;
    world.go_on(0);
    assert_eq!(world.times("SealReceipt(2)"), [60]);
    // One that cannot be sealed is not tried again at once, though it is flushed.
    world.agenda.receipts = vec![3];
    world.step = Ok(false);
    world.go_on(59);
    assert_eq!(world.times("SealReceipt(3)"), [60]);
    world.go_on(30);
    assert_eq!(world.times("SealReceipt(3)"), [60, 120]);
}

#[test]
fn an_invite_is_emptied_less_and_less_often_until_it_is_empty() {
    let mut world = World::new(FakeAgenda { to_empty: vec![1], ..FakeAgenda::default() });
    world.empties = Some(false);
    world.go_on(200);
    assert_eq!(world.times("empty 1"), [0, 5, 15, 35, 75, 155]);
    assert_eq!(world.times("show 1 false").len(), 6);
    world.empties = Some(true);
    world.go_on(400);
    assert_eq!(world.times("empty 1")[6..], [315]);
    assert_eq!((world.times("show 1 true"), world.times("NoteEmptied(1)")), (vec![315], vec![315]));
}

/// Two links that empty one mailbox at the same time would displace each other as its reader.
#[test]
fn an_emptying_that_takes_long_is_not_begun_again_beside_itself() {
    let mut world = World::new(FakeAgenda { to_empty: vec![1], ..FakeAgenda::default() });
    world.empties = None;
    world.go_on(120);
    assert_eq!(world.times("empty 1"), [0]);
}

#[test]
fn the_day_begins_once_and_again_if_the_vault_had_no_room_for_it() {
    let mut world = World::new(FakeAgenda::default());
    world.go_on(100);
    assert!(world.times("BeginDay").is_empty());
    world.at.today = DAY.plus(1);
    world.step = Err(StepError::NoRoom);
    world.go_on(0);
    assert_eq!(world.schedule.pause(), Some(VAULT_PAUSE));
    world.step = Ok(true);
    world.go_on(500);
    let begun = world.times("BeginDay");
    assert!(begun.len() == 2 && begun[0] == 100, "{begun:?}");
}

#[test]
fn a_gap_is_shown_when_it_has_waited_for_long_enough() {
    let mut world = World::new(FakeAgenda { gap: Some(17), ..FakeAgenda::default() });
    world.go_on(100);
    assert_eq!(world.times("ShowGaps(30, {})"), [17]);
    assert_eq!(world.times("RetryStale"), [0, 60], "looked at once a minute");
}

#[test]
fn a_failed_vault_ends_it() {
    let mut world = World::new(FakeAgenda { receipts: vec![1], ..FakeAgenda::default() });
    world.schedule.step = Some(DutyStep::RetryStale);
    assert_eq!(world.schedule.on_step(Err(StepError::Stopped), &world.at), Err(StepError::Stopped));
}
