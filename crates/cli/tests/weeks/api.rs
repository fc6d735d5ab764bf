//! The part of the client that the simulation uses, in the simulation's own terms: only this file
//! depends on the client's names.

use std::time::Duration;

use std::sync::Arc;

use deaddrop_client::{Client, ClientError, Config, Event, EventKind, MessageId, PassphraseCost};

use super::time::SimulatedTime;

/// The id of a message: `send` returns it, and the event `Delivered` names it.
pub type MessageKey = MessageId;

/// Returns settings for the simulated clock, under which no wait takes long in real time.
pub fn config(time: &SimulatedTime) -> Config {
    let time = time.clone();
    Config {
        now: Arc::new(move || time.seconds()),
        receipt_delay: Duration::from_millis(1)..Duration::from_millis(5),
        backoff: Duration::from_millis(5)..Duration::from_millis(100),
        gap_wait: Duration::from_millis(50),
        putter_idle: Duration::from_millis(200),
        patience: Duration::from_secs(5),
        passphrase_cost: PassphraseCost { memory_kib: 32, passes: 1, lanes: 4 },
        ..Config::default()
    }
}

pub async fn send(client: &Client, to: &str, text: &str) -> Result<MessageKey, ClientError> {
    client.send(to, text).await
}

/// An event, as far as it matters to the simulated user.
pub enum Told {
    Text {
        text: String,
        /// Whether the text was marked as late: shown after a text that was sent later.
        late: bool,
    },
    Delivered(MessageKey),
    /// The user's own vault was put back from a copy.
    Restored,
    /// The contact asks for something that the user has to agree to.
    Asked,
    Other,
}

pub fn told(event: &Event) -> Told {
    match &event.kind {
        EventKind::MessageReceived { text, late } => Told::Text { text: text.clone(), late: *late },
        EventKind::Delivered => Told::Delivered(event.message.unwrap()),
        EventKind::Restored => Told::Restored,
        EventKind::ResetRequested | EventKind::OtherIdentity => Told::Asked,
        _ => Told::Other,
    }
}

/// Agrees to the first request of a contact.
pub async fn agree(client: &Client, name: &str) -> Result<(), ClientError> {
    let contacts = client.contacts()?;
    let asks = contacts.iter().find(|contact| contact.name == name).and_then(|contact| contact.asks.first());
    let asks = asks.ok_or(ClientError::NothingAsked)?;
    client.agree(name, asks).await
}

/// The counts in the client's [`Status`](deaddrop_client::Status) that the simulation checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub unsent: usize,
    pub unreceipted: usize,
    pub held: usize,
    pub missing: usize,
    pub damaged: u64,
}

pub fn counts(client: &Client) -> Counts {
    let status = client.status().unwrap();
    Counts {
        unsent: status.unsent,
        unreceipted: status.unreceipted,
        held: status.held,
        missing: status.missing,
        damaged: status.damaged,
    }
}
