//! The binary `deaddrop`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    deaddrop_cli::run(std::env::args_os())
}
