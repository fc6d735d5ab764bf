//! The two keys: where they really lie, and who can read them.

use super::finding::Finding;
use crate::data_dir::{DataDir, DataDirError, KeyPlace, KeySource, Medium};

pub(super) fn check(data: &DataDir) -> Vec<Finding> {
    let mut findings = vec![
        judge("store_key", data.store_key_place(), true),
        judge("identity_key", data.identity_key_place(), false),
    ];
    findings.extend(directory(data));
    findings
}

/// Whether the key is a credential of a unit, and this command runs outside of any unit with
/// credentials.
pub(super) const fn needs_credentials(place: &KeyPlace) -> bool {
    matches!(place.source, KeySource::Credential(_)) && place.path.is_none()
}

/// Judges the place of one key. `opens_store`: it is the store key.
fn judge(topic: &'static str, place: Result<KeyPlace, DataDirError>, opens_store: bool) -> Finding {
    let place = match place {
        Ok(place) => place,
        Err(error) => return Finding::fault(topic, error.to_string()),
    };
    if needs_credentials(&place) {
        let name = place.source.to_string();
        let name = name.trim_start_matches("credential:");
        return Finding::warning(
            topic,
            format!(
                "{}, which this command does not have, so what needs the key is not checked: run it by `systemd-run --pipe -p \
                 LoadCredentialEncrypted={name}:FILE` (LoadCredential= if it is not encrypted)",
                place.source
            ),
        );
    }
    let mut text = format!("{}, {}", place.source, place.medium.text());
    if let (true, Some(real)) = (place.is_link, &place.real_path) {
        text += &format!(" (a link to {})", real.display());
    }
    if opens_store {
        text += &format!(": {}", place.medium.consequence());
    }
    if place.medium == Medium::Missing {
        return Finding::fault(topic, text);
    }
    if place.is_open_to_others() {
        let path = place.real_path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        return Finding::warning(
            topic,
            format!("{text}. Other users have rights to the file: run `chmod 600 {path}`"),
        );
    }
    if place.medium == Medium::Environment {
        return Finding::warning(topic, text);
    }
    Finding::good(topic, text)
}

/// Tells a directory that other users can enter; `None` if they cannot.
#[cfg(unix)]
fn directory(data: &DataDir) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(data.path()).ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then(|| {
        let path = data.path().display();
        Finding::warning(
            "directory",
            format!("other users have rights to it (mode {mode:04o}): run `chmod 700 {path}`"),
        )
    })
}

/// Returns `None`: this system has no such rights.
#[cfg(not(unix))]
fn directory(_data: &DataDir) -> Option<Finding> {
    None
}
