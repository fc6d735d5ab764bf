//! The checks of a run that has settled.

use crate::{
    breach::{Breach, Check, Checked},
    person::{Person, Wish},
    relay::Relay,
    relay_parts::Store,
    world::World,
};

/// Number of days after the end of a run after which the lease of every mailbox has ended: more
/// than the longest one that a run asks for (90 days), and the weeks by which a renewal rounds it up.
const LONGEST_LEASE: u32 = 130;

impl World {
    /// Returns the first promise for which the run is not settled; `None` if it is settled.
    pub(crate) fn unsettled(&self) -> Option<Breach> {
        if let Some(number) = self.ledger.lost().first() {
            let from = self.ledger.text(*number).map_or(0, |text| text.from);
            let what =
                format!("text {:?} of {} was accepted and is not given", self.ledger.lost(), self.name(from));
            return Some(Breach::new(Check::Lost, what));
        }
        let excused = self.people.iter().any(|one| one.put_back_ms.is_some());
        for person in &self.people {
            if let Some(what) = person.unsettled(excused) {
                return Some(Breach::new(Check::Stuck, format!("{}: {what}", person.name())));
            }
        }
        if !self.ledger.untold().is_empty() {
            let what = format!("the delivery of text {:?} is not told", self.ledger.untold());
            return Some(Breach::new(Check::Stuck, what));
        }
        if let Some(stranger) = self.strangers.iter().find(|stranger| !stranger.is_over()) {
            return Some(Breach::new(Check::Stuck, stranger.unsettled()));
        }
        for relay in &self.relays {
            let Some(serving) = &relay.serving else {
                return Some(Breach::new(Check::Stuck, format!("relay {} does not run", relay.id)));
            };
            let census = serving.store().census();
            if census.blobs > 0 && !excused {
                let what = format!("relay {} holds {} blobs", relay.id, census.blobs);
                return Some(Breach::new(Check::NotEmpty, what));
            }
            if !serving.is_quiet() {
                return Some(Breach::new(Check::Stuck, format!("the store of relay {} has work", relay.id)));
            }
        }
        None
    }

    fn name(&self, person: usize) -> &'static str {
        self.people.get(person).map_or("no person", Person::name)
    }

    /// Checks a settled run at its end: no residue on the disks of relays, and nothing left when
    /// all leases have ended.
    pub(crate) fn end(&mut self) -> Checked {
        for relay in &self.relays {
            Relay::check_residue(relay)?;
        }
        for relay in &mut self.relays {
            relay.let_days_pass(LONGEST_LEASE, &mut self.sim)?;
        }
        Ok(())
    }
}

impl Person {
    /// Describes the first state of a person that is not settled; `None` if all are. With
    /// `excused`, a vault was put back to an older copy, so states that only its users or time can
    /// end are passed over.
    fn unsettled(&self, excused: bool) -> Option<String> {
        let Some(running) = &self.running else { return Some("does not run".to_owned()) };
        let wishes = self.user.wishes.iter().map(|(_, wish)| wish).chain(&self.user.errand);
        let open: Vec<String> = wishes.map(Wish::name).collect();
        if !open.is_empty() {
            return Some(format!("the user still wants {}", open.join(", ")));
        }
        let engine = &running.shell.engine;
        let shown = if self.user.has_store { self.user.shown } else { engine.cursor() };
        // An app with a store of its own begins from the first event after a vault was put back: the vault may have forgotten all of them.
        let has_events = engine.events_after(shown, 1).map_or(true, |events| !events.is_empty());
        if engine.last_event() > shown && (has_events || !self.user.has_old_vault) {
            return Some("events are not shown".to_owned());
        }
        for relay in engine.reading_relays() {
            let state = running.shell.links.get(&relay);
            if !state.is_some_and(|state| is_caught_up(*state)) {
                return Some(format!("reading at {relay} is {state:?}"));
            }
        }
        let needs = engine.mailbox_needs(running.shell.true_s());
        if needs != deaddrop_engine::MailboxNeeds::default() {
            return Some(format!(
                "{} mailboxes are not made, {} not deleted, {} not emptied, own {:?}",
                needs.make.len(),
                needs.delete.len(),
                needs.empty.len(),
                needs.own
            ));
        }
        if excused {
            return None;
        }
        if !engine.needs().is_empty() {
            return Some(format!("needs {:?}", engine.needs()));
        }
        if engine.waiting() != (0, 0) {
            return Some(format!("{:?} items wait", engine.waiting()));
        }
        if engine.gaps() != (0, 0) {
            return Some(format!("{:?} items are missing or held", engine.gaps()));
        }
        None
    }
}

const fn is_caught_up(state: crate::conversations::Connectivity) -> bool {
    matches!(state, crate::conversations::Connectivity::CaughtUp)
}
