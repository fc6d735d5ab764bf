//! A client that was closed leaves no key in the memory of its process: seen from outside, by reading that memory.
//!
//! A process of its own makes a vault, talks in both directions, closes the vault, and opens, talks and closes again. Then
//! this one takes every secret from the vault as it was after each closing, and looks for it in `/proc/PID/mem`. It has its
//! own `main`, so that what it skips is printed, and so that the process that is looked at runs no test harness.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::print_stdout, reason = "a test without a harness prints what it did")]

mod child;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod needles;
#[cfg(target_os = "linux")]
mod scan;

use deaddrop_client::PassphraseCost;
use zeroize::Zeroizing;

/// The environment variable that makes this program the child process. Its value is the folder of
/// the client.
const CHILD: &str = "DEADDROP_TEST_MEMORY_OF";
/// The environment variable with the [`Kind`] of secret that opens the child's vault.
const KIND: &str = "DEADDROP_TEST_MEMORY_KIND";

const NAME: &str = "a_closed_client_leaves_no_key_in_memory";

/// The cost of one guess of the passphrase: little, because the strength does not matter here.
const COST: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 4 };

/// The kind of secret that opens the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    KeyFile,
    Passphrase,
}

fn main() {
    if let Ok(home) = std::env::var(CHILD) {
        let is_key = std::env::var(KIND).unwrap() == "KeyFile";
        return child::run(&home, if is_key { Kind::KeyFile } else { Kind::Passphrase });
    }
    // As a harness would: nothing to list, and a filter for another test skips this one.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_meant = |word: &String| word.starts_with('-') || NAME.contains(word.as_str());
    if words.iter().any(|word| word == "--list") || !words.iter().all(is_meant) {
        return;
    }
    #[cfg(not(target_os = "linux"))]
    println!("test {NAME} ... SKIPPED: only Linux shows a process's memory as a file");
    #[cfg(target_os = "linux")]
    for kind in [Kind::KeyFile, Kind::Passphrase] {
        linux::a_closed_client_leaves_no_key_in_memory(kind);
    }
}

/// Returns bytes that depend on `seed` and occur nowhere else in memory.
fn planted(seed: u8) -> [u8; 32] {
    core::array::from_fn(|at| u8::try_from(at).unwrap().wrapping_mul(37) ^ seed)
}

/// Returns the passphrase of the vault. It is computed on each call, so that it is in no argument
/// and in no environment variable.
fn passphrase() -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in planted(0x5c) {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b'a' + digit));
        }
    }
    text
}
