//! The keys of a relay: the places where they lie, and the change of the store key, also when it is
//! cut short.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_relay::StoreKey;
use deaddrop_relay::data_dir::{DataDir, DataDirError, Medium, RotateError, RotationStep};
use deaddrop_relay::disclose::{AskedBytes, Request, disclose};
use deaddrop_shred::{FileDisk, OpenError, Shred, residue};
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::AnswerCode;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokio::sync::Mutex;

/// Number of blobs in the mailbox of a filled relay.
const BLOBS: usize = 3;
const SUPERBLOCK: usize = 4_096;
/// Number of changes of the key that are killed, each later than the one before.
const ROUNDS: u32 = 16;

/// Held by each test: while a program of another test is started, it holds the open files of this
/// process for a moment, and with them the lock of a store.
static ALONE: Mutex<()> = Mutex::const_new(());

fn run(args: &[&str], data: &Path, more: &[(&str, &str)]) -> (bool, String) {
    let output = program().args(args).arg("--data").arg(data).envs(more.iter().copied()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn json(args: &[&str], data: &Path) -> serde_json::Value {
    let output = program().args(args).arg("--json").arg("--data").arg(data).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Makes a relay with one mailbox, in which blobs wait, and stops it.
async fn filled(data: &Path) -> Mailbox {
    init(data);
    let mailbox = Mailbox::new();
    let relay = Relay::serve(data, &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    for _ in 0..BLOBS {
        assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    }
    assert!(relay.stop());
    mailbox
}

fn key_of(path: &Path) -> StoreKey {
    StoreKey::from_bytes(std::fs::read(path).unwrap().try_into().unwrap())
}

fn opens(data: &Path, key: &StoreKey) -> Result<(), OpenError> {
    let disk = FileDisk::open_read_only(DataDir::at(data).store_path())?;
    Shred::open_read_only(disk, &key.unlock()).map(|_| ())
}

/// Asserts that the mailbox and its blobs are found by its right, without writing to the directory.
fn assert_found(data: &Path, mailbox: &Mailbox) {
    let request = Request::Capability(AskedBytes::from_bytes(*mailbox.read.expose()));
    let (answer, _) = disclose(&DataDir::at(data), &request).unwrap();
    assert_eq!(answer.mailboxes.len(), 1, "{answer}");
    assert_eq!(answer.mailboxes[0].blobs.len(), BLOBS);
}

/// Copies the files of a directory, in place of those that `to` has.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let all = std::fs::read_dir(folder).unwrap();
    all.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether a file of the folder holds these bytes.
fn lies_in(folder: &Path, bytes: &[u8]) -> bool {
    names(folder).iter().any(|name| {
        let all = std::fs::read(folder.join(name)).unwrap();
        all.windows(bytes.len()).any(|part| part == bytes)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_opens_everything_and_the_old_one_nothing() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mailbox = filled(&data).await;
    let files = names(&data);
    let old = key_of(&data.join("store.key"));
    let old_blocks = std::fs::read(data.join("store.shred")).unwrap()[..2 * SUPERBLOCK].to_vec();
    let relay = Relay::serve(&data, &[]);
    let (worked, said) = run(&["key", "rotate"], &data, &[]);
    assert!(!worked && said.contains("in use by another process"), "{said}");
    assert!(relay.stop());
    assert_eq!(*key_of(&data.join("store.key")).expose(), *old.expose());
    // The second time the key of the index comes from the store.
    for _ in 0..2 {
        let changed = json(&["key", "rotate"], &data);
        assert_eq!(changed["records_lost"], 0);
        assert_eq!((&changed["new_key"]["mode"], &changed["destroy_yourself"]), (&"0600".into(), &().into()));
        assert_eq!(names(&data), files, "no file is left over");
        assert_found(&data, &mailbox);
    }
    assert_eq!(opens(&data, &old), Err(OpenError::WrongKey));
    assert!(!lies_in(&data, old.expose()));
    // With the old superblock, the old key gives the old data key, which seals nothing any more.
    let thief = dir.path().join("thief");
    copy(&data, &thief);
    let mut store = std::fs::read(thief.join("store.shred")).unwrap();
    store[..2 * SUPERBLOCK].copy_from_slice(&old_blocks);
    std::fs::write(thief.join("store.shred"), store).unwrap();
    let disk = FileDisk::open_read_only(thief.join("store.shred")).unwrap();
    assert_eq!(residue::scan(&disk, &old.unlock()).map_or(0, |found| found.heads), 0);

    let relay = Relay::serve(&data, &[]);
    let mut client = Client::connect(&relay.address, 2).await;
    client.subscribe(1, &mailbox.read).await;
    for tag in 1..=u32::try_from(BLOBS).unwrap() {
        client.delivery().await;
        client.ack(1, tag).await;
    }
    assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    client.delivery().await;
    assert!(relay.stop());
}

/// Snapshots of the directory at each step, as a process that is killed there leaves it.
fn snapshots(data: &Path, out: Option<&Path>, into: &Path) -> Vec<(RotationStep, PathBuf)> {
    let mut taken = Vec::new();
    let result = DataDir::at(data).rotate_store_key(out, &mut rand::rng(), |step| {
        let place = into.join(format!("{step:?}"));
        copy(data, &place);
        taken.push((step, place));
    });
    result.unwrap();
    assert_eq!(taken.len(), 5);
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_cut_short_is_finished_or_undone() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mailbox = filled(&data).await;
    let files = names(&data);
    let old = std::fs::read(data.join("store.key")).unwrap();
    let steps = snapshots(&data, None, dir.path());
    // The superblock is written copy by copy: between, each copy is old, new or torn.
    let blocks = |place: &Path| {
        let mut store = std::fs::read(place.join("store.shred")).unwrap();
        store.truncate(2 * SUPERBLOCK);
        store
    };
    let (before, after) = (steps[1].1.clone(), steps[2].1.clone());
    let (old_blocks, new_blocks) = (blocks(&before), blocks(&after));
    let torn: Vec<u8> = new_blocks[..512].iter().chain(&old_blocks[512..SUPERBLOCK]).copied().collect();
    let mut images: Vec<PathBuf> = steps.iter().map(|(_, place)| place.clone()).collect();
    for (number, (a, b)) in [
        (&old_blocks[..SUPERBLOCK], &torn[..]),
        (&old_blocks[..SUPERBLOCK], &new_blocks[SUPERBLOCK..]),
        (&torn[..], &new_blocks[SUPERBLOCK..]),
    ]
    .into_iter()
    .enumerate()
    {
        let place = dir.path().join(format!("torn{number}"));
        copy(&before, &place);
        let mut store = std::fs::read(place.join("store.shred")).unwrap();
        store[..SUPERBLOCK].copy_from_slice(a);
        store[SUPERBLOCK..2 * SUPERBLOCK].copy_from_slice(b);
        std::fs::write(place.join("store.shred"), store).unwrap();
        images.push(place);
    }
    let mut ends = [0; 2];
    for place in images {
        assert_found(&place, &mailbox);
        let has_new = names(&place).contains("store.key.new");
        let data = DataDir::at(&place);
        drop(data.open_store(&mut rand::rng()).unwrap());
        assert_eq!(names(&place), files, "{place:?}: one key is left");
        assert_found(&place, &mailbox);
        let is_new = std::fs::read(place.join("store.key")).unwrap() != old;
        assert_eq!(is_new, !lies_in(&place, &old));
        if has_new {
            ends[usize::from(is_new)] += 1;
        }
        // The same command again changes the key to the end.
        data.rotate_store_key(None, &mut rand::rng(), |_| {}).unwrap();
        assert_found(&place, &mailbox);
        assert!(!lies_in(&place, &old));
    }
    assert!(ends.iter().all(|count| *count > 1), "some are undone and some are finished: {ends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_into_another_file_is_continued_with_that_file() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("data/out.key"));
    let mailbox = filled(&data).await;
    let old = std::fs::read(data.join("store.key")).unwrap();
    let other = dir.path().join("other");
    let rotate =
        |data: &Path, out: &Path| DataDir::at(data).rotate_store_key(Some(out), &mut rand::rng(), |_| {});
    std::fs::write(&other, [7; 31]).unwrap();
    for wrong in [&other, &dir.path().join("absent"), &data.join("store.key"), &data.join("identity.key")] {
        assert_eq!(rotate(&data, wrong), Err(RotateError::NoNewKey), "{wrong:?}");
    }
    let made = DataDir::at(&data).make_store_key(&out, &mut rand::rng());
    assert_eq!(made, Ok(()));
    assert_eq!(DataDir::at(&data).make_store_key(&out, &mut rand::rng()), Err(RotateError::OutExists));
    assert_eq!(opens(&data, &StoreKey::from_bytes(old.clone().try_into().unwrap())), Ok(()));
    for (step, place) in snapshots(&data, Some(&out), dir.path()) {
        let out = place.join("out.key");
        let (old_key, new_key) = (StoreKey::from_bytes(old.clone().try_into().unwrap()), key_of(&out));
        let is_changed = step >= RotationStep::StoreChanged;
        assert_eq!(opens(&place, &old_key).is_ok(), !is_changed, "{step:?}");
        assert_eq!(opens(&place, &new_key).is_ok(), is_changed, "{step:?}");
        rotate(&place, &out).unwrap();
        assert_eq!(opens(&place, &new_key), Ok(()));
        assert!(!lies_in(&place, &old) && !place.join("store.key").exists());
        std::fs::rename(&out, place.join("store.key")).unwrap();
        assert_found(&place, &mailbox);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_change_survives_kills() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mailbox = filled(&data).await;
    let key = || std::fs::read(data.join("store.key")).unwrap();
    let mut keys = BTreeSet::from([key()]);
    let begin = std::time::Instant::now();
    json(&["key", "rotate"], &data);
    let whole = begin.elapsed();
    keys.insert(key());
    let mut was_cut = false;
    for round in 0..ROUNDS {
        let mut child = program()
            .args(["key", "rotate", "--data"])
            .arg(&data)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * round / ROUNDS);
        let _ = child.kill();
        was_cut |= !child.wait().unwrap().success();
        assert_found(&data, &mailbox);
        drop(DataDir::at(&data).open_store(&mut rand::rng()).unwrap());
        assert!(!data.join("store.key.new").exists());
        assert_found(&data, &mailbox);
        keys.insert(key());
    }
    assert!(was_cut);
    let last = key();
    for key in keys.iter().filter(|key| **key != last) {
        assert!(!lies_in(&data, key));
        let key = StoreKey::from_bytes(key.clone().try_into().unwrap());
        assert_eq!(opens(&data, &key), Err(OpenError::WrongKey));
    }
    assert!(json(&["key", "rotate"], &data)["new_key"].is_object());
    assert_found(&data, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_key_was_changed_moves_with_its_mailboxes() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let (data, new, file) = (dir.path().join("data"), dir.path().join("new"), dir.path().join("file"));
    let mailbox = filled(&data).await;
    json(&["key", "rotate"], &data);
    let key = json(&["import", "--prepare", "--url", "wss://relay.example/"], &new)["key"].take();
    json(&["export", "--to", key.as_str().unwrap(), "--out", file.to_str().unwrap()], &data);
    json(&["import", file.to_str().unwrap()], &new);
    assert_found(&new, &mailbox);
    json(&["key", "rotate"], &new);
    assert_found(&new, &mailbox);
    let (worked, said) = run(&["key", "rotate"], &data, &[]);
    assert!(!worked && said.contains("moved"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_copy_of_the_index_key_costs_nothing() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mailbox = filled(&data).await;
    let relay = DataDir::at(&data);
    relay.rotate_store_key(None, &mut rand::rng(), |_| {}).unwrap();
    let disk = FileDisk::open_read_only(relay.store_path()).unwrap();
    let places = residue::places(&disk, &relay.store_key().unwrap().unlock()).unwrap();
    let copies: Vec<_> = places.iter().filter(|place| place.body.end - place.body.start == 32).collect();
    assert_eq!(copies.len(), 2);
    let whole = std::fs::read(relay.store_path()).unwrap();
    let damage = |copies: &[&&residue::Place]| {
        let mut store = whole.clone();
        for place in copies {
            store[usize::try_from(place.body.start).unwrap()] ^= 1;
        }
        std::fs::write(relay.store_path(), store).unwrap();
    };
    for copy in &copies {
        damage(&[copy]);
        assert_found(&data, &mailbox);
    }
    damage(&copies.iter().collect::<Vec<_>>());
    let opened = relay.open(deaddrop_relay::Limits::DEFAULT, &mut rand::rng()).err();
    assert!(matches!(opened, Some(DataDirError::Ready(_))), "{opened:?}");
}

#[test]
fn the_place_of_a_key_is_that_of_the_file_behind_the_link() {
    let _alone = ALONE.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let key = std::fs::read(data.join("store.key")).unwrap();
    let shown = json(&["key", "show"], &data);
    assert_eq!(shown["store_key"]["medium"], "store_file_system");
    assert_eq!(
        (&shown["store_key"]["mode"], &shown["store_key"]["is_link"]),
        (&"0600".into(), &false.into())
    );
    assert_eq!(shown["store_key"]["warnings"], serde_json::json!([]));
    let fingerprint = DataDir::at(&data).identity().unwrap().fingerprint().to_string();
    assert_eq!(shown["fingerprint"], fingerprint);
    let (worked, said) = run(&["key", "show"], &data, &[]);
    assert!(worked && said.contains("opens the store like the running relay"), "{said}");
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!said.contains(&digits) && !shown.to_string().contains(&digits), "no key is printed");
    #[cfg(target_os = "linux")]
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        let real = memory.path().join("key");
        std::fs::rename(data.join("store.key"), &real)
            .or_else(|_| {
                std::fs::write(&real, &key).and_then(|()| std::fs::remove_file(data.join("store.key")))
            })
            .unwrap();
        std::os::unix::fs::symlink(&real, data.join("store.key")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&real, open).unwrap();
        let place = DataDir::at(&data).store_key_place().unwrap();
        assert_eq!((place.medium, place.is_link), (Medium::Memory, true));
        assert_eq!(place.real_path.as_deref(), Some(real.as_path()));
        assert!(place.is_open_to_others());
        let (worked, said) = run(&["key", "show"], &data, &[]);
        assert!(worked && said.contains("chmod 600") && said.contains("a reboot loses this file"), "{said}");
        // The new key goes behind the link.
        let changed = json(&["key", "rotate"], &data);
        assert_eq!(changed["new_key"]["medium"], "memory");
        assert!(std::fs::symlink_metadata(data.join("store.key")).unwrap().is_symlink());
        assert_ne!(std::fs::read(&real).unwrap(), key);
        assert_eq!(names(memory.path()), BTreeSet::from(["key".to_owned()]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_credentials_and_from_the_environment() {
    let _alone = ALONE.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let (data, folder) = (dir.path().join("data"), dir.path().join("credentials"));
    let mailbox = filled(&data).await;
    std::fs::create_dir(&folder).unwrap();
    for name in ["store.key", "identity.key"] {
        std::fs::rename(data.join(name), folder.join(name)).unwrap();
    }
    let (worked, said) = run(&["inspect"], &data, &[]);
    assert!(!worked && said.contains("a file of this relay is missing"), "{said}");
    let config =
        |lines: &str| std::fs::write(data.join("config.toml"), format!("{lines}\n{HURRIED}")).unwrap();
    config("store_key = \"credential:store.key\"\nidentity_key = \"credential:identity.key\"");
    let (worked, said) = run(&["inspect"], &data, &[]);
    assert!(!worked && said.contains("the credential of a key is not there"), "{said}");
    // A timer without the credentials learns all that needs no key.
    let (worked, said) = run(&["check"], &data, &[]);
    let unit = "LoadCredentialEncrypted=store.key:FILE";
    assert!(
        worked && said.contains("warning  store_key: credential:store.key") && said.contains(unit),
        "{said}"
    );
    assert!(said.contains("open_files: ") && !said.contains("FAULT"), "{said}");
    let checked = json(&["check"], &data);
    assert_eq!([&checked["fingerprint"], &checked["filled"], &checked["day"]], [&serde_json::Value::Null; 3]);
    let credentials = [("CREDENTIALS_DIRECTORY", folder.to_str().unwrap())];
    assert!(run(&["check"], &data, &credentials).0);
    let mut command = program();
    command.args(["serve", "--data"]).arg(&data).envs(credentials);
    let relay = Relay::start(command);
    let mut client = Client::connect(&relay.address, 1).await;
    client.subscribe(1, &mailbox.read).await;
    client.delivery().await;
    assert!(relay.stop());

    // Only the operator can replace a credential.
    let (worked, said) = run(&["key", "rotate"], &data, &credentials);
    assert!(!worked && said.contains("--out FILE"), "{said}");
    let out = dir.path().join("new.key");
    let (worked, said) = run(&["key", "rotate", "--out", out.to_str().unwrap()], &data, &credentials);
    assert!(worked && said.contains("systemd-creds encrypt") && said.contains("--use"), "{said}");
    assert!(run(&["inspect"], &data, &credentials).0, "nothing has changed");
    let (worked, said) = run(&["key", "rotate", "--use", out.to_str().unwrap()], &data, &credentials);
    assert!(worked && said.contains("destroy it there") && said.contains("store_key"), "{said}");
    assert!(!run(&["inspect"], &data, &credentials).0);

    // As digits in the environment.
    config("store_key = \"env:KEY_OF_THE_STORE\"\nidentity_key = \"credential:identity.key\"");
    let digits: String = std::fs::read(&out).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    for (value, why) in [(None, "is not set"), (Some("00"), "64 hexadecimal digits")] {
        let more: Vec<_> = value.map(|value| ("KEY_OF_THE_STORE", value)).into_iter().collect();
        let (worked, said) = run(&["inspect"], &data, &more);
        assert!(!worked && said.contains(why), "{said}");
    }
    let environment = [credentials[0], ("KEY_OF_THE_STORE", digits.as_str())];
    let (worked, said) = run(&["check"], &data, &environment);
    assert!(worked && said.contains("/proc/PID/environ"), "{said}");
    assert!(run(&["key", "show"], &data, &environment).1.contains("in the environment of the process"));

    // Another configuration cannot move the keys, because other commands would not find them.
    let other = dir.path().join("other.toml");
    std::fs::write(&other, "store_key = \"file:/nowhere\"").unwrap();
    let (worked, said) = run(&["serve", "--config", other.to_str().unwrap()], &data, &environment);
    assert!(!worked && said.contains("belong into config.toml"), "{said}");
    config("store_key = \"hunter2\"");
    let (worked, said) = run(&["check"], &data, &environment);
    assert!(!worked && said.contains("credential:NAME") && !said.contains("hunter2"), "{said}");
    let output = program().args(["check", "--json", "--data"]).arg(&data).output().unwrap();
    let checked: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = checked["findings"].as_array().unwrap();
    assert!(!output.status.success() && findings.len() == 1, "{checked}");
    assert_eq!((&findings[0]["topic"], &findings[0]["level"]), (&"configuration".into(), &"fault".into()));
    assert!(findings[0]["text"].as_str().unwrap().contains("credential:NAME"), "{checked}");
}
