//! Errors: one enum for each operation, one variant for each case that a caller handles differently.

pub(crate) use deaddrop_engine::VaultError;

use crate::pasted::PasteError;
use deaddrop_e2ee::invite::BundleError;
use deaddrop_engine::{
    EngineError,
    conversation::{ConnectError, ErrandError, TlsFault},
};
use deaddrop_wire::Day;

/// The error of two clocks, this machine's and a relay's, whose days differ by more than two. One
/// of them is wrong: set the clock of this machine, or ask the relay's operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock of this machine says {clock}, but the relay says {relay}; nothing was done, because dates would be wrong; \
     set the clock, then try again; if the clock is right, tell the relay's operator, or take another relay"
)]
pub struct WrongClock {
    /// The day that the clock of this machine shows.
    pub clock: Day,
    /// The day that the relay says.
    pub relay: Day,
}

/// The error of a vault that was not opened or created, or whose size limit was not changed.
/// Nothing on the disk was changed, except perhaps the limit itself if the disk failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no vault in the folder: create one.
    #[error("there is no vault here; create one, or choose another folder")]
    Absent,
    /// There is a vault in the folder already: open it, or take another folder.
    #[error("there is a vault here already; use it, or choose another folder")]
    Exists,
    /// The passphrase, or the key in the key file, does not open this vault.
    #[error("wrong passphrase (or key file) for this vault")]
    WrongPassphrase,
    /// The vault was made without a passphrase, and its key file is missing.
    #[error("the vault's key file is missing; if the vault has a passphrase, give it")]
    KeyFileMissing,
    /// Another process, or another client of this one, has the vault open or is just creating it.
    #[error("the vault is in use by another process; close that one first")]
    InUse,
    /// The given cost of one guess of the passphrase is out of bounds.
    #[error("the cost of the passphrase is out of bounds; see PassphraseCost")]
    BadCost,
    /// The given maximum size of the vault's file is out of bounds: below 64 MiB or above 262,144
    /// MiB.
    #[error("a vault's limit is between 64 and 262,144 MiB")]
    BadLimit,
    /// This machine has less memory than checking the passphrase takes.
    #[error("not enough memory to check the passphrase; close other programs")]
    OutOfMemory,
    /// A newer version of this program wrote the vault: update.
    #[error("the vault was written by a newer version; update this program")]
    NewerVersion,
    /// The vault is damaged, or the file in its place is no vault.
    #[error("the vault is damaged; nothing was changed in it")]
    Corrupt,
    /// The file system keeps old bytes when a file is overwritten, so nothing could be erased.
    #[error("this file system cannot really delete; choose a folder on a local one")]
    UnsupportedFileSystem,
    /// The operating system returns no random bytes.
    #[error("the operating system gives no random bytes; nothing is done without them")]
    NoRandomness,
    /// The disk is full, files may not grow, or the vault is full. Nothing was made.
    #[error("the disk is full: the vault could not be written; free some space and try again")]
    DiskFull,
    /// Other users of the machine may read or change the vault's key file.
    #[error(
        "other users of this machine may read or change the vault's key file; make it readable by its owner alone (mode 0600)"
    )]
    KeyFileExposed,
    /// The disk refused to read or write.
    #[error("the vault's folder cannot be read or written; check permissions")]
    Io,
}

/// The error of a call of a [`Client`](crate::Client). The call has changed nothing, unless the
/// call's or the variant's documentation says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no contact with this name.
    #[error("there is no contact of this name")]
    UnknownContact,
    /// An invite for this contact was made and is not used yet.
    #[error("an invite for this contact is open: give its link once more, or withdraw it first")]
    InviteOpen,
    /// There is no open invite for this contact.
    #[error("there is no open invite for this contact; make one")]
    NoInvite,
    /// A name is empty, too long, or holds control characters or invisible ones.
    #[error(
        "a name has 1 to 64 characters, none of them invisible or a control character; type it by hand if it was pasted"
    )]
    BadName,
    /// A name can be taken for that of a contact.
    #[error("the name looks like that of another contact; choose one that cannot be taken for it")]
    NameLooksAlike,
    /// The text is longer than [`MAX_TEXT`](crate::MAX_TEXT) bytes.
    #[error("the text is longer than 60,000 bytes; send it in parts")]
    TextTooLong,
    /// No relay is set.
    #[error("no relay is set; set one first")]
    NoRelay,
    /// A contact has four mailboxes already from moves before, because it has not used the newest
    /// ones yet.
    #[error("contacts have not moved from earlier relays yet; try again when they have")]
    StillMoving,
    /// The relay is the one on which new mailboxes are made, an open invite leads to it, or all
    /// mailboxes of a contact are on it.
    #[error(
        "mailboxes are needed on this relay; set another one first, and withdraw the open invites that were made on it"
    )]
    RelayInUse,
    /// The relay cannot be reached now.
    #[error("the relay cannot be reached; check the address, or try again later")]
    RelayDown,
    /// Another relay answers at the address: its fingerprint differs.
    #[error("another relay answers at this address (its fingerprint differs); do not use it")]
    WrongRelay,
    /// The relay and this program speak no version of the protocol in common.
    #[error(
        "the relay answers, but it and this program speak no version of the protocol in common; one of the two must be updated"
    )]
    NoCommonVersion,
    /// The days of the machine's clock and of the relay are more than two days from each other.
    #[error(transparent)]
    WrongClock(#[from] WrongClock),
    /// The relay refuses for now: it is busy, or makes no new mailboxes.
    #[error("the relay does not take this now; try again later")]
    RelayBusy,
    /// The relay is of an earlier version, which does not describe itself.
    #[error("the relay is of a version that gives no description of itself")]
    NoDescription,
    /// The relay makes mailboxes only for clients that show its token, and the client has no token
    /// for it, or a wrong one.
    #[error(
        "the relay makes new mailboxes only with a token from its operator, and the right one is not set; set it and try again"
    )]
    NeedsToken,
    /// A token for a relay is empty or longer than 256 bytes, or 64 other relays have a token
    /// already.
    #[error("a relay's token has 1 to 256 bytes, and at most 64 relays can have one")]
    BadToken,
    /// The address leads to a private network or to this machine, and the user has not allowed that.
    #[error(
        "the address leads to a private network or to this machine; nothing was connected to, because only the user can allow that"
    )]
    PrivateAddress,
    /// No TLS connection to the relay was made, because of this fault.
    #[error(transparent)]
    Tls(TlsFault),
    /// The text is no usable invite link; the value tells why.
    #[error(transparent)]
    Link(#[from] PasteError),
    /// The bundle (the inviter's keys and address) to which the link leads was refused; the value
    /// tells why.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The invite was used, withdrawn or has expired.
    #[error("the invite was used already, withdrawn, or has expired; ask for a new link")]
    InviteUsed,
    /// The inviter is a contact already, by another name.
    #[error("this person is a contact already, by another name; accept the invite by that name")]
    AlreadyContact,
    /// The invite is from another identity than the contact of this name has.
    #[error(
        "the invite is from another identity than this contact has; ask the contact by another way, then accept it as a new identity, or choose another name"
    )]
    OtherIdentity,
    /// The contact asks for nothing that needs the user's consent.
    #[error("this contact asks for nothing")]
    NothingAsked,
    /// The contact asks for a new session already: agree or decline first.
    #[error("this contact asks for a new session already; agree to that, or decline it first")]
    AsksAlready,
    /// The contact has sent no reset bundle (its keys and address for a new session), so a new
    /// session needs an invite: make one for the contact.
    #[error("there is nothing to begin again with; make a new invite for this contact")]
    NoResetBundle,
    /// There is no session with this contact yet.
    #[error("the contact has not accepted the invite yet")]
    NoSession,
    /// Another reader, such as another copy of this vault, has taken over a mailbox; what waits in
    /// it is not read.
    #[error("another copy of this vault, or another program, reads your mailboxes; use one copy only")]
    Displaced,
    /// The call did not end within the time allowed. Its work continues.
    #[error("it takes longer than allowed; it goes on when the relay can be reached")]
    TimedOut,
    /// The vault has no room, or its disk has none. Nothing is lost, and the work continues as soon as there is room: erase
    /// events that were shown ([`forget_events_before`](crate::Client::forget_events_before)), free space on the disk, or raise
    /// the limit ([`change_vault_limit`](crate::Client::change_vault_limit)).
    #[error("the vault is full; erase received messages that you have read, or free space on its disk")]
    VaultFull,
    /// The disk is too slow to overwrite erased records. Nothing new is stored until they are overwritten.
    #[error("the vault's disk is too slow for now; try again in a moment")]
    VaultBusy,
    /// The vault failed: close the client and open it again.
    #[error("the vault's disk failed; close the program and open the vault again")]
    VaultStopped,
    /// A row of the vault is damaged, or was written by a newer version.
    #[error("a part of the vault is damaged; nothing was overwritten")]
    VaultCorrupt,
}

impl ClientError {
    /// Whether the vault can no longer be used: it failed, or a row is damaged. Every other error
    /// concerns only the call.
    pub(crate) const fn is_of_vault(&self) -> bool {
        matches!(self, Self::VaultStopped | Self::VaultCorrupt)
    }

    /// Whether the vault has no room or time now, and will have later. The call has changed
    /// nothing.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::VaultFull | Self::VaultBusy)
    }
}

impl From<VaultError> for ClientError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Full => Self::VaultFull,
            VaultError::Busy => Self::VaultBusy,
            VaultError::Corrupt | VaultError::NewerVersion => Self::VaultCorrupt,
            VaultError::Stopped | VaultError::Io => Self::VaultStopped,
        }
    }
}

impl From<VaultError> for OpenError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Corrupt => Self::Corrupt,
            VaultError::NewerVersion => Self::NewerVersion,
            VaultError::Full => Self::DiskFull,
            _ => Self::Io,
        }
    }
}

impl From<EngineError> for ClientError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownContact => Self::UnknownContact,
            EngineError::InviteOpen => Self::InviteOpen,
            EngineError::NoInvite => Self::NoInvite,
            EngineError::BadName => Self::BadName,
            EngineError::NameLooksAlike => Self::NameLooksAlike,
            EngineError::TextTooLong => Self::TextTooLong,
            EngineError::NoRelay => Self::NoRelay,
            EngineError::StillMoving => Self::StillMoving,
            EngineError::RelayInUse => Self::RelayInUse,
            EngineError::BadToken => Self::BadToken,
            EngineError::Bundle(error) => Self::Bundle(error),
            EngineError::AlreadyContact => Self::AlreadyContact,
            EngineError::OtherIdentity => Self::OtherIdentity,
            EngineError::NothingAsked => Self::NothingAsked,
            EngineError::AsksAlready => Self::AsksAlready,
            EngineError::NoResetBundle => Self::NoResetBundle,
            EngineError::NoSession => Self::NoSession,
            EngineError::Vault(error) => error.into(),
        }
    }
}

impl From<ConnectError> for ClientError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Down => Self::RelayDown,
            ConnectError::WrongRelay => Self::WrongRelay,
            ConnectError::NoCommonVersion => Self::NoCommonVersion,
            ConnectError::Tls(fault) => Self::Tls(fault),
            ConnectError::Private(_) => Self::PrivateAddress,
        }
    }
}

impl From<ErrandError> for ClientError {
    fn from(error: ErrandError) -> Self {
        match error {
            ErrandError::Connect(error) => error.into(),
            ErrandError::NeedsToken => Self::NeedsToken,
            ErrandError::Busy => Self::RelayBusy,
            ErrandError::Unsupported => Self::NoDescription,
            ErrandError::Corrupt => Self::VaultCorrupt,
        }
    }
}
