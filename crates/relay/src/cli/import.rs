//! `import`: moves a relay to another host, the part of the new host.

use super::core_dump;
use super::moved::tell_progress;
use super::terminal::{Failure, say, system_random};
use crate::data_dir::DataDir;
use crate::moving::{Imported, TakenLimits, import, prepare, show_receipt};
use clap::Args;
use deaddrop_wire::RelayUrl;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = "`deaddrop-relay export --help` shows all steps of a move.")]
pub(super) struct ImportArguments {
    /// The directory: a new or empty one for --prepare, afterwards the same one.
    #[arg(long)]
    data: PathBuf,
    /// The file that `export` made on the old host for the key of this directory.
    #[arg(required_unless_present_any = ["prepare", "receipt"], conflicts_with_all = ["prepare", "receipt"])]
    file: Option<PathBuf>,
    /// Make a one-time key in the directory, and print its public half for `export`.
    #[arg(long, requires = "url", conflicts_with = "receipt")]
    prepare: bool,
    /// URL at which the relay will serve here: wss://HOST/ or ws://HOST:PORT/. The old host sends
    /// clients there.
    #[arg(long, requires = "prepare")]
    url: Option<String>,
    /// MiB to which the store may grow. As at the old host unless given.
    #[arg(long, requires = "file", value_parser = clap::value_parser!(u32).range(4..))]
    max_mib: Option<u32>,
    /// Print again the receipt of the import into this directory.
    #[arg(long)]
    receipt: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: ImportArguments) -> Result<ExitCode, Failure> {
    let ImportArguments { data, file, prepare, url, max_mib, receipt, json } = arguments;
    let data = DataDir::at(data);
    core_dump::forbid();
    match file {
        Some(file) => take(&data, &file, max_mib, json),
        None if receipt => repeat_receipt(&data, json),
        None if prepare => make_key(&data, &url.unwrap_or_default(), json),
        // The parser of arguments has demanded one of the three.
        None => Err(Failure::Say("a file, --prepare or --receipt is needed".to_owned())),
    }
}

fn make_key(data: &DataDir, url: &str, json: bool) -> Result<ExitCode, Failure> {
    let url = &RelayUrl::new(url).map_err(|_| {
        Failure::Say("--url is not one of a relay: wss://HOST/ or ws://HOST:PORT/".to_owned())
    })?;
    let key = prepare(data, url, &mut system_random()?)?;
    let url = url.as_str();
    if json {
        say(json!({ "key": key.to_string(), "key_hash": key.hash().to_string(), "url": url }))?;
    } else {
        say(format_args!(
            "{key}\n\
             The line above is the key for `export --to` on the old host. Its hash is\n  {hash}\n\
             Compare the hash there: a person who replaces the key on its way gets the relay. The key is for one import, and sends \
             clients to {url}",
            hash = key.hash(),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn take(data: &DataDir, file: &Path, max_mib: Option<u32>, json: bool) -> Result<ExitCode, Failure> {
    let imported = import(data, file, max_mib, &mut system_random()?, &mut tell_progress("imported"))?;
    let Imported { fingerprint, receipt, url, records, bytes, needs_token, has_key_in_file, limits } =
        &imported;
    let url = url.as_str();
    let (limits, are_taken) = match limits {
        TakenLimits::Taken(limits) => (limits, true),
        TakenLimits::Unknown(limits) => (limits, false),
    };
    if json {
        say(json!({
            "fingerprint": fingerprint.to_string(), "receipt": receipt.to_string(), "url": url, "records": records,
            "bytes": bytes, "create_token_needed": needs_token, "limits": limits, "limits_taken": are_taken,
            "store_key_was_in_file": has_key_in_file,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut settings = match (limits.as_str(), are_taken) {
        ("", _) => String::new(),
        (limits, true) => format!("These limits of the old host stand in config.toml now:\n{limits}"),
        (limits, false) => format!(
            "This version does not know all limits of the old host, so none was taken. Set those that you want in config.toml:\n{limits}"
        ),
    };
    if *needs_token {
        settings += "The old host demanded a token for new mailboxes. Set `create_token` in config.toml before you serve, or every \
                     client can make mailboxes here.\n";
    }
    if !has_key_in_file {
        settings += "At the old host the store key came from a credential or the environment. Here it is the file store.key, which a \
                     copy of the directory holds, too: move it to such a place with `deaddrop-relay key rotate`.\n";
    }
    say(format_args!(
        "imported {records} records, {bytes} bytes; the one-time key is destroyed, so the file opens nowhere any more: remove it\n\
         fingerprint: {fingerprint} (it must be that of the old relay)\n\
         receipt: {receipt}\n\
         {settings}\
         Nothing else of the old configuration was taken: addresses, certificates and proxies belong to a host. `url` is {url}.\n\
         Next: read config.toml, start the relay here, and run on the old host\n  \
         deaddrop-relay export --data DIR --confirm {receipt}\n\
         which destroys the store there: until then, blobs that are acked here can be opened there.",
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn repeat_receipt(data: &DataDir, json: bool) -> Result<ExitCode, Failure> {
    let receipt = show_receipt(data)?.to_string();
    if json {
        say(json!({ "receipt": receipt }))?
    } else {
        say(receipt)?
    }
    Ok(ExitCode::SUCCESS)
}
