//! The supervisor of a client: starts the conversations that the engine's schedule wants, and does
//! its steps. It looks for work in passes, each of which begins with the situation at that time.

use super::{
    actor::{Actor, Ended, Next},
    driver::{Driver, Purpose},
    errands::Emptier,
    shell::{BACKOFF, GAP_WAIT_S, PATIENCE, PUTTER_IDLE, Place, RECEIPT_DELAY, Refused},
};
use crate::{
    breach::{Breach, Check, Checked},
    conversations::{
        Duty, DutyStep, PassSituation, PutConversation, PutTimes, ReadConversation, ReadTimes, Schedule,
        StepError,
    },
    sim::note,
};
use std::sync::Arc;

/// The supervisor of a running client. It holds no link.
pub(crate) struct Supervisor {
    schedule: Schedule,
    pass: Option<PassSituation>,
    /// The time before which no pass begins, in milliseconds of the run.
    rests_until_ms: u64,
    changes: u64,
}

/// The next wish of the supervisor: to continue at a time, or to start a conversation.
pub(crate) enum Wanted {
    Nothing(Next),
    Start(Box<dyn Actor>),
}

impl Supervisor {
    pub(crate) fn new(at: &Place<'_>) -> Self {
        let day = at.shell.engine.believed_day();
        let schedule = Schedule::new(day, RECEIPT_DELAY, at.shell.moment(at.sim));
        Self { schedule, pass: None, rests_until_ms: 0, changes: 0 }
    }

    /// Tells the schedule that a conversation has ended.
    pub(crate) fn note_end(&mut self, ended: &Ended, at: &Place<'_>) {
        match ended {
            Ended::Reader(relay) => self.schedule.on_read_end(relay),
            Ended::Putter(contact) => self.schedule.on_put_end(*contact),
            Ended::Emptier(contact, is_emptied) => {
                self.schedule.on_empty_end(*contact, *is_emptied, at.shell.moment(at.sim));
            }
            Ended::Invited(..) | Ended::Accepted(..) | Ended::Supervisor => {}
        }
    }

    /// Does the next duty of the schedule, or ends the pass if there is none.
    pub(crate) fn wake(&mut self, at: &mut Place<'_>) -> Checked<Wanted> {
        if at.shell.engine.is_dead() {
            return Ok(Wanted::Nothing(Next::Ended(Ended::Supervisor)));
        }
        if at.sim.now_ms < self.rests_until_ms {
            return Ok(Wanted::Nothing(Next::At(Some(self.rests_until_ms))));
        }
        let pass = match self.pass.take() {
            Some(pass) => pass,
            None => {
                self.changes = at.shell.changes;
                let Some(pass) = self.begin(at) else { return Ok(Wanted::Nothing(Next::Now)) };
                pass
            }
        };
        let mut rng = at.shell.rng.clone();
        let duty = self.schedule.next_duty(&at.shell.engine, &pass, &mut rng);
        let Some(duty) = duty else { return Ok(Wanted::Nothing(self.end_pass(at))) };
        let mut pass = pass;
        let wanted = match duty {
            Duty::Read(relay) => {
                let address =
                    relay.parse().map_err(|_| Breach::new(Check::Vault, "an address is damaged"))?;
                let times = ReadTimes { backoff: BACKOFF, patience: PATIENCE };
                let reading = ReadConversation::new(address, relay.clone(), times);
                Wanted::Start(Box::new(Driver::new(reading, Purpose::Read(relay))))
            }
            Duty::Put(contact) => {
                let times = PutTimes { backoff: BACKOFF, idle: PUTTER_IDLE };
                let putting = PutConversation::new(contact, times, Arc::clone(&at.shell.openings));
                Wanted::Start(Box::new(Driver::new(putting, Purpose::Put(contact))))
            }
            Duty::Empty(invite) => Wanted::Start(Box::new(Emptier::new(&invite))),
            Duty::ShowEmptied(..) => Wanted::Nothing(Next::Now),
            Duty::Step(step) => {
                self.step(step, &mut pass, at);
                Wanted::Nothing(Next::Now)
            }
        };
        self.pass = Some(pass);
        Ok(wanted)
    }

    fn step(&mut self, step: DutyStep, pass: &mut PassSituation, at: &mut Place<'_>) {
        note!(at.sim, "{}: {step:?}", at.shell.name());
        let done = at.shell.step(at.sim, |engine, time, today| step.run(engine, time, today));
        pass.now = at.shell.moment(at.sim);
        let done = done.map_err(|refused| match refused {
            Refused::Vault(error) => error,
            Refused::Engine(_) => StepError::Stopped,
        });
        // A vault that has failed is seen by the next look.
        let _ = self.schedule.on_step(done, pass);
    }

    /// Looks at the clock, and begins a pass. Returns `None` if the engine refused the look.
    fn begin(&mut self, at: &mut Place<'_>) -> Option<PassSituation> {
        let (time, days) = (at.shell.now_s(at.sim), at.shell.relay_days(at.sim));
        if at.shell.engine.is_clock_due(time, &days) {
            at.shell.step(at.sim, |_, _, today| Ok::<_, Refused>(today)).ok()?;
        }
        let read = at.shell.links.iter().filter(|(_, state)| state.is_read());
        self.schedule.begin_pass();
        Some(PassSituation {
            now: at.shell.moment(at.sim),
            time,
            today: at.shell.engine.believed_day(),
            flushes_receipts: false,
            gap_wait_s: GAP_WAIT_S,
            read: read.map(|(relay, _)| relay.clone()).collect(),
        })
    }

    fn end_pass(&mut self, at: &mut Place<'_>) -> Next {
        if let Some(pause) = self.schedule.pause() {
            self.rests_until_ms = at.sim.now_ms + u64::try_from(pause.as_millis()).unwrap_or(0);
            return Next::At(Some(self.rests_until_ms));
        }
        if self.changes != at.shell.changes {
            return Next::Now;
        }
        let deadline = self.schedule.deadline(at.shell.moment(at.sim));
        Next::At(Some(at.shell.at_ms(deadline)))
    }
}
