//! Publishing an invite: both mailboxes are made over one link, the bundle is put over another.

use super::{ConnectError, connection::Connection, shared::Shared};
use crate::{engine::Publication, error::ClientError};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_wire::{
    Blob, ClientToken, Fingerprint, Item,
    item::{AnswerCode, Create, CreateFlags, LeaseClass, Put, QuotaClass, SendGrant},
};
use tokio::time::timeout;

/// The way by which a sender came in; one sender a mailbox.
const VIA: u8 = 0;

/// A request that makes a mailbox.
pub(super) fn create(
    req: u32,
    relay: &Fingerprint,
    capabilities: (&OwnCapability, &ReadCapability, &SendCapability),
    quota: QuotaClass,
    lease: LeaseClass,
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

/// Makes the mailboxes of an invite and leaves the bundle in its own. Repeating it changes nothing.
pub(crate) async fn publish(shared: &Shared, publication: &Publication) -> Result<(), ClientError> {
    let work = async {
        let relay = &publication.relay;
        let fingerprint = relay.fingerprint();
        let token = shared.look(|engine| engine.create_token(fingerprint))?;
        let (own, read, send) = &publication.landing;
        let landing = create(
            1,
            fingerprint,
            (own, read, send),
            QuotaClass::Few,
            LeaseClass::Month,
            CreateFlags::NONE,
            &token,
        );
        let (own, read, invite_send) = &publication.invite;
        let invite = create(
            2,
            fingerprint,
            (own, read, invite_send),
            QuotaClass::Single,
            LeaseClass::Month,
            CreateFlags::FIXED,
            &token,
        );
        request(shared, publication, &[landing, invite]).await?;
        let blob = Blob::new(publication.bundle.clone()).map_err(|_| ClientError::VaultCorrupt)?;
        let put = Put { req: 3, send: invite_send.present(fingerprint), blob };
        request(shared, publication, &[put.into()]).await
    };
    timeout(shared.config.patience, work).await.unwrap_or(Err(ClientError::RelayDown))
}

/// Sends requests over a link of their own and awaits an answer to each.
async fn request(shared: &Shared, publication: &Publication, items: &[Item]) -> Result<(), ClientError> {
    let down = |_| ClientError::from(ConnectError::Down);
    let mut connection =
        Connection::open(shared, &publication.relay, ClientToken::from_bytes([0; 16])).await?;
    connection.send(items).map_err(down)?;
    let mut open = items.len();
    while open > 0 {
        for item in connection.receive().await.map_err(down)? {
            let Item::Answer(answer) = item else { continue };
            open = open.saturating_sub(1);
            match answer.code {
                AnswerCode::Done => {}
                AnswerCode::NeedToken => return Err(ClientError::NeedsToken),
                // A create that was done before is refused when it is repeated; its put then tells.
                AnswerCode::Refused if answer.req != 3 => {}
                _ => return Err(ClientError::RelayBusy),
            }
        }
    }
    connection.close().await;
    Ok(())
}
