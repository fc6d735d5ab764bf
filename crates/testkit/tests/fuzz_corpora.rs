//! The corpora of all fuzz targets, replayed on a stable compiler.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod common;

#[path = "../fuzz/src/lib.rs"]
mod bodies;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

/// Maximum number of bytes of all corpora together, because they are part of the repository.
const MOST_BYTES: u64 = 1_500_000;

fn folder(name: &str) -> PathBuf {
    common::root().join("crates/testkit/fuzz").join(name)
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_corpus_passes() {
    let mut bytes = 0;
    for (target, body) in bodies::TARGETS {
        let corpus = folder("corpus").join(target);
        let files = fs::read_dir(&corpus).map_or_else(|_| Vec::new(), |files| files.collect());
        assert!(!files.is_empty(), "{target} has no corpus");
        for file in files {
            let path = file.unwrap().path();
            let data = fs::read(&path).unwrap();
            bytes += u64::try_from(data.len()).unwrap();
            let passed = catch_unwind(AssertUnwindSafe(|| body(&data)));
            assert!(passed.is_ok(), "{target} fails on {}", path.display());
        }
    }
    assert!(bytes <= MOST_BYTES, "the corpora hold {bytes} bytes: minimise them");
}

#[test]
fn targets_bodies_and_corpora_are_the_same() {
    let known: BTreeSet<String> = bodies::TARGETS.iter().map(|target| target.0.to_owned()).collect();
    let files = names(folder("fuzz_targets"));
    let targets = files.iter().map(|file| file.strip_suffix(".rs").unwrap().to_owned()).collect();
    assert_eq!(known, targets);
    assert_eq!(known, names(folder("corpus")));
    let manifest = common::text("crates/testkit/fuzz/Cargo.toml");
    for target in known {
        let at = format!("[[bin]]\nname = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"\n");
        assert!(manifest.contains(&at), "{target} is not in the manifest");
    }
}
