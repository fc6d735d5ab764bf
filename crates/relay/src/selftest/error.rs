//! The reasons for which a test found nothing out.

use crate::data_dir::DataDirError;
use deaddrop_shred::OpenError;
use std::io;

/// The reason for which nothing was found out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SelftestError {
    /// The scratch store could not be made or opened.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The scratch store could not be scanned.
    #[error("the scratch store could not be scanned")]
    Scan(#[from] OpenError),
    /// The scratch store refused a request, or returned other bytes.
    #[error("the scratch store did not {0}")]
    Refused(&'static str),
    /// A file could not be read.
    #[error("the file of the scratch store could not be read")]
    File(#[from] io::Error),
    /// The canaries were not seen before they were acked, so that not to see them later would prove
    /// nothing.
    #[error(
        "only {seen} of {all} pieces of the canaries are seen in {place} before they are acked: the search proves nothing there"
    )]
    Blind {
        /// Number of pieces that were seen.
        seen: usize,
        /// Number of all pieces.
        all: usize,
        /// The place that was searched.
        place: String,
    },
    /// The block device could not be found or read.
    #[error("the block device could not be searched: {0}")]
    Device(String),
}
