//! `chat`: lines typed go out, what arrives is shown, both at once.

use std::time::Duration;

use deaddrop_client::{Client, Event, EventKind};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin},
    sync::mpsc,
};

use crate::{
    args::{self, Common},
    commands::{self, in_rows},
    event,
    failure::Failure,
    home::Home,
    output::{Output, Shown},
    signals,
};

/// How long the last lines get to reach the relay.
const GOODBYE: Duration = Duration::from_secs(5);
/// Lines typed ahead of the vault.
const TYPED_AHEAD: usize = 64;

/// Talks until `/quit`, the end of input, or Ctrl-C.
pub async fn run(output: Output, common: &Common, chat: &args::Chat) -> Result<(), Failure> {
    let client = Home::find(common.home.as_deref())?.open(common, deaddrop_client::Config::default()).await?;
    let mut talk = Talk { output, name: &chat.name, client };
    let talked = Box::pin(talk.talk()).await;
    let flushed = talk.client.flush(if talked.is_ok() { GOODBYE } else { Duration::ZERO }).await;
    let waiting = talk.client.status().map_or(0, |status| status.unsent);
    commands::finish(talk.client).await?;
    talked?;
    if flushed.is_err() && waiting > 0 {
        output.text(format_args!(
            "({waiting} messages are queued in your vault; they leave with your next send, receive or chat)"
        ))?;
    }
    Ok(())
}

struct Talk<'a> {
    output: Output,
    name: &'a str,
    client: Client,
}

impl Talk<'_> {
    async fn talk(&mut self) -> Result<(), Failure> {
        let contacts = self.client.contacts()?;
        let Some(contact) = contacts.iter().find(|contact| contact.name == self.name) else {
            return Err(deaddrop_client::ClientError::UnknownContact.into());
        };
        let name = Shown(self.name);
        let verified =
            if contact.verified { "verified" } else { "not verified: /verify shows the safety number" };
        self.output.text(format_args!("Chat with {name} ({verified}). /quit ends."))?;
        if commands::is_invited(&self.client, self.name) {
            self.output.text(format_args!(
                "({name} has not accepted your invite yet; what you write waits until then)"
            ))?;
        }
        let mut typed = typed_lines();
        let mut last = self.client.cursor()?;
        let end = signals::asked_to_end();
        tokio::pin!(end);
        loop {
            tokio::select! {
                line = typed.recv() => match line {
                    Some(Ok(line)) => {
                        if !self.say(line).await? {
                            return Ok(());
                        }
                    }
                    Some(Err(failure)) => return Err(failure),
                    None => return Ok(()),
                },
                next = self.client.next_event(last) => {
                    let next = next?;
                    last = next.number;
                    self.show(&next).await?;
                }
                () = &mut end => return Ok(()),
            }
        }
    }

    /// Sends a line or obeys it. `false`: enough.
    async fn say(&mut self, line: String) -> Result<bool, Failure> {
        match line.trim() {
            "" => return Ok(true),
            "/quit" => return Ok(false),
            "/verify" => {
                let number = self.client.safety_number(self.name)?.to_digits();
                self.output
                    .say(in_rows(&number), &json!({ "kind": "safety_number", "safety_number": number }))?;
                return Ok(true);
            }
            _ => {}
        }
        match self.client.send(self.name, &line).await {
            // The typed line stands on the screen already.
            Ok(number) => {
                self.output.object(&json!({ "kind": "sent", "to": self.name, "number": number }))?
            }
            Err(error @ deaddrop_client::ClientError::TextTooLong) => {
                self.output.note(format_args!("deaddrop: {error}"))
            }
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Shows an event of this contact; one of somebody else stays unread, and with it all that follow, for `receive`.
    async fn show(&mut self, next: &Event) -> Result<(), Failure> {
        let here = next.contact == self.name;
        if self.output.is_json() {
            if here {
                self.output.object(&event::object(next))?;
            }
        } else if here {
            match &next.kind {
                EventKind::Delivered { .. } => {}
                _ => {
                    if let Some(line) = event::line(next) {
                        self.output.text(line)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Lines of standard input; the read that waits does not hold anything else.
fn typed_lines() -> mpsc::Receiver<Result<String, Failure>> {
    let (to, typed) = mpsc::channel(TYPED_AHEAD);
    tokio::spawn(async move {
        let mut lines: Lines<BufReader<Stdin>> = BufReader::new(tokio::io::stdin()).lines();
        loop {
            let line = match lines.next_line().await {
                Ok(Some(line)) => Ok(line),
                Ok(None) => return,
                Err(error) => Err(Failure::new(format_args!("standard input cannot be read: {error}"))),
            };
            let failed = line.is_err();
            if to.send(line).await.is_err() || failed {
                return;
            }
        }
    });
    typed
}
