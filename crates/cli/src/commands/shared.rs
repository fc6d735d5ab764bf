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

/// Maximum time at the end of a command for receipts to reach the relay.
pub(super) const GOODBYE: Duration = Duration::from_secs(3);
/// Maximum time for which `status` waits until the relays answer.
pub(super) const STATUS_PATIENCE: Duration = Duration::from_secs(6);

/// Time for which a command waits for relays if the user gives none with `--wait`.
const WAIT: Duration = Duration::from_secs(10);
/// Maximum time for which a command without `--wait` waits, as long as bytes move over a slow line.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// Time after [`WAIT`] before the user is told that the command waits longer: if no bytes move, it
/// has ended before.
const MOMENT: Duration = Duration::from_millis(500);

/// Returns the time for which a command waits: `wait` seconds if the user gave them, else [`WAIT`]
/// and up to [`LONGEST_WAIT`] while bytes move.
pub(super) fn patience(wait: Option<u64>) -> Patience {
    wait.map_or(Patience::while_moving(WAIT, LONGEST_WAIT), |wait| Duration::from_secs(wait).into())
}

/// Awaits a call. If the user gave no time, tells the user on stderr when the call takes longer
/// because bytes still move.
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

/// Closes the vault. Before that, warns on stderr as [`clock_line`] says.
pub(crate) async fn finish(client: Client) -> Result<(), Failure> {
    if let Some(line) = client.status().ok().and_then(|status| clock_line(&status.clock)) {
        Output::new(false).note(line);
    }
    Ok(client.close().await?)
}

/// Returns the warning for the user if the clock of this machine and a relay show days that are
/// more than two days from each other; `None` if all relays with an open link agree, or there is
/// none.
pub(super) fn clock_line(clock: &ClockStatus) -> Option<String> {
    let (relay, day) = clock.disagreement()?;
    Some(format!(
        "THE CLOCK IS WRONG, or the relay's: this machine says {}, {relay} says {day}. Set the clock, or tell the \
         relay's operator. Until the two agree, this program takes {} for today",
        clock.clock, clock.believed
    ))
}

/// Returns the path of the person's folder, quoted as an argument of `--home`.
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

/// Reads all of standard input, without a newline at its end. Returns `None` if it has more bytes
/// than `max` without the newline. Fails if it cannot be read or is not UTF-8.
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
