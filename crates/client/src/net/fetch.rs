//! Invite mailboxes: read without acking, and emptied later. On a link of its own.

use super::{
    ConnectError,
    connection::{Connection, within},
    dial::Consent,
    shared::Shared,
};
use crate::error::ClientError;
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::{
    ClientToken, Day, Item, RelayAddress,
    item::{Ack, AckEntry, Deliver, Subscribe, Subscription},
};
use std::{net::IpAddr, time::Duration};
use tokio::time::sleep;

/// How long a mailbox is left alone that another reader has; it has it for a moment only.
const CONTENDED_WAIT: Duration = Duration::from_millis(1_500);

/// What was found at the relay of an invite.
pub(crate) struct Found {
    /// What lies in the mailbox; `None`: nothing, or there is no such mailbox.
    pub(crate) bundle: Option<Vec<u8>>,
    /// The address that the relay was reached at.
    pub(crate) address: IpAddr,
    /// The relay makes mailboxes only for those who show its token.
    pub(crate) needs_token: bool,
    /// The day that the relay says.
    pub(crate) day: Day,
}

/// Looks into an invite mailbox, with what the user has allowed about its address.
pub(crate) async fn fetch_bundle(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
    consent: Consent,
) -> Result<Found, ClientError> {
    let work = async {
        let (connection, blob) = look(shared, relay, read, consent).await?;
        let (address, needs_token, day) = (connection.address, connection.needs_token, connection.day);
        connection.close().await;
        Ok(Found { bundle: blob.map(|found| found.blob.into_bytes()), address, needs_token, day })
    };
    // The connection, and the answer.
    within(shared, 2, work).await
}

/// Acks what lies in an invite mailbox; an empty or missing one is as good.
pub(super) async fn empty(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
) -> Result<(), ClientError> {
    let down = |_| ClientError::RelayDown;
    let work = async {
        // Once more whenever another reader takes the mailbox before the relay has answered.
        'look: loop {
            let (mut connection, blob) = look(shared, relay, read, Consent::Rule).await?;
            if let Some(Deliver { sub, tag, .. }) = blob {
                let ack = Ack { acks: vec![AckEntry { sub, upto: tag, also: Vec::new() }] };
                connection.send(&[ack.into()]).map_err(down)?;
                'answer: loop {
                    let items = connection.receive().await.map_err(down)?;
                    for item in connection.answer(items).map_err(down)? {
                        match item {
                            Item::Acked(_) => break 'answer,
                            Item::Displaced(lost) if lost.sub == sub => {
                                connection.close().await;
                                sleep(CONTENDED_WAIT).await;
                                continue 'look;
                            }
                            _ => {}
                        }
                    }
                }
            }
            connection.close().await;
            return Ok(());
        }
    };
    // The connection, the blob, and what answers the ack.
    within(shared, 3, work).await
}

/// Asks again while another reader has the mailbox; the caller bounds the time.
async fn look(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
    consent: Consent,
) -> Result<(Connection, Option<Deliver>), ClientError> {
    let down = |_| ClientError::from(ConnectError::Down);
    let token = ClientToken::from_bytes([0; 16]);
    let mut connection = Connection::open_with(shared, relay, token, consent).await?;
    let mut sub = 0;
    'ask: loop {
        sub += 1;
        let mailboxes = vec![Subscription { sub, read: read.present(relay.fingerprint()) }];
        connection.send(&[Subscribe { req: sub, mailboxes }.into()]).map_err(down)?;
        loop {
            let items = connection.receive().await.map_err(down)?;
            for item in connection.answer(items).map_err(down)? {
                match item {
                    Item::Deliver(deliver) if deliver.sub == sub => return Ok((connection, Some(deliver))),
                    Item::Subscribed(answer) if !answer.refused.is_empty() => return Ok((connection, None)),
                    Item::CaughtUp(answer) if answer.req == sub => return Ok((connection, None)),
                    Item::Displaced(lost) if lost.sub == sub => {
                        sleep(CONTENDED_WAIT).await;
                        continue 'ask;
                    }
                    Item::Subscribed(answer) if !answer.contended.is_empty() => {
                        sleep(CONTENDED_WAIT).await;
                        continue 'ask;
                    }
                    _ => {}
                }
            }
        }
    }
}
