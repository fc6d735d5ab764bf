//! A TLS connection as an asynchronous stream of bytes.

mod handshake;
mod io;
mod machine;
mod scratch;

pub use handshake::{MAX_CLIENT_HELLO, MAX_HANDSHAKE, accept, connect};
pub use io::TlsStream;
pub use machine::{MAX_QUIET, MAX_UNSENT};
