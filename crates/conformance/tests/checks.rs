//! Each check of a chapter has a vector in each operation that makes it, or is among the exceptions of
//! spec/15-conformance.md section 2.1.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_conformance::runner;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

type Numbers = BTreeSet<String>;

fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

/// Returns the text of the spec's chapter whose file name begins with these two digits.
fn chapter(number: &str) -> String {
    let mut files = fs::read_dir(spec()).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(number));
    fs::read_to_string(file.unwrap_or_else(|| panic!("no chapter {number}"))).unwrap()
}

/// Returns the section with this number without its heading, up to the next heading of its level or
/// above.
fn section(text: &str, number: &str) -> String {
    let level = number.split('.').count() + 1;
    let heading = |line: &str| line.starts_with('#').then(|| line.chars().take_while(|c| *c == '#').count());
    let dot = if level == 2 { "." } else { "" };
    let start = format!("{} {number}{dot} ", "#".repeat(level));
    let lines = text.lines().skip_while(|line| !line.starts_with(&start)).skip(1);
    let section: Vec<&str> =
        lines.take_while(|line| heading(line).is_none_or(|found| found > level)).collect();
    assert!(!section.is_empty(), "no section {number}");
    section.join("\n")
}

/// Returns the rows of all tables in a text, each as its cells.
fn rows(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    rows.map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    })
    .collect()
}

fn is_number(word: &str) -> bool {
    matches!(word.as_bytes(), [b'C' | b'K' | b'W', b'-', a, b] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// Returns the numbers of checks (such as C-07) that a text names. In `X to Y` these are all
/// numbers of `known` from X to Y.
fn numbers(text: &str, known: &Numbers) -> Numbers {
    let words: Vec<&str> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = Numbers::new();
    for (at, word) in words.iter().enumerate().filter(|(_, word)| is_number(word)) {
        assert!(known.contains(*word), "{word} is not in checks.md");
        found.insert((*word).to_owned());
        if let Some(["to", last]) = words.get(at + 1..at + 3)
            && is_number(last)
        {
            found.extend(known.range((*word).to_owned()..=(*last).to_owned()).cloned());
        }
    }
    found
}

/// Returns the checks of a part of the spec: those in the first cells of its tables, or, where no table lists any,
/// those in its text.
fn checks_of_part(place: &str, known: &Numbers) -> Numbers {
    let (chapter_number, rest) = place.strip_prefix("chapter ").unwrap().split_at(2);
    let mut text = chapter(chapter_number);
    if let Some(number) = rest.strip_prefix(" section ") {
        text = section(&text, number);
    }
    let cells: Vec<String> = rows(&text).into_iter().map(|row| row[0].clone()).collect();
    let listed = numbers(&cells.join(", "), known);
    if listed.is_empty() { numbers(&text, known) } else { listed }
}

#[test]
fn every_check_has_a_vector() {
    let table = rows(&fs::read_to_string(spec().join("checks.md")).unwrap());
    let classes: BTreeMap<String, BTreeSet<String>> = table
        .into_iter()
        .filter(|row| is_number(&row[0]))
        // The outer marks of a cell are gone.
        .map(|row| (row[0].clone(), row[2].split('`').step_by(2).map(str::to_owned).collect()))
        .collect();
    let known: Numbers = classes.keys().cloned().collect();

    // The content of the two tables of section 2.1.
    let text = section(&chapter("15"), "2.1");
    let (mut made, mut excepted, mut of_part) =
        (BTreeSet::new(), BTreeSet::new(), BTreeMap::<String, Numbers>::new());
    for row in rows(&text) {
        let checks = numbers(&row[1], &known);
        let pairs = checks.iter().map(|check| (row[0].clone(), check.clone()));
        if row[2].starts_with("chapter ") {
            made.extend(pairs);
            of_part.entry(row[2].clone()).or_default().extend(checks);
        } else {
            excepted.extend(pairs);
        }
    }
    for (place, checks) in &of_part {
        // A chapter may point to checks of another letter.
        let letters: BTreeSet<_> = checks.iter().map(|check| &check[..1]).collect();
        let mut listed = checks_of_part(place, &known);
        listed.retain(|check| letters.contains(&check[..1]));
        assert_eq!(*checks, listed, "{place}");
    }
    let named: Numbers = made.iter().map(|(_, check)| check.clone()).collect();
    assert_eq!(named, known, "a check that no operation makes");
    assert!(excepted.is_subset(&made), "an exception from nothing: {excepted:?}");

    // The content of the files.
    let (mut shown, mut dead, mut commented) = (BTreeSet::new(), BTreeSet::new(), Numbers::new());
    for (case, text) in runner::all().unwrap() {
        commented.extend(numbers(&case.comment, &known));
        if text.contains("\"refused\": \"dead\"") {
            dead.insert(case.name.clone());
        }
        let Some(number) = case.name.strip_prefix("refused-").and_then(|name| name.get(..4)) else {
            continue;
        };
        let number = number.to_uppercase();
        if !is_number(&number) {
            continue;
        }
        let name = format!("{}/{}", case.family, case.name);
        assert!(case.comment.contains(&number), "the comment of {name} does not name the check");
        let expect = text.split("\"expect\": \"").nth(1).unwrap().split('"').next().unwrap();
        let classes = classes.get(&number).unwrap_or_else(|| panic!("{name}: no such check"));
        assert!(classes.contains(expect), "{name}: {expect} is not a class of {number}");
        shown.insert((case.operation.to_owned(), number));
    }
    assert_eq!(commented, known, "a check that no comment names");
    let said = "refused-k-15-length refused-k-16-junk refused-k-16-order refused-malformed";
    assert_eq!(
        dead.into_iter().collect::<Vec<_>>().join(" "),
        said,
        "the files that section 2.1 names for K-17"
    );
    let required: BTreeSet<_> = made.difference(&excepted).cloned().collect();
    let missing: Vec<_> = required.difference(&shown).collect();
    assert!(missing.is_empty(), "no vector for {missing:?}");
    let unsaid: Vec<_> = shown.difference(&required).collect();
    assert!(unsaid.is_empty(), "section 2.1 does not say that there are vectors for {unsaid:?}");
}
