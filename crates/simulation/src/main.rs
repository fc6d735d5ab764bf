//! The command line of the simulation: plays seeds, and shows the first that breaks a promise.

use clap::Parser;
use deaddrop_simulation::{Breach, Outcome, Planted, Shortening, run, run_entries, shorten};
use std::{io::Write, process::ExitCode, time::Instant};

/// Plays people, relays and the network between them on virtual time, with faults. One seed is one run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Number of seeds to play
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Play with the planted fault of this name, to see that the checks find it (the exit code is a failure then)
    #[arg(long, value_parser = planted)]
    planted: Option<Planted>,
    /// Play the first seed alone, with these entries of its plan, and print its history
    #[arg(long, value_delimiter = ',')]
    entries: Option<Vec<usize>>,
    /// Play the first seed alone, and print its history
    #[arg(long)]
    history: bool,
    /// Name each seed that breaks a promise, and shorten none
    #[arg(long)]
    keep_going: bool,
}

fn planted(name: &str) -> Result<Planted, String> {
    let names = || Planted::ALL.map(|planted| planted.to_string()).join(", ");
    Planted::by_name(name).ok_or_else(|| format!("no such planted fault; there are: {}", names()))
}

fn print(text: &str) {
    // Nothing can be done for a reader that has gone.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments { seeds, first, planted, .. } = arguments;
    if let Some(entries) = &arguments.entries {
        return show(&run_entries(first, entries, planted));
    }
    if arguments.history {
        return show(&run(first, planted, true));
    }
    #[allow(clippy::disallowed_methods, reason = "the rate is measured, and no run depends on it")]
    let begun = Instant::now();
    let (mut played, mut texts, mut events, mut broken) = (0, 0, 0, 0);
    for seed in first..first.saturating_add(seeds) {
        let outcome = run(seed, planted, false);
        played += 1;
        texts += outcome.given;
        events += outcome.events;
        if let Some(breach) = outcome.breach.as_ref().filter(|_| arguments.keep_going) {
            broken += 1;
            print(&format!("seed {seed}: {breach}\n"));
        } else if let Some(breach) = &outcome.breach {
            print(&format!("seed {seed} breaks a promise after {played} seeds\n"));
            return explain(seed, planted, breach);
        }
        if played % 1_000 == 0 {
            print(&format!("{played} seeds, {:.1} a second\n", rate(played, begun)));
        }
    }
    print(&format!(
        "{played} seeds, {:.1} a second; {texts} texts given, {events} events; {broken} seeds break a promise\n",
        rate(played, begun)
    ));
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn rate(played: u64, begun: Instant) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let played = played as f64;
    played / begun.elapsed().as_secs_f64().max(0.001)
}

/// Prints the history of a run, and whether it broke a promise. The exit code is a failure if so.
fn show(outcome: &Outcome) -> ExitCode {
    for line in &outcome.lines {
        print(&format!("{line}\n"));
    }
    match &outcome.breach {
        None => {
            print("no promise broken\n");
            ExitCode::SUCCESS
        }
        Some(breach) => {
            print(&format!("broken: {breach}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Prints the shortened history of a run that breaks a promise, and how to play it again. The exit
/// code is always a failure.
fn explain(seed: u64, planted: Option<Planted>, breach: &Breach) -> ExitCode {
    print(&format!("{breach}\nshortening ...\n"));
    let entries =
        shorten(seed, planted, breach.check, &mut |Shortening { runs, left, is_shortest, .. }| {
            if is_shortest {
                print(&format!("{runs} runs, {left} entries left, none of which can be left out\n"));
            } else if runs % 10 == 0 {
                print(&format!("{runs} runs, {left} entries left\n"));
            }
        });
    let outcome = run_entries(seed, &entries, planted);
    for line in &outcome.lines {
        print(&format!("{line}\n"));
    }
    let list: Vec<String> = entries.iter().map(ToString::to_string).collect();
    let flag = planted.map(|planted| format!(" --planted {planted}")).unwrap_or_default();
    print(&format!(
        "play it again: cargo run --release -p deaddrop-simulation -- --first {seed} --entries {}{flag}\n\
         all of it:     cargo run --release -p deaddrop-simulation -- --first {seed} --history{flag}\n",
        list.join(",")
    ));
    ExitCode::FAILURE
}
