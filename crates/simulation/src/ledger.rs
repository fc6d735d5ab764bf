//! The ledger of texts of a run: which were accepted by the sender's client, which were shown by
//! the receiver's app, and in which order.

use crate::{
    breach::{Breach, Check, Checked},
    ids::PersonId,
};
use deaddrop_engine::MessageId;
use std::collections::{BTreeMap, BTreeSet};

/// A text that one person sends to another.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) from: PersonId,
    pub(crate) to: PersonId,
    /// The id of the message, once the client of the sender has said that the text is stored.
    pub(crate) message: Option<MessageId>,
    pub(crate) accepted_ms: Option<u64>,
    /// Whether the receiver's vault holds the text.
    pub(crate) is_stored: bool,
    /// Number of times that the receiver's app showed the text.
    pub(crate) given: u32,
    /// Whether the sender was told that the text is delivered.
    pub(crate) is_delivered: bool,
    /// Whether the vault of the sender or receiver was put back to an older copy: the text may then
    /// be lost, shown again, or out of order.
    pub(crate) is_excused: bool,
}

/// All texts of a run, numbered from 0.
#[derive(Default)]
pub(crate) struct Ledger {
    texts: Vec<Text>,
    /// The highest number of a text that was shown, by sender and receiver.
    newest: BTreeMap<(PersonId, PersonId), usize>,
    /// The people whose vault was put back to an older copy: nothing is expected of texts that they
    /// send and receive, until [`expect`](Self::expect).
    put_back: BTreeSet<PersonId>,
    /// The people whose clocks were wrong, and so went back at one time.
    clock_went_back: BTreeSet<PersonId>,
    /// The people whose vault was ever put back to an older copy.
    have_old_vault: BTreeSet<PersonId>,
}

impl Ledger {
    /// Adds a text that is about to be sent. Returns its number and its words, which begin with the
    /// number.
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

    /// Returns the text with these words and its number. Fails with [`Check::Forged`] if `from` has
    /// sent no such text to `to`.
    fn find(&mut self, from: PersonId, to: PersonId, words: &str) -> Checked<(usize, &mut Text)> {
        let number = words.split(' ').next().and_then(|word| word.parse::<usize>().ok());
        let found = number.and_then(|number| Some((number, self.texts.get_mut(number)?)));
        found
            .filter(|(_, text)| (text.from, text.to) == (from, to))
            .ok_or_else(|| Breach::new(Check::Forged, format!("{to} has a text of {from} that was not sent")))
    }

    /// Notes that the vault of the receiver holds a text. Fails with [`Check::Forged`] if it was
    /// not sent.
    pub(crate) fn note_stored(&mut self, from: PersonId, to: PersonId, words: &str) -> Checked {
        self.find(from, to, words)?.1.is_stored = true;
        Ok(())
    }

    /// Notes that an app shows a text, and returns its number. `order` tells whether the text is
    /// marked as late; `None` for texts without an order. With `again`, the text may have been
    /// shown before. Fails if the text was not sent; and, unless an excuse covers it, if it is
    /// shown twice, or out of order and not marked.
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

    /// Notes that the sender is told that a message is delivered. Fails with
    /// [`Check::FalselyDelivered`] if the receiver's vault has not held it, unless it is excused.
    /// Ignores a message that is none of the texts.
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

    /// Notes that the vault of a person was put back: the texts so far, and those until
    /// [`expect`](Self::expect), are excused.
    pub(crate) fn excuse(&mut self, person: PersonId) {
        self.put_back.insert(person);
        self.have_old_vault.insert(person);
        for text in &mut self.texts {
            text.is_excused |= text.from == person || text.to == person;
        }
    }

    /// Expects every text that is sent from now on to arrive.
    pub(crate) fn expect(&mut self) {
        self.put_back.clear();
    }

    /// Returns the numbers of the first 8 texts that were accepted and not shown, without excuse.
    pub(crate) fn lost(&self) -> Vec<usize> {
        let is_lost = |text: &Text| text.accepted_ms.is_some() && text.given == 0 && !text.is_excused;
        self.texts.iter().enumerate().filter(|(_, text)| is_lost(text)).map(|(at, _)| at).take(8).collect()
    }

    /// Returns the pairs (sender, receiver) between whom a text was accepted and not shown, without
    /// excuse.
    pub(crate) fn deaf(&self) -> BTreeSet<(PersonId, PersonId)> {
        let is_lost = |text: &&Text| text.accepted_ms.is_some() && text.given == 0 && !text.is_excused;
        self.texts.iter().filter(is_lost).map(|text| (text.from, text.to)).collect()
    }

    /// Returns the numbers of the first 8 texts that were accepted and whose sender was not told of
    /// the delivery, without excuse.
    pub(crate) fn untold(&self) -> Vec<usize> {
        let is_untold = |text: &Text| text.accepted_ms.is_some() && !text.is_delivered && !text.is_excused;
        self.texts.iter().enumerate().filter(|(_, text)| is_untold(text)).map(|(at, _)| at).take(8).collect()
    }

    pub(crate) fn text(&self, number: usize) -> Option<&Text> {
        self.texts.get(number)
    }

    /// Returns the number of texts that were shown at least once.
    pub(crate) fn given(&self) -> usize {
        self.texts.iter().filter(|text| text.given > 0).count()
    }
}
