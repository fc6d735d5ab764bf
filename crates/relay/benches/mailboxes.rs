//! The memory that a mailbox costs, and the time until a store with many mailboxes is open.
//!
//! `cargo bench -p deaddrop-relay --bench mailboxes -- MAILBOXES` (a million unless told). A
//! process of its own opens the store, and another one an empty store: the difference of their
//! resident memory is what the mailboxes cost. `TMPDIR` says where the store lies.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/common/many_mailboxes.rs"]
mod many_mailboxes;
#[path = "../tests/common/process.rs"]
mod process;

use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::data_dir::{DataDir, StoreSize};
use deaddrop_wire::Day;
use many_mailboxes::create_mailboxes;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [open, path] = &arguments[..]
        && open == "open"
    {
        return open_store(Path::new(path));
    }
    let told = arguments.iter().find_map(|argument| argument.parse::<u64>().ok());
    let mailboxes = told.unwrap_or(if arguments.iter().any(|it| it == "--bench") { 1_000_000 } else { 500 });
    let folder = tempfile::tempdir().unwrap();
    let (empty, full) = (folder.path().join("empty"), folder.path().join("full"));
    fill(&empty, 0);
    let begin = Instant::now();
    fill(&full, mailboxes);
    println!("{mailboxes} mailboxes created in {:.1} s", begin.elapsed().as_secs_f64());
    let ((without, _), (with, open_s)) = (measure(&empty), measure(&full));
    let each = with.saturating_sub(without) / mailboxes;
    println!("{each} bytes of resident memory each ({} MiB together); open in {open_s:.2} s", with >> 20);
}

fn limits() -> Limits {
    Limits { mailboxes: u64::from(u32::MAX), ..Limits::DEFAULT }
}

fn fill(path: &Path, mailboxes: u64) {
    let data = DataDir::at(path);
    let rng = &mut rand::rng();
    data.init(StoreSize::default(), rng).unwrap();
    let store = data.open(limits(), rng).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(create_mailboxes(&store, mailboxes, Now::new(Day::from_number(20_000), 0)));
}

/// Opens the store of the data directory `path` in a process of its own. Returns the resident
/// memory of that process in bytes, and the seconds until the store was open.
fn measure(path: &Path) -> (u64, f64) {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).arg("open").arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (bytes, seconds) = text.trim().split_once(' ').unwrap();
    (bytes.parse().unwrap(), seconds.parse().unwrap())
}

fn open_store(path: &Path) {
    let begin = Instant::now();
    let store = DataDir::at(path).open(limits(), &mut rand::rng()).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    println!("{} {seconds}", process::memory_kib(std::process::id()) << 10);
    drop(store);
}
