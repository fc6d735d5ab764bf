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
            /// The code on the wire.
            #[must_use]
            pub const fn code(self) -> $repr {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// The meaning of a code. Every code has exactly one.
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
        /// 7 days.
        Week = 0,
        /// 30 days.
        Month = 1,
        /// 90 days.
        Quarter = 2,
        /// 365 days.
        Year = 3,
    }
}

impl LeaseClass {
    /// The lease in days; `None` for a class that this version does not know.
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
        /// 4 blobs, 64 KiB: landings.
        Few = 0,
        /// 64 blobs, 1 MiB: the ordinary mailbox.
        Usual = 1,
        /// 256 blobs, 4 MiB.
        Many = 2,
        /// 1 blob of the smallest class: invites.
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
        /// Done, and durable where the request changed anything.
        Done = 0,
        /// No such right, for whatever reason.
        Refused = 1,
        /// The mailbox is full; try again later.
        Full = 2,
        /// The relay is at a limit that depends on no mailbox; try again later.
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
    /// Why an item was not processed.
    ErrorCode: u16 {
        /// A critical item of unknown type.
        Unsupported = 1,
    }
}

/// Properties of a mailbox, fixed at its creation. A relay refuses bits that it does not know as `BadClass`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreateFlags(pub u8);

impl CreateFlags {
    /// No property.
    pub const NONE: Self = Self(0);
    /// Reading does not renew the lease.
    pub const FIXED: Self = Self(1);
    /// Blobs are kept in memory only and do not survive a restart of the relay.
    pub const VOLATILE: Self = Self(2);

    /// Returns the flags of both.
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
