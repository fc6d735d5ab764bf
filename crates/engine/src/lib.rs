//! The rules of a deaddrop client as a value (spec/14-client.md).
//!
//! | concern | types |
//! |---|---|
//! | one person's client | [`Engine`], [`EngineError`] |
//! | storage | [`Vault`], [`RowBatch`], [`RowKey`], [`StorageReport`], [`VaultError`] |
//! | what an app shows | [`Event`], [`EventKind`], [`ContactInfo`], [`VaultStatus`] |
//! | what a relay is asked for | [`PutJob`], [`OwnMailbox`], [`Publication`], [`InviteToEmpty`], [`Reach`] |
//! | what is left to be done | [`Need`], [`MailboxNeeds`], [`TextsTo`] |
//! | numbers that a relay names | [`named`] |
//! | links and what is said over them | [`conversation`]: [`ReadConversation`](conversation::ReadConversation), [`PutConversation`](conversation::PutConversation), [`Visit`](conversation::Visit), [`Publishing`](conversation::Publishing), [`LinkOpening`](conversation::LinkOpening), [`Link`](conversation::Link) |
//! | what a client does by itself | [`Schedule`](conversation::Schedule), [`Duty`](conversation::Duty), [`TurnQueues`](conversation::TurnQueues) |
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod conversation;
mod engine;
mod error;
mod event;
#[cfg(feature = "hazmat")]
pub mod hazmat;
pub mod named;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod vault;

pub use engine::{
    Acceptance, BlobLives, BlobOutcome, ContactAsks, ContactInfo, ContactState, Engine, InviteToEmpty,
    LinkPurpose, MailboxName, MailboxNeeds, Need, OWN, OwnMailbox, Publication, PutJob, Reach, SentPut,
    TextsTo, UnreachableReason, is_same_day,
};
pub use error::{EngineError, VaultError};
pub use event::{Event, EventKind};
pub use text::{invisible_in, is_invisible};
pub use vault::{
    MailboxKind, MailboxState, NewRow, RowBatch, RowEntry, RowKey, StorageReport, Vault, VaultRoom,
    VaultStatus,
};

pub use deaddrop_e2ee::{
    content::{MAX_TEXT, MessageId},
    identity::SafetyNumber,
    invite::{BundleError, InviteLink},
};
pub use deaddrop_link::MailboxAddress;
pub use deaddrop_wire::{Day, RelayAddress};
