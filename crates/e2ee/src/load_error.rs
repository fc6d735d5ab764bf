//! The error of loading what was saved.

/// A saved session, contact or invite was not loaded. Overwrite nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Saved by a newer version: update the program.
    #[error("saved by a newer version; update")]
    NewerVersion,
    /// The bytes are not what was saved.
    #[error("the saved bytes are damaged; begin a new session")]
    Corrupt,
}
