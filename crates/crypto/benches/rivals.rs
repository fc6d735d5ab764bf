//! Runs the comparison with vodozemac, which is a package of its own so that nothing of it enters this workspace:
//! `cargo bench -p deaddrop-crypto --bench rivals`.

use std::{env, path::Path, process::Command};

fn main() {
    // `cargo test --benches` only wants to know that this builds.
    if env::args().any(|argument| argument == "--test") {
        return;
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals/Cargo.toml");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(["run", "--release", "--locked", "--manifest-path"]).arg(&manifest).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("the comparison ended with {status}"),
        Err(error) => panic!("cargo did not start: {error}"),
    }
}
