//! The parent process: lets a client use a vault twice, then searches the client's memory.

use super::{
    CHILD, KIND, Kind, NAME,
    common::Sandbox,
    needles::{self, Needles, SKIPPED},
    planted,
    scan::{Hit, Place, scan},
};
use deaddrop_shred::{FileDisk, Shred};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Copies that are accepted: a kind of secret, the maximum number of its copies, and the reason for
/// which our code cannot wipe them. None is known.
const REMAINDERS: &[(&str, usize, &str)] = &[];

/// Kinds of secrets of which the vault must have held one when it was closed for the first or the
/// second time: otherwise the test would search for too little.
const KINDS: [&str; 6] = [
    "root key",
    "sending chain key",
    "receiving chain key",
    "message key",
    "capability: own",
    "reset bundle: X25519 prekey",
];

const PLANTED: u8 = 0xa7;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn a_closed_client_leaves_no_key_in_memory(kind: Kind) {
    let begin = Instant::now();
    let mut sandbox = Sandbox::new();
    let home = sandbox.folder.path().join("subject");
    let mut client = Subject::start(&home, kind);
    let mut wanted = Needles::default();
    client.order(&format!("plant {PLANTED}"));
    client.order(&format!("create {}", sandbox.relay.address));
    let link = client.order("invite ben");
    needles::add_link(&link, &mut wanted);
    sandbox.ben.run(&["accept", &link, "subject"]).ok();
    sandbox.ben.run(&["send", "subject", "hello"]).ok();
    client.order("await hello");
    client.order("send one");
    assert_eq!(sandbox.ben.texts(), ["one"]);
    sandbox.ben.run(&["send", "subject", "two"]).ok();
    client.order("await two");
    client.order("send three");
    assert_eq!(sandbox.ben.texts(), ["three"]);
    sandbox.ben.run(&["send", "subject", "four"]).ok();
    client.order("await four");
    client.order("close");
    needles::add_vault(&home, kind, &mut wanted);

    // A text that is lost leaves a skipped key in the vault, and what follows it waits.
    sandbox.relay.kill();
    sandbox.ben.run(&["send", "subject", "lost", "--wait", "0"]).ok();
    lose_outbox(&sandbox.ben.home);
    sandbox.relay.serve();
    client.order("open");
    sandbox.ben.run(&["send", "subject", "five"]).ok();
    while needles::rows(&needles::open(&home, kind), SKIPPED).is_empty() {
        assert!(begin.elapsed() < PATIENCE, "the text does not come");
        thread::sleep(Duration::from_millis(50));
    }
    client.order("send six");
    // One invite waits, another was accepted.
    client.order("invite dora");
    let link = sandbox.ada.json(&["invite", "subject"]).ok().json()["link"].as_str().unwrap().to_owned();
    needles::add_link(&link, &mut wanted);
    client.order(&format!("accept {link}"));
    while !sandbox.ada.json(&["receive"]).ok().lines().iter().any(|event| event["kind"] == "invite_accepted")
    {
        assert!(begin.elapsed() < PATIENCE, "the invite is not taken");
    }
    client.order("close");
    needles::add_vault(&home, kind, &mut wanted);

    for kind in KINDS {
        assert!(wanted.list.iter().any(|needle| needle.kind == kind), "the vault holds no {kind}");
    }
    wanted.add("planted", planted(PLANTED));
    let wanted = wanted.list;
    let begun = client.is_the_same();
    let mut hits = match scan(client.process.id(), &wanted) {
        Ok(hits) => hits,
        Err(error) => {
            println!("test {NAME} ... SKIPPED: this system does not show another process's memory: {error}");
            return;
        }
    };
    assert_eq!(client.is_the_same(), begun, "the process that was looked at is the one that talked");
    let all = hits.len();
    hits.retain(|hit| hit.kind != "planted");
    assert!(hits.len() < all, "what was planted was not found: nothing would be");
    judge(wanted.len(), &hits);
    let seconds = begin.elapsed().as_secs_f32();
    println!(
        "test {NAME} ({kind:?}) ... ok ({} secrets, {} copies, {seconds:.1} s)",
        wanted.len(),
        hits.len()
    );
}

/// Fails if there are more copies of a kind than [`REMAINDERS`] accepts. `wanted` is the number of
/// secrets that were searched for.
fn judge(wanted: usize, hits: &[Hit]) {
    let mut counts: BTreeMap<&str, BTreeMap<Place, usize>> = BTreeMap::new();
    for hit in hits {
        *counts.entry(hit.kind).or_default().entry(hit.place).or_default() += 1;
    }
    let mut is_clean = true;
    for (kind, places) in &counts {
        let copies: usize = places.values().sum();
        let most = REMAINDERS.iter().find(|row| row.0 == *kind).map_or(0, |row| row.1);
        is_clean &= copies <= most;
        println!("  {kind}: {copies} copies, at most {most} expected: {places:?}");
    }
    if !is_clean {
        for hit in hits {
            println!("  {:#x} {:?} {} (secret {} of {wanted})", hit.address, hit.place, hit.kind, hit.needle);
        }
    }
    assert!(is_clean, "a closed client has left keys in memory");
}

/// The child process with the client, whose memory is examined.
struct Subject {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Subject {
    fn start(home: &Path, kind: Kind) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(CHILD, home).env(KIND, format!("{kind:?}"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, orders, answers }
    }

    /// Gives the child an order, and returns the words after `ok` in its answer.
    #[track_caller]
    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(answer.starts_with("ok") && answer.ends_with('\n'), "{order}: {answer}");
        answer.trim_start_matches("ok").trim().to_owned()
    }

    /// Asserts that the child still runs. Returns its start time in clock ticks of the system: it
    /// is equal as long as the process is the same.
    fn is_the_same(&mut self) -> String {
        assert!(self.process.try_wait().unwrap().is_none(), "the client has ended");
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().to_owned()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Erases all items of a vault's outbox, of which there must be one, so that what was not sent yet
/// is lost on the way. No process may have the vault open.
fn lose_outbox(home: &Path) {
    const ITEM: u8 = 6;
    let disk = FileDisk::open(home.join("vault")).unwrap();
    let mut store = Shred::open(disk, &needles::unlock(home, Kind::KeyFile), &mut rand::rng()).unwrap();
    let items: Vec<_> = store.entries().map(|entry| entry.key).filter(|key| key.0[0] == ITEM).collect();
    assert!(!items.is_empty());
    store.erase(&items).unwrap();
}
