//! The reference messenger of deaddrop on the command line, and its demonstration.
pub mod args;
pub mod demo {
    //! Demo
    pub mod plan;
    pub mod tally;
}
pub mod failure;
pub mod home;
pub mod output;
pub mod passphrase;
pub mod qr;
pub mod transcript;

/// Runs a command line, whose first argument is the program's name.
pub fn run(_args: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
