//! `deaddrop-relay bench`: its figures, its refusals, and what it leaves behind.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{init, program};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn bench(folder: &Path) -> Output {
    program().args(["bench", "--seconds", "1", "--json", "--data"]).arg(folder).output().unwrap()
}

/// Returns all paths below `folder`: each file with its bytes, each folder with `None`.
fn content(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
            found.insert(path, None);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.insert(path, Some(bytes));
        }
    }
    found
}

fn is_positive(value: &Value) -> bool {
    value.as_f64().is_some_and(|value| value > 0.0)
}

#[test]
fn it_measures_and_leaves_the_directory_of_a_relay_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let before = content(dir.path());
    let output = bench(&data);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("a relay's store is in this folder") && said.contains("the floor: "), "{said}");
    let after = content(dir.path());
    assert!(after.keys().eq(before.keys()), "nothing is left: {:?}", after.keys());
    assert!(after == before, "no file is changed");

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["blob_bytes"], 4_096);
    for storage in ["disk", "memory"] {
        let cycle = &report[storage];
        assert_eq!(cycle["pairs"], 8, "{report}");
        for name in ["cycles", "per_s", "floor_us"] {
            assert!(is_positive(&cycle[name]), "{storage}: {name}: {report}");
        }
        for name in ["aead_us", "aead_passes", "sha_us", "sockets_us"] {
            assert!(is_positive(&cycle["floor"][name]), "{storage}: {name}: {report}");
        }
        let parts = ["aead_us", "sha_us", "sockets_us", "disk_us"].map(|name| cycle["floor"][name].as_f64());
        let sum: f64 = parts.iter().flatten().sum();
        assert!((sum - cycle["floor_us"].as_f64().unwrap()).abs() < 0.1, "{storage}: {report}");
        if cfg!(target_os = "linux") {
            for value in [&cycle["per_core_s"], &cycle["ratio"], &cycle["profile"]["total_us"]] {
                assert!(is_positive(value), "{storage}: {report}");
            }
        }
    }
    let [disk, memory] = ["disk", "memory"].map(|storage| &report[storage]["floor"]);
    assert!(is_positive(&disk["disk_us"]) && is_positive(&disk["disk_per_s"]), "{report}");
    assert!(memory["disk_us"] == 0.0 && memory["disk_per_s"].is_null(), "{report}");
    // Each blob is sealed for the disk, too.
    let passes = |floor: &Value| floor["aead_passes"].as_f64().unwrap();
    assert!(passes(disk) > 3.0 && passes(memory) > 2.0, "{report}");

    let connections = &report["connections"];
    assert_eq!(connections["connections"], 64, "{report}");
    assert!(is_positive(&connections["cycles"]) && is_positive(&connections["per_s"]), "{report}");
    for name in ["put_ms", "delivered_ms"] {
        let [p50, p99, max] = ["p50", "p99", "max"].map(|rank| connections[name][rank].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{name}: {report}");
    }
    let judgement = &report["judgement"];
    assert!(is_positive(&judgement["people"]), "{report}");
    assert_eq!(judgement["messages_a_day"], 50.0, "{report}");
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let mut unusable = vec![(file.clone(), "no such folder"), (dir.path().join("absent"), "no such folder")];
    // Not even the administrator makes a folder there.
    if cfg!(target_os = "linux") {
        unusable.push(("/proc".into(), "no folder can be made in it"));
    }
    for (folder, why) in unusable {
        let output = bench(&folder);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
        assert!(said.contains(why) && said.contains("another") && said.contains("--data"), "{said}");
        assert!(said.contains(folder.to_str().unwrap()), "{said}");
    }
    assert_eq!(content(dir.path()), BTreeMap::from([(file, Some(b"text".to_vec()))]));
}

/// Runs the bench on a volume of 5 MiB. Ends at once if the test may not mount one.
#[cfg(target_os = "linux")]
#[test]
fn too_little_space_is_told_before_anything_is_written() {
    struct Unmount<'a>(&'a Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(self.0).status();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=5m,mode=0700", "tmpfs"]).arg(dir.path()).stderr(Stdio::null());
    if !mount.status().is_ok_and(|status| status.success()) {
        return;
    }
    let _unmount = Unmount(dir.path());
    let output = bench(dir.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains(" has 4 MiB of free space") || said.contains(" has 5 MiB of free space"), "{said}");
    assert!(said.contains("576 MiB are needed; choose another folder with --data"), "{said}");
    assert!(!said.contains("measuring"), "{said}");
    assert_eq!(content(dir.path()), BTreeMap::new());
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_relay_and_removes_the_folder() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let dir = tempfile::tempdir().unwrap();
        let mut command = program();
        command.args(["bench", "--seconds", "600", "--data"]).arg(dir.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        // The relay runs, and clients connect to it.
        lines.find(|line| line.contains("16 connections")).unwrap();
        assert!(has_process(dir.path()) || !cfg!(target_os = "linux"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let last = lines.last().unwrap();
        assert_eq!(last, "deaddrop-relay: interrupted; the measurement's folder is removed");
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert_eq!(content(dir.path()), BTreeMap::new());
        assert!(!has_process(dir.path()), "{signal}: the relay has ended");
    }
}

/// Whether a process has a data directory of the bench below `folder` among its arguments. Always
/// false on systems other than Linux.
#[cfg(unix)]
fn has_process(folder: &Path) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let place = folder.join("deaddrop-bench-").into_os_string().into_encoded_bytes();
    processes.flatten().any(|process| {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        command.windows(place.len()).any(|part| part == place)
    })
}
