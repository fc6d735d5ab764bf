//! Reasons for which a conversation or one of its steps ended.

/// The error of a call after which the link is to be closed, or that found it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkClosed;

/// The reason for which a step of the engine was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The vault is full or busy ([`VaultError::is_passing`](crate::VaultError::is_passing)).
    /// Nothing was changed, and the step may be done later.
    #[error("the vault takes nothing for now; try again later")]
    NoRoom,
    /// The vault has failed: nothing can be stored until it is opened again.
    #[error("the vault has failed; open it again")]
    Stopped,
}
