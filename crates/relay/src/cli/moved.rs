//! The state of a relay that has moved, or that was imported, as commands tell it.

use super::terminal::{Failure, complain, say};
use crate::clock::Clock;
use crate::data_dir::{DataDir, KeySource};
use crate::moving::{MovedMark, Progress, destroy_expired, destroy_keys, finish_import};
use deaddrop_wire::Day;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Time between two lines about the progress of a long step.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Time between two looks at the believed day by a relay that has moved.
const WATCH_EVERY: Duration = Duration::from_secs(60);

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
    let store = if mark.confirmed && has_store(data) {
        "its store may be destroyed, and a part of it is still here: `serve` and `export --confirm` destroy the rest".to_owned()
    } else if has_store(data) {
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
        url = mark.url.as_str(),
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
            "moved_to": mark.url.as_str(),
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
    if json {
        say(object)?
    } else {
        say(text)?
    }
    Ok(true)
}

/// Prepares the start of a relay: ends an import that was interrupted, makes a store unreadable whose
/// destruction was interrupted, and warns of an old store. A destruction that fails is told, and the
/// relay serves its new URL. Returns the mark of a relay that has moved; `None` if it has not.
pub(super) fn before_serving(data: &DataDir) -> Result<Option<MovedMark>, Failure> {
    finish_import(data)?;
    // A damaged mark is refused here.
    let mark = MovedMark::read(data)?;
    if let Err(error) = destroy_keys(data) {
        complain(&format!(
            "the old store could not be destroyed, and this is tried again each minute: {error}"
        ));
    }
    if let Some(text) = text(data)? {
        complain(&text);
    }
    Ok(mark)
}

/// Notes each day that the relay believes, and destroys the old store of a relay that has moved when
/// everything in it has expired. Never returns.
pub(super) async fn watch(data: DataDir, clock: Clock) {
    let mut noted = None;
    loop {
        let now = clock.now();
        if noted != Some(now.calendar()) {
            let data = data.clone();
            // The disk may be slow. Links do not wait for it, and neither does the end of the process.
            let (tell, looked) = tokio::sync::oneshot::channel();
            let thread = std::thread::Builder::new().name("destruction".to_owned());
            let look = move || drop(tell.send(destroy_expired(&data, now, &mut |_| ())));
            if let Err(error) = thread.spawn(look) {
                tracing::warn!("the system gives no thread to look after the old store: {error}");
            }
            match looked.await {
                Ok(Ok(_)) => noted = Some(now.calendar()),
                Ok(Err(error)) => tracing::warn!("the old store could not be looked after: {error}"),
                Err(_) => tracing::error!("the old store could not be looked after: a fault of the program"),
            }
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// Whether the store of a relay that has moved, or the file of its key, is still there.
fn has_store(data: &DataDir) -> bool {
    let has_key = || match data.store_key_source() {
        Ok(KeySource::File(path)) => data.path().join(path).exists(),
        _ => false,
    };
    data.store_path().exists() || has_key()
}
