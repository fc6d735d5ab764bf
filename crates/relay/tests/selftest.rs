//! `selftest residue` against the real program and the real disk, and with zeroing put off: then it
//! must find something.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::program;
use deaddrop_relay::selftest::{ResidueOptions, find_residue, scratch_in};
use serde_json::Value;
use std::time::Duration;

#[test]
fn nothing_is_left_of_canaries_and_the_folder_is_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let command = |more: &[&str]| {
        let args = ["selftest", "residue", "--dead-bytes-s", "2", "--data"];
        program().args(args).arg(dir.path()).args(more).output().unwrap()
    };
    let run = command(&["--json"]);
    assert!(run.status.success(), "{run:?}");
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    println!("{report}");
    assert_eq!(report["canaries"], 48);
    assert!(report["slots"].as_u64() >= Some(48) && report["bodies"].as_u64() > Some(2_000), "{report}");
    for gone in ["slots_left", "opened", "bodies_left"] {
        assert_eq!(report[gone], 0, "{gone}: {report}");
    }
    assert!(report["device"].is_null());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let run = command(&[]);
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success() && told.contains("Clean: nothing is left"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_zeroing_put_off_the_sealed_bytes_are_found_and_the_keys_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let options = ResidueOptions { dead_bytes_s: 100_000, wait: Duration::ZERO, device: false };
    let report = find_residue(&scratch_in(dir.path()).unwrap(), options, |_| ()).await.unwrap();
    println!("{report}");
    assert!(!report.is_clean() && report.bodies_left > 0, "{report}");
    assert_eq!((report.slots_left, report.opened), (0, 0), "{report}");
    assert!(report.to_string().contains("NOT CLEAN"));
}

#[test]
fn a_folder_that_is_missing_is_told() {
    let run = program().args(["selftest", "residue", "--data", "/no/such/folder"]).output().unwrap();
    assert!(!run.status.success());
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(told.contains("no such folder; give another with --data"), "{told}");
}
