//! The spec's tables against the code: every label and every check is in both, and nowhere else.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{files, text};
use deaddrop_e2ee::{
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_wire::{Day, SizeClass};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the rows of all tables in a file of the spec, each as its cells, without headers and
/// rules.
fn rows(name: &str) -> Vec<Vec<String>> {
    let rows = text(name);
    let cells = rows.lines().filter(|line| line.starts_with('|')).map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    });
    cells
        .filter(|row: &Vec<String>| row[0] != "crate" && row[0] != "number" && !row[0].starts_with("--"))
        .collect()
}

/// Returns the name of the crate's folder in a path that begins with `crates/`.
fn crate_of(path: &str) -> String {
    path.split('/').nth(1).unwrap().to_owned()
}

#[test]
fn labels_stand_in_the_spec_and_in_one_file_a_crate() {
    let mut in_code = BTreeSet::new();
    for name in files("crates", &[".rs"]) {
        if name.contains("/tests/") {
            continue;
        }
        let body = text(&name);
        for (_, rest) in body.match_indices("b\"deaddrop/1 ").map(|(at, mark)| body.split_at(at + mark.len()))
        {
            assert!(name.ends_with("/src/labels.rs"), "{name} holds a label; labels live in labels.rs");
            let label = rest.split('"').next().unwrap();
            let label =
                label.strip_suffix("\\0").unwrap_or_else(|| panic!("{label} does not end in a zero byte"));
            assert!(in_code.insert((crate_of(&name), label.to_owned())), "{label} stands twice in {name}");
        }
    }
    let in_spec: Vec<_> =
        rows("spec/labels.md").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    let unique: BTreeSet<_> = in_spec.iter().cloned().collect();
    assert_eq!(unique.len(), in_spec.len(), "a label stands twice in spec/labels.md");
    assert_eq!(in_code, unique);
    // A label is used by one crate alone: two protocols never share a key derivation.
    let mut owner = BTreeMap::new();
    for (owner_crate, label) in unique {
        assert_eq!(owner.insert(label.clone(), owner_crate), None, "{label} belongs to two crates");
    }
}

#[test]
fn the_readme_shows_the_example_that_is_compiled() {
    let readme = text("README.md");
    let shown = readme.split("```rust\n").nth(1).unwrap().split("```").next().unwrap();
    let docs = text("crates/client/src/lib.rs");
    let lines =
        docs.lines().filter_map(|line| line.strip_prefix("//! ")).filter(|line| !line.starts_with("# "));
    let compiled: String = lines.flat_map(|line| [line, "\n"]).collect();
    assert!(
        compiled.contains(shown),
        "the example of README.md is not the one of deaddrop-client's documentation"
    );
}

#[test]
fn checks_stand_in_the_spec_and_in_the_code() {
    let in_spec: Vec<String> = rows("spec/checks.md").into_iter().map(|row| row[0].clone()).collect();
    let unique: BTreeSet<String> = in_spec.iter().cloned().collect();
    assert_eq!(unique.len(), in_spec.len(), "a number stands twice in spec/checks.md");
    let mut in_code = BTreeSet::new();
    for name in files("crates", &[".rs"]) {
        if name.contains("/src/") {
            in_code.extend(numbers(&text(&name)));
        }
    }
    assert_eq!(in_code, unique);
}

#[test]
fn classes_in_the_spec_are_those_of_the_vectors() {
    // `expect` of every file that a check names, by its number.
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in files("test-vectors", &[".json"]) {
        let case = name.rsplit('/').next().unwrap();
        let Some(number) = case.strip_prefix("refused-").and_then(|case| case.get(..4)) else { continue };
        let number = number.to_uppercase();
        if numbers(&format!("// {number}")).is_empty() {
            continue;
        }
        let file = text(&name);
        let expect = file.split("\"expect\": \"").nth(1).unwrap().split('"').next().unwrap();
        shown.entry(number).or_default().insert(expect.to_owned());
    }
    let with_class = |row: &Vec<String>| row.len() == 4 && !row[0].starts_with('R');
    for row in rows("spec/checks.md").into_iter().filter(with_class) {
        // The outer marks of a cell are gone.
        let classes: BTreeSet<String> = row[2].split('`').step_by(2).map(str::to_owned).collect();
        match shown.remove(&row[0]) {
            Some(shown) => assert_eq!(classes, shown, "{}", row[0]),
            // A check behind another refusal has no file of its own.
            None => assert!(row[0] == "K-17" && classes.len() == 1, "{} has no vector", row[0]),
        }
    }
    assert!(shown.is_empty(), "no class in spec/checks.md for {shown:?}");
}

#[test]
fn room_in_the_spec_is_that_of_the_code() {
    let said = rows("spec/05-ratchet.md").into_iter().filter_map(|row| {
        let bytes = SizeClass::of_len(row[0].replace(',', "").parse().ok()?)?;
        let rooms = row[1..].iter().map(|room| room.replace(',', "").parse().ok()).collect();
        Some((bytes, rooms))
    });
    let said: Vec<(SizeClass, Vec<Option<usize>>)> = said.collect();
    assert_eq!(said.iter().map(|row| row.0).collect::<Vec<_>>(), SizeClass::ALL);

    let (today, mut random) = (Day::from_number(20_780), deaddrop_testkit::rng(1));
    let (a, b) = (IdentityKeyPair::generate(&mut random), IdentityKeyPair::generate(&mut random));
    let (pending, blob) = PendingInvite::create(&b, today, b"", &mut random).unwrap();
    let own = a.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, today).unwrap();
    let (mut one, _) = Session::initiate(&a, &bundle, &mut random).unwrap();
    let hello = content::encode(&[Content::Hello { address: vec![] }]).unwrap();
    let (first, _) = one.encrypt(&hello, &mut random).unwrap();
    let mut two = pending.accept(&b, first.as_bytes(), |_| false, today).unwrap().session;
    let unanswered = SizeClass::ALL.map(|class| one.room(class));
    let turn_1 = SizeClass::ALL.map(|class| two.room(class));
    let (answer, _) = two.encrypt(b"", &mut random).unwrap();
    one.decrypt(&a, answer.as_bytes(), today).unwrap();
    for (at, (class, rooms)) in said.into_iter().enumerate() {
        assert_eq!(rooms, [unanswered[at], turn_1[at], one.room(class)]);
    }
}

/// Returns the numbers of checks, such as `C-01`, in the comments of a source text.
fn numbers(body: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in body.lines().filter_map(|line| line.split_once("//").map(|parts| parts.1)) {
        for word in line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            if let [letter, b'-', digits @ ..] = word.as_bytes()
                && b"CKWRS".contains(letter)
                && digits.len() == 2
                && digits.iter().all(u8::is_ascii_digit)
            {
                found.insert(word.to_owned());
            }
        }
    }
    found
}
