//! Forty days of six people and three relays in one process, with people away, vaults put back and a relay that loses its disk.
//!
//! Everything is real but the time: clients with vaults on the disk, relays with stores on the disk, sockets between them. The test
//! moves the clock. In the end every text that `send` accepted is shown once, in order or marked as late, and told delivered, unless
//! its sender's vault was put back from an older copy, which is told to the sender.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "weeks/api.rs"]
mod api;
#[path = "weeks/ledger.rs"]
mod ledger;
#[path = "weeks/people.rs"]
mod people;
#[path = "weeks/relays.rs"]
mod relays;
#[path = "weeks/time.rs"]
mod time;
#[path = "weeks/verdict.rs"]
mod verdict;
#[path = "weeks/world.rs"]
mod world;

use std::{ops::RangeInclusive, time::Duration};

use people::Who;
use world::{ADA, BEN, CARA, DAN, EVE, FINN, SOUTH, World};

/// Maximum number of days after the plan's days, without new texts, in which missing texts still
/// come.
const SETTLING_DAYS: u32 = 10;

/// The events of a run, and the people to whom they happen. Everything else follows from the seed.
struct Plan {
    /// The seed of all random choices. The environment variable `DEADDROP_WEEKS_SEED` replaces it.
    seed: u64,
    days: u32,
    /// People and the days on which they are away, first and last included.
    away: Vec<(Who, RangeInclusive<u32>)>,
    /// People whose vault is copied and put back: the person, the day in whose evening the vault is
    /// copied, and the day in whose morning the copy is put back.
    restores: Vec<(Who, u32, u32)>,
    /// The index of a relay that loses its disk, and the day before whose morning this happens.
    loss: Option<(usize, u32)>,
}

impl Plan {
    fn is_away(&self, who: Who, day: u32) -> bool {
        who == FINN || self.away.iter().any(|(away, days)| *away == who && days.contains(&day))
    }

    /// Plays all days. Panics with a report if a text was lost, shown twice, or not told delivered,
    /// or another check of [`verdict`] fails.
    async fn play(self) {
        let seed = std::env::var("DEADDROP_WEEKS_SEED").map_or(self.seed, |seed| seed.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut world = World::begin(folder.path(), seed).await;
        world.meet().await;
        for day in 1..=self.days {
            if let Some((relay, _)) = self.loss.filter(|(_, lost)| *lost == day) {
                world.lose_relay(relay).await;
            }
            for (who, _, _) in self.restores.iter().filter(|(_, _, back)| *back == day) {
                world.put_back(*who, day);
            }
            let present: Vec<Who> = (ADA..=FINN).filter(|who| !self.is_away(*who, day)).collect();
            // Of the day's last texts nothing has been exchanged when a vault is copied, or put back.
            let is_cut_short = |(_, copied, back): &&(Who, u32, u32)| *copied == day || *back == day + 1;
            let cut_short: Vec<Who> =
                self.restores.iter().filter(is_cut_short).map(|(who, _, _)| *who).collect();
            // Others may stay connected over night, if they are there in the morning.
            let may_stay = |who: Who| !cut_short.contains(&who) && !self.is_away(who, day + 1);
            world.live_a_day(day, &present, &cut_short, may_stay).await;
            for (who, _, _) in self.restores.iter().filter(|(_, copied, _)| *copied == day) {
                world.copy(*who);
            }
        }
        for day in self.days + 1..=self.days + SETTLING_DAYS {
            if world.settle_a_day(day).await {
                break;
            }
        }
        world.look_at_all().await;
        world.verdict().pass(&world.notes);
    }
}

/// Plays the plan; panics if it does not end within 300 s.
async fn bounded(plan: Plan) {
    tokio::time::timeout(Duration::from_secs(300), Box::pin(plan.play()))
        .await
        .expect("the weeks do not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_forty_days_every_text_is_shown_once_and_told_delivered() {
    let plan = Plan {
        seed: 1,
        days: 40,
        // A relay keeps a text of 20 kB for 7 days, a small one for 30.
        away: vec![(CARA, 4..=11), (DAN, 10..=29), (EVE, 3..=37)],
        restores: vec![(BEN, 5, 8), (ADA, 17, 21), (CARA, 26, 28)],
        // While the mailboxes of people who are away are full.
        loss: Some((SOUTH, 15)),
    };
    bounded(plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_vaults_that_are_put_back_in_the_same_night_lose_no_text_in_silence() {
    let plan = Plan {
        seed: 2,
        days: 12,
        away: Vec::new(),
        restores: vec![(BEN, 3, 6), (CARA, 4, 6), (ADA, 7, 9)],
        loss: None,
    };
    bounded(plan).await;
}
