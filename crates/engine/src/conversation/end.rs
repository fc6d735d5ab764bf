//! Reasons for which a conversation or one of its steps ended.

/// The error of a link that is to end, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkClosed;

/// The reason for which a step of the engine was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The vault takes nothing for now. Nothing was changed.
    #[error("the vault takes nothing for now; try again later")]
    NoRoom,
    /// The vault has failed.
    #[error("the vault has failed; open it again")]
    Stopped,
}
