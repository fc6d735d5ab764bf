//! Tidiness that a machine can keep: heads of files, sizes, stubs, stray paths, plain words, the visible top level.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{files, root, text};

/// Maximum number of lines of a file. A longer one holds more than one concept.
const MAX_LINES: usize = 500;

#[test]
fn every_source_file_opens_with_its_concept() {
    for name in files("crates", &[".rs"]) {
        let head = text(&name);
        let first = head.lines().next().unwrap_or("");
        assert!(
            first.starts_with("//! ") && first.len() > 12,
            "{name} wants a //! line that names its concept"
        );
    }
}

#[test]
fn files_stay_small_rooms() {
    for name in files("crates", &[".rs"]) {
        let lines = text(&name).lines().count();
        assert!(lines <= MAX_LINES, "{name} has {lines} lines: split it");
    }
}

#[test]
fn no_stub_stands_in_the_tree() {
    // Put together here so that this file does not find itself.
    let marks = [["to", "do!("], ["unimple", "mented!("], ["FIX", "ME"], ["#[ign", "ore"], ["XX", "X "]];
    for name in files("crates", &[".rs"]) {
        for mark in marks.map(|halves| halves.concat()) {
            assert!(!text(&name).contains(&mark), "{name} holds {mark}");
        }
    }
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let marks = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["crates", ".io/"], ["index.", "crates"]];
    let mut all = files("", &[".rs", ".md", ".toml", ".json", ".pv", ".sh"]);
    all.push(".ci/run".to_owned());
    for name in all {
        for mark in marks.map(|halves| halves.concat()) {
            assert!(!text(&name).contains(&mark), "{name} holds {mark}");
        }
    }
}

#[test]
fn every_text_uses_plain_words() {
    let words = [
        ["who", "ever"],
        ["an", "ew"],
        ["le", "st"],
        ["no", "body"],
        ["fo", "r ever"],
        ["up", "on"],
        ["there", "of"],
    ];
    let words = words.map(|halves| halves.concat());
    for name in files("", &[".rs", ".md"]) {
        for (number, line) in text(&name).lines().enumerate() {
            let line = words_of(line);
            for word in &words {
                let is_there = line.contains(&format!(" {word} "));
                assert!(!is_there, "{name}:{} says \"{word}\": use a plain word", number + 1);
            }
        }
    }
}

/// Returns the words of a line in small letters, with one blank before, between and after them.
fn words_of(line: &str) -> String {
    let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    words.fold(" ".to_owned(), |all, word| all + &word.to_lowercase() + " ")
}

#[test]
fn no_documentation_begins_with_a_question_word_or_a_pronoun() {
    const WORDS: [&str; 13] = [
        "Whose", "What", "Where", "When", "Who", "Why", "How", "Which", "It", "Its", "They", "Their", "Most",
    ];
    for name in files("crates", &[".rs"]) {
        let mut is_beginning = true;
        for (number, line) in text(&name).lines().enumerate() {
            let line = line.trim_start();
            let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim);
            let first = doc.and_then(|doc| doc.split(|c: char| !c.is_alphanumeric()).next()).unwrap_or("");
            let is_fragment = is_beginning && WORDS.contains(&first);
            assert!(!is_fragment, "{name}:{}: name the thing instead of \"{first} ...\"", number + 1);
            // A paragraph begins after code, after an empty line, and after a heading.
            is_beginning = doc.is_none_or(|doc| doc.is_empty() || doc.starts_with('#'));
        }
    }
}

#[test]
fn errors_derive_their_texts_and_their_sources() {
    let by_hand = ["error::Err", "or for "].concat();
    for name in files("crates", &[".rs"]) {
        assert!(!text(&name).contains(&by_hand), "{name}: derive `thiserror::Error` instead");
        if let Some(variant) = repeated_source(&text(&name)) {
            panic!("{name}: the text of {variant} repeats its source: leave it out, or use `transparent`");
        }
    }
}

/// Returns the line of the first enum variant that contains one error as its source and shows it in
/// its text, too; `None` if there is none.
fn repeated_source(code: &str) -> Option<String> {
    let mut shown = "";
    for line in code.lines().map(str::trim_start) {
        if let Some(attribute) = line.strip_prefix("#[error(") {
            shown = attribute;
        }
        let inner = line.find("#[source]").or_else(|| line.find("#[from]"));
        if let Some((before, _)) = inner.and_then(|inner| line.split_at_checked(inner)) {
            let place = before.matches(',').count();
            let shows = [format!("{{{place}}}"), format!(".{place}"), "{source}".to_owned()];
            if shows.iter().any(|shows| shown.contains(shows)) {
                return Some(line.to_owned());
            }
        }
    }
    None
}

#[test]
fn a_repeated_source_would_be_seen() {
    let with = |text: &str| format!("    #[error({text})]\n    Read(PathBuf, #[source] io::Error),\n");
    assert_eq!(repeated_source(&with("\"{path} is not read\", path = .0.display()")), None);
    assert!(repeated_source(&with("\"{0} is not read: {1}\"")).is_some());
    let transparent = "    #[error(transparent)]\n    Vault(#[from] VaultError),\n";
    assert_eq!(repeated_source(transparent), None);
    assert!(repeated_source(&transparent.replace("transparent", "\"the vault failed: {0}\"")).is_some());
}

#[test]
fn the_visible_top_level_is_what_the_readme_says() {
    let allowed = [
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "RELEASING.md",
        "SECURITY.md",
        "crates",
        "spec",
        "test-vectors",
        "target",
    ];
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || allowed.contains(&name.as_str()),
            "{name} does not belong at the top"
        );
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for name in files("crates", &["Cargo.toml"]) {
        assert!(text(&name).contains("[lints]\nworkspace = true"), "{name}");
    }
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    for name in files("", &[".md"]) {
        let folder = root().join(&name).parent().unwrap().to_owned();
        let body = text(&name);
        for (_, rest) in body.match_indices("](").map(|(at, _)| body.split_at(at + 2)) {
            let target = rest.split([')', '#']).next().unwrap();
            if !target.is_empty() && !target.contains("://") && !target.contains(' ') {
                assert!(folder.join(target).exists(), "{name} points to {target}, which is not there");
            }
        }
    }
}
