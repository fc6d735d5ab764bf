//! The state of a relay that has moved, or that was imported, as commands tell it.

use super::terminal::{Failure, complain, say};
use crate::data_dir::DataDir;
use crate::moving::{MovedMark, Progress};
use deaddrop_wire::Day;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Time between two lines about the progress of a long step.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Returns a function that writes a line about the progress to standard error from time to time.
/// `done` is the participle of what is done.
pub(super) fn tell_progress(done: &'static str) -> impl FnMut(Progress) {
    let mut last = Instant::now();
    move |progress| {
        if last.elapsed() >= TELL_EVERY {
            last = Instant::now();
            let Progress { done: bytes, total } = progress;
            let _ = writeln!(io::stderr(), "{done}: {} of {} MiB", bytes >> 20, total >> 20);
        }
    }
}

/// Says until when the old host must serve its new URL.
pub(super) fn date_hint(until: Day) -> String {
    format!(
        "Keep the relay running here until {until} at least, so that clients find the new place; after that day this host may be \
         switched off."
    )
}

/// Says what a directory is that has moved; `None` if it has not.
pub(super) fn text(data: &DataDir) -> Result<Option<String>, Failure> {
    let Some(mark) = MovedMark::read(data)? else { return Ok(None) };
    let store = if has_store(data) {
        format!(
            "warning: its store is still here, and blobs that were acked at the new host can be opened with it. Destroy it with the \
             receipt that `import` printed there: deaddrop-relay export --data {} --confirm RECEIPT",
            data.path().display()
        )
    } else {
        "its store here is destroyed".to_owned()
    };
    Ok(Some(format!(
        "this relay has moved to {url} (on {day}, key {key})\n{store}\n{hint}",
        url = mark.url,
        day = mark.moved_on,
        key = mark.key,
        hint = date_hint(mark.serve_until()),
    )))
}

/// Returns the same as [`text`] as JSON.
pub(super) fn object(data: &DataDir) -> Result<Option<Value>, Failure> {
    let mark = MovedMark::read(data)?;
    Ok(mark.map(|mark| {
        json!({
            "moved_to": mark.url,
            "moved_on": mark.moved_on.to_string(),
            "key_hash": mark.key.to_string(),
            "store": if has_store(data) { "present" } else { "destroyed" },
            "serve_until": mark.serve_until().to_string(),
        })
    }))
}

/// Prints the state of a directory that has moved, for a command that has nothing to say about its
/// store. Returns whether it has moved.
pub(super) fn say_if_moved(data: &DataDir, json: bool) -> Result<bool, Failure> {
    let (Some(text), Some(object)) = (text(data)?, object(data)?) else { return Ok(false) };
    if json { say(object)? } else { say(text)? }
    Ok(true)
}

/// Writes the warning about an old store to standard error, if there is one.
pub(super) fn warn_of_store(data: &DataDir) -> Result<(), Failure> {
    if has_store(data)
        && let Some(text) = text(data)?
    {
        complain(&text);
    }
    Ok(())
}

fn has_store(data: &DataDir) -> bool {
    data.store_path().exists() || data.store_key_path().exists()
}
