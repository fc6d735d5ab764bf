//! Invite mailboxes: read without acking, and emptied later. On a link of its own.

use super::{
    errand::{ErrandLinks, run},
    moved::Moved,
    shared::Shared,
    transport::Consent,
};
use crate::error::ClientError;
use deaddrop_engine::conversation::{FoundBundle, Haste, Purpose, Visit};
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::RelayAddress;

/// Looks into an invite mailbox, with what the user has allowed about its address.
pub(crate) async fn fetch_bundle(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
    consent: Consent,
) -> Result<FoundBundle, ClientError> {
    let visit = Visit::new(Purpose::Read, *relay.fingerprint(), read.duplicate(), shared.config.patience);
    let links = ErrandLinks { relay, consent, haste: Haste::Errand, moved: &Moved::default() };
    run(shared, &links, visit, None).await
}

/// Acks what lies in an invite mailbox; an empty or missing one is as good.
pub(super) async fn empty(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
) -> Result<(), ClientError> {
    let visit = Visit::new(Purpose::Empty, *relay.fingerprint(), read.duplicate(), shared.config.patience);
    let (consent, haste) = (Consent::Rule, Haste::Background);
    let links = ErrandLinks { relay, consent, haste, moved: &Moved::default() };
    run(shared, &links, visit, None).await.map(|_| ())
}
