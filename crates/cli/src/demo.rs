//! The demonstration: a real relay as a process of its own, two people with vaults of their own, everything on this machine.

pub mod person;
pub mod plan;
pub mod relay_process;
pub mod replay;
pub mod screens;
pub mod story;
pub mod tally;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use tempfile::TempDir;

use self::{
    person::Person,
    plan::{Pair, Plan},
    relay_process::RelayProcess,
    replay::Replay,
    story::Story,
};
use crate::{args, failure::Failure, output::Output, signals, transcript::Transcript};

/// Runs the demonstration. Afterwards ends its relay and, without `--keep`, removes its files,
/// whatever the outcome. The exit code is that of a failure if a replay's figures are not clean
/// ([`replay::Figures::is_clean`]), also if the replay ended early. Fails if the transcript or
/// `--me` cannot be used, if the relay or the people cannot be made or do not come together, if a
/// step of the story fails, if output cannot be written, or if the process is asked to end.
pub async fn run(output: Output, args: &args::Demo) -> Result<ExitCode, Failure> {
    // Everything that can be refused is refused before anything is started.
    let transcript = match &args.transcript {
        Some(path) => Some(read(path)?),
        None => None,
    };
    let mut stage = Stage::new(args.keep.as_deref())?;
    let played = tokio::select! {
        played = play(output, args, transcript.as_ref(), &mut stage) => played,
        () = signals::asked_to_end() => Err(Failure::new("interrupted; everything is cleaned up")),
    };
    stage.clear().await;
    played
}

fn read(path: &Path) -> Result<Transcript, Failure> {
    Transcript::read(path, deaddrop_client::MAX_TEXT).map_err(|error| Failure::about(path.display(), &error))
}

/// The relay of the demonstration, and the folder that holds the data of the relay and the people.
struct Stage {
    // Dropped first: a relay must not write into a folder that is being removed.
    relay: Option<RelayProcess>,
    folder: Folder,
}

enum Folder {
    Removed(TempDir),
    Kept(PathBuf),
}

impl Stage {
    fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let failed =
            |error| Failure::new(format_args!("no folder for the demonstration can be made: {error}"));
        let folder = match keep {
            Some(path) => {
                fs::create_dir(path).map_err(failed)?;
                Folder::Kept(path.to_owned())
            }
            None => {
                Folder::Removed(tempfile::Builder::new().prefix("deaddrop-demo-").tempdir().map_err(failed)?)
            }
        };
        Ok(Self { relay: None, folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        match &self.folder {
            Folder::Removed(folder) => folder.path().join(name),
            Folder::Kept(folder) => folder.join(name),
        }
    }

    async fn clear(mut self) {
        if let Some(relay) = self.relay.take() {
            relay.stop().await;
        }
    }
}

async fn play(
    output: Output,
    args: &args::Demo,
    transcript: Option<&Transcript>,
    stage: &mut Stage,
) -> Result<ExitCode, Failure> {
    let folders = Pair { one: stage.path("ada"), two: stage.path("ben") };
    let relay = RelayProcess::start(&stage.path("relay")).await?;
    let relay = stage.relay.insert(relay);
    let mut people = Pair {
        one: Person::new("Ada", &folders.one, relay.address()).await?,
        two: Person::new("Ben", &folders.two, relay.address()).await?,
    };
    let played = match transcript {
        None => Story::new(output, relay, &mut people).tell().await.map(|()| ExitCode::SUCCESS),
        Some(transcript) => replay(output, args, transcript, relay, &mut people).await,
    };
    people.one.close().await;
    people.two.close().await;
    played
}

async fn replay(
    output: Output,
    args: &args::Demo,
    transcript: &Transcript,
    relay: &mut RelayProcess,
    people: &mut Pair<Person>,
) -> Result<ExitCode, Failure> {
    let me = transcript.me(args.me.as_deref()).map_err(Failure::new)?;
    let plan = Plan::new(transcript, me, args.flights, args.crashes);
    let link = people.one.invite("Ben").await?;
    people.two.accept(&link, "Ada").await?;
    let connected = tokio::time::timeout(replay::PATIENCE, people.one.connected()).await;
    connected.map_err(|_| Failure::new("the invite was accepted, but the answer does not arrive"))??;
    output.text(format_args!(
        "{} lines: {} of them by {}, the others by one person for all; {} flights, {} crashes of the relay",
        plan.lines(),
        plan.sayings.one.len(),
        crate::output::Shown(me),
        args.flights,
        args.crashes
    ))?;
    let mut replay = Replay::new(&plan, relay, people, args.seed);
    if let Err(failure) = replay.run().await {
        output.note(format_args!("the replay ended early: {failure}"));
    }
    let figures = replay.figures().await;
    output.text(format_args!(
        "{:.1} seconds, {} flights, {} crashes",
        figures.seconds, figures.flights, figures.crashes
    ))?;
    output.say(figures.line(), &figures)?;
    Ok(if figures.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
