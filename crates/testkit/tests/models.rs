//! The models of `spec/models` against their log and the chapters that name them. Running them needs ProVerif and is not
//! done here.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{files, text};
use deaddrop_primitives::hash::sha256;
use std::{collections::BTreeSet, fmt::Write};

const MODELS: [&str; 2] = ["deaddrop.pv", "link.pv"];

/// Returns the rows of spec/models/expected.tsv: name, model, flags, expected answer.
fn expected() -> Vec<[String; 4]> {
    let rows = text("spec/models/expected.tsv");
    let rows = rows.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| row.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()).collect()
}

#[test]
fn the_log_is_of_these_models_and_every_answer_is_the_expected_one() {
    let log = text("spec/models/log.txt");
    for (model, line) in MODELS.iter().zip(log.lines().skip(1)) {
        let mut wanted = format!("{model} has SHA-256 ");
        sha256(&[text(&format!("spec/models/{model}")).as_bytes()])
            .iter()
            .for_each(|byte| write!(wanted, "{byte:02x}").unwrap());
        assert_eq!(line, wanted, "the model was changed: run spec/models/run --log");
    }
    let rows = expected();
    let logged: Vec<Vec<&str>> = log
        .lines()
        .skip(1 + MODELS.len())
        .take(rows.len())
        .map(|line| line.split_whitespace().collect())
        .collect();
    let wanted: Vec<Vec<&str>> =
        rows.iter().map(|[name, _, _, answer]| vec![&name[..], answer, "ok"]).collect();
    assert_eq!(logged, wanted);
    assert_eq!(log.lines().last().unwrap(), format!("{} rows, 0 with another answer", rows.len()));
}

#[test]
fn rows_are_unique_flags_are_known_and_broken_variants_fail() {
    let rows = expected();
    let names: BTreeSet<&str> = rows.iter().map(|[name, ..]| &name[..]).collect();
    assert_eq!(names.len(), rows.len());
    assert!(rows.iter().all(|[_, model, ..]| MODELS.contains(&&model[..])));
    for model in MODELS {
        let text = text(&format!("spec/models/{model}"));
        let conditions = text.lines().filter_map(|line| line.strip_prefix("(*#if ")?.strip_suffix("*)"));
        let known: BTreeSet<&str> =
            conditions.flat_map(|flags| flags.split(['|', '!'])).filter(|flag| !flag.is_empty()).collect();
        let (mut used, mut broken) = (BTreeSet::new(), 0);
        for [name, _, flags, answer] in rows.iter().filter(|row| row[1] == model) {
            for flag in flags.split(' ') {
                assert!(known.contains(flag), "{name}: {model} knows no flag {flag}");
                used.insert(flag);
            }
            if name.starts_with("c_") {
                assert!(!answer.contains("true"), "{name} does not break");
                broken += usize::from(answer == "false");
            }
        }
        assert!(broken >= 8, "{model}");
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(unused.is_empty(), "no row of {model} uses {unused:?}");
        let readme = common::text("spec/models/README.md");
        let named: BTreeSet<&str> = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        let unnamed: Vec<_> = known.iter().filter(|flag| !named.contains(*flag)).collect();
        assert!(unnamed.is_empty(), "the README does not explain {unnamed:?}");
    }
}

#[test]
fn what_the_chapters_name_is_there() {
    let mut there: BTreeSet<String> = expected().into_iter().map(|[name, ..]| name).collect();
    for name in files("crates", &[".rs"]) {
        let body = text(&name);
        let tests =
            body.split("#[test]").skip(1).filter_map(|test| test.split("fn ").nth(1)?.split('(').next());
        there.extend(tests.map(str::to_owned));
    }
    let mut named = 0;
    for name in files("spec", &[".md"]) {
        // The table ends with the first line that is none of its rows.
        let rows = text(&name);
        let rows = rows.lines().skip_while(|line| !line.ends_with("| shown by |"));
        for line in rows.take_while(|line| line.starts_with('|')) {
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
