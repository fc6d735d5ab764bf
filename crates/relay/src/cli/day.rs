//! `day show` and `day set`: the day by which a relay counts leases and expiry.

use super::moved;
use super::terminal::{Failure, read_config, say, system_random};
use crate::clock::{Belief, Calendar, system_day};
use crate::data_dir::DataDir;
use crate::day_change::DayChange;
use crate::inspect;
use clap::Subcommand;
use deaddrop_wire::{Day, NotADate};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// The day by which leases and expiry are counted. A wrong clock is not believed at once. These
/// commands show the day and set it.
#[derive(Debug, Subcommand)]
pub(super) enum DayCommand {
    /// Show the day, and whether the system's clock is believed. Works while the relay serves.
    Show {
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Set the day, after the clock was wrong. The relay must not be serving.
    Set {
        /// The day: YYYY-MM-DD.
        #[arg(value_parser = day_argument)]
        day: Day,
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Needed to go forward: the number of mailboxes and blobs that expire by that day. Without
        /// it the command tells the number and changes nothing.
        #[arg(long, value_name = "N")]
        destroys: Option<u64>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

fn day_argument(text: &str) -> Result<Day, String> {
    let day: Day = text.parse().map_err(|error: NotADate| error.to_string())?;
    if !day.is_plausible() {
        let (first, last) = (Day::FIRST_PLAUSIBLE, Day::LAST_PLAUSIBLE);
        return Err(format!("this build can run from {first} to {last}; choose a day between them"));
    }
    Ok(day)
}

pub(super) fn run(command: DayCommand) -> Result<ExitCode, Failure> {
    match command {
        DayCommand::Show { data, json } => show(&DataDir::at(data), json),
        DayCommand::Set { day, data, destroys, json } => set(&DataDir::at(data), day, destroys, json),
    }
}

/// Returns the calendar that the store of the directory remembers; `None` if it remembers none.
pub(super) fn stored(data: &DataDir) -> Result<Option<Calendar>, Failure> {
    read_config(data, None)?;
    Ok(inspect::calendar(&data.look()?))
}

/// Describes the stored day, a pause of expiry, and whether a relay that starts now would believe
/// the system's clock. `trusted` is the operator's word that this clock is right.
pub(super) fn state(stored: Option<Calendar>, trusted: bool) -> String {
    let system = system_day();
    let mut text = stored.map_or("no day is stored yet".to_owned(), |stored| format!("day: {}", stored.day));
    if let Some(Calendar { day, expires_from }) = stored
        && expires_from > day
    {
        text += &format!("; nothing expires before {}", expires_from);
    }
    match Belief::begin(stored, system, trusted) {
        Err(error) => text += &format!("\n{error}"),
        Ok(belief) if belief.calendar().day < system => {
            text += &format!(
                "\nthe system's clock says {}, which is not believed at once: if it is right, wait for a day of running, \
                 serve with --trust-clock, or set the day",
                system
            );
        }
        Ok(belief) if belief.calendar().day > system.plus(crate::clock::MAX_STEP) => {
            text += &format!(
                "\nthe system's clock says {}: the day stands still until the clock has caught up; if the clock is right, \
                 set the day back with `deaddrop-relay day set`",
                system
            );
        }
        Ok(_) => text += &format!("\nthe system's clock says {} and is believed", system),
    }
    text
}

fn show(data: &DataDir, json: bool) -> Result<ExitCode, Failure> {
    // The old store remembers a day that the relay does not count by any more.
    if moved::say_if_moved(data, json)? {
        return Ok(ExitCode::SUCCESS);
    }
    let stored = stored(data)?;
    if json {
        let pause = stored.filter(|stored| stored.expires_from > stored.day);
        say(json!({
            "day": stored.map(|stored| stored.day.to_string()),
            "expires_from": pause.map(|stored| stored.expires_from.to_string()),
            "system": system_day().to_string(),
        }))?;
    } else {
        say(state(stored, read_config(data, None)?.trust_clock))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn set(data: &DataDir, day: Day, destroys: Option<u64>, json: bool) -> Result<ExitCode, Failure> {
    let limits = read_config(data, None)?.limits;
    let mut rng = system_random()?;
    let mut store = data.open_store(&mut rng)?;
    let change = DayChange::plan(&store, day, &limits);
    let (mailboxes, blobs) = change.expires();
    let total = mailboxes.saturating_add(blobs);
    if change.is_forward() && destroys != Some(total) {
        return Err(Failure::Say(format!(
            "nothing was changed: by {}, {mailboxes} mailboxes and {blobs} blobs expire; if that is right, say so with \
             --destroys {total}",
            day
        )));
    }
    let (before, after) = change.calendars();
    change
        .apply(&mut store, &mut rng)
        .map_err(|error| Failure::Say(format!("the day was not set: {error}")))?;
    if json {
        let pause = Some(after).filter(|after| after.expires_from > after.day);
        say(json!({
            "before": before.map(|before| before.day.to_string()),
            "day": after.day.to_string(),
            "expires_from": pause.map(|after| after.expires_from.to_string()),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let from = before.map_or("none".to_owned(), |before| before.day.to_string());
    let pause = if after.expires_from > after.day {
        format!("; nothing expires before {}", after.expires_from)
    } else {
        String::new()
    };
    say(format_args!("the day was {from} and is {}{pause}", after.day))?;
    Ok(ExitCode::SUCCESS)
}
