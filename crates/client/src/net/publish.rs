//! Publishing an invite: its mailboxes are made at a relay, and its bundle is put there.

use super::{
    connection::Connection,
    errand::{ErrandLinks, run},
    follow,
    moved::Moved,
    shared::Shared,
    transport::Consent,
};
use crate::error::ClientError;
use deaddrop_engine::{
    Publication,
    conversation::{ConnectError, Haste, Publishing},
};
use deaddrop_wire::RelayAddress;
use std::sync::Arc;

/// Makes an invite for this name that is valid for `days` days, and publishes it. Returns the
/// number of the contact. If the invite was made before and not published, publishes that one.
pub(crate) async fn make_invite(shared: &Arc<Shared>, name: &str, days: u32) -> Result<u32, ClientError> {
    let mut relay = shared.look(|engine| engine.relay_of_invite(name))??;
    let moved = Moved::default();
    loop {
        let link = open_link(shared, &relay, &moved).await?;
        // The day that is believed may lie behind: only what a relay confirms now makes a link that others take.
        let today = shared.check_clock(link.opened().day)?;
        let name = name.to_owned();
        let contact = shared.step(move |engine, _| engine.begin_invite(&name, today, days)).await?;
        let Some(publication) = shared.look(|engine| engine.publication(contact))? else {
            return Ok(contact);
        };
        // The user may have moved to another relay while the link was opened.
        if publication.relay == relay {
            publish(shared, link, &publication, &moved).await?;
            shared.step(move |engine, _| engine.published(contact)).await?;
            return Ok(contact);
        }
        relay = publication.relay.clone();
    }
}

/// Opens a link for an errand at a relay, before the links of background work that wait for their
/// turn.
pub(super) async fn open_link(
    shared: &Shared,
    relay: &RelayAddress,
    moved: &Moved,
) -> Result<Connection, ConnectError> {
    let turn = shared.turns.take(relay, Haste::Errand, moved).await;
    follow::open_errand(turn, shared, relay, Consent::Rule, moved).await
}

/// Makes the mailboxes of an invite over a link to its relay, and puts the bundle into the invite
/// mailbox over another link. Repeating the call changes nothing.
pub(super) async fn publish(
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
