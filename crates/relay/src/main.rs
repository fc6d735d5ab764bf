//! The relay's program: see `deaddrop_relay::cli`.

fn main() -> std::process::ExitCode {
    deaddrop_relay::cli::run(std::env::args_os())
}
