//! `chat`: typed lines are sent and arriving events are shown, both at once.

use std::{collections::VecDeque, time::Duration};

use deaddrop_client::{Client, ClientError, ContactInfo, ContactSync, Event, EventKind, MessageId};
use serde_json::json;

use crate::{
    args::{self, Common},
    commands::{self, in_rows},
    event,
    failure::Failure,
    home::Home,
    output::{Output, Shown, counted},
    signals,
    typed_lines::{TypedLine, typed_lines},
};

/// Maximum time at the end of a chat for the texts that were typed to reach the contact's relay.
const GOODBYE: Duration = Duration::from_secs(3);
/// Maximum time after [`GOODBYE`] for receipts and whatever else waits. With the time that closing
/// takes, a chat ends within 5 s.
const POLITENESS: Duration = Duration::from_secs(1);
/// Maximum time for the relays to hand over what waits there, before the first typed line is read.
const CATCH_UP: Duration = Duration::from_secs(2);
/// Maximum number of undelivered texts whose beginning is kept in memory, to name them when they
/// are delivered.
const MAX_SAID: usize = 1_000;
/// Number of characters of a text that are kept to name it.
const BEGINNING: usize = 24;

/// Talks until `/quit`, the end of input, or Ctrl-C.
pub async fn run(output: Output, common: &Common, chat: &args::Chat) -> Result<(), Failure> {
    let home = Home::find(common.home.as_deref())?;
    let client = home.open(common, deaddrop_client::Config::default()).await?;
    let Some(ContactInfo { name, .. }) = client.contact(&chat.name)? else {
        commands::finish(client).await?;
        return Err(ClientError::UnknownContact.into());
    };
    let mut talk = Talk { output, name: &name, client, said: VecDeque::new() };
    let talked = Box::pin(talk.talk()).await;
    let (goodbye, politeness) =
        if talked.is_ok() { (GOODBYE, POLITENESS) } else { (Duration::ZERO, Duration::ZERO) };
    let sent = talk.client.flush_to(&chat.name, goodbye).await;
    let _ = talk.client.flush_reachable(politeness).await;
    commands::finish(talk.client).await?;
    talked?;
    if let Ok(ContactSync { waiting, why: Some(why), .. }) = sent
        && !waiting.is_empty()
    {
        let (are, they) = if waiting.len() == 1 { ("is", "it leaves") } else { ("are", "they leave") };
        let queued = counted(u64::try_from(waiting.len()).unwrap_or(u64::MAX), "message");
        let messages: Vec<_> = waiting.iter().map(event::message_id).collect();
        output.say(
            format_args!(
                "({queued} {are} queued in your vault: {why}; {they} with your next send, receive or chat)"
            ),
            &json!({ "kind": "queued", "to": chat.name, "messages": messages, "why": commands::wait_word(&why) }),
        )?;
    }
    Ok(())
}

/// A chat with one contact, under way.
struct Talk<'a> {
    output: Output,
    name: &'a str,
    client: Client,
    /// Ids and beginnings of texts that were typed in this chat and are not delivered yet, oldest
    /// first.
    said: VecDeque<(MessageId, String)>,
}

impl Talk<'_> {
    async fn talk(&mut self) -> Result<(), Failure> {
        let verified = self.client.contact(self.name)?.is_some_and(|contact| contact.verified);
        let name = Shown(self.name);
        let verified = if verified { "verified" } else { "not verified: /verify shows the safety number" };
        self.output.text(format_args!("Chat with {name} ({verified}). /quit ends."))?;
        if commands::is_invited(&self.client, self.name) {
            self.output.text(format_args!(
                "({name} has not accepted your invite yet; what you write waits until then)"
            ))?;
        }
        // What was said before comes before what is said now.
        let _ = self.client.wait_caught_up(CATCH_UP).await;
        let mut last = self.client.shown_of(&self.shows())?;
        while let events = self.client.events_after(last)?
            && let Some(newest) = events.last()
        {
            last = newest.number;
            for event in &events {
                self.show(event)?;
            }
            self.client.set_shown_of(&self.shows(), last).await?;
        }
        let mut typed = typed_lines();
        let end = signals::asked_to_end();
        tokio::pin!(end);
        loop {
            tokio::select! {
                line = typed.recv() => match line {
                    Some(Ok(TypedLine::Unusable(number, reason))) => {
                        self.output.note_or_object(
                            format_args!("line {number} was not sent: {}", reason.human()),
                            &json!({ "kind": "not_sent", "line": number, "error": reason.code() }),
                        )?;
                    }
                    Some(Ok(TypedLine::Text(line))) => {
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
                    if self.show(&next)? {
                        self.client.set_shown_of(&self.shows(), last).await?;
                    }
                }
                () = &mut end => return Ok(()),
            }
        }
    }

    /// Sends a line, or obeys it if it is a command. Returns `false` if the chat is to end.
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
                self.output.note(
                    "there is only /verify and /quit; to send a line that begins with /, type // before it",
                );
                return Ok(true);
            }
            _ => {}
        }
        let line = line.strip_prefix("//").map_or_else(|| line.clone(), |rest| format!("/{rest}"));
        match self.client.send(self.name, &line).await {
            // The typed line is on the screen already.
            Ok(message) => {
                self.said.push_back((message, beginning(&line)));
                if self.said.len() > MAX_SAID {
                    self.said.pop_front();
                }
                let message = event::message_id(&message);
                self.output.object(&json!({ "kind": "sent", "to": self.name, "message": message }))?
            }
            Err(error @ ClientError::TextTooLong) => {
                let object = json!({ "kind": "not_sent", "error": "text_too_long" });
                self.output.note_or_object(format_args!("not sent: {error}"), &object)?
            }
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Returns the names of the contacts whose events this chat shows: that of this contact, and the empty name of
    /// events without a contact. Other events stay unread, for `receive`.
    fn shows(&self) -> [&str; 2] {
        [self.name, ""]
    }

    /// Shows an event, unless it belongs to another chat or was shown before. Returns whether it
    /// was new here.
    fn show(&mut self, next: &Event) -> Result<bool, Failure> {
        if !self.shows().contains(&next.contact.as_str()) || self.client.is_shown(next)? {
            return Ok(false);
        }
        if self.output.is_json() {
            self.output.object(&event::object(next))?;
        } else if let Some(line) = self.delivered(next).or_else(|| event::line(next)) {
            self.output.text(line)?;
        }
        Ok(true)
    }

    /// Returns the line that names a delivered text by its beginning; `None` if the event is
    /// another one, or the text was not typed in this chat. Forgets the text.
    fn delivered(&mut self, next: &Event) -> Option<String> {
        let message = next.message.filter(|_| next.kind == EventKind::Delivered)?;
        let at = self.said.iter().position(|(said, _)| *said == message)?;
        let (_, beginning) = self.said.remove(at)?;
        Some(format!("  (delivered: {})", Shown(&beginning)))
    }
}

/// Returns the first characters of a text, with an ellipsis if more follow.
fn beginning(text: &str) -> String {
    let mut beginning: String = text.chars().take(BEGINNING).collect();
    if beginning.len() < text.len() {
        beginning.push('\u{2026}');
    }
    beginning
}
