//! Runs the comparison with vodozemac, which is a package of its own so that nothing of it enters
//! this workspace: `cargo bench -p deaddrop-e2ee --bench rivals`.

use std::{
    env, io,
    path::Path,
    process::{Command, ExitCode},
};

fn main() -> io::Result<ExitCode> {
    // `cargo test --benches` only wants to know that this builds.
    if env::args().any(|argument| argument == "--test") {
        return Ok(ExitCode::SUCCESS);
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals/Cargo.toml");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = Command::new(cargo)
        .args(["run", "--release", "--locked", "--manifest-path"])
        .arg(&manifest)
        .status()?;
    Ok(if run.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
