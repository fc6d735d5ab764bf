//! One person of the demonstration: a client with a vault of its own, and an app that counts what it gets.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use deaddrop_client::{Client, Config, ContactState, Event, EventKind, RelayAddress, Unlock};

use crate::failure::Failure;

/// News for an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A text has arrived.
    Text(String),
    /// The other person's vault has received a text of this person.
    Receipt,
    /// Any other event.
    Other,
}

/// A person of the demonstration, who is online while the client is open. The app's own data
/// (texts, receipts, the number of the last event) outlives the client, as in an app with a store
/// of its own.
#[derive(Debug)]
pub struct Person {
    name: &'static str,
    home: PathBuf,
    client: Option<Client>,
    /// The name of the only contact; empty before there is one.
    peer: String,
    last: u64,
    sent: u64,
    receipted: u64,
    texts: Vec<String>,
}

impl Person {
    /// Makes a person with a new identity in a new vault in the folder `home`, who is online.
    pub async fn new(name: &'static str, home: &Path, relay: &str) -> Result<Self, Failure> {
        let relay: RelayAddress = relay.parse().map_err(Failure::new)?;
        let client = Client::create(home, Unlock::KeyFile, Some(relay), config()).await?;
        let (client, home, peer) = (Some(client), home.to_owned(), String::new());
        Ok(Self { name, home, client, peer, last: 0, sent: 0, receipted: 0, texts: Vec::new() })
    }

    /// Returns the name that everybody uses for this person.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Makes an invite for the person called `peer` and returns its link.
    pub async fn invite(&mut self, peer: &str) -> Result<String, Failure> {
        peer.clone_into(&mut self.peer);
        Ok(self.client()?.invite(peer).await?)
    }

    /// Accepts the invite of `peer`.
    pub async fn accept(&mut self, link: &str, peer: &str) -> Result<(), Failure> {
        peer.clone_into(&mut self.peer);
        Ok(self.client()?.accept(link, peer).await?)
    }

    /// Waits until the peer has accepted the invite. From then on texts leave at once. Fails while
    /// offline.
    pub async fn connected(&mut self) -> Result<(), Failure> {
        loop {
            let contacts = self.client()?.contacts()?;
            if contacts
                .iter()
                .any(|contact| contact.name == self.peer && contact.state != ContactState::Invited)
            {
                return Ok(());
            }
            self.next().await?;
        }
    }

    /// Opens the client: the person is online. Does nothing if it is open.
    pub async fn open(&mut self) -> Result<(), Failure> {
        if self.client.is_none() {
            self.client = Some(Client::open(&self.home, Unlock::KeyFile, config()).await?);
        }
        Ok(())
    }

    /// Closes the client: the person is offline. Texts that wait stay in the vault.
    pub async fn close(&mut self) {
        if let Some(client) = self.client.take() {
            // A vault that failed shows when it is opened again, or in the count.
            let _ = client.close().await;
        }
    }

    /// Sends a text to the peer: it is in the vault when this returns. Fails while offline.
    pub async fn send(&mut self, text: &str) -> Result<(), Failure> {
        self.client()?.send(&self.peer, text).await?;
        self.sent += 1;
        Ok(())
    }

    /// Waits for the next event and returns its meaning. While offline it never returns. Safe to
    /// cancel.
    pub async fn next(&mut self) -> Result<News, Failure> {
        let Some(client) = &self.client else { return std::future::pending().await };
        let event = client.next_event(self.last).await?;
        Ok(self.take(event))
    }

    /// Goes online and takes all events that the vault holds now, without waiting for more. Stops
    /// without a word if the vault cannot be opened or read.
    pub async fn drain(&mut self) {
        if self.open().await.is_err() {
            return;
        }
        while let Some(events) = self.client.as_ref().and_then(|client| client.events_after(self.last).ok())
            && !events.is_empty()
        {
            for event in events {
                self.take(event);
            }
        }
    }

    fn take(&mut self, event: Event) -> News {
        self.last = event.number;
        match event.kind {
            EventKind::MessageReceived { text, .. } => {
                self.texts.push(text.clone());
                News::Text(text)
            }
            EventKind::Delivered => {
                self.receipted += 1;
                News::Receipt
            }
            _ => News::Other,
        }
    }

    /// Returns the number of messages that no relay has taken yet. Fails while offline.
    pub async fn queued(&self) -> Result<usize, Failure> {
        Ok(self.client()?.status()?.unsent)
    }

    /// Returns the safety number of the conversation with the peer. Fails while offline, or before
    /// there is a session.
    pub async fn safety_number(&self) -> Result<String, Failure> {
        Ok(self.client()?.safety_number(&self.peer)?.to_digits())
    }

    /// Returns the texts that the app got, in the order of their arrival.
    pub fn texts(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }

    /// Returns the number of texts that the app got.
    pub fn got(&self) -> usize {
        self.texts.len()
    }

    /// Returns the number of texts that the app gave to the vault.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of texts that the other side's vault has confirmed.
    pub fn receipted(&self) -> u64 {
        self.receipted
    }

    fn client(&self) -> Result<&Client, Failure> {
        self.client.as_ref().ok_or_else(|| Failure::new("this person is offline"))
    }
}

/// Returns the settings of a client whose network is one machine: no one watches when receipts
/// leave, so they leave sooner, and a relay that was killed is tried again sooner.
fn config() -> Config {
    Config {
        receipt_delay: Duration::from_millis(20)..Duration::from_millis(200),
        backoff: Duration::from_millis(50)..Duration::from_secs(1),
        ..Config::default()
    }
}
