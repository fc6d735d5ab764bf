//! `chat`: lines typed go out, what arrives is shown, both at once.

use std::{collections::VecDeque, time::Duration};

use deaddrop_client::{Client, ContactSync, Event, EventKind, MessageId};
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
    marks::Marks,
    output::{Output, Shown},
    signals,
};

/// How long the last lines get to reach the relay.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the relay gets to hand over what waits there, before anything typed is read.
const CATCH_UP: Duration = Duration::from_secs(2);
/// Lines typed ahead of the vault.
const TYPED_AHEAD: usize = 64;
/// Maximum number of texts whose beginning is kept in memory until they are delivered.
const MAX_SAID: usize = 1_000;
/// Characters by which a delivered text is named.
const BEGINNING: usize = 24;

/// Talks until `/quit`, the end of input, or Ctrl-C.
pub async fn run(output: Output, common: &Common, chat: &args::Chat) -> Result<(), Failure> {
    let home = Home::find(common.home.as_deref())?;
    let client = home.open(common, deaddrop_client::Config::default()).await?;
    let mut talk =
        Talk { output, name: &chat.name, client, marks: Marks::load(&home), said: VecDeque::new() };
    let talked = Box::pin(talk.talk()).await;
    let patience = if talked.is_ok() { GOODBYE } else { Duration::ZERO };
    let sent = talk.client.flush_to(&chat.name, patience).await;
    let _ = talk.client.flush_reachable(patience).await;
    commands::finish(talk.client).await?;
    talked?;
    if let Ok(ContactSync { waiting, why: Some(why), .. }) = sent
        && !waiting.is_empty()
    {
        output.text(format_args!(
            "({} messages are queued in your vault: {why}; they leave with your next send, receive or chat)",
            waiting.len()
        ))?;
    }
    Ok(())
}

struct Talk<'a> {
    output: Output,
    name: &'a str,
    client: Client,
    marks: Marks,
    /// The beginnings of texts that were typed in this chat and are not delivered yet, oldest first.
    said: VecDeque<(MessageId, String)>,
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
        // What was said before comes before what is said now.
        let _ = self.client.wait_caught_up(CATCH_UP).await;
        let mut last = self.client.cursor()?;
        loop {
            let events = self.client.events_after(last)?;
            let Some(newest) = events.last() else { break };
            last = newest.number;
            events.iter().try_for_each(|event| self.show(event))?;
        }
        self.marks.save()?;
        let mut typed = typed_lines();
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
                    self.show(&next)?;
                    self.marks.save()?;
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
            command if command.starts_with('/') && !command.starts_with("//") => {
                self.output.note("deaddrop: there is only /verify and /quit; to send a line that begins with /, type // before it");
                return Ok(true);
            }
            _ => {}
        }
        let line = line.strip_prefix("//").map_or_else(|| line.clone(), |rest| format!("/{rest}"));
        match self.client.send(self.name, &line).await {
            // The typed line stands on the screen already.
            Ok(message) => {
                self.said.push_back((message, beginning(&line)));
                if self.said.len() > MAX_SAID {
                    self.said.pop_front();
                }
                let message = event::message_id(&message);
                self.output.object(&json!({ "kind": "sent", "to": self.name, "message": message }))?
            }
            Err(error @ deaddrop_client::ClientError::TextTooLong) => {
                self.output.note(format_args!("deaddrop: {error}"))
            }
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Shows an event of this contact, or of the vault as a whole, once; those of other contacts stay unread, for `receive`.
    fn show(&mut self, next: &Event) -> Result<(), Failure> {
        let is_meant = next.contact == self.name || next.contact.is_empty();
        if !is_meant || self.marks.has(next.number) {
            return Ok(());
        }
        self.marks.set(next.number);
        if self.output.is_json() {
            return self.output.object(&event::object(next));
        }
        match self.delivered(next).or_else(|| event::line(next)) {
            Some(line) => self.output.text(line),
            None => Ok(()),
        }
    }

    /// Names a delivered text by its first words, if it was typed in this chat.
    fn delivered(&mut self, next: &Event) -> Option<String> {
        let message = next.message.filter(|_| next.kind == EventKind::Delivered)?;
        let at = self.said.iter().position(|(said, _)| *said == message)?;
        let (_, beginning) = self.said.remove(at)?;
        Some(format!("  (delivered: {})", Shown(&beginning)))
    }
}

/// The first words of a text.
fn beginning(text: &str) -> String {
    let mut beginning: String = text.chars().take(BEGINNING).collect();
    if beginning.len() < text.len() {
        beginning.push('\u{2026}');
    }
    beginning
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
