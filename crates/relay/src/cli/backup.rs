//! `backup`: refuses, and says what to do instead.

use super::terminal::{Failure, complain, say};
use crate::data_dir::DataDir;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `backup`.
#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The relay's directory.
    #[arg(long)]
    data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

const REASON: &str = "\
there is no backup of a relay, because an old copy would break what the relay promised:
- blobs that were acked since would be delivered again, and could be opened again: the copy holds the keys that the relay destroyed
- blobs that were put since would be lost, although their senders were told that they are stored
Lost with the disk is what waits in the mailboxes, and the mailboxes. Clients notice: they make new mailboxes and tell their \
contacts, and send again what was not received. Nothing that a person has received is lost.";

const INSTEAD: &str = "\
- keep the identity: copy identity.key (32 bytes) once, offline and encrypted, for example\n  \
  age -p -o identity.key.age IDENTITY\n  \
  It never changes. With it a new relay keeps the fingerprint by which clients know this one: run `init`, then replace the new \
  identity.key by the copy. A person who has it can pose as this relay.
- keep config.toml; it may hold the create_token
- move to another disk or host with `export` and `import` (see `export --help`): nothing is lost and nothing comes twice
- protect from the death of a disk below the file system, by mirrored disks (RAID 1): they destroy what the relay destroys
- exclude the directory from backups and snapshots of the machine";

pub(super) fn run(arguments: BackupArguments) -> Result<ExitCode, Failure> {
    let BackupArguments { data, json } = arguments;
    DataDir::at(&data).identity()?;
    let instead =
        INSTEAD.replace("IDENTITY", &data.join(crate::data_dir::IDENTITY_KEY).display().to_string());
    if json {
        say(json!({ "backup": "refused", "reason": REASON, "instead": instead }))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(complain(&format!("{REASON}\nInstead:\n{instead}")))
}
