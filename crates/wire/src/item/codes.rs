//! Small codes inside bodies. Unknown codes are kept, not refused, so that an old peer can decode
//! the items of a newer one.

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
            /// Returns the number by which the wire format names this value.
            #[must_use]
            pub const fn code(self) -> $repr {
                match self {
                    $(Self::$variant => $code,)*
                    Self::Other(code) => code,
                }
            }

            /// Returns the value with this number on the wire; `Other` for a number that this
            /// version does not know.
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
    /// The lease class of a mailbox: number of days after which it is deleted unless its lease is
    /// renewed.
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
    /// The quota class of a mailbox: maximum number of blobs, and of bytes, that it holds at once.
    QuotaClass: u8 {
        /// The mailbox holds at most 4 blobs and 64 KiB. Used for landing mailboxes, which take the
        /// first messages of a new contact.
        Few = 0,
        /// The mailbox holds at most 64 blobs and 1 MiB.
        Usual = 1,
        /// The mailbox holds at most 256 blobs and 4 MiB. Used for the mailboxes into which a
        /// contact puts its later messages.
        Many = 2,
        /// The mailbox holds 1 blob of the smallest size class. Used for invite mailboxes, which
        /// hold one bundle.
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
    /// Outcome of a request: done, or the reason for which the relay refused it.
    AnswerCode: u16 {
        /// The request is done, and durable if it changed anything.
        Done = 0,
        /// The presented secret gives no right, or an id that the request gives belongs to another
        /// mailbox; or, for a Create, the owner has a mailbox with another reader. The answer is the
        /// same if the mailbox is gone, the right was revoked, or neither ever existed.
        Refused = 1,
        /// The mailbox has no room for the blob, had none a moment ago, or is put into too fast; or
        /// it has as many senders as the relay allows. Try again later.
        Full = 2,
        /// A limit of the relay, of the link or of its network is reached. The answer never depends
        /// on a mailbox. Try again later.
        Busy = 3,
        /// The size, lease or quota class, or a bit of [`CreateFlags`], is unknown.
        BadClass = 4,
        /// The request is not supported. No relay of version 1 sends this code.
        Unsupported = 5,
        /// The relay requires a token to create a mailbox, and the request had none or a wrong one.
        NeedToken = 6,
        /// The mailbox changed readers a moment ago. No relay of version 1 sends this code: see
        /// [`Subscribed::contended`](super::Subscribed::contended).
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

/// Properties of a mailbox, fixed at its creation. A relay refuses bits that it does not know as
/// `BadClass`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CreateFlags(pub u8);

impl CreateFlags {
    /// The flags without any property.
    pub const NONE: Self = Self(0);
    /// The flag of a mailbox whose lease is not renewed by reading it.
    pub const FIXED: Self = Self(1);
    /// The flag of a mailbox whose blobs are in memory only and do not survive a restart of the
    /// relay.
    pub const VOLATILE: Self = Self(2);

    /// Returns the flags that are in `self`, in `other` or in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a bit other than [`FIXED`](Self::FIXED) and [`VOLATILE`](Self::VOLATILE) is set.
    #[must_use]
    pub const fn has_unknown(self) -> bool {
        self.0 & !(Self::FIXED.0 | Self::VOLATILE.0) != 0
    }
}
