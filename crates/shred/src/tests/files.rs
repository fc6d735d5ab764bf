//! Stores in files: names, locks, refusals (S14).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::{key, puts, rng, tiny, unlock};
use crate::{CreateError, FileDisk, MasterKey, OpenError, Shred, Unlock};
use std::fs;
use std::path::Path;

fn create(path: &Path) -> Result<Shred<FileDisk>, CreateError> {
    Shred::create(FileDisk::create(path)?, &tiny(), &unlock(), &mut rng(1))
}

fn open(path: &Path) -> Result<Shred<FileDisk>, OpenError> {
    Shred::open(FileDisk::open(path)?, &unlock(), &mut rng(1))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_store_lives_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/store");
    // Something that everybody may read has the name of the unfinished file.
    fs::create_dir_all(dir.path().join("c")).unwrap();
    let left = dir.path().join("c/store");
    fs::write(left.with_extension("new"), b"left").unwrap();
    #[cfg(unix)]
    fs::set_permissions(left.with_extension("new"), std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .unwrap();
    drop(create(&left).unwrap());
    let mut store = create(&path).unwrap();
    store.commit(puts(&[(1, b"one")]), &mut rng(1)).unwrap();
    assert_eq!(names(&dir.path().join("a/b")), ["store"]);
    drop(store);
    assert_eq!(open(&path).unwrap().read(&key(1)).unwrap(), b"one");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&left)), (0o600, 0o600));
        assert_eq!(mode(&dir.path().join("a")), 0o700);
        assert_eq!(mode(&dir.path().join("a/b")), 0o700);
    }
}

#[test]
fn s14_one_writer_many_lookers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let mut store = create(&path).unwrap();
    store.commit(puts(&[(1, b"one")]), &mut rng(1)).unwrap();
    assert_eq!(open(&path).unwrap_err(), OpenError::InUse);
    let before = fs::read(&path).unwrap();
    let look = Shred::open_read_only(FileDisk::open_read_only(&path).unwrap(), &unlock()).unwrap();
    assert_eq!(look.read(&key(1)).unwrap(), b"one");
    assert!(before == fs::read(&path).unwrap());
    store.erase(&[key(1)]).unwrap();
    assert_eq!(look.read(&key(1)).unwrap_err(), crate::ReadError::NotFound);
    // A reader keeps the file, and with it the lock.
    let reader = store.reader();
    drop(store);
    assert_eq!(open(&path).unwrap_err(), OpenError::InUse);
    drop(reader);
    open(&path).unwrap();
}

#[test]
fn open_answers_differ() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    assert_eq!(open(&path).unwrap_err(), OpenError::Absent);
    assert_eq!(open(&path.join("below")).unwrap_err(), OpenError::Absent);
    assert_eq!(open(dir.path()).unwrap_err(), OpenError::NotAStore);
    fs::write(&path, b"dear diary").unwrap();
    assert_eq!(open(&path).unwrap_err(), OpenError::NotAStore);
    assert_eq!(create(&path).unwrap_err(), CreateError::Exists);
    assert_eq!(fs::read(&path).unwrap(), b"dear diary");
    let path = dir.path().join("other");
    drop(create(&path).unwrap());
    let wrong = Unlock::Key(MasterKey::from_bytes([1; 32]));
    let disk = FileDisk::open(&path).unwrap();
    assert_eq!(Shred::open(disk, &wrong, &mut rng(1)).unwrap_err(), OpenError::WrongKey);
}

#[test]
fn a_killed_creation_is_no_store_and_does_not_hinder_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    // What a kill leaves: a file without its proper name, in whatever state.
    fs::write(dir.path().join("store.new"), vec![0x55; 200_000]).unwrap();
    assert_eq!(open(&path).unwrap_err(), OpenError::Absent);
    drop(create(&path).unwrap());
    assert_eq!(open(&path).unwrap().stats().records, 0);
    assert_eq!(names(dir.path()), ["store"]);
    // Killed between the link and the removal of the temporary name: both name the finished store.
    fs::hard_link(&path, dir.path().join("store.new")).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(create(&path).unwrap_err(), CreateError::Exists);
    assert!(before == fs::read(&path).unwrap());
    fs::remove_file(&path).unwrap();
    fs::hard_link(dir.path().join("store.new"), dir.path().join("kept")).unwrap();
    assert_eq!(
        create(&path).unwrap_err(),
        CreateError::Exists,
        "a file that has another name is not overwritten"
    );
    assert!(before == fs::read(dir.path().join("kept")).unwrap());
}

#[test]
fn two_creators_make_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let first = FileDisk::create(&path).unwrap();
    assert_eq!(FileDisk::create(&path).unwrap_err(), CreateError::InUse);
    // Somebody else takes the name in the meantime.
    fs::write(&path, b"mine").unwrap();
    assert_eq!(Shred::create(first, &tiny(), &unlock(), &mut rng(1)).unwrap_err(), CreateError::Exists);
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    assert_eq!(names(dir.path()), ["store"], "what was given up is removed");
}
