//! The destruction of the old store after a move.

use super::error::MoveError;
use super::files::{destroy, destroy_head, destroy_store, is_there, with_ending};
use super::mark::MovedMark;
use super::progress::Progress;
use super::receipt::Receipt;
use crate::clock::Now;
use crate::data_dir::{DataDir, KeySource};
use std::path::PathBuf;

/// Destroys the store and the store key of a relay that has moved, if `receipt` is the text of the
/// receipt of this move. The identity stays, so that the relay can go on serving its new URL. An
/// interrupted call can be repeated. Returns the relay's mark.
///
/// Overwriting reaches what the file system overwrites: flash media may keep old blocks until they
/// use them again, and copies of the directory are not touched.
///
/// # Errors
/// Fails with [`MoveError`] when the relay has not moved, the receipt is another one, or the disk
/// fails.
pub fn confirm(
    data: &DataDir,
    receipt: &str,
    tell: &mut dyn FnMut(Progress),
) -> Result<MovedMark, MoveError> {
    let seed = data.seed()?;
    let mark = MovedMark::update(data, |mark| {
        let mark = mark.ok_or(MoveError::NotMoved)?;
        // the receipt is that of this relay and this key.
        if !Receipt::of(&seed, &mark.key).has_text(receipt) {
            return Err(MoveError::WrongReceipt);
        }
        Ok(MovedMark { confirmed: true, ..mark })
    })?;
    destroy_all(data, tell)?;
    Ok(mark)
}

/// Begins or continues a destruction that was confirmed, with the part that is short: the beginning
/// of the store and the key, after which no record opens. Does nothing if none was confirmed.
///
/// # Errors
/// Fails with [`MoveError`] when the mark is damaged or the disk fails.
pub fn destroy_keys(data: &DataDir) -> Result<(), MoveError> {
    if !MovedMark::read(data)?.is_some_and(|mark| mark.confirmed) {
        return Ok(());
    }
    destroy_key_file(data)?;
    for path in stores(data) {
        if is_there(&path)? {
            destroy_head(&path)?;
        }
    }
    Ok(())
}

/// Notes the day that a relay that has moved believes, and destroys its store when everything in it
/// has expired. Returns the relay's mark.
///
/// # Errors
/// Fails with [`MoveError`] when the relay has not moved, or the disk fails.
pub fn destroy_expired(
    data: &DataDir,
    now: Now,
    tell: &mut dyn FnMut(Progress),
) -> Result<MovedMark, MoveError> {
    let mark = MovedMark::update(data, |mark| {
        let mark = mark.ok_or(MoveError::NotMoved)?;
        let confirmed = mark.confirmed || now.is_over(mark.last_day);
        Ok(MovedMark { calendar: now.calendar(), confirmed, ..mark })
    })?;
    if mark.confirmed {
        destroy_all(data, tell)?;
    }
    Ok(mark)
}

fn destroy_all(data: &DataDir, tell: &mut dyn FnMut(Progress)) -> Result<(), MoveError> {
    for path in stores(data) {
        if is_there(&path)? {
            destroy_store(&path, tell)?;
        }
    }
    destroy_key_file(data)
}

/// Returns the paths of the store, an unfinished one first.
fn stores(data: &DataDir) -> [PathBuf; 2] {
    let store = data.store_path();
    [with_ending(&store, ".new"), store]
}

fn destroy_key_file(data: &DataDir) -> Result<(), MoveError> {
    // A key from a credential or the environment is not the relay's to destroy.
    match data.store_key_source()? {
        KeySource::File(path) => destroy(&data.path().join(path)),
        KeySource::Credential(_) | KeySource::Environment(_) => Ok(()),
    }
}
