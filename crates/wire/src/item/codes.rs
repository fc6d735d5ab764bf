//! Small codes inside bodies. Unknown values are kept, not refused, so that old peers outlive new codes.

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident: $repr:ident { $($(#[$doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A code that this version does not know.
            Other($repr),
        }

        impl $name {
            /// Returns the code on the wire.
            #[must_use]
            pub const fn code(self) -> $repr {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// Returns the meaning of a code. Every code has exactly one.
            #[must_use]
            pub const fn from_code(code: $repr) -> Self {
                match code {
                    $($code => Self::$variant,)*
                    other => Self::Other(other),
                }
            }
        }
    };
}

codes! {
    /// The lifetime of a mailbox that is not renewed.
    LeaseClass: u8 {
        /// The lifetime is 7 days.
        Week = 0,
        /// The lifetime is 30 days.
        Month = 1,
        /// The lifetime is 90 days.
        Quarter = 2,
        /// The lifetime is 365 days.
        Year = 3,
    }
}

impl LeaseClass {
    /// Returns the lease in days; `None` for a class that this version does not know.
    #[must_use]
    pub const fn days(self) -> Option<u32> {
        match self {
            Self::Week => Some(7),
            Self::Month => Some(30),
            Self::Quarter => Some(90),
            Self::Year => Some(365),
            Self::Other(_) => None,
        }
    }
}

codes! {
    /// The number of blobs and bytes that a mailbox can hold.
    QuotaClass: u8 {
        /// The mailbox holds 4 blobs or 64 KiB. Used for landings.
        Few = 0,
        /// The mailbox holds 64 blobs or 1 MiB. Used for ordinary mailboxes.
        Usual = 1,
        /// The mailbox holds 256 blobs or 4 MiB.
        Many = 2,
        /// The mailbox holds 1 blob of the smallest class. Used for invites.
        Single = 3,
    }
}

impl QuotaClass {
    /// Returns the maximum number of blobs; `None` for a class that this version does not know.
    #[must_use]
    pub const fn blobs(self) -> Option<u32> {
        match self {
            Self::Few => Some(4),
            Self::Usual => Some(64),
            Self::Many => Some(256),
            Self::Single => Some(1),
            Self::Other(_) => None,
        }
    }

    /// Returns the maximum number of bytes; `None` for a class that this version does not know.
    #[must_use]
    pub const fn bytes(self) -> Option<u32> {
        match self {
            Self::Few => Some(65_536),
            Self::Usual => Some(1_048_576),
            Self::Many => Some(4_194_304),
            Self::Single => Some(4_096),
            Self::Other(_) => None,
        }
    }
}

codes! {
    /// The result of a request.
    AnswerCode: u16 {
        /// The request is done, and durable if it changed anything.
        Done = 0,
        /// The relay knows no such right, for whatever reason.
        Refused = 1,
        /// The mailbox is full. Try again later.
        Full = 2,
        /// The relay is at a limit that depends on no mailbox. Try again later.
        Busy = 3,
        /// The size, lease or quota class is unknown.
        BadClass = 4,
        /// The request is not supported.
        Unsupported = 5,
        /// The relay asks for a token.
        NeedToken = 6,
        /// The mailbox changed readers a moment ago.
        Contended = 7,
    }
}

codes! {
    /// The reason for which an item was not processed.
    ErrorCode: u16 {
        /// The item is critical and of unknown type.
        Unsupported = 1,
    }
}

/// Properties of a mailbox, fixed at its creation. A relay refuses bits that it does not know as `BadClass`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreateFlags(pub u8);

impl CreateFlags {
    /// The flags without any property.
    pub const NONE: Self = Self(0);
    /// The flag of a mailbox whose lease reading does not renew.
    pub const FIXED: Self = Self(1);
    /// The flag of a mailbox whose blobs are in memory only and do not survive a restart of the relay.
    pub const VOLATILE: Self = Self(2);

    /// Returns the union of both flags.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a bit is set that this version does not know.
    #[must_use]
    pub const fn has_unknown(self) -> bool {
        self.0 & !(Self::FIXED.0 | Self::VOLATILE.0) != 0
    }
}
