//! The reason for which a command ended without its result, in words for the person at the terminal and as a code for
//! programs.

use std::{fmt, io};

use deaddrop_client::{ClientError, OpenError, PasteError};

/// The code of a failure that has no code of its own: programs cannot tell such failures from each
/// other.
const OTHER: &str = "failed";

/// A failure in words, and what to do about it. Never holds a link, a key, a passphrase or a text.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    text: String,
    code: &'static str,
    reader_gone: bool,
}

impl Failure {
    /// Creates a failure without a code of its own. The words should end with what the user can do.
    pub fn new(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), code: OTHER, reader_gone: false }
    }

    /// Creates a failure whose words are the subject of the work (a file, say), the error, and the
    /// error's sources.
    pub fn about(subject: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{subject}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            text.push_str(&format!(": {error}"));
            source = error.source();
        }
        Self::new(text)
    }

    /// Creates a failure with the code of `error`, but with these words.
    pub fn of(error: impl Into<Self>, text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), ..error.into() }
    }

    /// Creates a failure with this code and these words.
    pub fn coded(code: &'static str, text: impl fmt::Display) -> Self {
        Self { code, ..Self::new(text) }
    }

    /// Creates the failure of a command line that cannot be parsed, with the code `usage`.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self { code: "usage", ..Self::new(text.to_string().trim_end()) }
    }

    /// Returns the code of the failure: one word for programs. The words are stable.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Whether the failure is that the reader of the output has gone (`deaddrop receive | head
    /// -1`): the command ends without a message.
    pub fn reader_is_gone(&self) -> bool {
        self.reader_gone
    }

    /// Creates the failure of an output that cannot be written.
    pub fn output(error: &io::Error) -> Self {
        Self {
            text: format!("the output cannot be written: {error}"),
            code: "output",
            reader_gone: error.kind() == io::ErrorKind::BrokenPipe,
        }
    }
}

/// Returns the code of an error of opening a vault. The codes are stable, even if the variants are
/// renamed.
const fn open_code(error: OpenError) -> &'static str {
    match error {
        OpenError::Absent => "vault_absent",
        OpenError::Exists => "vault_exists",
        OpenError::WrongPassphrase => "wrong_passphrase",
        OpenError::KeyFileMissing => "key_file_missing",
        OpenError::KeyFileExposed => "key_file_exposed",
        OpenError::InUse => "in_use",
        OpenError::BadCost => "bad_cost",
        OpenError::BadLimit => "bad_limit",
        OpenError::OutOfMemory => "out_of_memory",
        OpenError::NewerVersion => "newer_version",
        OpenError::Corrupt => "vault_damaged",
        OpenError::UnsupportedFileSystem => "unsupported_file_system",
        OpenError::NoRandomness => "no_randomness",
        OpenError::DiskFull => "disk_full",
        OpenError::Io => "disk",
        _ => OTHER,
    }
}

/// Returns the code of an error of a client's call. The codes are stable.
const fn client_code(error: ClientError) -> &'static str {
    match error {
        ClientError::UnknownContact => "unknown_contact",
        ClientError::InviteOpen => "invite_open",
        ClientError::NoInvite => "no_invite",
        ClientError::BadName => "bad_name",
        ClientError::NameLooksAlike => "name_looks_alike",
        ClientError::TextTooLong => "text_too_long",
        ClientError::NoRelay => "no_relay",
        ClientError::StillMoving => "still_moving",
        ClientError::RelayInUse => "relay_in_use",
        ClientError::RelayDown => "relay_down",
        ClientError::WrongRelay => "wrong_relay",
        ClientError::NoCommonVersion => "no_common_version",
        ClientError::WrongClock(_) => "wrong_clock",
        ClientError::Displaced => "displaced",
        ClientError::RelayBusy => "relay_busy",
        ClientError::NoDescription => "no_description",
        ClientError::NeedsToken => "needs_token",
        ClientError::BadToken => "bad_token",
        ClientError::PrivateAddress => "private_address",
        ClientError::Tls(fault) => fault.word(),
        ClientError::Link(error) => link_code(error),
        ClientError::Bundle(_) => "invite_refused",
        ClientError::InviteUsed => "invite_used",
        ClientError::AlreadyContact => "already_contact",
        ClientError::OtherIdentity => "other_identity",
        ClientError::NothingAsked => "nothing_asked",
        ClientError::AsksAlready => "asks_already",
        ClientError::NoResetBundle => "no_reset_bundle",
        ClientError::NoSession => "no_session",
        ClientError::TimedOut => "timed_out",
        ClientError::VaultFull => "vault_full",
        ClientError::VaultBusy => "vault_busy",
        ClientError::VaultStopped => "vault_stopped",
        ClientError::VaultCorrupt => "vault_damaged",
        _ => OTHER,
    }
}

/// Returns the code of a pasted text that is not the expected link. The codes are stable.
const fn link_code(error: PasteError) -> &'static str {
    match error {
        PasteError::CutShort => "link_cut_short",
        PasteError::Damaged => "link_damaged",
        PasteError::NewerVersion => "link_newer_version",
        PasteError::TwoLinks => "two_links",
        PasteError::IsRelayAddress => "is_relay_address",
        PasteError::IsInvite => "is_invite",
        PasteError::TooLong => "link_too_long",
        _ => "not_a_link",
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self { code: open_code(error), ..Self::new(error) }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = client_code(error);
        let words = match error {
            ClientError::NoRelay => {
                Self::new("no relay is set; set one: deaddrop set-relay ws://HOST:PORT/#FINGERPRINT")
            }
            ClientError::VaultFull => Self::new(
                "the vault is full, and nothing was changed. Erase the received messages that you have read: deaddrop receive --forget. \
                 `deaddrop status` shows how full it is; raise the limit: deaddrop vault-limit MIB; or free space on the disk if \
                 that is full",
            ),
            ClientError::UnknownContact => Self::new(format_args!("{error}; `deaddrop contacts` shows all")),
            error => Self::new(error),
        };
        Self { code, ..words }
    }
}

impl From<PasteError> for Failure {
    fn from(error: PasteError) -> Self {
        ClientError::Link(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_for_programs() {
        assert_eq!(Failure::new("x").code(), "failed");
        assert_eq!(Failure::from(ClientError::VaultFull).code(), "vault_full");
        assert_eq!(Failure::from(OpenError::WrongPassphrase).code(), "wrong_passphrase");
        let failure = Failure::of(PasteError::CutShort, "words");
        assert_eq!((failure.code(), failure.to_string().as_str()), ("link_cut_short", "words"));
    }
}
