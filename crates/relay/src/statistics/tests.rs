//! Privacy and accuracy of the tables, over many days with seeded random bits. Each test of privacy
//! also runs on broken tables, and must find them.

use super::day_tables::{DayTables, ONES_OF_EIGHT, TABLE_NOISE};
use super::estimate::{Figure, of_mailboxes};
use super::history::DayFigures;
use super::table::{TABLES, Table, TableSet};
use crate::names::Handle;
use deaddrop_testkit::rng;
use deaddrop_wire::Day;

/// Number of slots of the tables in the tests of privacy, of which few make the tests fast.
const SLOTS: u32 = 64;
const TODAY: Day = Day::from_number(20_000);

/// The tables under test: sound ones, or ones with a planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    Sound,
    /// The tables begin with zeros in place of random bits.
    ZerosAtTheBeginning,
    /// A touched slot always becomes 1.
    PlainBits,
    /// A touched slot becomes 1 with the probability 7/8.
    LargeBias,
    /// The figures have no noise.
    NoNoise,
}

/// The moment at which the observed mailbox touches all tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Never,
    BeforeTheImage,
    AfterTheImage,
}

/// The parts of a day that an intruder sees.
struct View {
    /// The bits of the observed mailbox in the image of the tables.
    bits: [bool; TABLES],
    /// Each figure minus the number of ones in the image.
    excess: [i64; TABLES],
    /// Noisy number of blobs.
    blobs: u64,
}

fn all_tables() -> TableSet {
    Table::ALL.into_iter().fold(TableSet::default(), TableSet::with)
}

/// Runs a day in which eight other mailboxes and perhaps the observed one touch tables.
fn run_day(build: Build, used: Use, seed: u64) -> View {
    let random = &mut rng(seed);
    let mut tables = DayTables::begin(SLOTS, random);
    if build == Build::ZerosAtTheBeginning {
        tables.forget_beginning();
    }
    let ones = match build {
        Build::PlainBits => 8,
        Build::LargeBias => 7,
        _ => ONES_OF_EIGHT,
    };
    let observed = Handle::from_bytes([0xaa; 6]);
    for other in 0..8 {
        let set = TableSet::default().with(Table::Used).with(Table::ALL[usize::from(other)]);
        tables.touch_with(ones, Handle::from_bytes([other; 6]), set, random);
    }
    if used == Use::BeforeTheImage {
        tables.touch_with(ones, observed, all_tables(), random);
        tables.count_blob();
    }
    let image = tables.image().map(|bits| bits[0]);
    let mut bits = [false; TABLES];
    for ((bit, word), slot) in bits.iter_mut().zip(image).zip(tables.slots_of(observed)) {
        *bit = word >> slot & 1 == 1;
    }
    if used == Use::AfterTheImage {
        tables.touch_with(ones, observed, all_tables(), random);
        tables.count_blob();
    }
    let last = tables.image().map(|bits| bits[0].count_ones());
    let DayFigures { ones: noisy, blobs, .. } = tables.close(TODAY, random);
    let figures = if build == Build::NoNoise { last } else { noisy };
    let mut excess = [0; TABLES];
    for ((excess, figure), word) in excess.iter_mut().zip(figures).zip(image) {
        *excess = i64::from(figure) - i64::from(word.count_ones());
    }
    View { bits, excess, blobs }
}

/// A statement about a view, with the greatest epsilon that it may have.
type Statement = (String, f64, Box<dyn Fn(&View) -> bool>);

fn statements() -> Vec<Statement> {
    let of_a_bit = (4.0_f64 / 3.0).ln();
    let of_a_figure = 1.0 / f64::from(TABLE_NOISE);
    let mut all: Vec<Statement> = Vec::new();
    for table in 0..TABLES {
        for is_one in [false, true] {
            let holds = move |view: &View| view.bits[table] == is_one;
            all.push((format!("bit of table {table} is {is_one}"), of_a_bit, Box::new(holds)));
        }
        for least in [-12, -4, -1, 0, 1, 4, 12] {
            let holds = move |view: &View| view.excess[table] >= least;
            all.push((format!("excess of table {table} from {least}"), of_a_figure, Box::new(holds)));
            let holds = move |view: &View| view.excess[table] < least;
            all.push((format!("excess of table {table} below {least}"), of_a_figure, Box::new(holds)));
            let holds = move |view: &View| !view.bits[table] && view.excess[table] >= least;
            let both = of_a_bit + of_a_figure;
            all.push((format!("bit 0 and excess of table {table} from {least}"), both, Box::new(holds)));
        }
    }
    for most in 0..=TABLES {
        let ones = |view: &View| view.bits.iter().filter(|bit| **bit).count();
        let epsilon = 8.0 * of_a_bit;
        all.push((format!("at most {most} ones"), epsilon, Box::new(move |view| ones(view) <= most)));
        all.push((format!("more than {most} ones"), epsilon, Box::new(move |view| ones(view) > most)));
    }
    for least in [-60, -20, 0, 20, 60] {
        let holds = move |view: &View| view.excess.iter().sum::<i64>() >= least;
        all.push((format!("sum of excesses from {least}"), 8.0 * of_a_figure, Box::new(holds)));
    }
    for most in [0, 1, 4, 9, 20] {
        all.push((format!("at most {most} blobs"), 0.25, Box::new(move |view| view.blobs <= most)));
    }
    all
}

/// Returns the first statement that tells two kinds of days apart better than its epsilon allows,
/// by more than chance explains; `None` if there is none.
fn first_breach(build: Build, one: Use, other: Use, days: u64) -> Option<String> {
    let views = |used, first: u64| (first..first + days).map(move |seed| run_day(build, used, seed));
    let (a, b): (Vec<View>, Vec<View>) = (views(one, 1).collect(), views(other, 1 << 32).collect());
    statements().into_iter().find_map(|(text, epsilon, holds)| {
        let count = |views: &[View]| {
            f64::from(u32::try_from(views.iter().filter(|view| holds(view)).count()).unwrap())
        };
        let (a, b) = (count(&a), count(&b));
        let factor = epsilon.exp();
        let breaches = |more: f64, less: f64| {
            // Five standard deviations of the difference, if the days have the largest allowed one.
            more - factor * less > 5.0 * (more + factor * factor * less + 1.0).sqrt()
        };
        (breaches(a, b) || breaches(b, a)).then(|| format!("{text}: {a} and {b} of {days}"))
    })
}

#[test]
fn an_image_and_the_figures_tell_no_more_about_a_mailbox_than_epsilon_allows() {
    for used in [Use::BeforeTheImage, Use::AfterTheImage] {
        assert_eq!(first_breach(Build::Sound, used, Use::Never, 12_000), None, "{used:?}");
    }
}

#[test]
fn tables_that_tell_too_much_are_found() {
    for build in [Build::ZerosAtTheBeginning, Build::PlainBits, Build::LargeBias] {
        let breach = first_breach(build, Use::BeforeTheImage, Use::Never, 3_000);
        assert!(breach.is_some(), "{build:?}");
    }
    let breach = first_breach(Build::NoNoise, Use::AfterTheImage, Use::Never, 3_000);
    assert!(breach.is_some_and(|text| text.starts_with("excess")));
}

/// A touched slot shows the bias. Tables that never change would pass the tests above.
#[test]
fn a_touched_slot_is_drawn_with_its_bias() {
    let ones = |used| {
        let views = (1..4_000).map(|seed| run_day(Build::Sound, used, seed));
        views.map(|view| view.bits.iter().filter(|bit| **bit).count()).sum::<usize>()
    };
    let (touched, others) = (ones(Use::BeforeTheImage), ones(Use::Never));
    let of_all = |ones: usize| ones * 1_000 / (8 * 3_999);
    assert!((615..635).contains(&of_all(touched)), "{}", of_all(touched));
    // Of the other mailboxes some share a slot.
    assert!((490..525).contains(&of_all(others)), "{}", of_all(others));
}

#[test]
fn estimates_are_right_within_their_error_bars() {
    for (mailboxes, seed) in [(1_500_u32, 1), (4_096, 2), (6_000, 3)] {
        let (mut within, mut estimates, days) = (0, Vec::new(), 12_u32);
        for day in 0..days {
            let random = &mut rng(seed * 1_000 + u64::from(day));
            let mut tables = DayTables::begin(4_096, random);
            for number in 0..mailboxes {
                let mut handle = [0; 6];
                handle[..4].copy_from_slice(&number.to_le_bytes());
                tables.touch(Handle::from_bytes(handle), all_tables(), random);
            }
            for ones in tables.close(TODAY, random).ones {
                let (low, high) = match of_mailboxes(ones, 4_096) {
                    Figure::Few { fewer_than } => (0, fewer_than),
                    Figure::About { estimate, low, high } => {
                        estimates.push(estimate);
                        (low, high)
                    }
                    Figure::Many { more_than } => (more_than, u64::MAX),
                };
                within += u32::from((low..=high).contains(&u64::from(mailboxes)));
            }
        }
        let figures = days * u32::try_from(TABLES).unwrap();
        assert!(within * 100 >= figures * 90, "{mailboxes}: {within} of {figures}");
        estimates.sort_unstable();
        let (median, right) = (estimates[estimates.len() / 2], u64::from(mailboxes));
        assert!((right * 88 / 100..right * 112 / 100).contains(&median), "{mailboxes}: {median}");
    }
}

#[test]
fn a_day_has_the_same_form_whatever_mailboxes_were_used() {
    let figures = |mailboxes: u8| {
        let random = &mut rng(7);
        let mut tables = DayTables::begin(1_024, random);
        for number in 0..mailboxes {
            tables.touch(Handle::from_bytes([0x5a, number, 0x5a, 0x5a, number, 0x5a]), all_tables(), random);
        }
        let mut history = super::History::default();
        history.add(tables.close(TODAY, random));
        history.encode()
    };
    let (none, many) = (figures(0), figures(200));
    assert_eq!((none.len(), many.len()), (49, 49));
    assert!(!many.windows(2).any(|pair| pair == [0x5a, 0x5a]), "no part of a handle");
}
