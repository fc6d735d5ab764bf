//! `key show` and `key rotate`: where the relay's keys lie, and a new store key.

use super::terminal::{Failure, complain, say, system_random};
use crate::data_dir::{DataDir, KeyPlace, KeySource, Medium, RotateError, Rotated, RotationStep};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The relay has two keys: the store key opens the store, the identity is what clients know the relay
/// by. These commands show where they lie, and change the store key. No key is printed.
#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Say where both keys really lie, and what a thief of the disk can do. Works while the relay
    /// serves.
    Show {
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Change the store key and seal all records again, so that the old key opens nothing. The relay
    /// must not be serving. After an interruption run the same command again.
    ///
    /// To bring the key off the disk, make a new one, put it where it is to lie, and then use it:
    ///
    ///   deaddrop-relay key rotate --data DIR --out /run/deaddrop-store.key
    ///   (encrypt it for this machine's TPM, say, and try to decrypt it)
    ///   deaddrop-relay key rotate --data DIR --use /run/deaddrop-store.key
    #[command(verbatim_doc_comment)]
    Rotate {
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Write a new key into this new file, and change nothing else.
        #[arg(long, value_name = "FILE", conflicts_with = "used")]
        out: Option<PathBuf>,
        /// Change the store key to the one in this file, which `--out` has made. Without `--out` and
        /// `--use` the file of the old key gets a new key.
        #[arg(long = "use", id = "used", value_name = "FILE")]
        used: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: KeyCommand) -> Result<ExitCode, Failure> {
    match command {
        KeyCommand::Show { data, json } => show(&DataDir::at(data), json),
        KeyCommand::Rotate { data, out: Some(out), used: _, json } => make(&DataDir::at(data), &out, json),
        KeyCommand::Rotate { data, out: None, used, json } => rotate(&DataDir::at(data), used, json),
    }
}

impl From<RotateError> for Failure {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Directory(error) => Self::Directory(error),
            error => Self::Say(error.to_string()),
        }
    }
}

fn show(data: &DataDir, json: bool) -> Result<ExitCode, Failure> {
    let (store, identity) = (data.store_key_place()?, data.identity_key_place()?);
    let fingerprint = data.identity().map(|identity| identity.fingerprint().to_string());
    if json {
        say(json!({
            "fingerprint": fingerprint.as_ref().ok(),
            "store_key": told(&store),
            "identity_key": told(&identity),
        }))?;
    } else {
        let fingerprint = fingerprint.unwrap_or_else(|error| format!("not known: {error}"));
        say(format_args!(
            "fingerprint: {fingerprint}\n\n{}\n  With the disk: {}.\n  A relay that serves with --volatile uses no store key: \
             nothing of it is on a disk.\n\n{}\n  With it: a thief can answer in the relay's place where they control the network, and \
             use the rights that are then presented. They can open no message.",
            lines("store key", &store),
            store.medium.consequence(),
            lines("identity key", &identity),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the place of a key as JSON, with the consequence of the place and its warnings.
fn told(place: &KeyPlace) -> serde_json::Value {
    let mut told = serde_json::to_value(place).unwrap_or_default();
    if let Some(fields) = told.as_object_mut() {
        fields.insert("consequence".to_owned(), place.medium.consequence().into());
        fields.insert("warnings".to_owned(), warnings(place).into());
    }
    told
}

fn lines(name: &str, place: &KeyPlace) -> String {
    let mut text = format!("{name}: {}, {}", place.source, place.medium.text());
    if let Some(kind) = place.file_system {
        text += &format!(" ({kind})");
    }
    match (&place.path, &place.real_path) {
        (_, Some(real)) if place.is_link => text += &format!("\n  File: {}, by a link", real.display()),
        (_, Some(real)) => text += &format!("\n  File: {}", real.display()),
        (Some(path), None) => text += &format!("\n  File: {}, which is not there", path.display()),
        (None, None) => {}
    }
    if let (Some(mode), Some(owner)) = (place.mode, place.owner) {
        text += &format!("\n  Mode {mode:04o}, owner {owner}");
    }
    for warning in warnings(place) {
        text += &format!("\n  Warning: {warning}");
    }
    text
}

/// Returns what is wrong with a place, or easily misunderstood.
fn warnings(place: &KeyPlace) -> Vec<String> {
    let mut all = Vec::new();
    if place.is_open_to_others() {
        all.push("other users have a right to the file; take it from them with chmod 600".to_owned());
    }
    match (&place.source, place.medium) {
        (KeySource::Credential(name), Medium::Missing) => all.push(format!(
            "there is no credential {name} in this environment: within the relay's unit it may be there"
        )),
        (KeySource::Credential(name), _) => all.push(format!(
            "systemd decrypts the credential when the unit starts: the unit's LoadCredentialEncrypted={name}:FILE and how FILE was \
             encrypted (--with-key=tpm2, or host, whose key is on the system's disk) say what a thief needs"
        )),
        (KeySource::File(_), Medium::Memory) => {
            all.push("a reboot loses this file: keep a second copy, or the store with it is lost".to_owned());
        }
        (_, Medium::Missing) => all.push("the key is not there, or this user may not see it".to_owned()),
        _ => {}
    }
    all
}

/// Makes a new key in the file `out`, and says what to do with it.
fn make(data: &DataDir, out: &Path, json: bool) -> Result<ExitCode, Failure> {
    data.make_store_key(out, &mut system_random()?)?;
    let place = KeyPlace::find(KeySource::File(out.to_owned()), data.path());
    let file = out.display();
    if json {
        say(json!({ "made": place, "changed": false }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "a new key is in {file}, {}; the store has its old key still\n\
         Put the new key where it is to lie before you use it: with this file alone, a power loss would lose the store. One of:\n  \
         a credential that this machine's TPM seals, and `store_key = \"credential:deaddrop-store\"`:\n    \
         systemd-creds encrypt --with-key=tpm2 --name=deaddrop-store {file} /etc/credstore.encrypted/deaddrop-store\n    \
         and in the unit LoadCredentialEncrypted=deaddrop-store\n  \
         an environment variable, and `store_key = \"env:DEADDROP_STORE_KEY\"` (the weakest):\n    \
         its value is what `od -An -v -tx1 {file} | tr -d ' \\n'` prints\n  \
         the file itself, and `store_key = \"file:{file}\"`\n\
         Then, before you set `store_key`:\n  \
         deaddrop-relay key rotate --data {} --use {file}",
        place.medium.text(),
        data.path().display(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn rotate(data: &DataDir, used: Option<PathBuf>, json: bool) -> Result<ExitCode, Failure> {
    let Rotated { key, left, given_up } =
        data.rotate_store_key(used.as_deref(), &mut system_random()?, |step| {
            if step == RotationStep::OldKeyDestroyed && !json {
                complain(
                    "the old key opens the store no more; sealing the records again, which may take minutes",
                );
            }
        })?;
    let place = KeyPlace::find(KeySource::File(key.clone()), data.path());
    if json {
        say(json!({ "new_key": place, "destroy_yourself": left, "records_lost": given_up }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "the store key was changed, and all records were sealed again: the old key opens nothing\nnew key: {}, {}",
        key.display(),
        place.medium.text()
    );
    if given_up > 0 {
        text += &format!("\n{given_up} records were damaged and are lost; check the disk");
    }
    if let Some(source) = &left {
        text += &format!("\nthe old key was in {source}: destroy it there");
    }
    if used.is_some() {
        text += &format!(
            "\nset `store_key` in config.toml to the place of the new key: the relay does not start before. Unless that \
             place is this file itself, overwrite {} then if it is on a disk (shred -u), or remove it",
            key.display()
        );
    }
    say(text)?;
    Ok(ExitCode::SUCCESS)
}
