//! The class of a refusal: the name in the field `expect` of a vector (spec/15-conformance.md section 2).
//!
//! The names are part of the vectors. They do not follow from the names of this workspace's types, which may change.

use deaddrop_e2ee::{
    attachment::{BadSegment, SegmentError, VerifyError},
    contact::{AddError, AgreeError},
    content::{ContentError, TooLong},
    identity::{BadIdentity, WordsError},
    invite::{AcceptError, AddressTooLong, BadBundleKey, BundleError, LinkError},
    session::{DecryptError, EncryptError},
};
use deaddrop_link::{BadMailboxAddress, ClientHandshakeError, RecordError, RelayHandshakeError};
use deaddrop_wire::{AddressError, DecodeError, NotASizeClass};

/// An error that has a class.
pub trait Class {
    /// Returns the name of the class, as it is in vectors.
    fn class(&self) -> String;
}

/// The class of all errors that vectors do not show yet. A vector that meets it fails: add the
/// error's class here and to the spec.
const UNNAMED: &str = "unnamed";

macro_rules! classes {
    ($($error:ident { $($variant:ident => $class:literal,)* })*) => {$(
        impl Class for $error {
            #[allow(unreachable_patterns, reason = "some of the enums are non-exhaustive")]
            fn class(&self) -> String {
                match self {
                    $(Self::$variant => $class,)*
                    _ => UNNAMED,
                }
                .to_owned()
            }
        }
    )*};
}

classes! {
    ContentError { Malformed => "malformed", NeedsNewerVersion => "needs-newer-version", }
    BundleError {
        NotThisBundle => "not-this-bundle",
        Unsupported => "unsupported",
        Expired => "expired",
        Own => "own",
        BadKey => "bad-key",
        OtherPerson => "other-person",
    }
    LinkError {
        NotALink => "not-a-link",
        Truncated => "truncated",
        Damaged => "damaged",
        NewerVersion => "newer-version",
    }
    AcceptError {
        Junk => "junk",
        Expired => "expired",
        Own => "own",
        Blocked => "blocked",
        PeerMisbehaved => "peer-misbehaved",
    }
    AddError { OtherPerson => "other-person", Known => "known", }
    DecryptError {
        Junk => "junk",
        Duplicate => "duplicate",
        InviteContested => "invite-contested",
        PeerRewound => "peer-rewound",
        PeerMisbehaved => "peer-misbehaved",
    }
    EncryptError {
        TooLong => "too-long",
        TurnFull => "turn-full",
        Corrupt => "corrupt",
        NoSession => "no-session",
    }
    SegmentError { NoSuchSegment => "no-such-segment", WrongLength => "wrong-length", }
    VerifyError { Incomplete => "incomplete", BadAttachment => "bad-attachment", }
    ClientHandshakeError {
        NotARelay => "not-a-relay",
        NoCommonVersion => "no-common-version",
        WrongRelay => "wrong-relay",
        Unauthentic => "unauthentic",
        Overloaded => "overloaded",
        HelloTooLong => "hello-too-long",
    }
    AddressError { Url => "url", Fingerprint => "fingerprint", }
    DecodeError {
        TooLong => "too-long",
        Truncated => "truncated",
        Padding => "padding",
        Malformed => "malformed",
        TooMany => "too-many",
    }
}

macro_rules! single_classes {
    ($($error:ident => $class:literal,)*) => {$(
        impl Class for $error {
            fn class(&self) -> String {
                $class.to_owned()
            }
        }
    )*};
}

single_classes! {
    AddressTooLong => "address-too-long",
    TooLong => "too-long",
    BadSegment => "bad-segment",
    BadIdentity => "bad-identity",
    BadBundleKey => "bad-bundle-key",
    BadMailboxAddress => "bad-mailbox-address",
    AgreeError => "agree-error",
    NotASizeClass => "not-a-size-class",
}

impl Class for WordsError {
    fn class(&self) -> String {
        match self {
            Self::Count => "count".to_owned(),
            Self::Unknown(word) => format!("unknown-{word}"),
            Self::Checksum => "checksum".to_owned(),
            _ => UNNAMED.to_owned(),
        }
    }
}

impl Class for RelayHandshakeError {
    fn class(&self) -> String {
        let class = match self {
            Self::NotAHandshake => "not-a-handshake",
            Self::NoCommonVersion => "no-common-version",
            Self::BadKey => "bad-key",
            Self::Unauthentic => "unauthentic",
            Self::Malformed(inner) => return malformed(inner),
            Self::NotHelloAlone => "not-hello-alone",
            _ => UNNAMED,
        };
        class.to_owned()
    }
}

impl Class for RecordError {
    fn class(&self) -> String {
        match self {
            Self::Length => "length".to_owned(),
            Self::Unauthentic => "unauthentic".to_owned(),
            Self::Malformed(inner) => malformed(inner),
            Self::Dead => "dead".to_owned(),
            _ => UNNAMED.to_owned(),
        }
    }
}

/// Returns the class of a link's record that opens and whose content does not decode.
fn malformed(inner: &DecodeError) -> String {
    format!("malformed-{}", inner.class())
}
