//! Privacy and accuracy of the tables, over many days with seeded random bits. Each test of privacy
//! also runs on broken tables, and must find them.

use super::day_tables::DayTables;
use super::estimate::{Figure, of_mailboxes};
use super::parameters::{BLOB_NOISE, ONES_OF_EIGHT, TABLE_NOISE};
use super::table::{TABLES, Table, TableSet};
use crate::names::Handle;
use deaddrop_testkit::rng;
use deaddrop_wire::Day;
use rand::CryptoRng;

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
    /// A slot that is 1 stays 1 when it is touched.
    KeptOnes,
    /// The figures of the tables have no noise.
    NoNoise,
    /// The noise of all figures has this scale.
    WeakNoise(u32),
    /// The count of blobs begins at zero.
    BlobsFromZero,
    /// The figure of the blobs has no noise.
    NoBlobNoise,
}

/// The moment at which the observed mailbox touches all tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Never,
    BeforeTheImage,
    /// Ten times before the image, of which one is a put.
    OftenBeforeTheImage,
    AfterTheImage,
    /// After the image, and all of its bits become 1: the coin is known.
    WithKnownBitsAfterTheImage,
}

/// The parts of a day that an intruder sees.
struct View {
    /// The bits of the observed mailbox in the image of the tables.
    bits: [bool; TABLES],
    /// Each figure minus the number of ones in the image.
    excess: [i64; TABLES],
    /// The count of blobs in the image.
    blobs: i64,
    /// The figure of the blobs minus the count in the image.
    blobs_excess: i64,
}

fn all_tables() -> TableSet {
    Table::ALL.into_iter().fold(TableSet::default(), TableSet::with)
}

/// Returns the handle of the mailbox with this number.
fn numbered(number: u32) -> Handle {
    let mut handle = [0; 6];
    handle[..4].copy_from_slice(&number.to_le_bytes());
    Handle::from_bytes(handle)
}

/// Touches all tables by the mailboxes with these numbers.
fn touch_by(tables: &mut DayTables, numbers: std::ops::Range<u32>, random: &mut impl CryptoRng) {
    for number in numbers {
        tables.touch(numbered(number), all_tables(), random);
    }
}

fn bits_of(tables: &DayTables, handle: Handle) -> [bool; TABLES] {
    let (image, slots) = (tables.image(), tables.slots_of(handle));
    std::array::from_fn(|table| image[table][0] >> slots[table] & 1 == 1)
}

/// Touches tables with the coin of the build.
fn touch(build: Build, tables: &mut DayTables, handle: Handle, set: TableSet, random: &mut impl CryptoRng) {
    let ones = match build {
        Build::PlainBits => 8,
        Build::LargeBias => 7,
        _ => ONES_OF_EIGHT,
    };
    if build == Build::KeptOnes {
        let before = bits_of(tables, handle);
        let set = Table::ALL.into_iter().zip(before).filter(|(table, bit)| set.has(*table) && !bit);
        let set = set.fold(TableSet::default(), |set, (table, _)| set.with(table));
        tables.touch_with(ones, handle, set, random);
    } else {
        tables.touch_with(ones, handle, set, random);
    }
}

/// Runs a day in which eight other mailboxes and perhaps the observed one touch tables.
fn run_day(build: Build, used: Use, seed: u64) -> View {
    let random = &mut rng(seed);
    let mut tables = DayTables::begin(SLOTS, random);
    match build {
        Build::ZerosAtTheBeginning => tables.forget_beginning(),
        Build::BlobsFromZero => tables.forget_blob_noise(),
        _ => {}
    }
    let observed = Handle::from_bytes([0xaa; 6]);
    for other in 0..8 {
        let set = TableSet::default().with(Table::Used).with(Table::ALL[usize::from(other)]);
        touch(build, &mut tables, Handle::from_bytes([other; 6]), set, random);
    }
    let times = match used {
        Use::BeforeTheImage => 1,
        Use::OftenBeforeTheImage => 10,
        _ => 0,
    };
    for time in 0..times {
        touch(build, &mut tables, observed, all_tables(), random);
        if time == 0 {
            tables.count_blob();
        }
    }
    let (bits, blobs) = (bits_of(&tables, observed), tables.blobs_in_image());
    let image = tables.image().map(|bits| bits[0].count_ones());
    if used == Use::AfterTheImage {
        touch(build, &mut tables, observed, all_tables(), random);
        tables.count_blob();
    } else if used == Use::WithKnownBitsAfterTheImage {
        tables.touch_with(8, observed, all_tables(), random);
        tables.count_blob();
    }
    let last = tables.image().map(|bits| bits[0].count_ones());
    let last_blobs = tables.blobs_in_image().max(0).unsigned_abs();
    let (noisy, noisy_blobs) = match build {
        Build::WeakNoise(scale) => tables.draw_figures_with(scale, scale, random),
        _ => tables.draw_figures(random),
    };
    let figures = if build == Build::NoNoise { last } else { noisy };
    let blobs_figure = if build == Build::NoBlobNoise { last_blobs } else { noisy_blobs };
    let mut excess = [0; TABLES];
    for ((excess, figure), image) in excess.iter_mut().zip(figures).zip(image) {
        *excess = i64::from(figure) - i64::from(image);
    }
    View { bits, excess, blobs, blobs_excess: i64::try_from(blobs_figure).unwrap() - blobs }
}

/// A statement about a view, with the greatest epsilon that it may have. The function returns the
/// number of tables for which the statement holds, at most 1 for a statement about a whole view.
type Statement = (String, f64, Box<dyn Fn(&View) -> usize>);

fn statements() -> Vec<Statement> {
    let of_a_bit = (4.0_f64 / 3.0).ln();
    let of_a_figure = 1.0 / f64::from(TABLE_NOISE);
    let of_the_blobs = 1.0 / f64::from(BLOB_NOISE);
    let mut all: Vec<Statement> = Vec::new();
    let mut add = |text: String, epsilon: f64, holds: Box<dyn Fn(&View) -> bool>| {
        all.push((text, epsilon, Box::new(move |view| usize::from(holds(view)))));
    };
    for table in 0..TABLES {
        for is_one in [false, true] {
            let holds = move |view: &View| view.bits[table] == is_one;
            add(format!("bit of table {table} is {is_one}"), of_a_bit, Box::new(holds));
        }
        for least in [-12, -4, -1, 0, 1, 4, 12] {
            let holds = move |view: &View| view.excess[table] >= least;
            add(format!("excess of table {table} from {least}"), of_a_figure, Box::new(holds));
            let holds = move |view: &View| view.excess[table] < least;
            add(format!("excess of table {table} below {least}"), of_a_figure, Box::new(holds));
            let holds = move |view: &View| !view.bits[table] && view.excess[table] >= least;
            let both = of_a_bit + of_a_figure;
            add(format!("bit 0 and excess of table {table} from {least}"), both, Box::new(holds));
        }
    }
    for most in 0..=TABLES {
        let ones = |view: &View| view.bits.iter().filter(|bit| **bit).count();
        let epsilon = 8.0 * of_a_bit;
        add(format!("at most {most} ones"), epsilon, Box::new(move |view| ones(view) <= most));
        add(format!("more than {most} ones"), epsilon, Box::new(move |view| ones(view) > most));
    }
    for least in [-60, -20, 0, 20, 60] {
        let holds = move |view: &View| view.excess.iter().sum::<i64>() >= least;
        add(format!("sum of excesses from {least}"), 8.0 * of_a_figure, Box::new(holds));
    }
    for least in [-12, -4, -1, 0, 1, 2, 4, 12] {
        let text = format!("blobs in the image from {least}");
        add(text, of_the_blobs, Box::new(move |view| view.blobs >= least));
        let text = format!("blobs in the image below {least}");
        add(text, of_the_blobs, Box::new(move |view| view.blobs < least));
    }
    for least in [-12, -4, -1, 0, 1, 2, 4, 12] {
        let text = format!("excess of blobs from {least}");
        add(text, of_the_blobs, Box::new(move |view| view.blobs_excess >= least));
        let text = format!("excess of blobs below {least}");
        add(text, of_the_blobs, Box::new(move |view| view.blobs_excess < least));
        let text = format!("blobs from {least}");
        add(text, of_the_blobs, Box::new(move |view| view.blobs + view.blobs_excess >= least));
    }
    all
}

/// Returns statements about all tables in which the observed mailbox's bit is 0 in the image. The
/// image says the same in both kinds of days, so only the noise of the figures is between them.
fn statements_on_the_noise() -> Vec<Statement> {
    let of_a_figure = 1.0 / f64::from(TABLE_NOISE);
    let mut all: Vec<Statement> = Vec::new();
    for least in [-12, -4, -1, 0, 1, 2, 4, 12] {
        for is_from in [true, false] {
            let holds = move |view: &View| {
                let tables = view.bits.iter().zip(&view.excess);
                tables.filter(|(bit, excess)| !**bit && (**excess >= least) == is_from).count()
            };
            let text = format!("excess with bit 0 {} {least}", if is_from { "from" } else { "below" });
            all.push((text, of_a_figure, Box::new(holds)));
        }
    }
    all
}

/// Returns the first statement that tells two kinds of days apart better than its epsilon allows,
/// by more than chance explains; `None` if there is none.
fn first_breach(
    statements: Vec<Statement>,
    build: Build,
    (one, other): (Use, Use),
    days: u64,
) -> Option<String> {
    let views = |used, first: u64| (first..first + days).map(move |seed| run_day(build, used, seed));
    let (a, b): (Vec<View>, Vec<View>) = (views(one, 1).collect(), views(other, 1 << 32).collect());
    statements.into_iter().find_map(|(text, epsilon, holds)| {
        let count =
            |views: &[View]| f64::from(u32::try_from(views.iter().map(&holds).sum::<usize>()).unwrap());
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
    for used in [Use::BeforeTheImage, Use::OftenBeforeTheImage, Use::AfterTheImage] {
        assert_eq!(first_breach(statements(), Build::Sound, (used, Use::Never), 12_000), None, "{used:?}");
    }
}

#[test]
fn tables_that_tell_too_much_are_found() {
    let breach = |build, used| first_breach(statements(), build, (used, Use::Never), 3_000);
    for build in [Build::ZerosAtTheBeginning, Build::PlainBits, Build::LargeBias] {
        assert!(breach(build, Use::BeforeTheImage).is_some(), "{build:?}");
    }
    assert!(breach(Build::KeptOnes, Use::OftenBeforeTheImage).is_some_and(|text| text.starts_with("bit")));
    assert!(
        breach(Build::NoNoise, Use::AfterTheImage).is_some_and(|text| text.starts_with("excess of table"))
    );
}

/// The bit of the observed mailbox is known before and after its use: only the noise hides it.
#[test]
fn the_noise_of_the_figures_hides_a_bit_that_is_known() {
    let breach = |build, days| {
        let kinds = (Use::WithKnownBitsAfterTheImage, Use::Never);
        first_breach(statements_on_the_noise(), build, kinds, days)
    };
    assert_eq!(breach(Build::Sound, 14_000), None);
    for build in [Build::NoNoise, Build::WeakNoise(2), Build::WeakNoise(4)] {
        assert!(breach(build, 14_000).is_some(), "{build:?}");
    }
}

#[test]
fn a_count_of_blobs_that_tells_too_much_is_found() {
    let breach = |build, used| first_breach(statements(), build, (used, Use::Never), 3_000);
    for (build, used, text) in [
        (Build::BlobsFromZero, Use::BeforeTheImage, "blobs in the image"),
        (Build::NoBlobNoise, Use::AfterTheImage, "excess of blobs"),
    ] {
        assert!(breach(build, used).is_some_and(|breach| breach.starts_with(text)), "{build:?}");
    }
}

/// The tests above look at the figures before they are recorded.
#[test]
fn the_end_of_a_day_records_the_figures_that_the_tests_look_at() {
    for (seed, mailboxes) in (0..20).flat_map(|seed| [(seed, 0), (seed, 6_000)]) {
        let begin = || {
            let random = &mut rng(seed);
            let mut tables = DayTables::begin(4_096, random);
            touch_by(&mut tables, 0..mailboxes, random);
            tables
        };
        let recorded = begin().close(TODAY, &mut rng(seed + 100));
        let (ones, blobs) = begin().draw_figures(&mut rng(seed + 100));
        // Few mailboxes do not hide in the number of blobs.
        assert_eq!((recorded.ones, recorded.blobs), (ones, (mailboxes > 0).then_some(blobs)));
        let with_constants = begin().draw_figures_with(TABLE_NOISE, BLOB_NOISE, &mut rng(seed + 100));
        assert_eq!((ones, blobs), with_constants);
    }
    assert_eq!((TABLE_NOISE, BLOB_NOISE), (8, 8), "the scales of the specification");
}

/// The last word of a table may be used in part only.
#[test]
fn a_table_can_have_a_number_of_slots_that_is_no_multiple_of_64() {
    let (slots, random) = (1_025, &mut rng(9));
    let mut last_bits = [0; 2];
    for _ in 0..4 {
        let mut tables = DayTables::begin(slots, random);
        for number in 0..4_000_u32 {
            let handle = numbered(number);
            assert!(tables.slots_of(handle).iter().all(|slot| *slot < slots));
            tables.touch(handle, all_tables(), random);
            for (bits, slot) in tables.image().into_iter().zip(tables.slots_of(handle)) {
                assert!(bits.len() == 17 && bits[16] <= 1, "no bit is behind the last slot");
                if slot == slots - 1 {
                    last_bits[usize::from(bits[16] == 1)] += 1;
                }
            }
        }
        assert!(tables.close(TODAY, random).ones.iter().all(|ones| *ones <= slots));
    }
    assert!(last_bits[0] > 20 && last_bits[1] > last_bits[0], "the last slot is drawn: {last_bits:?}");
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
            touch_by(&mut tables, 0..mailboxes, random);
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
