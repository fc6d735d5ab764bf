//! All texts that `send` has accepted, and what became of each.

use std::collections::HashMap;

use super::{
    api::{MessageKey, Told, told},
    people::{Entry, Person, Who},
};

/// A text that `send` has accepted.
pub struct Text {
    /// The first line of the text, which no other text has.
    pub name: String,
    pub from: Who,
    pub to: Who,
    pub day: u32,
    pub moment: u64,
    pub key: MessageKey,
}

/// The fate of a text: what both vaults know of it. A moment is a number that orders the events of
/// the simulation.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// Whether the sender's vault was put back, after the text was sent, from an older copy.
    pub is_undone: bool,
    /// The moments at which the receiver's present vault has shown the text: one, if all is well.
    pub shown: Vec<u64>,
    /// Whether the receiver's vault had shown the text and was then put back from a copy that does
    /// not know this.
    pub is_forgotten: bool,
    /// The moments at which the sender's present vault has reported the text as delivered.
    pub delivered: Vec<u64>,
    /// Whether the sender's vault had reported the text as delivered and was then put back from a
    /// copy that does not know this.
    pub was_delivered: bool,
}

/// All texts, in the order in which they were sent.
#[derive(Default)]
pub struct Ledger {
    pub texts: Vec<Text>,
}

/// Returns the name of a text: its first line.
pub fn name_of(text: &str) -> &str {
    text.split_once('\n').map_or(text, |(name, _)| name)
}

/// Returns the texts that a log shows, each as its entry, the text, and whether it was marked as
/// late.
pub fn shown(log: &[Entry]) -> impl Iterator<Item = (&Entry, String, bool)> {
    log.iter().filter_map(|entry| match told(&entry.event) {
        Told::Text { text, late } => Some((entry, text, late)),
        _ => None,
    })
}

impl Ledger {
    /// Whether the sender's vault was put back, after this text was sent, from a copy that was made
    /// before.
    fn is_undone(text: &Text, people: &[Person]) -> bool {
        let mut restores = people[text.from].forgotten.iter();
        restores.any(|restore| restore.copied < text.moment && text.moment < restore.restored)
    }

    /// Returns the fate of each text, in the order of [`texts`](Self::texts).
    pub fn fates(&self, people: &[Person]) -> Vec<Fate> {
        let by_name: HashMap<&str, usize> =
            self.texts.iter().enumerate().map(|(at, text)| (text.name.as_str(), at)).collect();
        let mut fates = vec![Fate::default(); self.texts.len()];
        for (text, fate) in self.texts.iter().zip(&mut fates) {
            fate.is_undone = Self::is_undone(text, people);
        }
        for (who, person) in people.iter().enumerate() {
            let find = |text: &str| by_name.get(name_of(text)).copied();
            for (entry, text, _) in shown(&person.log) {
                if let Some(at) = find(&text) {
                    fates[at].shown.push(entry.moment);
                }
            }
            for (_, text, _) in person.forgotten.iter().flat_map(|restore| shown(&restore.log)) {
                if let Some(at) = find(&text) {
                    fates[at].is_forgotten = true;
                }
            }
            let own = || self.texts.iter().enumerate().filter(move |(_, text)| text.from == who);
            // A key of the present vault names a text that the vault remembers.
            let keys: HashMap<&MessageKey, usize> =
                own().filter(|(at, _)| !fates[*at].is_undone).map(|(at, text)| (&text.key, at)).collect();
            for (entry, at) in deliveries(&person.log, &keys) {
                fates[at].delivered.push(entry.moment);
            }
            for restore in &person.forgotten {
                let before = own().filter(|(_, text)| text.moment < restore.restored);
                let keys = before.map(|(at, text)| (&text.key, at)).collect();
                for (_, at) in deliveries(&restore.log, &keys) {
                    fates[at].was_delivered = true;
                }
            }
        }
        fates
    }
}

fn deliveries<'a>(log: &'a [Entry], keys: &HashMap<&MessageKey, usize>) -> Vec<(&'a Entry, usize)> {
    let delivered = log.iter().filter_map(|entry| match told(&entry.event) {
        Told::Delivered(key) => Some((entry, *keys.get(&key)?)),
        _ => None,
    });
    delivered.collect()
}
