//! The texts of a run: which were accepted, which were shown, and in which order.

use crate::{
    breach::{Breach, Check, Checked},
    ids::PersonId,
};
use deaddrop_engine::MessageId;
use std::collections::{BTreeMap, BTreeSet};

/// A text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) from: PersonId,
    pub(crate) to: PersonId,
    /// The number of the message, once the client has said that the text is stored.
    pub(crate) message: Option<MessageId>,
    pub(crate) accepted_ms: Option<u64>,
    /// Whether the receiver's vault holds the text.
    pub(crate) is_stored: bool,
    /// The number of times that the text was shown.
    pub(crate) given: u32,
    /// Whether the sender was told that the text is delivered.
    pub(crate) is_delivered: bool,
    /// Whether a vault was put back: then the text may be lost, shown again, or out of order.
    pub(crate) is_excused: bool,
}

/// The texts of a run.
#[derive(Default)]
pub(crate) struct Ledger {
    texts: Vec<Text>,
    /// The highest text that was shown, by sender and receiver.
    newest: BTreeMap<(PersonId, PersonId), usize>,
    /// The people whose vault was put back: nothing is expected of the texts that they send and receive, until
    /// [`expect`](Self::expect).
    put_back: BTreeSet<PersonId>,
    /// The people whose clocks were wrong, and so went back at one time.
    clock_went_back: BTreeSet<PersonId>,
    /// The people whose vault was put back, whatever is expected since then.
    have_old_vault: BTreeSet<PersonId>,
}

impl Ledger {
    /// Begins a text. Returns its number and its words.
    pub(crate) fn begin(&mut self, from: PersonId, to: PersonId, is_long: bool) -> (usize, String) {
        let number = self.texts.len();
        self.texts.push(Text {
            from,
            to,
            message: None,
            accepted_ms: None,
            is_stored: false,
            given: 0,
            is_delivered: false,
            is_excused: self.put_back.contains(&from) || self.put_back.contains(&to),
        });
        let filling = if is_long { "long ".repeat(1_500) } else { String::new() };
        (number, format!("{number} {filling}"))
    }

    /// Notes that the client has accepted a text.
    pub(crate) fn accept(&mut self, number: usize, message: MessageId, now_ms: u64) {
        if let Some(text) = self.texts.get_mut(number) {
            (text.message, text.accepted_ms) = (Some(message), Some(now_ms));
        }
    }

    /// Returns the text of these words that one person has sent to another, with its number.
    fn find(&mut self, from: PersonId, to: PersonId, words: &str) -> Checked<(usize, &mut Text)> {
        let number = words.split(' ').next().and_then(|word| word.parse::<usize>().ok());
        let found = number.and_then(|number| Some((number, self.texts.get_mut(number)?)));
        found
            .filter(|(_, text)| (text.from, text.to) == (from, to))
            .ok_or_else(|| Breach::new(Check::Forged, format!("{to} has a text of {from} that was not sent")))
    }

    /// Notes that the vault of the receiver holds a text.
    pub(crate) fn note_stored(&mut self, from: PersonId, to: PersonId, words: &str) -> Checked {
        self.find(from, to, words)?.1.is_stored = true;
        Ok(())
    }

    /// Notes that an app shows a text. `order` tells whether it is late, if it has an order. With `again`, it may be
    /// shown for the second time.
    pub(crate) fn give(
        &mut self,
        (from, to): (PersonId, PersonId),
        words: &str,
        order: Option<bool>,
        again: bool,
    ) -> Checked<usize> {
        let newest = self.newest.get(&(from, to)).copied();
        // A vault that was not put back knows which texts it has shown, even if they are sent again.
        let forgets = self.have_old_vault.contains(&to);
        let (number, text) = self.find(from, to, words)?;
        text.is_stored = true;
        let is_excused = text.is_excused && forgets;
        if text.given > 0 && !again && !is_excused {
            return Err(Breach::new(Check::Twice, format!("text {number} is given again")));
        }
        text.given += 1;
        // The place of such an author's messages is told by neither of their numbers (spec/14-client.md section 8).
        let has_no_order = self.have_old_vault.contains(&from) && self.clock_went_back.contains(&from);
        if order == Some(false)
            && !is_excused
            && !has_no_order
            && !again
            && newest.is_some_and(|newest| number < newest)
        {
            let what = format!("text {number} is given behind {newest:?} and is not marked as late");
            return Err(Breach::new(Check::Order, what));
        }
        if !is_excused {
            let newest = self.newest.entry((from, to)).or_insert(number);
            *newest = number.max(*newest);
        }
        Ok(number)
    }

    /// Notes that the sender is told that a message is delivered.
    pub(crate) fn deliver(&mut self, from: PersonId, to: PersonId, message: &MessageId) -> Checked {
        let found =
            self.texts.iter_mut().enumerate().find(|(_, text)| {
                (text.from, text.to) == (from, to) && text.message.as_ref() == Some(message)
            });
        let Some((number, text)) = found else { return Ok(()) };
        text.is_delivered = true;
        if text.is_stored || text.is_excused {
            return Ok(());
        }
        Err(Breach::new(
            Check::FalselyDelivered,
            format!("text {number} is told as delivered, and is not there"),
        ))
    }

    /// Notes that the clock of a person goes back, now or later.
    pub(crate) fn note_wrong_clock(&mut self, person: PersonId) {
        self.clock_went_back.insert(person);
    }

    /// Notes that the vault of a person was put back.
    pub(crate) fn excuse(&mut self, person: PersonId) {
        self.put_back.insert(person);
        self.have_old_vault.insert(person);
        for text in &mut self.texts {
            text.is_excused |= text.from == person || text.to == person;
        }
    }

    /// Expects every text again from now on.
    pub(crate) fn expect(&mut self) {
        self.put_back.clear();
    }

    /// Returns the first texts that were accepted and not shown.
    pub(crate) fn lost(&self) -> Vec<usize> {
        let is_lost = |text: &Text| text.accepted_ms.is_some() && text.given == 0 && !text.is_excused;
        self.texts.iter().enumerate().filter(|(_, text)| is_lost(text)).map(|(at, _)| at).take(8).collect()
    }

    /// Returns the senders and receivers between whom texts were accepted and not shown.
    pub(crate) fn deaf(&self) -> BTreeSet<(PersonId, PersonId)> {
        let is_lost = |text: &&Text| text.accepted_ms.is_some() && text.given == 0 && !text.is_excused;
        self.texts.iter().filter(is_lost).map(|text| (text.from, text.to)).collect()
    }

    /// Returns the first texts that were accepted and whose delivery was not told.
    pub(crate) fn untold(&self) -> Vec<usize> {
        let is_untold = |text: &Text| text.accepted_ms.is_some() && !text.is_delivered && !text.is_excused;
        self.texts.iter().enumerate().filter(|(_, text)| is_untold(text)).map(|(at, _)| at).take(8).collect()
    }

    pub(crate) fn text(&self, number: usize) -> Option<&Text> {
        self.texts.get(number)
    }

    /// Returns the number of texts that were shown.
    pub(crate) fn given(&self) -> usize {
        self.texts.iter().filter(|text| text.given > 0).count()
    }
}
