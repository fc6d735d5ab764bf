//! Errors of the vault and of the engine.

use deaddrop_e2ee::{LoadError, invite::BundleError};

/// The error of a vault that did not perform a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The vault or its disk has no room. Nothing was stored and nothing is lost.
    #[error("the vault is full")]
    Full,
    /// The disk is too slow at present. Nothing was stored and nothing is lost.
    #[error("the vault's disk is too slow")]
    Busy,
    /// Writing failed, now or before. What the disk holds is known only when the vault is opened
    /// again; until then every call that stores something fails in this way.
    #[error("the vault has stopped")]
    Stopped,
    /// A row is damaged, or a row is missing that the vault must have.
    #[error("a row of the vault is damaged")]
    Corrupt,
    /// A row was written by a newer version of this program.
    #[error("the vault was written by a newer version")]
    NewerVersion,
    /// The disk could not be read.
    #[error("the vault cannot be read")]
    Io,
}

impl VaultError {
    /// Whether the error is [`Full`](Self::Full) or [`Busy`](Self::Busy): nothing was stored and
    /// nothing is lost, so that the same may be stored later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Full | Self::Busy)
    }
}

impl From<LoadError> for VaultError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::NewerVersion => Self::NewerVersion,
            _ => Self::Corrupt,
        }
    }
}

/// The error of a call of the user that was refused or failed. The call changed nothing, unless its
/// documentation says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is no contact with this name.
    #[error("there is no contact with this name")]
    UnknownContact,
    /// An invite for this contact was published and is not used yet.
    #[error("an invite for this contact is open")]
    InviteOpen,
    /// There is no open invite for this contact, or it is not published yet.
    #[error("there is no open invite for this contact")]
    NoInvite,
    /// The name is empty, has more than 64 characters, or holds control characters or invisible
    /// ones.
    #[error("a name has 1 to 64 characters, none of them invisible or a control character")]
    BadName,
    /// The name is that of another contact, or can be taken for it.
    #[error("the name looks like that of another contact")]
    NameLooksAlike,
    /// The text is longer than [`MAX_TEXT`](crate::MAX_TEXT) bytes.
    #[error("the text is longer than 60,000 bytes")]
    TextTooLong,
    /// No relay is set on which mailboxes could be made.
    #[error("no relay is set")]
    NoRelay,
    /// A contact has 4 private mailboxes already, the newest at an earlier relay, because it does
    /// not use the newer ones yet.
    #[error("contacts have not moved from earlier relays yet")]
    StillMoving,
    /// The relay cannot be given up: it is the one that is set, an open invite leads there, or a
    /// contact has no mailbox elsewhere.
    #[error("mailboxes are needed on this relay")]
    RelayInUse,
    /// A token for a relay is empty or has more than 256 bytes, or 64 other relays have one.
    #[error("a relay's token has 1 to 256 bytes, and at most 64 relays can have one")]
    BadToken,
    /// The bundle of the invite was refused, for this reason.
    #[error("the invite was refused")]
    Bundle(#[source] BundleError),
    /// The person who made the invite is a contact already, under another name, and has answered
    /// under it; or the invite was accepted under another name.
    #[error("there is a contact with this identity already")]
    AlreadyContact,
    /// The invite was made by another identity than the one that the contact has.
    #[error("the invite is from another identity than this contact has")]
    OtherIdentity,
    /// The contact does not make this request, or no request at all, that the user could allow or
    /// decline.
    #[error("this contact asks for nothing")]
    NothingAsked,
    /// The contact asks for a new session already: the user agrees or declines first.
    #[error("this contact asks for a new session already")]
    AsksAlready,
    /// The contact's reset bundle is missing or expired, so no new session can begin with it: the
    /// user makes a new invite.
    #[error("there is no bundle with which a new session could begin")]
    NoResetBundle,
    /// There is no session with this contact yet, so its identity is not known.
    #[error("there is no session with this contact yet")]
    NoSession,
    /// The vault has no room, or failed.
    #[error("the vault failed")]
    Vault(#[from] VaultError),
}
