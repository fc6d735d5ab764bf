//! The checks at the end of the simulation, and a report that names every text for which a check
//! fails.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Write,
};

use super::{
    api::{Counts, Told, told},
    ledger::{Fate, Ledger, Text, name_of, shown},
    people::{Entry, Person, Who},
    time::day_of,
};

/// Maximum number of days on which sender and receiver both take part in an exchange and a text is
/// not shown yet. Healing by a new invite takes the longest.
const MAX_DAYS_TOGETHER: usize = 7;
/// Maximum number of faults of one kind that the report describes; of further ones it gives the
/// number.
const SPELT_OUT: usize = 12;

/// The faults that the checks have found, by kind.
pub struct Verdict<'a> {
    people: &'a [Person],
    ledger: &'a Ledger,
    fates: Vec<Fate>,
    /// The person whose relay does not answer from the second day on.
    dead: Who,
    faults: BTreeMap<&'static str, Vec<String>>,
}

impl<'a> Verdict<'a> {
    pub fn new(people: &'a [Person], ledger: &'a Ledger, dead: Who) -> Self {
        let fates = ledger.fates(people);
        let mut verdict = Self { people, ledger, fates, dead, faults: BTreeMap::new() };
        verdict.check_texts();
        for who in 0..people.len() {
            verdict.check_order(who);
            verdict.check_person(who);
        }
        verdict
    }

    fn fault(&mut self, kind: &'static str, detail: String) {
        self.faults.entry(kind).or_default().push(detail);
    }

    fn name(&self, who: Who) -> &'static str {
        self.people[who].name
    }

    /// Whether a text need not arrive, because it was sent when the receiver's relay did not answer
    /// any more.
    fn is_to_the_dead(&self, text: &Text) -> bool {
        text.to == self.dead && text.day > 0
    }

    fn check_texts(&mut self) {
        for (text, fate) in self.ledger.texts.iter().zip(self.fates.clone()) {
            let detail = format!("{:?}, {fate:?}", text.name);
            let was_shown = !fate.shown.is_empty() || fate.is_forgotten;
            if !was_shown && (!fate.delivered.is_empty() || fate.was_delivered) {
                self.fault("1 falsely delivered: no vault of the receiver has ever shown it", detail.clone());
            }
            // In an exchange between the two the receiver looked, and the vault had not shown it.
            let is_early = |(told, shown): (&u64, &u64)| {
                let mut looks = self.people[text.to].present.iter();
                looks.any(|look| told < look && look < shown)
            };
            if !fate.is_forgotten && fate.delivered.iter().zip(&fate.shown).any(is_early) {
                self.fault("1 falsely delivered: shown only days later", detail.clone());
            }
            if fate.shown.len() > 1 {
                self.fault("2 shown more than once", detail.clone());
            }
            if fate.delivered.len() > 1 {
                self.fault("3 delivered more than once", detail.clone());
            }
            // The sender knows nothing of it any more; that is told to the sender, see `check_person`.
            if fate.is_undone || self.is_to_the_dead(text) {
                continue;
            }
            if !was_shown {
                self.fault("4 never shown", detail.clone());
            }
            if fate.delivered.is_empty() {
                self.fault("5 never delivered", detail.clone());
            }
            let days = self.days_until_shown(text, &fate);
            if days > MAX_DAYS_TOGETHER {
                self.fault("4b shown late", format!("{detail}, after {days} days together"));
            }
            if fate.shown.is_empty() && fate.is_forgotten {
                let restored = self.people[text.to].forgotten.iter().map(|restore| restore.restored).max();
                // A receipt that the old vault gave can be read in the sender's first exchange after that, and not later.
                let first = self.people[text.from].present.iter().find(|moment| Some(**moment) > restored);
                let last = fate.delivered.iter().max();
                if last.is_some_and(|last| first.is_some_and(|first| last > first)) {
                    self.fault("6 delivered although the receiver's vault has forgotten it", detail);
                }
            }
        }
    }

    /// Returns the number of days on which sender and receiver both took part in an exchange before
    /// the one in which the receiver's present vault showed the text; 0 if it never showed it. The
    /// days count from the sending or, if a vault of the receiver has forgotten the text, from the
    /// last time that the vault was put back, if that is later.
    fn days_until_shown(&self, text: &Text, fate: &Fate) -> usize {
        let Some(shown) = fate.shown.first() else { return 0 };
        let restored = self.people[text.to].forgotten.iter().map(|restore| restore.restored).max();
        let since =
            restored.filter(|_| fate.is_forgotten).map_or(text.moment, |restored| restored.max(text.moment));
        let days = |who: Who| {
            let moments = self.people[who].present.iter().filter(|moment| (since..*shown).contains(moment));
            moments.map(|moment| moment / 1_000).collect::<BTreeSet<_>>()
        };
        days(text.from).intersection(&days(text.to)).count()
    }

    /// Checks that a person was shown the texts of each contact in the order in which they were
    /// sent, or marked as late.
    fn check_order(&mut self, who: Who) {
        let numbers: HashMap<&str, usize> =
            self.ledger.texts.iter().enumerate().map(|(at, text)| (text.name.as_str(), at)).collect();
        let mut newest: BTreeMap<Who, usize> = BTreeMap::new();
        let (mut strange, mut late) = (Vec::new(), Vec::new());
        for (entry, text, is_late) in shown(&self.people[who].log) {
            let name = name_of(&text);
            let Some(at) = numbers.get(name).copied() else {
                strange.push(name.to_owned());
                continue;
            };
            let sent = &self.ledger.texts[at];
            if sent.to != who || self.name(sent.from) != entry.event.contact {
                strange.push(format!("{name} at {} from {}", self.name(who), entry.event.contact));
            }
            let newest = newest.entry(sent.from).or_default();
            if at < *newest && !is_late {
                late.push(format!("{name:?} after {:?}", self.ledger.texts[*newest].name));
            }
            *newest = at.max(*newest);
        }
        for detail in strange {
            self.fault("7 shown, but not sent so", detail);
        }
        for detail in late {
            self.fault("8 shown after a later one and not marked as late", detail);
        }
    }

    fn check_person(&mut self, who: Who) {
        let person = &self.people[who];
        let mut names = HashSet::new();
        for restore in &person.forgotten {
            for (_, text, _) in shown(&restore.log) {
                if !names.insert(name_of(&text).to_owned()) {
                    self.fault("2 shown more than once", format!("{:?} before the restore", name_of(&text)));
                }
            }
        }
        // A person whose vault was put back is told so once, and no other person is. This names the texts that are undone or forgotten:
        // those of the days between the copy and the restore.
        let is_told = |entry: &&Entry| matches!(told(&entry.event), Told::Restored);
        let days =
            |log: &[Entry]| log.iter().filter(is_told).map(|entry| entry.event.day).collect::<BTreeSet<_>>();
        let before = person.forgotten.iter().map(|restore| days(&restore.log).len()).sum::<usize>();
        if before > 0 || days(&person.log).len() != person.forgotten.len() {
            let detail = format!(
                "{}: {} restores, told on {:?}",
                person.name,
                person.forgotten.len(),
                days(&person.log)
            );
            self.fault("9 a restored vault is not told so, or another one is", detail);
        }
        if person.client.is_none() {
            return;
        }
        let waiting = self.ledger.texts.iter().zip(&self.fates);
        let waiting =
            waiting.filter(|(text, fate)| text.from == who && self.is_to_the_dead(text) && !fate.is_undone);
        let expected = Counts { unreceipted: waiting.count(), ..Counts::default() };
        let counts = Counts { unsent: 0, ..person.counts };
        if counts != expected || person.counts.unsent < expected.unreceipted {
            let detail = format!("{}: {:?} instead of {expected:?}", person.name, person.counts);
            self.fault("10 status counts something that waits or lacks something", detail);
        }
        let seen: Vec<_> = person.log.iter().map(|entry| &entry.event).collect();
        if !seen.iter().copied().eq(&person.events_in_vault()) {
            self.fault("11 the vault's events are not those that it has shown", person.name.to_owned());
        }
    }

    /// Whether the faults that were found include none that a few more days could mend.
    pub fn is_settled(&self) -> bool {
        !self.faults.keys().any(|kind| ["4 ", "5 ", "10 "].iter().any(|wait| kind.starts_with(wait)))
    }

    /// Panics with a report if there are faults. `notes` are added to the report.
    pub fn pass(self, notes: &[String]) {
        if self.faults.is_empty() {
            return;
        }
        let mut report = String::from("\n");
        for (kind, details) in &self.faults {
            writeln!(report, "{}: {} times", kind, details.len()).unwrap();
            for detail in details.iter().take(SPELT_OUT) {
                writeln!(report, "    {detail}").unwrap();
            }
        }
        self.count_pairs(&mut report);
        for person in self.people {
            writeln!(report, "{} was told, and shown or told delivered so many texts:", person.name).unwrap();
            for restore in &person.forgotten {
                writeln!(report, "    forgotten: {}", tell(&restore.log)).unwrap();
            }
            writeln!(report, "    {}", tell(&person.log)).unwrap();
        }
        for note in notes {
            writeln!(report, "{note}").unwrap();
        }
        panic!("{report}");
    }

    fn count_pairs(&self, report: &mut String) {
        let mut pairs: BTreeMap<(Who, Who), [usize; 4]> = BTreeMap::new();
        for (text, fate) in self.ledger.texts.iter().zip(&self.fates) {
            let is = [true, fate.is_undone, !fate.shown.is_empty(), !fate.delivered.is_empty()];
            let counts = pairs.entry((text.from, text.to)).or_default();
            counts.iter_mut().zip(is).for_each(|(count, is)| *count += usize::from(is));
        }
        for ((from, to), [sent, undone, shown, delivered]) in pairs {
            let (from, to) = (self.name(from), self.name(to));
            writeln!(
                report,
                "{from} to {to}: {sent} sent, {undone} undone, {shown} shown, {delivered} delivered"
            )
            .unwrap();
        }
    }
}

/// Describes a log: the number of texts and of deliveries, and every other event after the first
/// day with its day.
fn tell(log: &[Entry]) -> String {
    let (mut texts, mut delivered, mut other) = (0, 0, String::new());
    for Entry { event, .. } in log {
        match (told(event), day_of(event.day)) {
            (Told::Text { .. }, _) => texts += 1,
            (Told::Delivered(_), _) => delivered += 1,
            (_, 0) => {}
            (_, day) => write!(other, "; day {day}, {}: {:?}", event.contact, event.kind).unwrap(),
        }
    }
    format!("{texts} texts, {delivered} delivered{other}")
}
