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

/// Maximum time of a step of a test. A step that takes longer hangs, and the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a command that runs the binary under test, without the environment variables that name
/// its folder or passphrase or set its log. Those of relay tokens and of TLS stay.
pub fn deaddrop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deaddrop"));
    for name in ["DEADDROP_HOME", "DEADDROP_PASSPHRASE", "XDG_DATA_HOME", "HOME", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The exit code, the stdout and the stderr of a command that has ended.
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

    /// Asserts that the command failed with exit code 1 or 2, without a panic, and that stderr
    /// holds all of these words.
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

/// Runs a command to its end. Kills it and panics if it takes three times [`PATIENCE`].
#[track_caller]
pub fn run(command: &mut Command) -> Done {
    run_with_input(command, None)
}

/// Runs a command to its end with `input` on its standard input; `None` leaves the input that the
/// command has. Kills it and panics if it takes three times [`PATIENCE`].
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

/// A process that is killed when the value is dropped, so that it does not outlive its test.
pub struct Running(pub Child);

impl Running {
    /// Kills the process by SIGKILL, and waits for its end.
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

/// One person, whose vault is in a folder.
#[derive(Debug, Clone)]
pub struct Person {
    pub home: PathBuf,
}

impl Person {
    /// Returns the command `deaddrop` with these arguments, for this person's folder.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = deaddrop();
        command.arg("--home").arg(&self.home).args(words);
        command
    }

    /// Runs `deaddrop` with these arguments for this person.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Done {
        run(&mut self.command(words))
    }

    /// Runs `deaddrop` with these arguments and `--json` for this person.
    #[track_caller]
    pub fn json(&self, words: &[&str]) -> Done {
        run(self.command(words).arg("--json"))
    }

    /// Runs `receive` and returns the texts that are new.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        texts(&self.json(&["receive"]).ok().lines())
    }
}

/// Returns the texts among events in JSON.
pub fn texts(events: &[Value]) -> Vec<String> {
    let texts = events.iter().filter(|event| event["text"].is_string());
    texts.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

/// A relay that the binary under test serves in a process of its own.
pub struct Relay {
    pub folder: PathBuf,
    pub address: String,
    /// Whether the relay is served with limits on the speed of messages that no test reaches. A
    /// change counts from the next [`serve`](Self::serve) on.
    pub is_hasty: bool,
    /// Whether the relay keeps mailboxes and blobs in memory only. A change counts from the next
    /// [`serve`](Self::serve) on.
    pub is_volatile: bool,
    /// The IP address and port 0 to listen at, until the relay's own address is known.
    first_listen: String,
    process: Option<Running>,
}

impl Relay {
    /// Makes a relay's data in `folder`, and serves the relay at 127.0.0.1.
    #[track_caller]
    pub fn start(folder: &Path) -> Self {
        Self::start_at(folder, "127.0.0.1", None)
    }

    /// Makes a relay's data in `folder`, and serves the relay at an IP address of this machine.
    /// With `token`, the relay makes mailboxes only for clients that show it.
    #[track_caller]
    pub fn start_at(folder: &Path, ip: &str, token: Option<&str>) -> Self {
        let settings = token.map(|token| format!("create_token = \"{token}\"\n")).unwrap_or_default();
        Self::start_with(folder, ip, &settings)
    }

    /// Makes a relay's data in `folder`, and serves the relay at an IP address of this machine.
    /// `settings` are lines at the head of its configuration.
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

    /// Returns the host and the port of the relay, as `HOST:PORT`; port 0 before it was first
    /// served.
    pub fn listen(&self) -> &str {
        self.address
            .split_once("://")
            .map(|(_, rest)| rest)
            .map_or(&self.first_listen, |rest| rest.split('/').next().unwrap())
    }

    /// Starts the relay's process, at the same port as before if it was served before, and waits
    /// until it prints its address.
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

    /// Returns the path of the file that holds what the relay wrote to stderr.
    pub fn log(&self) -> PathBuf {
        self.folder.join("relay.log")
    }

    /// Kills the relay's process by SIGKILL. Does nothing if it does not run.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Returns the output of the relay's `inspect --json`: everything that an operator can see.
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
    /// Makes the relay, Ada and Ben. Their vaults need no passphrase.
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

    /// Makes an invite of Ada's for Ben, and returns its link.
    #[track_caller]
    pub fn link(&self) -> String {
        self.link_for("ben")
    }

    /// Makes an invite of Ada's for the person called `name`, and returns its link.
    #[track_caller]
    pub fn link_for(&self, name: &str) -> String {
        self.ada.json(&["invite", name]).ok().json()["link"].as_str().unwrap().to_owned()
    }

    /// Returns a person who has no vault yet.
    pub fn person(&self, name: &str) -> Person {
        Person { home: self.folder.path().join(name) }
    }
}
