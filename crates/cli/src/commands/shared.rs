//! The opening, the waits and the end that commands have in common.

use std::{
    io::{self, Read},
    pin::pin,
    time::Duration,
};

use deaddrop_client::{Client, ClockStatus, Config, Patience, RelayAddress, read_pasted_relay};

use crate::{
    args::Common,
    failure::Failure,
    home::Home,
    output::{Output, Typed},
};

/// The maximum wait of a command at its end, for receipts.
pub(super) const GOODBYE: Duration = Duration::from_secs(3);
/// The time for which `status` waits for an answer of the relay.
pub(super) const STATUS_PATIENCE: Duration = Duration::from_secs(6);

/// The time for which a command waits for relays if the user gives none.
const WAIT: Duration = Duration::from_secs(10);
/// The maximum wait in all, as long as something moves over a slow line.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// The extra time in which such a command ends by itself when no bytes move.
const MOMENT: Duration = Duration::from_millis(500);

/// Returns the wait of a command: as long as the user says, or for [`WAIT`] and then as long as something moves.
pub(super) fn patience(wait: Option<u64>) -> Patience {
    wait.map_or(Patience::while_moving(WAIT, LONGEST_WAIT), |wait| Duration::from_secs(wait).into())
}

/// Awaits a call. If the user gave no time, says on the error output when it takes longer because something still
/// moves.
pub(super) async fn patiently<T>(output: Output, wait: Option<u64>, call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    tokio::select! {
        biased;
        done = &mut call => return done,
        () = tokio::time::sleep(WAIT + MOMENT), if wait.is_none() => {}
    }
    output.note("it takes long: going on as long as something moves, for some minutes at most");
    call.await
}

/// Opens the vault that the options name.
pub(crate) async fn open(common: &Common) -> Result<Client, Failure> {
    Home::find(common.home.as_deref())?.open(common, Config::default()).await
}

/// Closes the vault, and says on the error output if the clock is wrong.
pub(crate) async fn finish(client: Client) -> Result<(), Failure> {
    if let Some(line) = client.status().ok().and_then(|status| clock_line(&status.clock)) {
        Output::new(false).note(line);
    }
    Ok(client.close().await?)
}

/// Returns the line for the user if the clock of this machine and a relay show different days.
pub(super) fn clock_line(clock: &ClockStatus) -> Option<String> {
    let (relay, day) = clock.disagreement()?;
    Some(format!(
        "THE CLOCK IS WRONG, or the relay's: this machine says {}, {relay} says {day}. Set the clock, or tell the \
         relay's operator. Until the two agree, this program takes {} for today",
        clock.clock, clock.believed
    ))
}

/// Returns the folder, as it is typed behind `--home`.
pub(super) fn home_of(common: &Common) -> Result<String, Failure> {
    Ok(Typed(&Home::find(common.home.as_deref())?.folder().to_string_lossy()).to_string())
}

pub(super) fn client_patience() -> Duration {
    Config::default().patience
}

pub(super) fn relay_address(text: &str) -> Result<RelayAddress, Failure> {
    read_pasted_relay(text).map_err(|error| {
        Failure::new(format_args!(
            "this is no relay address: {error}. Give what `deaddrop-relay serve` prints: ws://HOST:PORT/#FINGERPRINT (or wss://)"
        ))
    })
}

/// Reads all of standard input, without a newline at its end. Returns `None` if it has more bytes than `max`.
pub(crate) fn read_stdin(max: usize) -> Result<Option<String>, Failure> {
    // One byte more than fits, and the newline.
    let enough = max.saturating_add(2);
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(u64::try_from(enough).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format_args!("standard input cannot be read: {error}")))?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    // Cut text may end in the middle of a character.
    if bytes.len() > max {
        return Ok(None);
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new("standard input is not UTF-8 text; only texts can be sent"))?;
    Ok(Some(text))
}
