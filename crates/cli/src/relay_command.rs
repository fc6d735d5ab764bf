//! The hidden command `relay`: this program as a relay, for the demonstration and the tests.

use std::{ffi::OsString, io::Read, process::ExitCode, thread};

use crate::args;

/// Runs the command line of a relay, as `deaddrop-relay` does. A tied relay (`--tied`) ends when
/// its standard input ends, because the process at the other end has closed it or was killed.
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
