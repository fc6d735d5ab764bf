//! The runner's command line: `generate`, `run` and `talk`.

use clap::{Parser, Subcommand};
use deaddrop_conformance::{
    json::{Json, Object, len},
    runner::{self, Family},
    talk::Talk,
};
use std::{io::Write, path::PathBuf, process::ExitCode};

/// Checks the test vectors of deaddrop, or makes them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Recompute every field of every vector; exit code 1 if any differs
    Run {
        /// The folder of vectors
        #[arg(long, default_value = "./test-vectors")]
        vectors: PathBuf,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Be one side of a conversation: a line of JSON in, a line out (chapter 15 section 6)
    Talk {
        /// Identity and randomness come from it; for tests alone
        #[arg(long)]
        seed: u64,
    },
    /// Write every vector from the committed seeds; replaces the folder of each family with all that is in it
    Generate {
        /// The folder below which the vectors are written
        #[arg(long, default_value = "./test-vectors")]
        vectors: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run { vectors, json } => {
            runner::run(&vectors).map_err(|error| text_with_sources(&error)).map(|families| {
                let text = if json { as_json(&families) } else { as_text(&families) };
                print(&text);
                families.iter().all(|family| family.failures.is_empty())
            })
        }
        Command::Talk { seed } => {
            let served = Talk::new(seed).serve(std::io::stdin().lock(), std::io::stdout().lock());
            served.map(|()| true).map_err(|error| text_with_sources(&error))
        }
        Command::Generate { vectors } => {
            runner::generate(&vectors).map_err(|error| text_with_sources(&error)).map(|count| {
                print(&format!("{count} vectors written\n"));
                true
            })
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

/// Returns the texts of an error and of all its sources, in one line.
fn text_with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// Prints a text. A closed pipe is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn as_text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        for failure in &family.failures {
            out.push_str(&format!("FAILED {}: {}\n", failure.file, failure.field));
        }
        out.push_str(&format!(
            "{:<14} {:>3} passed, {} failed\n",
            family.name,
            family.passed,
            family.failures.len()
        ));
    }
    out
}

fn as_json(families: &[Family]) -> String {
    let list = families.iter().map(|family| {
        let failures = family.failures.iter().map(|failure| {
            Object::new().with("file", failure.file.as_str()).with("field", failure.field.as_str())
        });
        Object::new()
            .with("family", family.name.as_str())
            .with("passed", len(family.passed))
            .with("failed", len(family.failures.len()))
            .with("failures", failures.collect::<Vec<_>>())
    });
    let ok = families.iter().all(|family| family.failures.is_empty());
    Json::from(Object::new().with("ok", ok).with("families", list.collect::<Vec<_>>())).render()
}
