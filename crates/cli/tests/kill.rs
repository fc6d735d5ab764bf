//! Relay, sender and receiver are killed (SIGKILL) at random moments, two hundred times: nothing that was acknowledged
//! is lost, nothing is shown twice.
//!
//! The sending app counts a text as acknowledged when `chat --json` has said that it is in the vault. The receiving app keeps
//! what `receive --follow --json --after N` prints in a file of its own and goes on after its last whole line.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    collections::{HashSet, VecDeque},
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use common::{Person, Running, Sandbox};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;

/// Number of kills in the test, each of one of the three processes. Some 70 for each, so that most
/// stages of a message are hit.
const KILLS: usize = 200;
/// Time between two texts: the kills are to hit single messages at all their stages, not one long queue.
const PACE: Duration = Duration::from_millis(12);
const SEED: u64 = 20_261_124;

/// An app that stores what `receive --follow` prints in a file of its own.
struct ReceivingApp {
    person: Person,
    store: PathBuf,
    process: Option<Running>,
}

impl ReceivingApp {
    /// Starts the process, after the last event in the store; a line that was cut by a kill is
    /// removed first.
    fn start(&mut self) {
        let bytes = fs::read(&self.store).unwrap_or_default();
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        fs::write(&self.store, &bytes[..whole]).unwrap();
        let after = self.events().last().map_or(0, |event| event["event"].as_u64().unwrap());
        let store = fs::OpenOptions::new().append(true).open(&self.store).unwrap();
        let mut command =
            self.person.command(["receive", "--follow", "--json", "--after", &after.to_string()]);
        self.process = Some(Running(command.stdout(store).stderr(Stdio::null()).spawn().unwrap()));
    }

    fn kill(&mut self) {
        self.process = None;
    }

    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.store).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn texts(&self) -> Vec<String> {
        common::texts(&self.events())
    }
}

/// An app that sends numbered texts through `chat`, each after the one before was acknowledged.
struct SendingApp {
    person: Person,
    next: usize,
    acknowledged: Vec<String>,
    /// Texts that were given to the present process and are not acknowledged yet, oldest first.
    open: VecDeque<String>,
    process: Option<(Running, mpsc::Receiver<Value>, std::process::ChildStdin)>,
}

impl SendingApp {
    fn start(&mut self) {
        let mut command = self.person.command(["chat", "ada", "--json"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (out, stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let (to, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The last line of a killed process may be cut.
                if let Ok(event) = serde_json::from_str::<Value>(&line) {
                    let _ = to.send(event);
                }
            }
        });
        self.process = Some((Running(child), said, stdin));
    }

    /// Sends texts until the time `end`, or until the process does not take them.
    fn send_until(&mut self, end: Instant) {
        while Instant::now() < end {
            let Some((_, said, stdin)) = &mut self.process else { return };
            let text = format!("text {}", self.next);
            self.next += 1;
            if writeln!(stdin, "{text}").and_then(|()| stdin.flush()).is_err() {
                return;
            }
            self.open.push_back(text);
            // A slow disk may acknowledge after the end: what is open then is waited for the next time.
            while !self.open.is_empty() {
                match said.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(event) if event["kind"] == "sent" => self.acknowledged.extend(self.open.pop_front()),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
            thread::sleep(PACE);
        }
    }

    fn kill(&mut self) {
        if let Some((mut process, said, _stdin)) = self.process.take() {
            process.kill();
            // What was said before the kill counts, too; the channel ends with the process.
            for event in said {
                if event["kind"] == "sent" {
                    self.acknowledged.extend(self.open.pop_front());
                }
            }
            self.open.clear();
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_shown_twice() {
    let mut sandbox = Sandbox::connected();
    sandbox.relay.kill();
    sandbox.relay.is_hasty = true;
    sandbox.relay.serve();
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut receiver = ReceivingApp {
        person: sandbox.ada.clone(),
        store: sandbox.folder.path().join("store"),
        process: None,
    };
    let mut sender = SendingApp {
        person: sandbox.ben.clone(),
        next: 0,
        acknowledged: Vec::new(),
        open: VecDeque::new(),
        process: None,
    };
    sender.start();
    receiver.start();
    for _ in 0..KILLS {
        sender.send_until(Instant::now() + Duration::from_millis(rng.random_range(5..300)));
        match rng.random_range(0..3) {
            0 => {
                sandbox.relay.kill();
                sender.send_until(Instant::now() + Duration::from_millis(rng.random_range(0..50)));
                sandbox.relay.serve();
            }
            1 => {
                sender.kill();
                sender.start();
            }
            _ => {
                receiver.kill();
                receiver.start();
            }
        }
    }
    // Everybody is left alone until everything has arrived.
    let begin = Instant::now();
    while begin.elapsed() < common::PATIENCE {
        let got: HashSet<_> = receiver.texts().into_iter().collect();
        if sender.acknowledged.iter().all(|text| got.contains(text)) && sandbox.relay.inspect()["blobs"] == 0
        {
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    receiver.kill();
    sender.kill();
    let got = receiver.texts();
    let numbers: Vec<usize> =
        got.iter().map(|text| text.strip_prefix("text ").unwrap().parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "shown twice or out of order: {numbers:?}");
    assert!(numbers.iter().all(|&number| number < sender.next));
    let seen: HashSet<_> = got.iter().collect();
    let lost: Vec<_> = sender.acknowledged.iter().filter(|text| !seen.contains(text)).collect();
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), sender.acknowledged.len());
    assert!(sender.acknowledged.len() > KILLS, "hardly anything was sent: {}", sender.acknowledged.len());
    assert_eq!(sandbox.relay.inspect()["blobs"], 0, "{}", sandbox.relay.inspect());
}
