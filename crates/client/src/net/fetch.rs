//! Invite mailboxes: read without acking, and emptied later. On a link of its own.

use super::{ConnectError, connection::Connection, shared::Shared};
use crate::error::ClientError;
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::{
    ClientToken, Item, RelayAddress,
    item::{Ack, AckEntry, Subscribe, Subscription},
};
use tokio::time::timeout;

const SUB: u32 = 1;

/// What lies in an invite mailbox; `None`: nothing, or there is no such mailbox.
pub(crate) async fn fetch_bundle(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
) -> Result<Option<Vec<u8>>, ClientError> {
    let work = async {
        let (connection, blob) = look(shared, relay, read).await?;
        connection.close().await;
        Ok(blob.map(|(_, blob)| blob))
    };
    timeout(shared.config.patience, work).await.unwrap_or(Err(ClientError::RelayDown))
}

/// Acks what lies in an invite mailbox; an empty or missing one is as good.
pub(super) async fn empty(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
) -> Result<(), ClientError> {
    let work = async {
        let (mut connection, blob) = look(shared, relay, read).await?;
        if let Some((tag, _)) = blob {
            let ack = Ack { acks: vec![AckEntry { sub: SUB, upto: tag, also: Vec::new() }] };
            connection.send(&[ack.into()]).await.map_err(|_| ClientError::RelayDown)?;
            loop {
                let items = connection.receive().await.map_err(|_| ClientError::RelayDown)?;
                if items.iter().any(|item| matches!(item, Item::Acked(_))) {
                    break;
                }
            }
        }
        connection.close().await;
        Ok(())
    };
    timeout(shared.config.patience, work).await.unwrap_or(Err(ClientError::RelayDown))
}

async fn look(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
) -> Result<(Connection, Option<(u32, Vec<u8>)>), ClientError> {
    let down = |_| ClientError::from(ConnectError::Down);
    let mut connection = Connection::open(shared, relay, ClientToken::from_bytes([0; 16])).await?;
    let mailboxes = vec![Subscription { sub: SUB, read: read.present(relay.fingerprint()) }];
    connection.send(&[Subscribe { req: 1, mailboxes }.into()]).await.map_err(down)?;
    loop {
        for item in connection.receive().await.map_err(down)? {
            match item {
                Item::Deliver(deliver) if deliver.sub == SUB => {
                    return Ok((connection, Some((deliver.tag, deliver.blob.into_bytes()))));
                }
                Item::Subscribed(answer) if !answer.refused.is_empty() => return Ok((connection, None)),
                Item::Subscribed(answer) if !answer.contended.is_empty() => {
                    return Err(ClientError::RelayDown);
                }
                Item::CaughtUp(_) => return Ok((connection, None)),
                Item::Answer(_) => return Ok((connection, None)),
                _ => {}
            }
        }
    }
}
