//! A WebSocket (RFC 6455) that carries binary messages and whose memory a hostile peer cannot grow
//! (spec/10-link.md section 7).
//!
//! - [`Decoder`] turns bytes into messages and control frames. It performs no I/O.
//! - [`Socket`] reads and writes one connection in one task, so that neither direction waits for
//!   the other.
//! - [`upgrade`] and [`accept`] make a [`Socket`] from a connection, as client and as server.
//!
//! The bounds on a peer:
//!
//! | what the peer does | bound |
//! |---|---|
//! | begins a message and does not end it | the memory held is at most twice what arrived, or 4 KiB, and at most the limit that the caller set |
//! | sends pings and never reads | one unsent pong: the newest replaces the one before |
//! | sends control frames, empty messages or small fragments | [`Budget`]: [`BURST`] frames at once, then [`PER_SECOND`] a second; beyond that the connection ends |
//! | never reads | [`Socket::unsent_bytes`] and [`Socket::unsent_reply_bytes`] tell the caller, who stops making replies |
//! | reads or sends a few bytes now and then | [`Pace`] tells the caller |
//! | reads slowly | [`Ahead`] tells the caller how much to queue for it |
//! | sends a long head of a request or an answer | [`MAX_HEAD`] bytes |
//!
//! The crate knows nothing of messaging: what a message holds is the caller's affair. No extension
//! is negotiated, and text frames end the connection.

mod ahead;
mod budget;
mod decoder;
mod frame;
mod pace;
mod socket;
mod upgrade;

pub use ahead::{AHEAD_MS, Ahead, MAX_AHEAD};
pub use budget::{BURST, Budget, PER_SECOND};
pub use decoder::{Decoder, Incoming};
pub use frame::{FREE_FRAGMENT, FrameError, MAX_CONTROL, Role};
pub use pace::{MIN_PROGRESS, Pace, STALL_MS, UNSENT_IN_SYSTEM, WRITE_STALLS};
pub use socket::{End, LARGE_PARTIAL, Progress, Socket};
pub use upgrade::{MAX_HEAD, UpgradeError, accept, upgrade};
