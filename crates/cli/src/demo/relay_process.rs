//! A real relay as a process of its own: this very program, started again with its hidden command `relay`.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{failure::Failure, passphrase};

/// The lines of a relay's configuration that raise the limits against floods: a replay sends a year
/// of talk in seconds.
pub const LIMITS: &str = "\
[limits]
puts_per_s = 10000
put_burst = 10000
put_bytes_per_s = 100000000
all_put_bytes_per_s = 100000000
mailbox_puts_per_s = 10000
mailbox_put_burst = 10000
full_pause_ms = 500
full_retry_s = 1
";
/// Maximum time until a relay that was started prints its address.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// Maximum time that a relay takes to end after its standard input was closed; then it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// Maximum time for which a start is repeated, because the port of a killed relay may not be free
/// yet.
const PORT_PATIENCE: Duration = Duration::from_secs(5);

/// A running relay. Dropping the value kills the relay; if this process is killed, the relay sees
/// its standard input end, and ends too.
#[derive(Debug)]
pub struct RelayProcess {
    child: Child,
    folder: PathBuf,
    address: String,
}

impl RelayProcess {
    /// Makes a relay's data in `folder`, and serves the relay on a free port of loopback.
    pub async fn start(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder)
            .map_err(|error| Failure::new(format_args!("the relay's folder cannot be made: {error}")))?;
        let made = relay([
            OsStr::new("init"),
            OsStr::new("--segment-mib"),
            OsStr::new("4"),
            OsStr::new("--data"),
            data(folder).as_os_str(),
        ])?
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(not_started)?;
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            return Err(Failure::new(format_args!("the relay could not make its data: {why}")));
        }
        fs::write(limits(folder), LIMITS).map_err(not_started)?;
        let (child, address) = serve(folder, "127.0.0.1:0").await?;
        Ok(Self { child, folder: folder.to_owned(), address })
    }

    /// Returns the relay's address with its fingerprint.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the file to which the relay writes its log.
    pub fn log(&self) -> PathBuf {
        log(&self.folder)
    }

    /// Kills the relay without any warning (SIGKILL).
    pub async fn kill(&mut self) -> Result<(), Failure> {
        self.child
            .kill()
            .await
            .map_err(|error| Failure::new(format_args!("the relay could not be killed: {error}")))
    }

    /// Starts a killed relay again with its data and at its port.
    pub async fn restart(&mut self) -> Result<(), Failure> {
        let listen = self
            .address
            .split("//")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap_or_default()
            .to_owned();
        let begin = Instant::now();
        loop {
            match serve(&self.folder, &listen).await {
                Ok((child, address)) if address == self.address => {
                    self.child = child;
                    return Ok(());
                }
                Ok(_) => return Err(Failure::new("the relay came back as another relay")),
                Err(failure) if begin.elapsed() > PORT_PATIENCE => return Err(failure),
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Returns the number of blobs that the relay holds, as its command `inspect --json` counts
    /// them.
    pub async fn blobs(&self) -> Result<u64, Failure> {
        let said = self.inspect(&["--json"]).await?;
        let seen: Value = serde_json::from_str(&said).unwrap_or_default();
        seen.get("blobs")
            .and_then(Value::as_u64)
            .ok_or_else(|| Failure::new("the relay's inspect does not count blobs"))
    }

    /// Returns the output of the relay's command `inspect`, which shows everything that an operator
    /// can know. `options` are its arguments.
    pub async fn inspect(&self, options: &[&str]) -> Result<String, Failure> {
        let data = data(&self.folder);
        let mut command = relay([OsStr::new("inspect"), OsStr::new("--data"), data.as_os_str()])?;
        let output = command.args(options).stdin(Stdio::null()).output().await.map_err(not_started)?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Failure::new(format_args!("the relay's inspect failed: {why}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Ends the relay by closing its standard input, and kills it if it has not ended after five
    /// seconds.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        if timeout(STOP_PATIENCE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn limits(folder: &Path) -> PathBuf {
    folder.join("limits.toml")
}

fn log(folder: &Path) -> PathBuf {
    folder.join("relay.log")
}

fn not_started(error: std::io::Error) -> Failure {
    Failure::new(format_args!("the relay could not be started: {error}"))
}

/// Returns the command that runs this program as a relay with the arguments `words`.
fn relay<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Result<Command, Failure> {
    let mut command = Command::new(env::current_exe().map_err(not_started)?);
    command.arg("relay").args(words).env_remove(passphrase::VARIABLE).kill_on_drop(true);
    Ok(command)
}

/// Starts a relay at the address `listen`, and waits until it prints its address. Returns the
/// process and the address with the fingerprint.
async fn serve(folder: &Path, listen: &str) -> Result<(Child, String), Failure> {
    let log_file = fs::OpenOptions::new().create(true).append(true).open(log(folder)).map_err(not_started)?;
    let data = data(folder);
    let mut command =
        relay([OsStr::new("--tied"), OsStr::new("serve"), OsStr::new("--data"), data.as_os_str()])?;
    command.arg("--config").arg(limits(folder));
    command.args(["--listen", listen]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file);
    let mut child = command.spawn().map_err(not_started)?;
    let mut lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
    let ready = async {
        while let Some(lines) = &mut lines
            && let Ok(Some(line)) = lines.next_line().await
        {
            if let Some(address) =
                line.split_whitespace().find(|word| word.starts_with("ws://") && word.contains('#'))
            {
                return Some(address.to_owned());
            }
        }
        None
    };
    let Ok(Some(address)) = timeout(START_PATIENCE, ready).await else {
        let _ = child.kill().await;
        let said = fs::read_to_string(log(folder)).unwrap_or_default();
        let why = said.lines().last().unwrap_or("it said nothing");
        return Err(Failure::new(format_args!("the relay did not become ready: {why}")));
    };
    // A full pipe would stop the relay, so its output is read until it ends.
    tokio::spawn(async move {
        while let Some(Ok(Some(_))) = match &mut lines {
            Some(lines) => Some(lines.next_line().await),
            None => None,
        } {}
    });
    Ok((child, address))
}
