//! `receive`: prints the events that have arrived, once or until it is ended.

use std::pin::pin;

use deaddrop_client::{Client, ClientError, Event};
use serde_json::json;

use super::{
    shared::{GOODBYE, finish, patience, patiently},
    sync,
};
use crate::{
    args::{self, Common},
    event,
    failure::Failure,
    home::Home,
    output::{Output, Shown},
    signals,
};

/// Runs the command `receive`.
pub async fn receive(output: Output, common: &Common, receive: &args::Receive) -> Result<(), Failure> {
    let home = Home::find(common.home.as_deref())?;
    let client = home.open(common, deaddrop_client::Config::default()).await?;
    let mut printer = Printer {
        output,
        client: &client,
        from: receive.from.clone(),
        after: receive.after,
        has_printed: false,
    };
    let printed = Box::pin(printer.run(receive)).await;
    // Also when a relay was not read: a full vault reads none before something was erased.
    if (printed.is_ok() || printer.has_printed) && receive.forget {
        let used = receive.after.map_or_else(|| client.cursor(), Ok)?;
        client.forget_events_before(used.saturating_add(1)).await?;
    }
    // Receipts leave before this process does, as far as relays answer.
    let _ = client.flush_reachable(GOODBYE).await;
    finish(client).await?;
    printed
}

/// The printing of events by one run of `receive`, and its options.
struct Printer<'a> {
    output: Output,
    client: &'a Client,
    from: Option<String>,
    after: Option<u64>,
    /// Whether everything that had arrived was printed, so that it may be erased.
    has_printed: bool,
}

impl Printer<'_> {
    async fn run(&mut self, receive: &args::Receive) -> Result<(), Failure> {
        if let Some(name) = &self.from {
            let Some(contact) = self.client.contact(name)? else {
                return Err(Failure::new(format_args!(
                    "there is no contact called {}; see contacts",
                    Shown(name)
                )));
            };
            self.from = Some(contact.name);
        }
        let begin = match (self.after, self.from.as_deref()) {
            (Some(after), _) => after,
            (None, Some(name)) => self.client.shown_of(&[name, ""])?,
            (None, None) => self.client.cursor()?,
        };
        if receive.follow {
            return tokio::select! {
                ended = self.follow(begin) => ended,
                () = signals::asked_to_end() => Ok(()),
            };
        }
        let client = self.client;
        let (from, patience) = (self.from.clone(), patience(receive.wait));
        let catching_up = async {
            match &from {
                Some(name) => client.wait_caught_up_from(name, patience).await,
                None => client.wait_caught_up(patience).await,
            }
        };
        let mut waiting = pin!(patiently(self.output, receive.wait, catching_up));
        let (mut last, mut printed) = (begin, 0);
        // What has come is printed at once: a relay that does not answer delays nothing that another one has.
        let caught_up = loop {
            tokio::select! {
                caught_up = &mut waiting => break caught_up,
                next = client.next_event(last) => {
                    next?;
                    printed += self.print_all(&mut last).await?;
                }
            }
        };
        printed += self.print_all(&mut last).await?;
        self.has_printed = true;
        match caught_up {
            Ok(()) if printed == 0 => self.output.text("Nothing new."),
            Ok(()) => Ok(()),
            Err(error) => Err(self.say_unread(error)?),
        }
    }

    /// Prints, for programs, the relays from which not everything was fetched. Returns the failure
    /// of the command, with these relays in words.
    fn say_unread(&self, error: ClientError) -> Result<Failure, Failure> {
        let status = self.client.status()?;
        let mut unread = sync::unread(&status);
        if let Some(name) = &self.from {
            let relays = self.client.contact(name)?.map(|contact| contact.relays).unwrap_or_default();
            unread.retain(|(relay, _)| relays.contains(relay));
        }
        for (relay, state) in &unread {
            let state = sync::relay_word(*state);
            self.output.object(&json!({ "kind": "unread", "relay": relay, "state": state }))?;
        }
        let lines = unread.iter().map(|(relay, state)| format!("\n{relay}: {}", sync::relay_line(*state)));
        let lines: String = lines.collect();
        Ok(Failure::new(format_args!(
            "{error}; what had arrived was printed, and what is new at these relays stays there:{lines}"
        )))
    }

    async fn follow(&mut self, begin: u64) -> Result<(), Failure> {
        let mut last = begin;
        loop {
            let next = self.client.next_event(last).await?;
            last = next.number;
            // Events of others are no reason to write a mark.
            if self.print(&next)? || self.from.is_none() {
                self.shown(last).await?;
            }
        }
    }

    /// Prints the events after the number `last`, but those that [`print`](Self::print) leaves out,
    /// and stores that they were printed. Sets `last` to the number of the newest one, printed or
    /// not. Returns the number of printed events.
    async fn print_all(&mut self, last: &mut u64) -> Result<usize, Failure> {
        let mut printed = 0;
        loop {
            let events = self.client.events_after(*last)?;
            let Some(newest) = events.last() else { return Ok(printed) };
            *last = newest.number;
            for event in &events {
                printed += usize::from(self.print(event)?);
            }
            self.shown(*last).await?;
        }
    }

    /// Prints one event, unless it belongs to another contact than `--from` names, was printed
    /// before (this does not matter with `--after`), or has no line for people and the output is
    /// not JSON. Returns whether it was printed.
    fn print(&mut self, next: &Event) -> Result<bool, Failure> {
        // An event that concerns no single contact concerns this one, too.
        if self.from.as_ref().is_some_and(|name| next.contact != *name && !next.contact.is_empty()) {
            return Ok(false);
        }
        if self.after.is_none() && self.client.is_shown(next)? {
            return Ok(false);
        }
        if self.output.is_json() {
            self.output.object(&event::object(next))?;
        } else if let Some(line) = event::line(next) {
            self.output.text(line)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Stores that the events up to the number `last` were printed: with `--from` those of this
    /// contact and of no contact, otherwise all. Does nothing with `--after`. Called after
    /// printing, so that a crash prints events again rather than never.
    async fn shown(&mut self, last: u64) -> Result<(), Failure> {
        match (self.after, self.from.as_deref()) {
            (Some(_), _) => Ok(()),
            (None, Some(name)) => Ok(self.client.set_shown_of(&[name, ""], last).await?),
            (None, None) => Ok(self.client.set_cursor(last).await?),
        }
    }
}
