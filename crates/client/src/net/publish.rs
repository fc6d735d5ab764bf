//! Publishing an invite: both mailboxes are made over one link, the bundle is put over another.

use super::{
    connection::{Connection, within},
    dial::Consent,
    moved::Moved,
    shared::Shared,
    turns::{Haste, Turn},
};
use crate::{
    conversation::{ConnectError, INVITE, LANDING, Strays, create},
    engine::Publication,
    error::ClientError,
};
use deaddrop_wire::{
    Blob, ClientToken, Item, RelayAddress,
    item::{AnswerCode, CreateFlags, Put},
};
use std::collections::BTreeMap;

/// Opens a link for an errand at a relay.
pub(crate) async fn open_link(
    shared: &Shared,
    relay: &RelayAddress,
    moved: &Moved,
) -> Result<Connection, ConnectError> {
    let turn = shared.turns.take(relay, Haste::Errand, moved).await;
    open_in(turn, shared, relay, moved).await
}

async fn open_in(
    turn: Turn,
    shared: &Shared,
    relay: &RelayAddress,
    moved: &Moved,
) -> Result<Connection, ConnectError> {
    Connection::open_in(turn, shared, relay, ClientToken::from_bytes([0; 16]), Consent::Rule, moved).await
}

/// Makes the mailboxes of an invite over a link to its relay, and leaves the bundle in its own over another one. Repeating it
/// changes nothing.
pub(crate) async fn publish(
    shared: &Shared,
    link: Connection,
    publication: &Publication,
    moved: &Moved,
) -> Result<(), ClientError> {
    let relay = &publication.relay;
    let fingerprint = relay.fingerprint();
    let token = shared.look(|engine| engine.create_token(fingerprint))?;
    let (own, read, send) = &publication.landing;
    let landing = create(1, fingerprint, (own, read, send), LANDING, CreateFlags::NONE, &token);
    let (own, read, invite_send) = &publication.invite;
    let invite = create(2, fingerprint, (own, read, invite_send), INVITE, CreateFlags::FIXED, &token);
    // An answer to each.
    within(shared, 2, moved, request(link, &[landing, invite])).await?;
    let blob = Blob::new(publication.bundle.clone()).map_err(|_| ClientError::VaultCorrupt)?;
    let put = Put { req: 1, send: invite_send.present(fingerprint), blob };
    let turn = shared.turns.take(relay, Haste::Errand, moved).await;
    // The connection and the answer.
    let putting = async { request(open_in(turn, shared, relay, moved).await?, &[put.into()]).await };
    within(shared, 2, moved, putting).await
}

/// Sends requests over a link, awaits an answer to each and closes the link.
async fn request(mut connection: Connection, items: &[Item]) -> Result<(), ClientError> {
    let done = answers(&mut connection, items).await;
    connection.close().await;
    done
}

async fn answers(connection: &mut Connection, items: &[Item]) -> Result<(), ClientError> {
    let mut strays = Strays::new();
    let down = |_| ClientError::from(ConnectError::Down);
    connection.send(items).map_err(down)?;
    // The numbers of the requests that have no answer yet, and whether each makes a mailbox.
    let mut open: BTreeMap<u32, bool> = items.iter().filter_map(number_of).collect();
    while !open.is_empty() {
        let items = connection.receive().await.map_err(down)?;
        for item in connection.answer(items).map_err(down)? {
            let answer = match item {
                Item::Answer(answer) => answer,
                Item::Deliver(_) => {
                    strays.note().map_err(down)?;
                    continue;
                }
                _ => continue,
            };
            let Some(is_create) = open.remove(&answer.req) else { continue };
            match answer.code {
                AnswerCode::Done => {}
                AnswerCode::NeedToken => return Err(ClientError::NeedsToken),
                // A create that was done before is refused when it is repeated; its put then tells.
                AnswerCode::Refused if is_create => {}
                _ => return Err(ClientError::RelayBusy),
            }
        }
    }
    Ok(())
}

/// The number of a request of an invite, and whether it makes a mailbox.
const fn number_of(item: &Item) -> Option<(u32, bool)> {
    match item {
        Item::Create(create) => Some((create.req, true)),
        Item::Put(put) => Some((put.req, false)),
        _ => None,
    }
}
