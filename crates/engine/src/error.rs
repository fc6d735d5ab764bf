//! Errors of the vault and of the engine.

use deaddrop_e2ee::{LoadError, invite::BundleError};

/// A vault did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultError {
    /// The vault has no room, or its disk has none. Nothing was stored and nothing is lost.
    Full,
    /// The disk is too slow for now. Nothing was stored and nothing is lost.
    Busy,
    /// Writing failed. What the disk holds is known only when the vault is opened again.
    Stopped,
    /// A row is damaged.
    Corrupt,
    /// A row was written by a newer version.
    NewerVersion,
    /// Reading failed.
    Io,
}

impl VaultError {
    /// Returns whether nothing was stored and nothing is lost, so that the same may be stored later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Full | Self::Busy)
    }
}

impl core::fmt::Display for VaultError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Full => "the vault is full",
            Self::Busy => "the vault's disk is too slow",
            Self::Stopped => "the vault has stopped",
            Self::Corrupt => "a row of the vault is damaged",
            Self::NewerVersion => "the vault was written by a newer version",
            Self::Io => "the vault cannot be read",
        })
    }
}

impl core::error::Error for VaultError {}

impl From<LoadError> for VaultError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NewerVersion => Self::NewerVersion,
            _ => Self::Corrupt,
        }
    }
}

/// A call of the user was refused, and changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// There is no contact with this name.
    UnknownContact,
    /// An invite for this contact was made and is not used yet.
    InviteOpen,
    /// There is no open invite for this contact.
    NoInvite,
    /// The name is empty, too long, or holds control characters or invisible ones.
    BadName,
    /// The name can be taken for that of another contact.
    NameLooksAlike,
    /// The text is longer than the protocol allows.
    TextTooLong,
    /// No relay is set.
    NoRelay,
    /// Contacts have not moved from earlier relays yet.
    StillMoving,
    /// The relay is the one that is set, or a contact has no mailbox elsewhere.
    RelayInUse,
    /// A token for a relay is empty or too long, or too many relays have one.
    BadToken,
    /// The bundle of the invite was refused.
    Bundle(BundleError),
    /// The person of the invite is a contact already, under another name.
    AlreadyContact,
    /// The invite is from another identity than the contact has.
    OtherIdentity,
    /// The contact asks for nothing that the user has to allow.
    NothingAsked,
    /// The contact asks for a new session already: the user agrees or declines first.
    AsksAlready,
    /// There is no bundle with which a new session could begin.
    NoResetBundle,
    /// There is no session with this contact yet.
    NoSession,
    /// The vault failed.
    Vault(VaultError),
}

impl From<VaultError> for EngineError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl core::fmt::Display for EngineError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::UnknownContact => "there is no contact with this name",
            Self::InviteOpen => "an invite for this contact is open",
            Self::NoInvite => "there is no open invite for this contact",
            Self::BadName => "a name has 1 to 64 characters, none of them invisible or a control character",
            Self::NameLooksAlike => "the name looks like that of another contact",
            Self::TextTooLong => "the text is longer than 60,000 bytes",
            Self::NoRelay => "no relay is set",
            Self::StillMoving => "contacts have not moved from earlier relays yet",
            Self::RelayInUse => "mailboxes are needed on this relay",
            Self::BadToken => "a relay's token has 1 to 256 bytes, and at most 64 relays can have one",
            Self::Bundle(_) => "the invite was refused",
            Self::AlreadyContact => "there is a contact with this identity already",
            Self::OtherIdentity => "the invite is from another identity than this contact has",
            Self::NothingAsked => "this contact asks for nothing",
            Self::AsksAlready => "this contact asks for a new session already",
            Self::NoResetBundle => "there is no bundle with which a new session could begin",
            Self::NoSession => "there is no session with this contact yet",
            Self::Vault(_) => "the vault failed",
        })
    }
}

impl core::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Bundle(error) => Some(error),
            Self::Vault(error) => Some(error),
            _ => None,
        }
    }
}
