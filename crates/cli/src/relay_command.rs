//! The hidden command `relay`: this program as a relay, for the demonstration and the tests.

use std::{ffi::OsString, io::Read, process::ExitCode, thread};

use crate::args;

/// Runs the relay's own command line. A tied relay ends when its standard input ends: the process at the other end has
/// then closed it, or has been killed.
pub(crate) fn run(args: args::Relay) -> ExitCode {
    if args.tied {
        thread::spawn(|| {
            let mut input = std::io::stdin().lock();
            while input.read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
            std::process::exit(0);
        });
    }
    let name = OsString::from("deaddrop-relay");
    deaddrop_relay::cli::run(std::iter::once(name).chain(args.args))
}
