//! `export`: moves a relay to another host, the part of the old host.

use super::core_dump;
use super::moved::{date_hint, tell_progress};
use super::terminal::{Failure, complain, read_config, say, system_random};
use crate::data_dir::{DataDir, KeySource};
use crate::moving::{ExportOptions, Exported, MovedMark, TransferKey, confirm, export};
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Maximum number of bytes that are read for a transfer key.
const MAX_KEY_TEXT: u64 = 16 << 10;

/// The arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
A move has six steps:
  1. new host:  deaddrop-relay import --prepare --url wss://NEW/ --data DIR     prints KEY
  2. old host:  stop the relay; deaddrop-relay export --data DIR --to KEY --out FILE
  3. old host:  start the relay again: it serves the new URL and nothing else
  4. copy FILE to the new host
  5. new host:  deaddrop-relay import --data DIR FILE                           prints RECEIPT
                deaddrop-relay serve --data DIR
  6. old host:  deaddrop-relay export --data DIR --confirm RECEIPT             destroys the old store
Compare the hash of the key at both hosts before step 2: a person who replaces KEY on its way gets the relay.")]
pub(super) struct ExportArguments {
    /// The relay's directory. The relay must not be serving.
    #[arg(long)]
    data: PathBuf,
    /// The key that `import --prepare` printed on the new host: its text, @FILE, or - for standard
    /// input. It says also at which URL the new host will serve.
    #[arg(long, value_name = "KEY|@FILE|-", required_unless_present = "confirm", requires = "out")]
    to: Option<String>,
    /// Path of the new file. It can be opened on the new host only.
    #[arg(long, value_name = "FILE", requires = "to")]
    out: Option<PathBuf>,
    /// Hash of an earlier key, to export to another one. Only if the file for the earlier key was
    /// never imported and never will be: two hosts would serve the same blobs.
    #[arg(long, value_name = "HASH", requires = "to")]
    abandon: Option<String>,
    /// The configuration with which the relay served, if it was `serve --config`: its limits move.
    #[arg(long, value_name = "FILE", requires = "to")]
    config: Option<PathBuf>,
    /// Leave out the records that the disk cannot read: what they hold is lost.
    #[arg(long, requires = "to")]
    skip_unreadable: bool,
    /// The receipt that `import` printed on the new host. Destroys the store here, and keeps the
    /// identity, with which the relay goes on serving its new URL. Works while the relay serves.
    #[arg(long, value_name = "RECEIPT", conflicts_with_all = ["to", "out"])]
    confirm: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: ExportArguments) -> Result<ExitCode, Failure> {
    let ExportArguments { data, to, out, abandon, config, skip_unreadable, confirm, json } = arguments;
    let data = DataDir::at(data);
    core_dump::forbid();
    match (to, out, confirm) {
        (Some(to), Some(out), _) => {
            let config = config.as_deref();
            read_config(&data, config)?;
            let abandoned = abandon.as_deref();
            let options = ExportOptions { abandoned, config, skips_unreadable: skip_unreadable };
            send(&data, &read_key(&to)?, &out, options, json)
        }
        (_, _, Some(receipt)) => finish(&data, &receipt, json),
        // The parser of arguments has demanded one of the two.
        _ => Err(Failure::Say("--to and --out, or --confirm, are needed".to_owned())),
    }
}

/// Reads a transfer key from an argument: its text, `@FILE`, or `-` for standard input.
fn read_key(argument: &str) -> Result<TransferKey, Failure> {
    let read = |from: &mut dyn Read| -> io::Result<String> {
        let mut text = String::new();
        from.take(MAX_KEY_TEXT).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = match argument.strip_prefix('@') {
        Some(path) => File::open(path).and_then(|mut file| read(&mut file)),
        None if argument == "-" => read(&mut io::stdin()),
        None => Ok(argument.to_owned()),
    };
    let text =
        text.map_err(|error| Failure::Say(format!("the key cannot be read from {argument}: {error}")))?;
    Ok(text.parse()?)
}

fn send(
    data: &DataDir,
    key: &TransferKey,
    out: &Path,
    options: ExportOptions<'_>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let mut rng = system_random()?;
    let exported = export(data, key, out, options, &mut rng, &mut tell_progress("read"))?;
    let Exported { mark: MovedMark { url, key, .. }, records, bytes, damaged } = &exported;
    let url = url.as_str();
    let until = exported.mark.serve_until();
    if *damaged > 0 {
        complain(&format!(
            "{damaged} records are damaged or unreadable on this disk, and what they held is lost: they are not in the file"
        ));
    }
    if json {
        say(json!({
            "moved_to": url, "key_hash": key.to_string(), "file": out, "records": records, "bytes": bytes,
            "damaged": damaged, "serve_until": until.to_string(),
        }))?;
    } else {
        say(format_args!(
            "exported {records} records, {bytes} bytes, to {file}\n\
             key: {key} (the same as on the new host, or someone else can open the file)\n\
             This relay has moved: it serves {url} from now on, and no message. Its store here is not used any more.\n\
             Next: start it again here; copy the file to the new host, and run there\n  \
             deaddrop-relay import --data DIR FILE\n\
             then, with the receipt that it prints, run here\n  \
             deaddrop-relay export --data {dir} --confirm RECEIPT\n\
             which destroys the store here. {hint}",
            file = out.display(),
            dir = data.path().display(),
            hint = date_hint(until),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn finish(data: &DataDir, receipt: &str, json: bool) -> Result<ExitCode, Failure> {
    let mark = confirm(data, receipt, &mut tell_progress("overwritten"))?;
    let source = data.store_key_source()?;
    if !matches!(source, KeySource::File(_)) {
        complain(&format!("the store key comes from {source}: remove it there, too"));
    }
    let until = mark.serve_until();
    if json {
        say(
            json!({ "store": "destroyed", "moved_to": mark.url.as_str(), "serve_until": until.to_string() }),
        )?;
    } else {
        say(format_args!(
            "the store of this directory and the file of its key are overwritten and removed\n\
             Flash media may keep old blocks until they use them again. Backups and snapshots of this directory keep theirs: \
             remove them, and remove the export's file.\n{}",
            date_hint(until),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
