//! The description of a relay for people and programs: its policy, and what it can know
//! (spec/12-relay.md section 10.3).

mod contact;
mod html;
mod qr;

pub use contact::{BadContact, Contact, MAX_CONTACT};

use crate::data_dir::Medium;
use crate::limits::Limits;
use deaddrop_wire::item::{LeaseClass, QuotaClass};
#[cfg(any(doc, test))]
use deaddrop_wire::limits::MAX_ABOUT;
use deaddrop_wire::{RelayAddress, RelayUrl};
use serde::Serialize;

/// The style sheet of the pages.
pub(crate) const STYLE: &str = include_str!("about/style.css");
/// The page for people who open an invite in a browser, with `{style}` in place of the style sheet.
pub(crate) const INVITE: &str = include_str!("about/invite.html");

/// Maximum number of bytes of a page.
pub const MAX_PAGE: usize = 20_480;

/// The things that a relay cannot know, for its page (spec/01-overview.md).
const CANNOT_KNOW: [&str; 5] = [
    "the content of a message: it is sealed for its reader",
    "names and keys of people: there are no accounts",
    "the exact size of a message: it is padded to 4, 16 or 64 KiB",
    "contacts that a person has at other relays",
    "whether a link that puts messages and a link that reads them, from different network addresses, belong to one person",
];

/// The things that an operator can watch, for the relay's page (spec/01-overview.md).
const CAN_WATCH: [&str; 5] = [
    "network address and time of each connection, or the address of the proxy in front of it",
    "which mailboxes one link reads, and so how many contacts at this relay it has",
    "which link puts into which mailbox",
    "size class and time of each message, and how many wait",
    "that a mailbox is an invite, and that a first message in a new mailbox is a new contact",
];

/// The sentences that say what else an operator can do.
const CAN_DO: &str = "This program stores and logs none of it, but an operator can run another program. A relay can also drop, delay, \
                      repeat or refuse messages: clients notice it by gaps and missing receipts.";

/// The sentence that says how far this description can be trusted.
const NOTE: &str = "This text is not signed: a person who controls the way to it can change it. A client gets the same text over its \
                    link, where the relay's fingerprint authenticates it.";

/// The place in which the messages of a relay lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StorePlace {
    /// A file on a disk.
    Disk,
    /// The memory of the process: all is lost when it ends.
    Memory,
}

/// The description of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The address by which clients find the relay; `None` if it is not known.
    pub address: Option<RelayAddress>,
    /// The URL to which the relay has moved; `None` if it has not.
    pub moved_to: Option<RelayUrl>,
    /// The operator's contact; `None` if the operator gives none.
    pub contact: Option<Contact>,
    /// The place of messages.
    pub store: StorePlace,
    /// The storage that holds the store key; `None` if there is no such key, because messages are in
    /// memory.
    pub key: Option<Medium>,
    /// Days after which messages of the two smaller size classes are destroyed.
    pub blob_days: u16,
    /// Days after which messages of the largest size class are destroyed.
    pub large_blob_days: u16,
    /// Days after which an unused mailbox is removed.
    pub unused_days: u16,
    /// Seconds for which the sealed bytes of a destroyed message may lie on the disk.
    pub dead_bytes_s: u32,
    /// Whether a client must show a token to create mailboxes.
    pub is_token_needed: bool,
}

/// The classes of quotas, the smallest first.
const QUOTAS: [QuotaClass; 4] = [QuotaClass::Single, QuotaClass::Few, QuotaClass::Usual, QuotaClass::Many];
/// The classes of leases, the shortest first.
const LEASES: [LeaseClass; 4] = [LeaseClass::Week, LeaseClass::Month, LeaseClass::Quarter, LeaseClass::Year];

/// The maximum content of a mailbox.
#[derive(Serialize)]
struct Quota {
    blobs: u32,
    bytes: u32,
}

/// The form of the description as JSON.
#[derive(Serialize)]
struct Form<'a> {
    software: &'static str,
    version: &'static str,
    address: Option<String>,
    moved_to: Option<&'a str>,
    contact: Option<&'a str>,
    policy: Policy,
    cannot_know: [&'static str; 5],
    can_watch: [&'static str; 5],
    can_do: &'static str,
    note: &'static str,
}

/// The policy in the form of the description as JSON.
#[derive(Serialize)]
struct Policy {
    blob_days: u16,
    large_blob_days: u16,
    unused_days: u16,
    lease_days: Vec<u32>,
    quotas: Vec<Quota>,
    token_needed: bool,
    store: StorePlace,
    dead_bytes_s: Option<u32>,
    store_key: Option<Medium>,
}

impl About {
    /// Describes a relay in memory with these limits, whose address is not known and which names no
    /// contact. `is_token_needed`: a client must show a token to create mailboxes.
    #[must_use]
    pub fn new(limits: &Limits, is_token_needed: bool) -> Self {
        Self {
            address: None,
            moved_to: None,
            contact: None,
            store: StorePlace::Memory,
            key: None,
            blob_days: limits.blob_days,
            large_blob_days: limits.large_blob_days,
            unused_days: limits.unused_days,
            dead_bytes_s: limits.dead_bytes_s,
            is_token_needed,
        }
    }

    /// Returns the description as JSON: one object of at most [`MAX_ABOUT`] bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let quota = |class: QuotaClass| Some(Quota { blobs: class.blobs()?, bytes: class.bytes()? });
        let form = Form {
            software: "deaddrop-relay",
            version: env!("CARGO_PKG_VERSION"),
            address: self.address.as_ref().map(ToString::to_string),
            moved_to: self.moved_to.as_ref().map(RelayUrl::as_str),
            contact: self.contact.as_ref().map(Contact::as_str),
            policy: Policy {
                blob_days: self.blob_days,
                large_blob_days: self.large_blob_days,
                unused_days: self.unused_days,
                lease_days: LEASES.into_iter().filter_map(LeaseClass::days).collect(),
                quotas: QUOTAS.into_iter().filter_map(quota).collect(),
                token_needed: self.is_token_needed,
                store: self.store,
                dead_bytes_s: (self.store == StorePlace::Disk).then_some(self.dead_bytes_s),
                store_key: self.key,
            },
            cannot_know: CANNOT_KNOW,
            can_watch: CAN_WATCH,
            can_do: CAN_DO,
            note: NOTE,
        };
        // A form of numbers and texts can always be written.
        serde_json::to_string(&form).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
