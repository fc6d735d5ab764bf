//! Replaying a conversation between two people through a relay, with flights and crashes, and counting what arrived.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use super::{
    person::{News, Person},
    plan::{Flight, Pair, Plan, Side},
    relay_process::RelayProcess,
    tally::Tally,
};
use crate::failure::Failure;

/// Maximum time without an event at either person or, once all lines have receipts, without a
/// change of the relay's number of blobs. After it the replay ends, and its figures show what is
/// missing.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum time at the end of a flight for the side that is online to get everything stored at the
/// relay that the other side misses.
const STORE_PATIENCE: Duration = Duration::from_secs(20);
/// Maximum time in milliseconds between a line and the kill of the relay that it triggers: a random
/// time up to this hits the line's put, delivery or ack.
const CRASH_DELAY_MS: u64 = 15;
/// Time between two counts of the relay's blobs at the end of a replay.
const INSPECT_EVERY: Duration = Duration::from_millis(200);

/// The result of a replay.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Number of lines in the transcript.
    #[serde(skip)]
    pub lines: usize,
    /// Number of lines that the senders' vaults have taken.
    pub sent: usize,
    /// Number of lines that the receivers' apps got, each counted once.
    pub delivered: usize,
    /// Number of lines of the transcript that the receivers' apps did not get.
    pub lost: usize,
    /// Number of arrivals beyond the first of a line, or of a text that is no line.
    pub duplicated: usize,
    /// Number of lines that arrived, but not in the order of the transcript.
    pub out_of_order: usize,
    /// Number of blobs at the relay at the end; `None` if the relay could not be asked.
    pub relay_blobs: Option<u64>,
    /// Number of flights that have ended.
    pub flights: usize,
    /// Number of times that the relay was killed.
    pub crashes: usize,
    /// Duration of the replay in seconds.
    pub seconds: f64,
}

impl Figures {
    /// Whether every line arrived once and in order, and the relay holds no blob.
    pub fn is_clean(&self) -> bool {
        let whole = self.sent == self.lines && self.delivered == self.lines;
        whole
            && self.lost == 0
            && self.duplicated == 0
            && self.out_of_order == 0
            && self.relay_blobs == Some(0)
    }

    /// Returns the last line of a replay for people, with the figures.
    pub fn line(&self) -> String {
        let blobs = self.relay_blobs.map_or_else(|| "?".to_owned(), |blobs| blobs.to_string());
        format!(
            "{} of {} delivered, {} lost, {} duplicated, {} out of order; relay holds {blobs} blobs",
            self.delivered, self.lines, self.lost, self.duplicated, self.out_of_order
        )
    }
}

/// A replay under way. Its figures can be taken whether it ended well or not.
pub struct Replay<'a> {
    plan: &'a Plan,
    relay: &'a mut RelayProcess,
    people: &'a mut Pair<Person>,
    /// Number of lines that each side has said.
    said: Pair<usize>,
    flights: usize,
    flying: Option<&'a Flight>,
    crashes: usize,
    rng: StdRng,
    bar: ProgressBar,
    begin: Instant,
}

impl<'a> Replay<'a> {
    /// Creates a replay between two people who are connected.
    pub fn new(plan: &'a Plan, relay: &'a mut RelayProcess, people: &'a mut Pair<Person>, seed: u64) -> Self {
        let said = Pair { one: 0, two: 0 };
        let rng = StdRng::seed_from_u64(seed);
        let begin = Instant::now();
        Self {
            plan,
            relay,
            people,
            said,
            flights: 0,
            flying: None,
            crashes: 0,
            rng,
            bar: bar(plan.lines()),
            begin,
        }
    }

    /// Says all lines, with the flights and the crashes, and waits until all have receipts and the
    /// relay holds no blob. Fails if nothing moves for [`PATIENCE`], or if a person's client or the
    /// relay fails.
    pub async fn run(&mut self) -> Result<(), Failure> {
        loop {
            self.take_off().await?;
            self.speak().await?;
            if self.land().await? {
                continue;
            }
            if self.is_said_and_got() {
                break;
            }
            self.listen().await?;
        }
        self.settle().await
    }

    /// Takes the events that the vaults of both people hold now, who go online for it, and returns
    /// the figures of the replay up to now.
    pub async fn figures(&mut self) -> Figures {
        for side in Side::BOTH {
            self.people.of_mut(side).drain().await;
        }
        let tally = Side::BOTH.map(|side| {
            let expected: Vec<_> =
                self.plan.sayings.of(side.other()).iter().map(|saying| saying.text.as_str()).collect();
            Tally::compare(&expected, &self.people.of(side).texts())
        });
        let tally = tally.into_iter().fold(Tally::default(), Tally::plus);
        self.bar.finish_and_clear();
        Figures {
            lines: self.plan.lines(),
            sent: self.said.one + self.said.two,
            delivered: tally.delivered,
            lost: tally.lost,
            duplicated: tally.duplicated,
            out_of_order: tally.out_of_order,
            relay_blobs: self.relay.blobs().await.ok(),
            flights: self.flights,
            crashes: self.crashes,
            seconds: self.begin.elapsed().as_secs_f64(),
        }
    }

    /// Begins the next flight (see [`Flight`]) if the line at its start, or a later one, is next to
    /// be said, or none is left. Does nothing during a flight.
    async fn take_off(&mut self) -> Result<(), Failure> {
        let Some(flight) = self.plan.flights.get(self.flights).filter(|_| self.flying.is_none()) else {
            return Ok(());
        };
        let next = Side::BOTH.iter().filter_map(|&side| self.next_place(side)).min();
        if next.is_none_or(|place| place >= flight.lines.start) {
            self.people.of_mut(flight.side).close().await;
            self.flying = Some(flight);
            self.bar.set_message("somebody is offline");
        }
        Ok(())
    }

    /// Says every line that may be said now, and kills the relay after the lines of the plan.
    async fn speak(&mut self) -> Result<(), Failure> {
        for side in Side::BOTH {
            while let Some(saying) =
                self.plan.sayings.of(side).get(*self.said.of(side)).filter(|_| self.may_speak(side))
            {
                self.people.of_mut(side).send(&saying.text).await?;
                *self.said.of_mut(side) += 1;
                while self
                    .plan
                    .crashes
                    .get(self.crashes)
                    .is_some_and(|&crash| crash <= self.said.one + self.said.two)
                {
                    self.crash().await?;
                }
            }
        }
        Ok(())
    }

    /// Whether the next line of a side may be said: its speaker is not in flight, and the line
    /// belongs to the flight of the other side, or comes before it, or the speaker has got all
    /// lines of the other side before it. `false` if no line is left.
    fn may_speak(&self, side: Side) -> bool {
        let Some(saying) = self.plan.sayings.of(side).get(*self.said.of(side)) else { return false };
        match self.flying {
            Some(flight) if flight.side == side => false,
            Some(flight) if saying.place < flight.lines.end => true,
            _ => self.people.of(side).got() >= saying.after,
        }
    }

    /// Ends the flight, if there is one; by then the side that is online has said all lines that
    /// the other side was meant to miss. Waits up to [`STORE_PATIENCE`] until the relay has stored
    /// them. Returns whether there was a flight. Fails if the client cannot be opened.
    async fn land(&mut self) -> Result<bool, Failure> {
        let Some(flight) = self.flying else { return Ok(false) };
        let ground = flight.side.other();
        let begin = Instant::now();
        while self.people.of(ground).queued().await? > 0 && begin.elapsed() < STORE_PATIENCE {
            sleep(Duration::from_millis(5)).await;
        }
        self.people.of_mut(flight.side).open().await?;
        self.flights += 1;
        self.flying = None;
        self.bar.set_message("");
        Ok(true)
    }

    async fn crash(&mut self) -> Result<(), Failure> {
        sleep(Duration::from_millis(self.rng.random_range(0..=CRASH_DELAY_MS))).await;
        self.relay.kill().await?;
        self.crashes += 1;
        self.bar.set_message("the relay was killed");
        self.relay.restart().await?;
        self.bar.set_message("");
        Ok(())
    }

    /// Waits for the next event at either person. Fails after [`PATIENCE`] without any.
    async fn listen(&mut self) -> Result<News, Failure> {
        let Pair { one, two } = &mut *self.people;
        let either = async {
            tokio::select! {
                news = one.next() => news,
                news = two.next() => news,
            }
        };
        let news =
            timeout(PATIENCE, either).await.map_err(|_| Failure::new("nothing has moved for a minute"))??;
        self.bar.set_position(Side::BOTH.iter().map(|&side| self.people.of(side).got() as u64).sum());
        Ok(news)
    }

    /// Waits until all lines have receipts and the relay holds no blob. Fails if nothing moves for
    /// [`PATIENCE`].
    async fn settle(&mut self) -> Result<(), Failure> {
        while Side::BOTH.iter().any(|&side| self.people.of(side).receipted() < *self.said.of(side) as u64) {
            self.listen().await?;
        }
        let (mut moved, mut held) = (Instant::now(), u64::MAX);
        loop {
            let now = self.relay.blobs().await?;
            if now == 0 {
                return Ok(());
            }
            if now != held {
                (moved, held) = (Instant::now(), now);
            }
            if moved.elapsed() > PATIENCE {
                return Err(Failure::new("the relay has not forgotten anything for a minute"));
            }
            sleep(INSPECT_EVERY).await;
        }
    }

    fn next_place(&self, side: Side) -> Option<usize> {
        self.plan.sayings.of(side).get(*self.said.of(side)).map(|saying| saying.place)
    }

    fn is_said_and_got(&self) -> bool {
        let all = |side: Side| {
            let lines = self.plan.sayings.of(side).len();
            *self.said.of(side) == lines && self.people.of(side.other()).got() >= lines
        };
        self.flights == self.plan.flights.len() && Side::BOTH.into_iter().all(all)
    }
}

fn bar(lines: usize) -> ProgressBar {
    let shown = std::io::stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(lines as u64), target);
    match ProgressStyle::with_template("{bar:40} {pos} of {len} lines  {elapsed}  {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
