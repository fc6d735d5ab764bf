//! A client that was closed leaves no key in the memory of its process: seen from outside, by reading that memory.
//!
//! A process of its own opens a vault, talks in both directions, closes it, and does all of it again. Then this one takes
//! every secret from the closed vault and looks for it in `/proc/PID/mem`. Has its own `main`, so that what it skips is
//! printed, and so that the process that is looked at runs no test harness.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, reason = "a test without a harness prints what it did")]

mod child;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod needles;
#[cfg(target_os = "linux")]
mod scan;

/// Names the home of the client that this process is to be.
const CHILD: &str = "DEADDROP_TEST_MEMORY_OF";

fn main() {
    if let Ok(home) = std::env::var(CHILD) {
        return child::run(&home);
    }
    // As a harness would: nothing to list, and a filter for another test skips this one.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_meant = |word: &String| word.starts_with('-') || NAME.contains(word.as_str());
    if words.iter().any(|word| word == "--list") || !words.iter().all(is_meant) {
        return;
    }
    #[cfg(not(target_os = "linux"))]
    println!("test {NAME} ... SKIPPED: only Linux shows a process's memory as files");
    #[cfg(target_os = "linux")]
    linux::a_closed_client_leaves_no_key_in_memory();
}

const NAME: &str = "a_closed_client_leaves_no_key_in_memory";

/// Bytes that are in no other place.
fn planted(seed: u8) -> [u8; 32] {
    core::array::from_fn(|at| u8::try_from(at).unwrap().wrapping_mul(37) ^ seed)
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{
        CHILD, NAME,
        common::{Sandbox, texts},
        needles::{self, SKIPPED},
        planted,
        scan::{Hit, Needle, Place, scan},
    };
    use deaddrop_shred::{FileDisk, MasterKey, Shred, Unlock};
    use std::{
        collections::BTreeMap,
        fs,
        io::{BufRead, BufReader, Write},
        path::Path,
        process::{Child, ChildStdin, ChildStdout, Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    /// What may be left, by kind of secret: the most copies, and why they are not ours to wipe.
    const REMAINDERS: &[(&str, usize, &str)] = &[];

    const PLANTED: u8 = 0xa7;

    pub(super) fn a_closed_client_leaves_no_key_in_memory() {
        let begin = Instant::now();
        let mut sandbox = Sandbox::connected();
        sandbox.ben.run(&["send", "ada", "hello"]).ok();
        assert_eq!(sandbox.ada.texts(), ["hello"]);
        sandbox.ada.run(&["send", "ben", "hello"]).ok();
        assert_eq!(sandbox.ben.texts(), ["hello"]);

        let home = sandbox.ada.home.clone();
        let mut client = Subject::start(&home);
        client.order(&format!("plant {PLANTED}"));
        client.order("open");
        client.order("send one");
        assert_eq!(sandbox.ben.texts(), ["one"]);
        sandbox.ben.run(&["send", "ada", "two"]).ok();
        client.order("await two");
        client.order("send three");
        assert_eq!(sandbox.ben.texts(), ["three"]);
        sandbox.ben.run(&["send", "ada", "four"]).ok();
        client.order("await four");
        client.order("close");
        let earlier = needles::of_vault(&home);

        // A text that is lost leaves a skipped key in the vault, and what follows it waits.
        sandbox.relay.kill();
        sandbox.ben.run(&["send", "ada", "lost", "--wait", "0"]).ok();
        lose_outbox(&sandbox.ben.home);
        sandbox.relay.serve();
        client.order("open");
        sandbox.ben.run(&["send", "ada", "five"]).ok();
        while needles::rows(&needles::open(&home), SKIPPED).is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(60), "the text does not come");
            thread::sleep(Duration::from_millis(50));
        }
        client.order("send six");
        client.order("invite cara");
        client.order("close");
        let last = needles::of_vault(&home);

        let mut wanted = last;
        for needle in earlier {
            if wanted.iter().all(|known| known.bytes != needle.bytes) {
                wanted.push(needle);
            }
        }
        for kind in ["root key", "sending chain key", "receiving chain key", "skipped key", "reset secret"] {
            assert!(wanted.iter().any(|needle| needle.kind == kind), "the vault holds no {kind}");
        }
        wanted.push(Needle { kind: "planted", bytes: planted(PLANTED) });
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
        judge(&wanted, &hits);
        println!("test {NAME} ... ok ({} secrets, {:.1} s)", wanted.len(), begin.elapsed().as_secs_f32());
    }

    /// Compares what was found with what may be left.
    fn judge(wanted: &[Needle], hits: &[Hit]) {
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
        if std::env::var_os("DEADDROP_TEST_MEMORY_PLACES").is_some() || !is_clean {
            for hit in hits {
                println!("  {:#x} {:?} {} (needle {} of {})", hit.address, hit.place, hit.kind, hit.needle, wanted.len());
            }
        }
        assert!(is_clean, "a closed client has left keys in memory");
    }

    /// A process that is a client.
    struct Subject {
        process: Child,
        orders: ChildStdin,
        answers: BufReader<ChildStdout>,
    }

    impl Subject {
        fn start(home: &Path) -> Self {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env(CHILD, home).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let orders = process.stdin.take().unwrap();
            let answers = BufReader::new(process.stdout.take().unwrap());
            Self { process, orders, answers }
        }

        #[track_caller]
        fn order(&mut self, order: &str) {
            writeln!(self.orders, "{order}").unwrap();
            let mut answer = String::new();
            self.answers.read_line(&mut answer).unwrap();
            assert_eq!(answer, "ok\n", "{order}");
        }

        /// It lives; and when it began, in ticks of the system.
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

    /// Erases what a person has not sent yet.
    fn lose_outbox(home: &Path) {
        const ITEM: u8 = 6;
        let key = MasterKey::from_bytes(fs::read(home.join("vault.key")).unwrap().try_into().unwrap());
        let disk = FileDisk::open(home.join("vault")).unwrap();
        let mut store = Shred::open(disk, &Unlock::Key(key), &mut rand::rng()).unwrap();
        let items: Vec<_> = store.entries().map(|entry| entry.key).filter(|key| key.0[0] == ITEM).collect();
        assert!(!items.is_empty());
        store.erase(&items).unwrap();
    }
}
