//! Errors: one enum for each operation, one variant for each case that a caller handles differently.

pub(crate) use deaddrop_engine::VaultError;

use crate::pasted::PasteError;
use deaddrop_e2ee::invite::BundleError;
use deaddrop_engine::{
    EngineError,
    conversation::{ConnectError, ErrandError, TlsFault},
};
use deaddrop_wire::Day;

macro_rules! errors {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident $(($inner:ty))? = $text:expr,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        $vis enum $name { $($(#[$doc])* $variant $(($inner))?,)* }

        impl $name {
            const fn text(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $text,)*
                }
            }
        }
    };
}

impl core::fmt::Display for OpenError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for OpenError {}

impl core::fmt::Display for ClientError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Link(error) => core::fmt::Display::fmt(error, f),
            Self::Bundle(error) => core::fmt::Display::fmt(error, f),
            Self::WrongClock(error) => core::fmt::Display::fmt(error, f),
            Self::Tls(fault) => core::fmt::Display::fmt(fault, f),
            other => f.write_str(other.text()),
        }
    }
}

impl core::error::Error for ClientError {}

/// The machine's clock and a relay's show days that are more than two days apart. One of them is wrong: set the clock of this
/// machine, or ask the relay's operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongClock {
    /// The day that the clock of this machine shows.
    pub clock: Day,
    /// The day that the relay says.
    pub relay: Day,
}

impl core::fmt::Display for WrongClock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { clock, relay } = self;
        write!(
            f,
            "the clock of this machine says {clock}, but the relay says {relay}; nothing was done, because dates would be wrong; \
             set the clock, then try again; if the clock is right, tell the relay's operator, or take another relay"
        )
    }
}

errors! {
    /// A vault was not opened or created. Nothing on the disk was changed.
    pub enum OpenError {
        /// There is no vault: create one.
        Absent = "there is no vault here; create one, or choose another folder",
        /// There is one already: open it, or take another folder.
        Exists = "there is a vault here already; use it, or choose another folder",
        /// The passphrase, or the key file, is not this vault's.
        WrongPassphrase = "wrong passphrase (or key file) for this vault",
        /// The vault was made without a passphrase, and its key file is missing.
        KeyFileMissing = "the vault's key file is missing; if the vault has a passphrase, give it",
        /// Another process has it open.
        InUse = "the vault is in use by another process; close that one first",
        /// The requested cost of a guess of the passphrase is out of bounds.
        BadCost = "the cost of the passphrase is out of bounds; see PassphraseCost",
        /// The limit of the vault's file is out of bounds.
        BadLimit = "a vault's limit is between 64 and 262,144 MiB",
        /// This machine has not the memory that checking the passphrase takes.
        OutOfMemory = "not enough memory to check the passphrase; close other programs",
        /// Written by a newer version: update.
        NewerVersion = "the vault was written by a newer version; update this program",
        /// Damaged.
        Corrupt = "the vault is damaged; nothing was changed in it",
        /// The file system keeps old bytes.
        UnsupportedFileSystem = "this file system cannot really delete; choose a folder on a local one",
        /// The operating system gives no random bytes.
        NoRandomness = "the operating system gives no random bytes; nothing is done without them",
        /// The disk is full, or files may not grow. Nothing was made.
        DiskFull = "the disk is full: the vault could not be written; free some space and try again",
        /// Other users of the machine may read the vault's key file.
        KeyFileExposed = "other users of this machine may read or change the vault's key file; make it readable by its owner alone (mode 0600)",
        /// The disk refused.
        Io = "the vault's folder cannot be read or written; check permissions",
    }
}

errors! {
    /// An operation of a client failed, and changed nothing.
    pub enum ClientError {
        /// There is no contact of this name.
        UnknownContact = "there is no contact of this name",
        /// An invite for this contact was made and is not used yet.
        InviteOpen = "an invite for this contact is open: give its link once more, or withdraw it first",
        /// There is no open invite for this contact.
        NoInvite = "there is no open invite for this contact; make one",
        /// A name is empty, too long, or holds control characters or invisible ones.
        BadName = "a name has 1 to 64 characters, none of them invisible or a control character; type it by hand if it was pasted",
        /// A name can be taken for that of a contact.
        NameLooksAlike = "the name looks like that of another contact; choose one that cannot be taken for it",
        /// The text is longer than the protocol allows.
        TextTooLong = "the text is longer than 60,000 bytes; send it in parts",
        /// No relay is set.
        NoRelay = "no relay is set; set one first",
        /// Contacts have not moved from earlier relays yet.
        StillMoving = "contacts have not moved from earlier relays yet; try again when they have",
        /// The relay is the one that is set, or a contact has no mailbox elsewhere.
        RelayInUse = "mailboxes are needed on this relay; set another one first, and withdraw the open invites that were made on it",
        /// The relay cannot be reached now.
        RelayDown = "the relay cannot be reached; check the address, or try again later",
        /// Another relay answers at the address: its fingerprint differs.
        WrongRelay = "another relay answers at this address (its fingerprint differs); do not use it",
        /// The relay and this program speak no version of the protocol in common.
        NoCommonVersion = "the relay answers, but it and this program speak no version of the protocol in common; one of the two must be updated",
        /// The machine's clock and the relay's show different days.
        WrongClock(WrongClock) = "the clock is wrong",
        /// The relay does not do now what was asked: it is busy, or refuses new mailboxes.
        RelayBusy = "the relay does not take this now; try again later",
        /// The relay makes mailboxes only for those who show its token, and none is set for it, or another one.
        NeedsToken = "the relay makes new mailboxes only with a token from its operator, and the right one is not set; set it and try again",
        /// A token for a relay is empty or too long, or too many relays have one.
        BadToken = "a relay's token has 1 to 256 bytes, and at most 64 relays can have one",
        /// The address leads to a private network or to this machine, and the user has not allowed that.
        PrivateAddress = "the address leads to a private network or to this machine; nothing was connected to, because only the user can allow that",
        /// No TLS connection to the relay was made, for this reason.
        Tls(TlsFault) = "no TLS connection to the relay was made",
        /// The text is no usable invite link.
        Link(PasteError) = "not a usable invite link",
        /// The bundle to which the link leads was refused.
        Bundle(BundleError) = "the invite was refused",
        /// The invite was used, withdrawn or has expired.
        InviteUsed = "the invite was used already, withdrawn, or has expired; ask for a new link",
        /// This person is a contact already.
        AlreadyContact = "this person is a contact already, by another name; accept the invite by that name",
        /// The invite is of another identity than the contact has.
        OtherIdentity = "the invite is from another identity than this contact has; ask the contact by another way, then accept it as a new identity, or choose another name",
        /// The contact wants nothing that needs the user's word.
        NothingAsked = "this contact asks for nothing",
        /// The contact asks for a new session already: agree or decline first.
        AsksAlready = "this contact asks for a new session already; agree to that, or decline it first",
        /// Nothing is there to begin again with: make a new invite for the contact.
        NoResetBundle = "there is nothing to begin again with; make a new invite for this contact",
        /// There is no session with this contact yet.
        NoSession = "the contact has not accepted the invite yet",
        /// Another reader has taken over a mailbox; what waits in it is not read.
        Displaced = "another copy of this vault, or another program, reads your mailboxes; use one copy only",
        /// The call did not end within the time allowed; its work goes on.
        TimedOut = "it takes longer than allowed; it goes on when the relay can be reached",
        /// The vault has no room, or its disk has none. Nothing is lost, and it goes on as soon as there is room: erase events that were
        /// shown ([`forget_events_before`](crate::Client::forget_events_before)), free space on the disk, or raise the limit
        /// ([`change_vault_limit`](crate::Client::change_vault_limit)).
        VaultFull = "the vault is full; erase received messages that you have read, or free space on its disk",
        /// The disk is too slow to overwrite what was erased; nothing new is stored until it has.
        VaultBusy = "the vault's disk is too slow for now; try again in a moment",
        /// The vault failed: close the client and open it again.
        VaultStopped = "the vault's disk failed; close the program and open the vault again",
        /// The vault is damaged.
        VaultCorrupt = "a part of the vault is damaged; nothing was overwritten",
    }
}

impl ClientError {
    /// The vault failed, and not the call.
    pub(crate) const fn is_of_vault(&self) -> bool {
        matches!(self, Self::VaultStopped | Self::VaultCorrupt)
    }

    /// The vault takes nothing for now, and has changed nothing.
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
            ErrandError::Corrupt => Self::VaultCorrupt,
        }
    }
}
