//! The reasons for which nothing was measured.

use crate::data_dir::DataDirError;
use deaddrop_wire::item::AnswerCode;
use std::io;

/// The reason for which a measurement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The directory of the measured relay could not be made.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The relay did not become ready. Holds the last line that it logged, or an error of the
    /// system.
    #[error("the relay did not start: {0}")]
    Start(String),
    /// A client could not connect to the relay.
    #[error("a client could not connect to the relay")]
    Connect,
    /// A link ended during the load.
    #[error("the relay closed a link")]
    LinkEnded,
    /// The relay refused a request that it should accept.
    #[error("the relay answered {0:?} to a request")]
    Refused(AnswerCode),
    /// The relay did not finish the load in time.
    #[error("the relay did not finish the load in time")]
    TooSlow,
    /// A file or a socket failed while the floor was measured.
    #[error("the floor was not measured: {0}")]
    Floor(io::Error),
}
