//! Floods of one and of many prefixes over simulated time, and what is remembered.

use super::*;

const RATES: Rates =
    Rates { per_s: 20, burst: 256, prefix_per_min: 120, prefix_burst: 64, unit: 1, proxies_percent: 0 };

fn far(number: u32) -> Prefix {
    Prefix::numbered(number)
}

/// Lets `flooders` prefixes ask for a token ten times a second each for a quarter of an hour, then
/// a prefix that never asked before once. Returns the number of tokens that the flooders got, and
/// the answer to the new prefix.
fn flood(flooders: u32, rates: &Rates) -> (u32, Result<(), u16>) {
    let mut shares = Shares::default();
    let mut got = 0;
    for round in 0..9_000_u64 {
        for number in 0..flooders {
            got += u32::from(shares.take(far(number), 1, rates, round * 100).is_ok());
        }
    }
    (got, shares.take(far(1_000_000), 1, rates, 900_000))
}

#[test]
fn a_flood_of_many_prefixes_keeps_no_other_one_out() {
    for flooders in [1, 6, 40, 300] {
        let (got, other) = flood(flooders, &RATES);
        assert_eq!(other, Ok(()), "beside {flooders}");
        assert!(got <= 256 + 20 * 900, "the rate over all holds: {got}");
    }
}

#[test]
fn a_newcomer_gets_as_much_as_each_flooder_got() {
    let mut shares = Shares::default();
    let mut got = 0;
    for round in 0..9_000_u64 {
        got += (0..40).filter(|number| shares.take(far(*number), 1, &RATES, round * 100).is_ok()).count();
    }
    // Each asks on, and the newcomer asks as often.
    let mut newcomer = 0;
    for round in 9_000..15_000_u64 {
        newcomer += usize::from(shares.take(far(1_000), 1, &RATES, round * 100).is_ok());
        for number in 0..40 {
            let _ = shares.take(far(number), 1, &RATES, round * 100);
        }
    }
    assert!(newcomer >= got / 40 / 4, "{newcomer} beside {}", got / 40);
}

#[test]
fn the_people_behind_a_proxy_have_their_part_beside_a_flood_of_many_prefixes() {
    for (percent, expected) in [(0, 0..10), (50, 300..301)] {
        let rates = Rates { proxies_percent: percent, ..RATES };
        let (mut shares, mut flood, mut behind) = (Shares::default(), 0, 0);
        // They took more than any flooder before.
        for step in 0..10_000_u64 {
            let _ = shares.take(Prefix::SHARED, 1, &rates, step * 50);
        }
        for round in 0..3_000_u64 {
            let now_ms = 500_000 + round * 100;
            flood += (0..40).filter(|number| shares.take(far(*number), 1, &rates, now_ms).is_ok()).count();
            behind += usize::from(round % 10 == 0 && shares.take(Prefix::SHARED, 1, &rates, now_ms).is_ok());
        }
        assert!(expected.contains(&behind), "{behind} at {percent} percent");
        assert!(flood + behind <= 256 + 20 * 300, "the rate over all holds: {flood} and {behind}");
        assert_eq!(shares.take(far(1_000), 1, &rates, 800_000), Ok(()), "one that took none finds some");
    }
}

#[test]
fn a_prefix_has_its_own_rate_and_the_shared_one_has_not() {
    let mut shares = Shares::default();
    let mut count = |prefix| (0..200).filter(|_| shares.take(prefix, 1, &RATES, 0).is_ok()).count();
    assert_eq!(count(far(1)), 64);
    // 160 are gone: a prefix that took as many recently may take no more.
    assert_eq!(count(Prefix::SHARED), 96);
    assert_eq!(count(far(2)), 31);
    assert_eq!(count(far(3)), 15, "a prefix that took none finds some");
}

#[test]
fn a_prefix_can_have_less_than_one_a_second() {
    let rates = Rates { prefix_per_min: 6, prefix_burst: 3, ..RATES };
    let mut shares = Shares::default();
    assert_eq!((0..9).filter(|_| shares.take(far(1), 1, &rates, 0).is_ok()).count(), 3);
    assert_eq!(shares.take(far(1), 1, &rates, 9_000), Err(1));
    assert_eq!(shares.take(far(1), 1, &rates, 10_000), Ok(()));
    assert_eq!(shares.take(far(1), 1, &rates, 10_000), Err(10));
}

#[test]
fn a_refusal_takes_nothing() {
    let mut shares = Shares::default();
    let rates = Rates { per_s: 1, burst: 2, prefix_per_min: 60, prefix_burst: 5, ..RATES };
    assert!(shares.take(far(1), 1, &rates, 0).is_ok());
    assert!(shares.take(Prefix::SHARED, 1, &rates, 0).is_ok());
    assert!((0..50).all(|_| shares.take(far(2), 1, &rates, 0).is_err()));
    assert_eq!(shares.recent[&far(2)].taken, 0);
    assert!(shares.take(far(2), 1, &rates, 1_000).is_ok());
}

#[test]
fn reach_falls_with_each_doubling_to_half() {
    assert_eq!([0, 1, 3, 7, 255, u64::MAX].map(|taken| reach(256, taken)), [256, 240, 224, 208, 128, 128]);
    assert_eq!(reach(1, u64::MAX), 1);
}

#[test]
fn prefixes_are_forgotten_and_never_too_many() {
    let mut shares = Shares::default();
    let rates = Rates { per_s: 1_000_000, burst: 1_000_000, ..RATES };
    for number in 0..40_000 {
        let _ = shares.take(far(number), 1, &rates, 0);
        assert!(shares.recent.len() <= MAX_PREFIXES && shares.order.len() == shares.recent.len());
    }
    shares.tidy(REMEMBERED_MS - 1);
    assert_eq!(shares.recent.len(), MAX_PREFIXES);
    shares.tidy(REMEMBERED_MS);
    assert!(shares.recent.is_empty() && shares.order.is_empty());
}

#[test]
fn requests_of_different_size_take_as_much_as_they_are() {
    let rates =
        Rates { per_s: 100, burst: 1_600, prefix_per_min: 600, prefix_burst: 1_000, unit: 100, ..RATES };
    let mut shares = Shares::default();
    assert_eq!(shares.take(far(1), 700, &rates, 0), Ok(()));
    assert_eq!(shares.take(far(1), 310, &rates, 0), Err(1));
    assert_eq!(shares.take(far(1), 400, &rates, 0), Err(10));
    assert_eq!(shares.take(far(1), 300, &rates, 0), Ok(()));
    assert_eq!(shares.recent[&far(1)].taken, 1_000);
    // Ten units are three doublings, which leave 1,300 of 1,600; 1,000 are gone.
    assert_eq!(shares.take(far(1), 310, &rates, 100_000_000), Ok(()), "after a long pause all is there");
    let mut shares = Shares::default();
    assert_eq!(shares.take(Prefix::SHARED, 1_000, &rates, 0), Ok(()));
    assert_eq!(shares.take(Prefix::SHARED, 400, &rates, 0), Err(1));
    assert_eq!(shares.take(Prefix::SHARED, 300, &rates, 0), Ok(()));
    assert_eq!(shares.take(far(2), 300, &rates, 0), Ok(()), "one that took none reaches all");
}
