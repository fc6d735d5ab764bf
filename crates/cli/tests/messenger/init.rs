//! Folders on full disks, half-made vaults, keys that do not belong or that others may read.
#![cfg(unix)]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::common::{Done, Person, Sandbox, run};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `init` with the arguments `words` where no file may grow beyond `blocks` blocks of 512
/// bytes: each write behind that fails, as on a full disk.
fn init_with_limit(person: &Person, blocks: u32, words: &str) -> Done {
    let script = format!(
        "trap '' XFSZ; ulimit -f {blocks}; exec '{}' --home '{}' init {words}",
        env!("CARGO_BIN_EXE_deaddrop"),
        person.home.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env("DEADDROP_PASSPHRASE", "right").env_remove("DEADDROP_HOME");
    run(command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()))
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let person = Person { home: folder.path().join("new/ada") };
    for (blocks, words) in [(0, "--no-passphrase"), (64, "--no-passphrase"), (64, "")] {
        init_with_limit(&person, blocks, words).fails(&["disk is full", "free some space"]);
        assert!(!folder.path().join("new").exists(), "{blocks} {words}");
    }
    // A folder that was there stays, with what is in it.
    fs::create_dir_all(&person.home).unwrap();
    fs::write(person.home.join("notes"), "mine").unwrap();
    init_with_limit(&person, 64, "--no-passphrase").fails(&["disk is full"]);
    assert_eq!(fs::read_dir(&person.home).unwrap().count(), 1);
    person.run(&["init", "--no-passphrase"]).ok();
    person.run(&["contacts"]).ok();
}

#[test]
fn what_a_killed_init_left_is_no_hindrance() {
    let sandbox = Sandbox::new();
    let cara = sandbox.person("cara");
    fs::create_dir(&cara.home).unwrap();
    for left in ["vault.new", "vault.key.new"] {
        fs::write(cara.home.join(left), "half").unwrap();
        set_mode(&cara.home.join(left), 0o600);
    }
    cara.run(&["init", "--no-passphrase"]).ok();
    let files = fs::read_dir(&cara.home).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(files.len(), 2, "{files:?}");
    cara.run(&["contacts"]).ok();
}

#[test]
fn a_key_of_another_vault_does_not_lock_one_with_a_passphrase() {
    let sandbox = Sandbox::new();
    let cara = sandbox.person("cara");
    run(cara.command(["init"]).env("DEADDROP_PASSPHRASE", "right")).ok();
    let stray = cara.home.join("vault.key");
    fs::copy(sandbox.ada.home.join("vault.key"), &stray).unwrap();
    let said = run(cara.command(["contacts"]).env("DEADDROP_PASSPHRASE", "right")).ok();
    assert!(said.err.contains("vault.key does not belong to this vault"), "{said:?}");
    run(cara.command(["contacts"]).env("DEADDROP_PASSPHRASE", "wrong")).fails(&["wrong passphrase"]);
    fs::remove_file(sandbox.ada.home.join("vault.key")).unwrap();
    sandbox.ada.run(&["contacts"]).fails(&["no passphrase", "vault.key", "missing"]);
}

#[test]
fn rights_of_others_are_refused_or_told() {
    let sandbox = Sandbox::new();
    let ada = &sandbox.ada;
    let key = ada.home.join("vault.key");
    for mode in [0o644, 0o640, 0o602] {
        set_mode(&key, mode);
        ada.run(&["contacts"]).fails(&["other users", "vault.key", "chmod 600"]);
    }
    set_mode(&key, 0o400);
    ada.run(&["contacts"]).ok();
    set_mode(&ada.home, 0o777);
    set_mode(&ada.home.join("vault"), 0o644);
    let said = ada.run(&["contacts"]).ok();
    assert!(said.err.contains("chmod 700") && said.err.contains("chmod 600"), "{said:?}");
    set_mode(&ada.home, 0o755);
    set_mode(&ada.home.join("vault"), 0o600);
    assert_eq!(ada.run(&["contacts"]).ok().err, "");
}
