//! The error of loading what was saved.

/// A saved session, contact or invite was not loaded. Overwrite nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// Saved by a newer version: update the program.
    NewerVersion,
    /// The bytes are not what was saved.
    Corrupt,
}

impl core::fmt::Display for LoadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NewerVersion => "saved by a newer version; update",
            Self::Corrupt => "the saved bytes are damaged; begin a new session",
        })
    }
}

impl core::error::Error for LoadError {}
