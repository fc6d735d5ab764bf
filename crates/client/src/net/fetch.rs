//! Reading invite mailboxes without acking them, and emptying them later; asking a relay for its description. Each time over a
//! link of its own.

use super::{
    errand::{ErrandLinks, run},
    moved::Moved,
    shared::Shared,
    transport::Consent,
};
use crate::error::ClientError;
use deaddrop_engine::conversation::{FoundBundle, Haste, Inquiry, Purpose, Visit};
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::RelayAddress;

/// Reads an invite mailbox and leaves its content there. `consent` is the exception from the rule
/// about private addresses. The result has no bundle if the mailbox is empty or gone.
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

/// Reads an invite mailbox and acks its content, so that the relay destroys it. A mailbox that is
/// empty or gone counts as success.
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

/// Asks a relay for its description of itself.
pub(crate) async fn ask_about(shared: &Shared, relay: &RelayAddress) -> Result<String, ClientError> {
    let (consent, haste) = (Consent::Rule, Haste::Errand);
    let links = ErrandLinks { relay, consent, haste, moved: &Moved::default() };
    run(shared, &links, Inquiry::new(shared.config.patience), None).await.map(Into::into)
}
