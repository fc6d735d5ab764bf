//! The floors: which crate of the workspace may depend on which, compared with `cargo tree`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{collections::BTreeSet, process::Command};

/// Each crate, its floor, and the crates of the workspace on which it may depend directly. A floor
/// is the height of a crate in the drawing of README.md: dependencies lead down.
const FLOORS: [(&str, u8, &[&str]); 12] = [
    ("primitives", 0, &[]),
    ("wire", 0, &[]),
    ("shred", 0, &[]),
    ("websocket", 0, &[]),
    ("e2ee", 1, &["primitives", "wire"]),
    ("link", 1, &["primitives", "wire"]),
    ("tls", 1, &["primitives"]),
    ("relay", 2, &["link", "primitives", "shred", "tls", "websocket", "wire"]),
    ("engine", 2, &["e2ee", "link", "primitives", "wire"]),
    ("client", 3, &["e2ee", "engine", "link", "shred", "tls", "websocket", "wire"]),
    ("cli", 4, &["client", "relay"]),
    ("conformance", 4, &["e2ee", "link", "primitives", "wire"]),
];

/// The crates that are on no floor, because no published crate depends on them.
const ANY_FLOOR: [&str; 2] = ["simulation", "testkit"];

/// Each crate, and the crates that it must never depend on, directly or not. (Every source of
/// randomness is built on `getrandom`; `rand`, which ML-KEM's provider names, has none without it.)
const NEVER: [(&str, &[&str]); 5] = [
    ("relay", &["deaddrop-e2ee", "deaddrop-client"]),
    ("shred", &["deaddrop-wire", "deaddrop-primitives", "tokio"]),
    ("e2ee", &["tokio", "getrandom", "deaddrop-shred", "deaddrop-link"]),
    ("engine", &["tokio", "getrandom", "socket2", "deaddrop-shred", "deaddrop-websocket", "deaddrop-client"]),
    ("wire", &["deaddrop-primitives", "sha2", "hkdf", "chacha20poly1305", "tokio"]),
];

fn tree(package: &str, extra: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--package", &format!("deaddrop-{package}")])
        .args(extra)
        .current_dir(common::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip(1).filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Returns a description of the first crate of the workspace in `depends_on` on which `package` may
/// not depend; `None` if there is none, or if `package` is not in [`FLOORS`].
fn breach(package: &str, depends_on: &BTreeSet<String>) -> Option<String> {
    let allowed = FLOORS.iter().find(|floor| floor.0 == package)?.2;
    let ours = depends_on.iter().filter_map(|name| name.strip_prefix("deaddrop-"));
    ours.filter(|name| *name != package && !allowed.contains(name))
        .map(|name| format!("{package} -> {name} points up or sideways; see the floor drawing in README.md"))
        .next()
}

#[test]
fn arrows_only_point_down() {
    for (package, ..) in FLOORS {
        assert_eq!(breach(package, &tree(package, &["--depth", "1"])), None);
    }
}

#[test]
fn the_table_itself_points_down() {
    for (package, floor, allowed) in FLOORS {
        for name in allowed {
            let below = FLOORS.iter().find(|other| other.0 == *name).unwrap().1;
            assert!(below < floor, "{package} -> {name}");
        }
    }
}

#[test]
fn every_crate_stands_on_a_floor() {
    let mut folders: Vec<String> = std::fs::read_dir(common::root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut known: Vec<String> = FLOORS.iter().map(|floor| floor.0.to_owned()).collect();
    known.extend(ANY_FLOOR.map(str::to_owned));
    known.sort();
    assert_eq!(folders, known);
}

#[test]
fn what_must_never_be_reached_is_not() {
    for (package, never) in NEVER {
        let all = tree(package, &["--all-features"]);
        for name in never {
            assert!(!all.contains(*name), "{package} reaches {name}");
        }
    }
}

#[test]
fn the_published_crates_have_one_ml_kem_unless_asked() {
    for package in ["primitives", "e2ee", "link", "client"] {
        assert!(tree(package, &[]).contains("ml-kem"), "{package}");
        assert!(!tree(package, &[]).contains("libcrux-ml-kem"), "{package}");
        assert!(tree(package, &["--features", "libcrux"]).contains("libcrux-ml-kem"), "{package}");
    }
    for package in ["relay", "cli", "conformance"] {
        assert!(tree(package, &[]).contains("libcrux-ml-kem"), "{package}");
    }
}

#[test]
fn the_test_kit_and_the_simulation_are_linked_by_tests_only() {
    for (package, ..) in FLOORS {
        for name in ANY_FLOOR {
            assert!(!tree(package, &[]).contains(&format!("deaddrop-{name}")), "{package} reaches {name}");
        }
    }
}

/// Returns the workspace's crates with which a program is built (without tests), one line each:
/// `deaddrop-NAME FEATURES`. `more` are arguments for `cargo tree`.
fn features(package: &str, more: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p} {f}", "--package", &format!("deaddrop-{package}")])
        .args(more)
        .current_dir(common::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let ours = text.lines().filter(|line| line.starts_with("deaddrop-"));
    ours.map(|line| format!("{} {}", line.split(' ').next().unwrap(), line.rsplit(' ').next().unwrap()))
        .collect()
}

/// Whether a line of [`features`] has a feature that is for tests.
fn is_for_tests(line: &str) -> bool {
    let mut features = line.rsplit(' ').next().unwrap().split(',');
    features.any(|feature| ["testing", "hazmat", "count"].contains(&feature))
}

#[test]
fn programs_have_no_features_for_tests() {
    for package in ["cli", "relay"] {
        let built = features(package, &[]);
        assert!(built.len() > 4 && !built.iter().any(|line| is_for_tests(line)), "{package}: {built:?}");
    }
    assert!(
        features("relay", &["--features", "testing"]).iter().any(|line| is_for_tests(line)),
        "it is not seen"
    );
}

#[test]
fn a_relay_that_could_open_envelopes_would_be_seen() {
    let mut edges = tree("relay", &["--depth", "1"]);
    assert!(edges.insert("deaddrop-e2ee".to_owned()));
    assert!(breach("relay", &edges).unwrap().starts_with("relay -> e2ee"));
}
