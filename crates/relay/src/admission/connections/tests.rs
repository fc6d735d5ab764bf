//! Tests of evictions: single cases, random histories, and the number of operations.

use super::*;
use proptest::prelude::*;
use std::time::Instant;

const ONE: Prefix = Prefix::SHARED;

fn far(number: u32) -> Prefix {
    Prefix::numbered(number)
}

fn limits(connections: u32, half_open: u32) -> Limits {
    Limits { connections, half_open, ..Limits::DEFAULT }
}

impl Connections {
    fn has(&self, id: Id) -> bool {
        self.entries.contains_key(&id)
    }

    fn link(&mut self, prefix: Prefix, stage: Stage, limits: &Limits) -> Option<Id> {
        let (id, _) = self.connect(prefix, limits)?;
        self.progress(id, Stage::Shaking, limits);
        self.progress(id, stage, limits);
        Some(id)
    }

    /// Panics unless every count equals the one that is computed from the entries.
    fn check(&self) {
        for (stage, ranked) in [
            (Stage::Silent, &self.silent),
            (Stage::Shaking, &self.shaking),
            (Stage::Resting, &self.resting),
            (Stage::Reading, &self.reading),
        ] {
            assert_eq!(ranked.len(), self.entries.values().filter(|entry| entry.stage == stage).count());
        }
        let mut of_prefix = HashMap::new();
        for entry in self.entries.values() {
            *of_prefix.entry(entry.prefix).or_insert(0) += 1;
        }
        assert_eq!(of_prefix, self.of_prefix);
    }
}

#[test]
fn the_flooder_loses_its_own_silent_connections() {
    let limits = limits(5_000, 8);
    let mut all = Connections::default();
    let honest = all.connect(far(1), &limits).unwrap().0;
    let flood: Vec<Id> = (0..300).map(|_| all.connect(ONE, &limits).unwrap().0).collect();
    assert!(all.has(honest), "it is alone in its prefix");
    assert_eq!(flood.iter().filter(|id| all.has(**id)).count(), 3);
    assert!(flood[297..].iter().all(|id| all.has(*id)), "the oldest went first");
    // Another one of the flooder's own network gets in as well.
    let neighbour = all.connect(ONE, &limits).unwrap().0;
    assert!(all.has(neighbour) && all.has(honest));
    all.check();
}

#[test]
fn silent_connections_take_no_place_of_those_that_shake_hands() {
    let limits = limits(5_000, 8);
    let mut all = Connections::default();
    let shaking: Vec<Id> = (0..4)
        .map(|_| {
            let id = all.connect(ONE, &limits).unwrap().0;
            all.progress(id, Stage::Shaking, &limits);
            id
        })
        .collect();
    (0..300).for_each(|_| drop(all.connect(ONE, &limits).unwrap()));
    assert!(shaking.iter().all(|id| all.has(*id)));
    assert_eq!(all.half_open(), 8);
    // One more that shakes hands costs the oldest of these, and no silent one.
    all.link(ONE, Stage::Shaking, &limits).unwrap();
    assert!(!all.has(shaking[0]) && all.half_open() == 7);
    all.check();
}

#[test]
fn what_makes_progress_outlives_what_does_not() {
    let limits = limits(5_000, 4);
    let mut all = Connections::default();
    let [first, second] = [(); 2].map(|()| all.connect(ONE, &limits).unwrap().0);
    all.progress(first, Stage::Silent, &limits);
    all.connect(ONE, &limits).unwrap();
    assert!(all.has(first) && !all.has(second));
}

#[test]
fn the_people_behind_a_proxy_keep_their_part_of_the_places() {
    let limits = limits(20, 16);
    let mut all = Connections::default();
    let behind: Vec<Id> = (0..4).map(|_| all.connect(ONE, &limits).unwrap().0).collect();
    let shaking: Vec<Id> = (0..4).map(|_| all.link(ONE, Stage::Shaking, &limits).unwrap()).collect();
    for number in 0..300 {
        all.connect(far(1 + number % 3), &limits).unwrap();
        all.link(far(1 + number % 3), Stage::Shaking, &limits).unwrap();
    }
    assert!(behind.iter().chain(&shaking).all(|id| all.has(*id)), "half of each are theirs");
    // More than their part are theirs only until others need it.
    let flood: Vec<Id> = (0..300).map(|_| all.connect(ONE, &limits).unwrap().0).collect();
    let honest = all.connect(far(9), &limits).unwrap().0;
    (0..300).for_each(|_| drop(all.connect(ONE, &limits).unwrap()));
    assert!(all.has(honest) && !all.has(flood[299]));
    all.check();
    let mut all = Connections::default();
    let behind: Vec<Id> = (0..10).map(|_| all.link(ONE, Stage::Reading, &limits).unwrap()).collect();
    for number in 0..300 {
        all.link(far(1 + number % 3), Stage::Reading, &limits);
    }
    assert!(behind.iter().all(|id| all.has(*id)), "half of all places are theirs");
    assert!(all.link(far(9), Stage::Reading, &limits).is_some(), "for the place of a flooder's link");
    assert!(all.link(ONE, Stage::Reading, &limits).is_none(), "they have their part");
    all.check();
}

#[test]
fn resting_links_give_way_to_newcomers() {
    let limits = limits(6, 4);
    let mut all = Connections::default();
    let reader = all.link(far(2), Stage::Reading, &limits).unwrap();
    let honest = all.link(far(1), Stage::Resting, &limits).unwrap();
    let flood: Vec<Id> = (0..4).map(|_| all.link(ONE, Stage::Resting, &limits).unwrap()).collect();
    assert!(all.connect(far(3), &limits).is_some());
    assert!(all.has(reader) && all.has(honest) && !all.has(flood[0]), "the flooder's least recent link");
    // A connection that is used again is no longer the least recent.
    all.progress(flood[1], Stage::Resting, &limits);
    assert!(all.connect(far(4), &limits).is_some());
    assert!(all.has(flood[1]) && !all.has(flood[2]));
    all.check();
}

#[test]
fn readers_give_way_only_where_a_prefix_holds_more_than_its_share() {
    let limits = limits(6, 4);
    let mut all = Connections::default();
    let flood: Vec<Id> = (0..5).map(|_| all.link(far(1), Stage::Reading, &limits).unwrap()).collect();
    let honest = all.link(far(2), Stage::Reading, &limits).unwrap();
    let newcomer = all.link(far(3), Stage::Reading, &limits).expect("for the place of a flooder's link");
    assert!(!all.has(flood[0]) && all.has(honest) && all.has(newcomer));
    // The flooder itself gets no more places, and costs no other connection its own.
    assert!(all.connect(far(1), &limits).is_none());
    assert_eq!(all.len(), 6);
    // Where all have their share, the newcomer is refused.
    let mut even = Connections::default();
    for number in 0..6 {
        even.link(far(number), Stage::Reading, &limits).unwrap();
    }
    assert!(even.connect(far(7), &limits).is_none());
    let mut alone = Connections::default();
    for _ in 0..6 {
        alone.link(ONE, Stage::Reading, &limits).unwrap();
    }
    assert!(alone.connect(ONE, &limits).is_none(), "behind a proxy that names no one, all are one");
    assert_eq!((even.len(), alone.len()), (6, 6));
    even.check();
    alone.check();
}

#[test]
fn without_descriptors_readers_of_the_largest_prefix_give_way_at_last() {
    let limits = limits(5_000, 8);
    let mut all = Connections::default();
    let honest = all.link(far(1), Stage::Reading, &limits).unwrap();
    let flood: Vec<Id> = (0..3).map(|_| all.link(far(2), Stage::Reading, &limits).unwrap()).collect();
    let resting = all.link(far(3), Stage::Resting, &limits).unwrap();
    assert!(all.give_one_up(&limits) && !all.has(resting), "a link without a subscription goes first");
    assert!(all.give_one_up(&limits) && !all.has(flood[0]), "the oldest of the prefix beyond its share");
    assert!(all.give_one_up(&limits) && !all.has(flood[1]));
    assert!(!all.give_one_up(&limits), "none holds more than its share");
    assert!(all.has(honest) && all.has(flood[2]));
    all.check();
}

#[test]
fn a_prefix_at_its_limit_gives_up_its_own() {
    let limits = Limits { connections_per_prefix: 3, ..Limits::DEFAULT };
    let mut all = Connections::default();
    let other = all.connect(far(2), &limits).unwrap().0;
    let reader = all.link(far(1), Stage::Reading, &limits).unwrap();
    let silent = all.connect(far(1), &limits).unwrap().0;
    let resting = all.link(far(1), Stage::Resting, &limits).unwrap();
    let newcomer = all.link(far(1), Stage::Reading, &limits).unwrap();
    assert!(!all.has(silent) && all.has(resting));
    let last = all.link(far(1), Stage::Reading, &limits).unwrap();
    assert!(!all.has(resting));
    assert!(all.connect(far(1), &limits).is_none(), "three readers");
    assert!([other, reader, newcomer, last].iter().all(|id| all.has(*id)));
    // A connection that a proxy names counts there.
    let proxied = all.connect(ONE, &limits).unwrap().0;
    assert!(!all.relocate(proxied, far(1), &limits) && !all.has(proxied));
    let proxied = all.connect(ONE, &limits).unwrap().0;
    assert!(all.relocate(proxied, far(3), &limits) && all.count(far(3)) == 1 && all.count(ONE) == 0);
    all.check();
}

#[test]
fn connections_that_a_proxy_announces_find_places_beside_links_of_loopback() {
    let limits = limits(6, 4);
    let mut all = Connections::default();
    let held: Vec<Id> = (0..6).map(|_| all.link(ONE, Stage::Reading, &limits).unwrap()).collect();
    let first = all.connect(Prefix::ANNOUNCED, &limits).expect("for the place of one of six").0;
    assert!(!all.has(held[0]) && all.relocate(first, far(1), &limits));
    let second = all.connect(Prefix::ANNOUNCED, &limits).unwrap().0;
    assert!(!all.has(held[1]) && all.relocate(second, far(1), &limits));
    all.check();
}

#[test]
fn announced_connections_that_stay_silent_end_each_other_first() {
    // Two silent places, of which loopback and announced connections keep one together.
    let limits = limits(100, 4);
    let mut all = Connections::default();
    let local = all.connect(ONE, &limits).unwrap().0;
    let burst: Vec<Id> = (0..9).map(|_| all.connect(Prefix::ANNOUNCED, &limits).unwrap().0).collect();
    assert!(all.has(local) && all.has(burst[8]) && !burst[..8].iter().any(|id| all.has(*id)));
    let far_away = all.connect(far(1), &limits).unwrap().0;
    assert!(all.has(far_away), "together they hold more than they keep");
    all.check();
}

#[test]
fn a_place_costs_little_among_five_thousand() {
    let limits = Limits { connections_per_prefix: 5_000, ..limits(5_000, 256) };
    let mut all = Connections::default();
    for number in 0..5_000 {
        let stage = if number % 2 == 0 { Stage::Reading } else { Stage::Resting };
        all.link(far(number % 700), stage, &limits).unwrap();
    }
    let begun = Instant::now();
    for number in 0..10_000 {
        all.link(far(number % 3_000), Stage::Resting, &limits);
    }
    println!("a connection among 5,000: {:?}", begun.elapsed() / 10_000);
    all.check();
}

proptest! {
    #[test]
    fn counts_are_right_after_any_history(steps in proptest::collection::vec((0_u8..8, 0_u32..5, 0_usize..40), 0..200)) {
        let limits = Limits { connections: 12, half_open: 6, connections_per_prefix: 5, ..Limits::DEFAULT };
        let mut all = Connections::default();
        let mut ids = vec![0];
        for (step, number, at) in steps {
            let prefix = match number {
                0 => ONE,
                4 => Prefix::ANNOUNCED,
                number => far(number),
            };
            let id = ids[at % ids.len()];
            match step {
                0..3 => ids.extend(all.connect(prefix, &limits).map(|(id, _)| id)),
                3 => all.progress(id, Stage::Shaking, &limits),
                4 => all.progress(id, Stage::Resting, &limits),
                5 => all.progress(id, Stage::Reading, &limits),
                6 => { all.relocate(id, prefix, &limits); }
                _ => all.leave(id),
            }
            all.check();
            prop_assert!(all.len() <= 12 && all.half_open() <= 6);
            prop_assert!((1..4).all(|number| all.count(far(number)) <= 5));
        }
    }
}
