//! The relay under load: a process of its own.

use super::error::BenchError;
use crate::data_dir::{CONFIG, DataDir, RelayConfig, StoreSize};
use crate::limits::Limits;
use crate::random::SystemRandom;
use crate::scratch::Scratch;
use deaddrop_wire::RelayAddress;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// MiB to which the store of the measured relay can grow.
pub(super) const MAX_STORE_MIB: u32 = 512;
/// Number of ticks in a second in which `/proc` counts processor time, on each architecture that
/// Linux supports.
const TICKS_PER_S: f64 = 100.0;

/// The place where the measured relay keeps blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// A store on the disk.
    Disk,
    /// Memory alone.
    Memory,
}

/// The processor time of a process or of a part of its work, in seconds unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessorTime {
    /// Time in the code of the program.
    pub user: f64,
    /// Time in the kernel.
    pub kernel: f64,
}

impl ProcessorTime {
    /// Returns the difference of this time and `earlier`, a time of the same process.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, kernel: self.kernel - earlier.kernel }
    }
}

/// A relay that runs on loopback with an empty store. It is killed and its directory removed when
/// this value is dropped.
#[derive(Debug)]
pub struct BenchRelay {
    child: Child,
    address: RelayAddress,
    /// The relay's directory. It is removed after the process has ended, because fields are dropped
    /// after `drop`.
    _directory: Directory,
}

/// A directory that is removed when this value is dropped.
#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl BenchRelay {
    /// Makes a relay in `scratch` and runs it by the program file `program`, which is
    /// `deaddrop-relay`. Blocks until the relay is ready. A scratch folder holds one relay at a
    /// time.
    ///
    /// # Errors
    /// Fails with [`BenchError`] when the directory cannot be made or the relay does not become
    /// ready.
    pub fn start(program: &Path, scratch: &Scratch, storage: Storage) -> Result<Self, BenchError> {
        let directory = Directory(scratch.path().join("relay"));
        let size = StoreSize { segment_mib: 1, max_mib: MAX_STORE_MIB };
        DataDir::at(&directory.0).init(size, &mut SystemRandom)?;
        let fault = |error: std::io::Error| BenchError::Start(error.to_string());
        let config = toml::to_string(&RelayConfig { limits: limits(), ..RelayConfig::default() });
        let config = config.map_err(|error| BenchError::Start(error.to_string()))?;
        fs::write(directory.0.join(CONFIG), config).map_err(fault)?;
        let log = directory.0.join("log");
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&directory.0).env_remove("RUST_LOG");
        if storage == Storage::Memory {
            command.arg("--volatile");
        }
        // An interrupt from the terminal is for the caller, who ends the relay.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log).map_err(fault)?);
        let mut child = command.spawn().map_err(fault)?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match line.trim().strip_prefix("deaddrop-relay ready: ").and_then(|address| address.parse().ok()) {
            Some(address) => Ok(Self { child, address, _directory: directory }),
            None => {
                end(&mut child);
                let said = fs::read_to_string(&log).unwrap_or_default();
                Err(BenchError::Start(said.lines().last().unwrap_or("it said nothing").to_owned()))
            }
        }
    }

    /// Returns the address at which clients find the relay.
    #[must_use]
    pub const fn address(&self) -> &RelayAddress {
        &self.address
    }

    /// Returns the processor time of the relay so far; `None` if this system does not tell.
    #[must_use]
    pub fn processor_time(&self) -> Option<ProcessorTime> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name of the program, in parentheses, can hold spaces.
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
        let mut next = || fields.next()?.parse::<f64>().ok().map(|ticks| ticks / TICKS_PER_S);
        Some(ProcessorTime { user: next()?, kernel: next()? })
    }
}

impl Drop for BenchRelay {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns limits that do not slow down a few clients.
const fn limits() -> Limits {
    Limits {
        puts_per_s: 60_000,
        put_burst: 60_000,
        put_bytes_per_s: 1_000_000_000,
        put_bytes_burst: 1_000_000_000,
        all_put_bytes_per_s: u32::MAX,
        all_put_bytes_burst: u32::MAX,
        mailbox_puts_per_s: 100_000,
        mailbox_put_burst: 100_000,
        creates_per_s: 1_000,
        create_burst: 10_000,
        all_creates_per_s: 1_000,
        all_create_burst: 10_000,
        full_pause_ms: 0,
        takeover_ms: 0,
        ..Limits::DEFAULT
    }
}
