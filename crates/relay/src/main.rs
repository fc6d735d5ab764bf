//! The relay's program: see `deaddrop_relay::cli`.

use std::alloc::System;
use zeroizing_alloc::ZeroAlloc;

/// The allocator, which wipes memory when it is freed: blobs, presented rights and addresses pass
/// through many buffers, also those of libraries (spec/12-relay.md section 10).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    deaddrop_relay::cli::run(std::env::args_os())
}
