//! The labels of metrics. Each value is a constant of the program, so that a label cannot hold a
//! mailbox, an address or a person.

use crate::notices::Notice;

/// A label with a fixed set of values.
///
/// The text of a value has the life of the program: it cannot come from a request.
pub(crate) trait Label: Copy + 'static {
    /// The name of the label.
    const NAME: &'static str;
    /// All values.
    const ALL: &'static [Self];

    /// Returns the text of the value.
    fn text(self) -> &'static str;
}

/// A kind of request that the relay takes or refuses as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Puts.
    Puts,
    /// Creates and changes of mailboxes.
    Creates,
}

impl Label for Request {
    const NAME: &'static str = "request";
    const ALL: &'static [Self] = &[Self::Puts, Self::Creates];

    fn text(self) -> &'static str {
        match self {
            Self::Puts => "puts",
            Self::Creates => "creates",
        }
    }
}

/// The state of a segment of the store's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The segment holds live or dead records.
    Used,
    /// The segment holds nothing.
    Free,
}

impl Label for Segment {
    const NAME: &'static str = "state";
    const ALL: &'static [Self] = &[Self::Used, Self::Free];

    fn text(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Free => "free",
        }
    }
}

/// A limit of the store as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The limit `mailboxes`.
    Mailboxes,
    /// The limit `blobs`.
    Blobs,
    /// The limit `store_bytes`.
    StoreBytes,
    /// The limit `memory_bytes`.
    MemoryBytes,
}

impl Label for Limit {
    const NAME: &'static str = "limit";
    const ALL: &'static [Self] = &[Self::Mailboxes, Self::Blobs, Self::StoreBytes, Self::MemoryBytes];

    fn text(self) -> &'static str {
        match self {
            Self::Mailboxes => "mailboxes",
            Self::Blobs => "blobs",
            Self::StoreBytes => "store_bytes",
            Self::MemoryBytes => "memory_bytes",
        }
    }
}

/// A part of the program that holds bytes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemoryHolder {
    /// Links and connections, with their requests and answers.
    Links,
    /// Blobs that are in memory only.
    VolatileBlobs,
    /// Blobs that are in memory in addition to the disk.
    HotBlobs,
}

impl Label for MemoryHolder {
    const NAME: &'static str = "holder";
    const ALL: &'static [Self] = &[Self::Links, Self::VolatileBlobs, Self::HotBlobs];

    fn text(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::VolatileBlobs => "volatile_blobs",
            Self::HotBlobs => "hot_blobs",
        }
    }
}

/// The stage of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The handshake is not over.
    HalfOpen,
    /// The connection is a link.
    Link,
}

impl Label for Stage {
    const NAME: &'static str = "stage";
    const ALL: &'static [Self] = &[Self::HalfOpen, Self::Link];

    fn text(self) -> &'static str {
        match self {
            Self::HalfOpen => "half_open",
            Self::Link => "link",
        }
    }
}

/// A day that the relay knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Day {
    /// The day by which leases and expiry are counted.
    Believed,
    /// The day of the system's clock.
    System,
}

impl Label for Day {
    const NAME: &'static str = "day";
    const ALL: &'static [Self] = &[Self::Believed, Self::System];

    fn text(self) -> &'static str {
        match self {
            Self::Believed => "believed",
            Self::System => "system",
        }
    }
}

/// The version of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version;

impl Label for Version {
    const NAME: &'static str = "version";
    const ALL: &'static [Self] = &[Self];

    fn text(self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

impl Label for Notice {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        match self {
            Self::NoDescriptors => "no_descriptors",
            Self::NotAccepted => "not_accepted",
            Self::WithoutUpgrade => "without_upgrade",
            Self::HalfOpenEnded => "half_open_ended",
            Self::LinksEnded => "links_ended",
            Self::ConnectionsRefused => "connections",
            Self::HandshakesRefused => "handshakes",
            Self::TlsRefused => "tls_handshakes",
            Self::CreatesRefused => "creates",
            Self::PutsRefused => "put_bytes",
            Self::LinksPaused => "entries",
            Self::Busy => "store_limits",
            Self::NoRoom => "no_room",
            Self::Overdue => "dead_bytes",
            Self::Damaged => "damaged",
            Self::ClockRefused => "clock",
        }
    }
}
