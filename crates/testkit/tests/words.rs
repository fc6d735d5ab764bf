//! The words of spec/00-words.md and the names in the code are the same.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{files, text};
use std::collections::BTreeSet;

/// The protocol crates: each of their public types is in the list of words.
const PROTOCOL: [&str; 4] = ["e2ee", "link", "primitives", "wire"];

/// Returns the names in code spans in the first column of the list of words (spec/00-words.md).
fn listed() -> BTreeSet<String> {
    let page = text("spec/00-words.md");
    let table = page.split("## Notation").next().unwrap().lines().filter(|line| line.starts_with("| "));
    let words = table.map(|line| line.split('|').nth(1).unwrap().to_owned());
    words.flat_map(|word| word.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Returns the code of a crate's sources without comment lines and tests.
fn code(krate: &str) -> String {
    let names = files(&format!("crates/{krate}/src"), &[".rs"]);
    let names = names.iter().filter(|name| !name.contains("/tests"));
    let lines = |name: &String| {
        let text = text(name);
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    names.map(lines).collect()
}

fn words_of(code: &str) -> BTreeSet<&str> {
    code.split(|char: char| !(char.is_alphanumeric() || char == '_')).collect()
}

/// Returns the names of the public types that a crate's sources define.
fn public_types(code: &str) -> BTreeSet<&str> {
    let kinds = ["pub struct ", "pub enum ", "pub trait "];
    let starts = kinds.iter().flat_map(|kind| code.match_indices(kind).map(|(at, _)| at + kind.len()));
    let names = starts.map(|at| code[at..].split(|char: char| !char.is_alphanumeric()).next().unwrap());
    // A macro names its types elsewhere.
    names.filter(|name| !name.is_empty()).collect()
}

/// Whether the list of words may lack the name: errors, values that only vectors show, and
/// `Readme`.
fn is_exempt(name: &str) -> bool {
    ["Error", "TooLong", "Trace", "Readme"].iter().any(|end| name.ends_with(end))
        || ["Bad", "NotA"].iter().any(|start| name.starts_with(start))
}

#[test]
fn each_name_in_the_list_of_words_is_in_the_code() {
    let crates = ["e2ee", "link", "primitives", "wire", "engine", "relay"].map(code);
    let known: BTreeSet<&str> = crates.iter().flat_map(|code| words_of(code)).collect();
    let listed = listed();
    assert!(listed.len() > 100, "the list was not read: {listed:?}");
    for name in listed {
        assert!(known.contains(name.as_str()), "spec/00-words.md lists {name}, which no code names");
    }
}

#[test]
fn each_public_type_of_the_protocol_crates_is_a_listed_word() {
    let listed = listed();
    for krate in PROTOCOL {
        let code = code(krate);
        let types = public_types(&code);
        assert!(types.len() > 8, "{krate} has no public types: {types:?}");
        for name in types {
            assert!(
                is_exempt(name) || listed.contains(name),
                "{krate} has the public type {name}, which spec/00-words.md does not list"
            );
        }
    }
}
