//! Tidiness that a machine can keep: heads of files, sizes, stubs, stray paths, the visible top level.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{files, root, text};

/// Past this a file holds more than one concept.
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
