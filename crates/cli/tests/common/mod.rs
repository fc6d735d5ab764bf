//! A sandbox for the real binary: folders, people, a relay as a process of its own.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Maximum time of a step of a test. A longer one hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the binary under test, without the environment variables of the caller.
pub fn deaddrop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deaddrop"));
    for name in ["DEADDROP_HOME", "DEADDROP_PASSPHRASE", "XDG_DATA_HOME", "HOME", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The result of a finished command.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Asserts that the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// Asserts that the command failed with a sentence on stderr that holds these words, and without a panic.
    #[track_caller]
    pub fn fails(self, words: &[&str]) -> Self {
        assert!(self.code == 1 || self.code == 2, "{self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        let said = self.err.to_lowercase();
        for word in words {
            assert!(said.contains(&word.to_lowercase()), "{word:?} is missing: {self:#?}");
        }
        self
    }

    /// Returns the one JSON object that the command printed.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.out.trim_end()).unwrap_or_else(|_| panic!("{self:#?}"))
    }

    /// Returns the JSON objects that the command printed, one per line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:#?}")))
            .collect()
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    run_with_input(command, None)
}

/// Runs a command to its end with this input on its standard input.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: Option<&[u8]>) -> Done {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    if let Some(input) = input {
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
    }
    let drain = |stream: Option<Box<dyn std::io::Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = drain(child.stdout.take().map(|x| Box::new(x) as _));
    let err = drain(child.stderr.take().map(|x| Box::new(x) as _));
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > PATIENCE * 3 {
            child.kill().unwrap();
            panic!("{command:?} does not end: {} {}", out.join().unwrap(), err.join().unwrap());
        }
        thread::sleep(Duration::from_millis(5));
    };
    Done { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err: err.join().unwrap() }
}

/// A process that does not outlive its test.
pub struct Running(pub Child);

impl Running {
    /// Kills the process by SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One person: a folder.
#[derive(Debug, Clone)]
pub struct Person {
    pub home: PathBuf,
}

impl Person {
    /// Returns a command of this person.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = deaddrop();
        command.arg("--home").arg(&self.home).args(words);
        command
    }

    /// Runs a command of this person.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Done {
        run(&mut self.command(words))
    }

    /// Runs a command of this person with `--json`.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Done {
        run(self.command(words).arg("--json"))
    }

    /// Returns the texts from `receive`.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        texts(&self.json(&["receive"]).ok().lines())
    }
}

/// Returns the texts among events.
pub fn texts(events: &[Value]) -> Vec<String> {
    let texts = events.iter().filter(|event| event["text"].is_string());
    texts.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

/// A relay that is served by the binary under test.
pub struct Relay {
    pub folder: PathBuf,
    pub address: String,
    /// Whether the relay serves without the limits on how fast it may be used; from the next [`serve`](Self::serve) on.
    pub is_hasty: bool,
    /// Whether the relay keeps mailboxes and blobs in memory alone; from the next [`serve`](Self::serve) on.
    pub is_volatile: bool,
    /// The address to listen at until the relay's own is known.
    first_listen: String,
    process: Option<Running>,
}

impl Relay {
    /// Makes a relay's data and serves it.
    #[track_caller]
    pub fn start(folder: &Path) -> Self {
        Self::start_at(folder, "127.0.0.1", None)
    }

    /// Makes a relay's data and serves it at an IP address of this machine. With a token, it makes mailboxes only for
    /// those who show it.
    #[track_caller]
    pub fn start_at(folder: &Path, ip: &str, token: Option<&str>) -> Self {
        let settings = token.map(|token| format!("create_token = \"{token}\"\n")).unwrap_or_default();
        Self::start_with(folder, ip, &settings)
    }

    /// Makes a relay's data and serves it at an IP address of this machine, with these lines of configuration.
    #[track_caller]
    pub fn start_with(folder: &Path, ip: &str, settings: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        run(deaddrop().args(["relay", "init", "--segment-mib", "4", "--data"]).arg(folder.join("data"))).ok();
        fs::write(folder.join("limits.toml"), deaddrop_cli::demo::relay_process::LIMITS).unwrap();
        let config = folder.join("data/config.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(config, format!("{settings}{text}")).unwrap();
        let mut relay = Self {
            folder: folder.to_owned(),
            address: String::new(),
            is_hasty: false,
            is_volatile: false,
            first_listen: format!("{ip}:0"),
            process: None,
        };
        relay.serve();
        relay
    }

    /// Returns the host and the port of the relay.
    pub fn listen(&self) -> &str {
        self.address
            .split_once("://")
            .map(|(_, rest)| rest)
            .map_or(&self.first_listen, |rest| rest.split('/').next().unwrap())
    }

    /// Serves the relay on the same port as before, if there was one.
    #[track_caller]
    pub fn serve(&mut self) {
        let begin = Instant::now();
        loop {
            let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
            let mut command = deaddrop();
            command.args(["relay", "--tied", "serve", "--data"]).arg(self.folder.join("data"));
            if self.is_hasty {
                command.arg("--config").arg(self.folder.join("limits.toml"));
            }
            if self.is_volatile {
                command.arg("--volatile");
            }
            command.args(["--listen", self.listen()]).env("RUST_LOG", "trace");
            let mut child = command.stdin(Stdio::piped()).stderr(log).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            self.process = Some(Running(child));
            let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
                line.split_whitespace()
                    .find(|word| word.starts_with("ws") && word.contains('#'))
                    .map(str::to_owned)
            });
            thread::spawn(move || for _ in lines {});
            if let Some(address) = address {
                assert!(self.address.is_empty() || self.address == address);
                self.address = address;
                return;
            }
            let said = || fs::read_to_string(self.log()).unwrap();
            assert!(begin.elapsed() < Duration::from_secs(10), "the relay does not start: {}", said());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the file that holds the stderr of the relay.
    pub fn log(&self) -> PathBuf {
        self.folder.join("relay.log")
    }

    /// Kills the relay by SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Returns everything that an operator sees.
    #[track_caller]
    pub fn inspect(&self) -> Value {
        run(deaddrop().args(["relay", "inspect", "--json", "--data"]).arg(self.folder.join("data")))
            .ok()
            .json()
    }
}

/// A folder with a relay and two people, not connected yet.
pub struct Sandbox {
    pub folder: tempfile::TempDir,
    pub relay: Relay,
    pub ada: Person,
    pub ben: Person,
}

impl Sandbox {
    /// Creates a sandbox with vaults that need no passphrase.
    #[track_caller]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("relay")).unwrap();
        let relay = Relay::start(&folder.path().join("relay"));
        let person = |name: &str| Person { home: folder.path().join(name) };
        let (ada, ben) = (person("ada"), person("ben"));
        for person in [&ada, &ben] {
            person.run(&["init", "--no-passphrase", "--relay", &relay.address]).ok();
        }
        Self { folder, relay, ada, ben }
    }

    /// Creates a sandbox with two people who can talk: Ada invited, Ben accepted.
    #[track_caller]
    pub fn connected() -> Self {
        let sandbox = Self::new();
        let link = sandbox.link();
        sandbox.ben.run(&["accept", &link, "ada"]).ok();
        sandbox
    }

    /// Makes a new link of Ada's, for Ben.
    #[track_caller]
    pub fn link(&self) -> String {
        self.link_for("ben")
    }

    /// Makes a new link of Ada's, for the person of this name.
    #[track_caller]
    pub fn link_for(&self, name: &str) -> String {
        self.ada.json(&["invite", name]).ok().json()["link"].as_str().unwrap().to_owned()
    }

    /// Returns a person who has no vault yet.
    pub fn person(&self, name: &str) -> Person {
        Person { home: self.folder.path().join(name) }
    }
}
