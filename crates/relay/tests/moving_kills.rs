//! The program dies at every step of a move, and is run again.
//!
//! A build for tests ends itself at the step whose number `DEADDROP_RELAY_ABORT_AT` gives, without any
//! cleanup: for the disk this is a kill.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod moves;

use common::program;
use deaddrop_relay::data_dir::{DataDir, DataDirError};
use moves::*;
use std::path::Path;

/// Minimum numbers of steps of an export, an import and a destruction, so that a loop over them
/// cannot end early.
const EXPORT_STEPS: u32 = 8;
const IMPORT_STEPS: u32 = 14;
const DESTRUCTION_STEPS: u32 = 8;
/// The files of a relay after an import.
const IMPORTED_FILES: [&str; 5] = ["config.toml", "identity.key", "imported.key", "store.key", "store.shred"];
/// The files of a relay that has moved, after its store was destroyed.
const MOVED_FILES: [&str; 3] = ["config.toml", "identity.key", "moved.json"];

/// Runs a command that dies at a step. Returns `true` if it came to its end: then it has fewer steps.
fn ends_at(step: u32, args: &[&str], data: &Path) -> bool {
    let mut command = program();
    let output =
        command.args(args).arg("--data").arg(data).env("DEADDROP_RELAY_ABORT_AT", step.to_string()).output();
    let output = output.unwrap();
    if output.status.success() {
        return true;
    }
    assert_eq!(output.status.code(), None, "it was killed: {}", String::from_utf8_lossy(&output.stderr));
    false
}

fn import_of(file: &Path) -> [&str; 2] {
    ["import", file.to_str().unwrap()]
}

#[test]
fn an_export_that_dies_anywhere_is_repeated() {
    let whole = Case::new();
    let before = records(&whole.old);
    let (mut step, mut died_marked) = (1, 0);
    loop {
        let case = whole.copy();
        let args = ["export", "--to", &case.key, "--out", case.file.to_str().unwrap()];
        if ends_at(step, &args, &case.old) {
            break;
        }
        let data = DataDir::at(&case.old);
        if case.old.join("moved.json").exists() {
            died_marked += 1;
            assert_eq!(data.open_store(&mut rand::rng()).err(), Some(DataDirError::Moved), "step {step}");
            let (worked, text) =
                run(&["export", "--to", &case.other_key(), "--out", case.file.to_str().unwrap()], &case.old);
            assert!(!worked, "step {step}: {text}");
        } else {
            assert!(data.open_store(&mut rand::rng()).is_ok(), "step {step}: nothing has happened");
            assert!(!case.file.exists(), "step {step}: the mark comes first");
        }
        if case.file.exists() {
            // The file has its name, so it is whole.
            let (worked, text) = case.export(&case.file);
            assert!(!worked && text.contains("exists already"), "step {step}: {text}");
        } else {
            let (worked, text) = case.export(&case.file);
            assert!(worked, "step {step}: {text}");
            assert!(!case.dir.path().join("file.part").exists());
        }
        said(&["import", case.file.to_str().unwrap(), "--json"], &case.new);
        assert_eq!(records(&case.new), before, "step {step}");
        step += 1;
    }
    assert!(step > EXPORT_STEPS && died_marked > 3, "{step} steps, {died_marked} after the mark");
}

#[test]
fn an_import_that_dies_anywhere_is_repeated_or_refused() {
    let whole = Case::new();
    let (worked, text) = whole.export(&whole.file);
    assert!(worked, "{text}");
    let before = records(&whole.old);
    let secret = std::fs::read(whole.new.join("import.key")).unwrap();
    let (mut step, mut died_committed) = (1, 0);
    loop {
        let case = whole.copy();
        let args = import_of(&case.file);
        if ends_at(step, &args, &case.new) {
            break;
        }
        if case.new.join("config.toml").exists() {
            died_committed += 1;
            // A relay that is served in place of a second import destroys the one-time key, too.
            let served = case.copy();
            let relay = common::Relay::serve(&served.new, &["--listen", "127.0.0.1:0", "--url", URL]);
            assert!(relay.stop());
            assert_eq!(names(&served.new), IMPORTED_FILES, "step {step}");
            let (worked, text) = run(&args, &case.new);
            assert!(
                !worked && text.contains("the import into this directory is done"),
                "step {step}: {text}"
            );
        } else {
            assert_eq!(DataDir::at(&case.new).config(None).err(), Some(DataDirError::AwaitsImport));
            let (worked, text) = run(&args, &case.new);
            assert!(worked, "step {step}: {text}");
        }
        assert_eq!(records(&case.new), before, "step {step}");
        assert_eq!(names(&case.new), IMPORTED_FILES, "step {step}");
        assert_no_file_holds(&case.new, &secret);
        let receipt = said(&["import", "--receipt", "--json"], &case.new)["receipt"].clone();
        let (worked, text) = run(&["export", "--confirm", receipt.as_str().unwrap()], &case.old);
        assert!(worked, "step {step}: {text}");
        step += 1;
    }
    assert!(step > IMPORT_STEPS && died_committed > 2, "{step} steps, {died_committed} after the commit");
}

#[test]
fn an_import_that_died_leaves_nothing_that_opens() {
    let whole = Case::new();
    assert!(whole.export(&whole.file).0);
    let case = whole.copy();
    // Two names of one file: the second shows its bytes when the first is gone.
    let mut step = 1;
    let unfinished = case.new.join("store.shred.import");
    while !unfinished.exists() || std::fs::metadata(&unfinished).unwrap().len() < 1 << 20 {
        assert!(!ends_at(step, &import_of(&case.file), &case.new));
        step += 1;
    }
    let kept = case.dir.path().join("kept");
    std::fs::hard_link(&unfinished, &kept).unwrap();
    assert!(run(&import_of(&case.file), &case.new).0);
    assert!(std::fs::read(&kept).unwrap().iter().all(|byte| *byte == 0), "overwritten before it was removed");
}

#[test]
fn a_preparation_that_dies_anywhere_is_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let mut step = 1;
    loop {
        let data = dir.path().join(step.to_string());
        let args = ["import", "--prepare", "--url", URL];
        if ends_at(step, &args, &data) {
            break;
        }
        said(&["import", "--prepare", "--url", URL, "--json"], &data);
        assert_eq!(names(&data), ["import.key"], "step {step}");
        step += 1;
    }
    assert!(step > 3, "{step} steps");
}

#[test]
fn a_destruction_that_dies_anywhere_is_repeated() {
    let whole = Case::new();
    assert!(whole.export(&whole.file).0);
    let imported = said(&["import", whole.file.to_str().unwrap(), "--json"], &whole.new);
    let receipt = imported["receipt"].as_str().unwrap();
    let (mut step, mut died_confirmed) = (1, 0);
    loop {
        let case = whole.copy();
        let (store, kept) = (case.old.join("store.shred"), case.dir.path().join("kept"));
        std::fs::hard_link(&store, &kept).unwrap();
        let args = ["export", "--confirm", receipt];
        if ends_at(step, &args, &case.old) {
            break;
        }
        let mark = std::fs::read_to_string(case.old.join("moved.json")).unwrap();
        if mark.contains("\"confirmed\": true") {
            died_confirmed += 1;
            // The relay itself goes on with it, without the receipt.
            let served = case.copy();
            let relay = common::Relay::serve(&served.old, &["--listen", "127.0.0.1:0"]);
            assert!(!served.old.join("store.key").exists(), "step {step}: the key goes before it serves");
            for _ in 0..600 {
                if names(&served.old) == MOVED_FILES {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            assert!(relay.stop());
            assert_eq!(names(&served.old), MOVED_FILES, "step {step}");
        }
        let (worked, text) = run(&args, &case.old);
        assert!(worked, "step {step}: {text}");
        assert_eq!(names(&case.old), MOVED_FILES, "step {step}");
        assert!(std::fs::read(&kept).unwrap().iter().all(|byte| *byte == 0), "step {step}: overwritten");
        step += 1;
    }
    assert!(step > DESTRUCTION_STEPS && died_confirmed > 2, "{step} steps, {died_confirmed} confirmed");
}
