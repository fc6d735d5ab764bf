//! Publishing an invite: both mailboxes are made over one link, the bundle is put over another.

use super::{
    connection::{Connection, within},
    dial::Consent,
    moved::Moved,
    shared::Shared,
    turns::{Haste, Turn},
};
use crate::{
    conversation::{ConnectError, Strays},
    engine::{MailboxName, OWN, Publication},
    error::ClientError,
    vault::MailboxKind,
};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_wire::{
    Blob, ClientToken, Fingerprint, Item, RelayAddress,
    item::{AnswerCode, Create, CreateFlags, LeaseClass, Put, QuotaClass, SendGrant},
};
use std::collections::BTreeMap;

/// The way by which a sender came in; one sender a mailbox.
const VIA: u8 = 0;

/// Quota and lease of a landing mailbox, which is used until the contact knows the private one.
const LANDING: (QuotaClass, LeaseClass) = (QuotaClass::Few, LeaseClass::Month);
/// Quota and lease of a private mailbox, which holds all that a contact sends while this client is away.
const PRIVATE: (QuotaClass, LeaseClass) = (QuotaClass::Many, LeaseClass::Quarter);
/// Quota and lease of an invite mailbox, which holds one bundle.
const INVITE: (QuotaClass, LeaseClass) = (QuotaClass::Single, LeaseClass::Month);
/// Quota and lease of a sentinel, which holds nothing.
const SENTINEL: (QuotaClass, LeaseClass) = (QuotaClass::Few, LeaseClass::Quarter);

/// Returns quota and lease of a mailbox of this client's own, also when it is made again.
pub(super) fn classes(name: MailboxName, kind: MailboxKind) -> (QuotaClass, LeaseClass) {
    match kind {
        _ if name.contact == OWN => SENTINEL,
        MailboxKind::Landing => LANDING,
        MailboxKind::Private => PRIVATE,
    }
}

/// A request that makes a mailbox.
pub(super) fn create(
    req: u32,
    relay: &Fingerprint,
    capabilities: (&OwnCapability, &ReadCapability, &SendCapability),
    (quota, lease): (QuotaClass, LeaseClass),
    flags: CreateFlags,
    token: &[u8],
) -> Item {
    let (own, read, send) = capabilities;
    Create {
        req,
        own: own.id(relay),
        read: read.id(relay),
        sends: vec![SendGrant { send: send.id(relay), via: VIA }],
        lease,
        quota,
        flags,
        token: token.to_vec().into(),
    }
    .into()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_gives_the_classes_of_every_mailbox() {
        let spec = include_str!("../../../../spec/14-client.md");
        for (words, (quota, lease)) in [
            ("Create the landing (", LANDING),
            ("and the invite mailbox (", INVITE),
            ("The private mailbox is created (", PRIVATE),
            ("mailboxes of its own at the relay that is set (", SENTINEL),
        ] {
            let text = format!("{words}quota class {}, lease class {}", quota.code(), lease.code());
            assert!(spec.contains(&text), "{text}");
        }
    }
}
