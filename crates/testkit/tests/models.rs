//! The models of `spec/models` against their log and the chapters that name them. Running them needs ProVerif and is not
//! done here.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{files, text};
use deaddrop_primitives::hash::sha256;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// Name, flags, expected answer.
fn expected() -> Vec<[String; 3]> {
    let rows = text("spec/models/expected.tsv");
    let rows = rows.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| row.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()).collect()
}

#[test]
fn the_log_is_of_this_model_and_every_answer_is_the_expected_one() {
    let log = text("spec/models/log.txt");
    let mut hash = String::new();
    sha256(&[text("spec/models/deaddrop.pv").as_bytes()])
        .iter()
        .for_each(|byte| write!(hash, "{byte:02x}").unwrap());
    assert!(log.contains(&hash), "the model was changed: run spec/models/run --log");
    let rows = expected();
    let logged: Vec<Vec<&str>> =
        log.lines().skip(2).take(rows.len()).map(|line| line.split_whitespace().collect()).collect();
    let wanted: Vec<Vec<&str>> = rows.iter().map(|[name, _, answer]| vec![&name[..], answer, "ok"]).collect();
    assert_eq!(logged, wanted);
    assert_eq!(log.lines().last().unwrap(), format!("{} rows, 0 with another answer", rows.len()));
}

#[test]
fn rows_are_unique_flags_are_known_and_broken_variants_fail() {
    let model = text("spec/models/deaddrop.pv");
    let conditions = model.lines().filter_map(|line| line.strip_prefix("(*#if ")?.strip_suffix("*)"));
    let known: BTreeSet<&str> = conditions.flat_map(|flags| flags.split(['|', '!'])).collect();
    let rows = expected();
    let mut used = BTreeSet::new();
    for [name, flags, answer] in &rows {
        for flag in flags.split(' ') {
            assert!(known.contains(flag), "{name}: the model knows no flag {flag}");
            used.insert(flag);
        }
        assert!(!name.starts_with("c_") || answer != "true", "{name} does not break");
    }
    let names: BTreeMap<&str, &str> = rows.iter().map(|[name, _, answer]| (&name[..], &answer[..])).collect();
    assert_eq!(names.len(), rows.len());
    let broken = names.iter().filter(|(name, answer)| name.starts_with("c_") && **answer == "false");
    assert!(broken.count() >= 8);
    let unused: Vec<_> = known.iter().filter(|flag| !flag.is_empty() && !used.contains(*flag)).collect();
    assert!(unused.is_empty(), "no row uses {unused:?}");
}

#[test]
fn what_the_chapters_name_is_there() {
    let mut there: BTreeSet<String> = expected().into_iter().map(|[name, _, _]| name).collect();
    for name in files("crates", &[".rs"]) {
        let body = text(&name);
        let tests =
            body.split("#[test]").skip(1).filter_map(|test| test.split("fn ").nth(1)?.split('(').next());
        there.extend(tests.map(str::to_owned));
    }
    let mut named = 0;
    for name in files("spec", &[".md"]) {
        for line in text(&name).lines().skip_while(|line| !line.ends_with("| shown by |")) {
            let Some(shown) =
                line.trim_end_matches([' ', '|']).rsplit('|').next().filter(|_| line.starts_with('|'))
            else {
                continue;
            };
            for test in shown.split('`').skip(1).step_by(2) {
                assert!(there.contains(test), "{name}: {test} is neither a row of the models nor a test");
                named += 1;
            }
        }
    }
    assert!(named > 100, "{named}");
}
