//! Publishing an invite.

use super::{
    connection::Connection,
    errand::{ErrandLinks, run},
    moved::Moved,
    shared::Shared,
    transport::Consent,
};
use crate::error::ClientError;
use deaddrop_engine::{
    Publication,
    conversation::{ConnectError, Haste, Publishing},
};
use deaddrop_wire::{ClientToken, RelayAddress};

/// Opens a link for an errand at a relay.
pub(crate) async fn open_link(
    shared: &Shared,
    relay: &RelayAddress,
    moved: &Moved,
) -> Result<Connection, ConnectError> {
    let turn = shared.turns.take(relay, Haste::Errand, moved).await;
    Connection::open_in(turn, shared, relay, ClientToken::from_bytes([0; 16]), Consent::Rule, moved).await
}

/// Makes the mailboxes of an invite over a link to its relay, and puts the bundle into the invite mailbox over another one.
/// Repeating it changes nothing.
pub(crate) async fn publish(
    shared: &Shared,
    link: Connection,
    publication: &Publication,
    moved: &Moved,
) -> Result<(), ClientError> {
    let relay = &publication.relay;
    let token = shared.look(|engine| engine.create_token(relay.fingerprint()))?;
    let publishing = Publishing::begin(publication, &token, shared.config.patience, shared.moment())?;
    let links = ErrandLinks { relay, consent: Consent::Rule, haste: Haste::Errand, moved };
    run(shared, &links, publishing, Some(link)).await
}
