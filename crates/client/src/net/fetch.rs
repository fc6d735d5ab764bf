//! Invite mailboxes: read without acking, and emptied later. On a link of its own.

use super::{
    connection::{Connection, within},
    dial::Consent,
    moved::Moved,
    shared::Shared,
    turns::{Haste, Turn},
};
use crate::{
    conversation::{Closed, ConnectError, Strays},
    error::ClientError,
};
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::{
    ClientToken, Day, Item, RelayAddress,
    item::{Ack, AckEntry, Deliver, Subscribe, Subscription},
};
use std::{collections::VecDeque, net::IpAddr, time::Duration};
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
    let moved = Moved::default();
    let turn = shared.turns.take(relay, Haste::Errand, &moved).await;
    let work = async {
        let (Visit { connection, .. }, blob) = look(turn, shared, relay, read, consent, &moved).await?;
        let (address, needs_token, day) = (connection.address, connection.needs_token, connection.day);
        connection.close().await;
        Ok(Found { bundle: blob.map(|found| found.blob.into_bytes()), address, needs_token, day })
    };
    // The connection, and the answer.
    within(shared, 2, &moved, work).await
}

/// Acks what lies in an invite mailbox; an empty or missing one is as good.
pub(super) async fn empty(
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
) -> Result<(), ClientError> {
    let moved = Moved::default();
    let mut turn = Some(shared.turns.take(relay, Haste::Background, &moved).await);
    let work = async {
        // Once more whenever another reader takes the mailbox before the relay has answered.
        loop {
            let turn = match turn.take() {
                Some(turn) => turn,
                None => shared.turns.take(relay, Haste::Background, &moved).await,
            };
            let (mut visit, blob) = look(turn, shared, relay, read, Consent::Rule, &moved).await?;
            let is_empty = match blob {
                Some(blob) => visit.ack(&blob).await?,
                None => true,
            };
            visit.connection.close().await;
            if is_empty {
                return Ok(());
            }
            sleep(CONTENDED_WAIT).await;
        }
    };
    // The connection, the blob, and what answers the ack.
    within(shared, 3, &moved, work).await
}

/// Asks again while another reader has the mailbox; the caller bounds the time.
async fn look(
    turn: Turn,
    shared: &Shared,
    relay: &RelayAddress,
    read: &ReadCapability,
    consent: Consent,
    moved: &Moved,
) -> Result<(Visit, Option<Deliver>), ClientError> {
    let token = ClientToken::from_bytes([0; 16]);
    let connection = Connection::open_in(turn, shared, relay, token, consent, moved).await?;
    let mut visit = Visit { connection, received: VecDeque::new(), strays: Strays::new(), last: 0 };
    loop {
        let (sub, req) = (visit.number(), visit.number());
        let mailboxes = vec![Subscription { sub, read: read.present(relay.fingerprint()) }];
        visit.connection.send(&[Subscribe { req, mailboxes }.into()]).map_err(down)?;
        match visit.await_mailbox(req, sub).await? {
            Mailbox::Holds(blob) => return Ok((visit, Some(blob))),
            Mailbox::Empty => return Ok((visit, None)),
            Mailbox::Taken => sleep(CONTENDED_WAIT).await,
        }
    }
}

/// The state of an invite mailbox, as a subscription shows it.
enum Mailbox {
    /// This lies there.
    Holds(Deliver),
    /// Nothing lies there, or there is no such mailbox.
    Empty,
    /// Another reader has it.
    Taken,
}

/// A link to the relay of an invite.
struct Visit {
    connection: Connection,
    /// Items that were received and not looked at yet.
    received: VecDeque<Item>,
    strays: Strays,
    /// The last number of a request or subscription.
    last: u32,
}

impl Visit {
    fn number(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    async fn next_item(&mut self) -> Result<Item, ClientError> {
        loop {
            if let Some(item) = self.received.pop_front() {
                return Ok(item);
            }
            let items = self.connection.receive().await.map_err(down)?;
            self.received.extend(self.connection.answer(items).map_err(down)?);
        }
    }

    /// Waits for what a request says about its one subscription. Items of other requests and subscriptions are passed over.
    async fn await_mailbox(&mut self, req: u32, sub: u32) -> Result<Mailbox, ClientError> {
        let mut is_answered = false;
        loop {
            match self.next_item().await? {
                Item::Deliver(deliver) if deliver.sub == sub => return Ok(Mailbox::Holds(deliver)),
                Item::Deliver(_) => self.strays.note().map_err(down)?,
                Item::Displaced(lost) if lost.sub == sub => return Ok(Mailbox::Taken),
                Item::Gone(gone) if gone.sub == sub => return Ok(Mailbox::Empty),
                Item::Answer(answer) if answer.req == req && !is_answered => {
                    return Err(ClientError::RelayBusy);
                }
                Item::Subscribed(answer) if answer.req == req && !is_answered => {
                    is_answered = true;
                    if answer.contended.contains(&sub) {
                        return Ok(Mailbox::Taken);
                    }
                    if answer.refused.contains(&sub) {
                        return Ok(Mailbox::Empty);
                    }
                }
                Item::CaughtUp(caught_up) if caught_up.req == req && is_answered => {
                    return Ok(Mailbox::Empty);
                }
                _ => {}
            }
        }
    }

    /// Acks a blob. Returns whether it is gone; otherwise another reader has the mailbox.
    async fn ack(&mut self, blob: &Deliver) -> Result<bool, ClientError> {
        let Deliver { sub, tag, .. } = *blob;
        let ack = Ack { acks: vec![AckEntry { sub, upto: tag, also: Vec::new() }] };
        self.connection.send(&[ack.into()]).map_err(down)?;
        loop {
            match self.next_item().await? {
                Item::Acked(acked) if acked.acks.iter().any(|ack| ack.sub == sub && ack.upto >= tag) => {
                    return Ok(true);
                }
                Item::Gone(gone) if gone.sub == sub => return Ok(true),
                Item::Displaced(lost) if lost.sub == sub => return Ok(false),
                Item::Deliver(deliver) if deliver.sub != sub => {
                    self.strays.note().map_err(down)?;
                }
                _ => {}
            }
        }
    }
}

fn down(_: Closed) -> ClientError {
    ConnectError::Down.into()
}
