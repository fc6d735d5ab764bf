//! The error of loading what was saved.

/// The error of a saved session, contact or invite that was not loaded. Do not overwrite the saved
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes were saved by a newer version: update the program.
    #[error("saved by a newer version; update")]
    NewerVersion,
    /// The bytes are not what was saved.
    #[error("the saved bytes are damaged; begin a new session")]
    Corrupt,
}
