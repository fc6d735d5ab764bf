//! The user and the app of a person, at a running client.

use super::{
    Person, User, Wish,
    actor::Ended,
    errands::{Accepter, Inviter},
    name_of, person_of,
    running::Running,
    shell::Refused,
};
use crate::{
    breach::{Breach, Check, Checked},
    conversations::StepError,
    ids::PersonId,
    ledger::Ledger,
    sim::{Sim, note},
};
use deaddrop_engine::{
    ContactAsks, ContactState, EngineError, Event, EventKind, InviteLink, UnreachableReason, VaultError,
};

/// Maximum number of events that an app with a store of its own shows in one act. Any number above
/// 0 does, because the app continues [`SOON_MS`] later.
const AT_ONCE: usize = 100;
/// Number of milliseconds until the user tries a failed wish again.
const AGAIN_MS: u64 = 20_000;
/// Number of milliseconds until the app continues when it has more to show.
const SOON_MS: u64 = 3;
/// Number of milliseconds until an app without a store tries again to tell its client what it has
/// shown.
const MARK_AGAIN_MS: u64 = 1_000;

/// An invite that one person hands to another.
pub(crate) struct Handed {
    pub(crate) from: PersonId,
    pub(crate) to: PersonId,
    pub(crate) link: String,
    /// Whether the two people know each other already.
    pub(crate) is_anew: bool,
}

impl Person {
    /// Prepares the app when a client starts: if the vault was put back to an older copy, all
    /// events are shown again.
    pub(super) fn app_starts(&mut self) {
        if std::mem::take(&mut self.user.is_put_back) {
            self.user.shown = 0;
        }
    }

    /// Lets the user and the app do what is next, and plans the next time. Returns the invites that
    /// the user hands to others.
    pub(crate) fn act(&mut self, ledger: &mut Ledger, sim: &mut Sim) -> Checked<Vec<Handed>> {
        let mut handed = Vec::new();
        let Some(running) = &mut self.running else { return Ok(handed) };
        if running.shell.engine.is_dead() {
            return Ok(handed);
        }
        let mut app = App { id: self.id, running, user: &mut self.user, sim, ledger };
        app.look_into_vault()?;
        app.take_ended(&mut handed);
        let more_ms = app.show()?;
        app.see_asks();
        app.wish(&mut handed)?;
        let next = more_ms.map(|ms| app.sim.now_ms + ms).into_iter().chain(app.user.next_wish()).min();
        app.running.spread(app.sim);
        if let Some(next) = next {
            sim.act_at(next, self.id, self.incarnation);
        }
        Ok(handed)
    }

    /// Lets the client forget the events that the app has shown.
    pub(crate) fn forget_shown(&mut self, sim: &mut Sim) {
        let Some(running) = &mut self.running else { return };
        let before = if self.user.has_store { self.user.shown } else { running.shell.engine.cursor() };
        let _ = running.shell.step(sim, |engine, _, _| engine.forget_events_before(before + 1));
    }
}

/// The user, the app and the client of a person.
struct App<'a> {
    id: PersonId,
    running: &'a mut Running,
    user: &'a mut User,
    sim: &'a mut Sim,
    ledger: &'a mut Ledger,
}

fn failed(error: VaultError) -> Breach {
    Breach::new(Check::Vault, format!("events cannot be read: {error}"))
}

impl App<'_> {
    /// Notes in the ledger which new texts the vault holds.
    fn look_into_vault(&mut self) -> Checked {
        let engine = &self.running.shell.engine;
        for event in engine.events_after(self.user.looked, 1_000).map_err(failed)? {
            self.user.looked = event.number;
            if let (Some(text), Some(from)) = (text_of(&event.kind), person_of(&event.contact)) {
                self.ledger.note_stored(from, self.id, text)?;
            }
        }
        Ok(())
    }

    /// Shows new events: many at once in an app with a store of its own, else one, whose number the
    /// client is told in the next call. Returns the milliseconds until the app looks again; `None`
    /// if there is nothing more to show.
    fn show(&mut self) -> Checked<Option<u64>> {
        if self.user.has_store {
            let events = self.running.shell.engine.events_after(self.user.shown, AT_ONCE).map_err(failed)?;
            let is_more = events.len() == AT_ONCE;
            for event in events {
                self.show_event(&event, false)?;
                self.user.shown = event.number;
            }
            return Ok(is_more.then_some(SOON_MS));
        }
        if let Some(number) = self.user.unmarked {
            let marked = self.running.shell.step(self.sim, |engine, _, _| engine.set_cursor(number));
            if marked.is_err() {
                return Ok(Some(MARK_AGAIN_MS));
            }
            self.user.unmarked = None;
            return Ok(Some(SOON_MS));
        }
        let cursor = self.running.shell.engine.cursor();
        let events = self.running.shell.engine.events_after(cursor, 1).map_err(failed)?;
        let Some(event) = events.first() else { return Ok(None) };
        self.show_event(event, event.number == self.user.shown)?;
        self.user.shown = event.number;
        self.user.unmarked = Some(event.number);
        Ok(Some(SOON_MS))
    }

    fn show_event(&mut self, event: &Event, again: bool) -> Checked {
        note!(
            self.sim,
            "{} is shown event {}: {:?} of {}",
            name_of(self.id),
            event.number,
            event.kind,
            event.contact
        );
        let Some(contact) = person_of(&event.contact) else { return Ok(()) };
        self.user.note_told(contact, &event.kind);
        match &event.kind {
            EventKind::MessageReceived { text, late } => {
                self.ledger.give((contact, self.id), text, Some(*late), again)?;
            }
            EventKind::MessageOfLeftSession { text } => {
                self.ledger.give((contact, self.id), text, None, again)?;
            }
            EventKind::Delivered => {
                if let Some(message) = &event.message {
                    self.ledger.deliver(self.id, contact, message)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Handles the results of the user's errands: invites are handed over, and failed wishes are
    /// tried again later.
    fn take_ended(&mut self, handed: &mut Vec<Handed>) {
        for ended in std::mem::take(&mut self.running.ended) {
            let is_anew = matches!(self.user.errand, Some(Wish::InviteAnew(_)));
            let done = match ended {
                Ended::Invited(name, Ok(link)) => {
                    if let Some(to) = person_of(&name) {
                        handed.push(Handed { from: self.id, to, link, is_anew });
                    }
                    Ok(())
                }
                Ended::Invited(_, Err(error)) | Ended::Accepted(Err(error)) => Err(error),
                Ended::Accepted(Ok(())) => Ok(()),
                _ => continue,
            };
            let wish = self.user.errand.take();
            if let (Err(error), Some(wish)) = (done, wish) {
                // A new invite that was used already, before a crash, is as good.
                if matches!(wish, Wish::Accept(_, _, true)) && error.contains("used") {
                    continue;
                }
                note!(self.sim, "{}: an errand failed: {error}", name_of(self.id));
                self.user.want(self.sim.now_ms + AGAIN_MS, wish);
            }
        }
    }

    /// Lets the user take the step that the last event about a contact asks for, as long as the
    /// contact's state needs it. A patient user takes none.
    fn see_asks(&mut self) {
        if self.user.is_patient {
            return;
        }
        for info in self.running.shell.engine.contact_list() {
            let Some(contact) = person_of(&info.name) else { continue };
            let is_gone = info.unreachable == Some(UnreachableReason::Refused);
            let wish = if info.asks.contains(&ContactAsks::Reset) {
                Wish::Agree(contact)
            } else if !self.user.told.contains_key(&contact) {
                continue;
            } else if is_gone && self.user.has_old_vault && info.invite_until.is_none() {
                Wish::InviteAnew(contact)
            } else if info.session_trouble.is_some() && !info.begins_again {
                Wish::BeginAgain(contact)
            } else if info.begins_again
                && info.invite_until.is_none()
                && self.user.waits_long(self.sim.now_ms, contact)
            {
                // The question of the user does not arrive.
                Wish::InviteAnew(contact)
            } else {
                continue;
            };
            if self.user.begin_step(self.sim.now_ms, contact, &wish) {
                let soon = self.sim.now_ms + 5_000 + self.sim.below(60_000);
                self.user.want(soon, wish);
            }
        }
    }

    /// Does all wishes of the user whose time has come.
    fn wish(&mut self, handed: &mut Vec<Handed>) -> Checked {
        while let Some(wish) = self.user.take_wish(self.sim.now_ms) {
            let again = match &wish {
                Wish::Invite(to) => self.invite(*to, false, handed),
                Wish::InviteAnew(to) => self.invite(*to, true, handed),
                Wish::Accept(from, link, is_anew) => self.accept(*from, link, *is_anew)?,
                Wish::Send { to, count, is_long } => {
                    let left = self.send(*to, *count, *is_long);
                    if left > 0 {
                        let again = Wish::Send { to: *to, count: left, is_long: *is_long };
                        self.user.want_more(self.sim.now_ms + AGAIN_MS, again);
                    }
                    false
                }
                Wish::Agree(contact) => self.agree(*contact),
                Wish::BeginAgain(contact) => self.begin_again(*contact),
                Wish::Move(relay) => self.move_to(*relay),
            };
            if again {
                self.user.want(self.sim.now_ms + AGAIN_MS, wish);
            }
        }
        Ok(())
    }

    fn state_of(&self, contact: PersonId) -> Option<ContactState> {
        self.running.shell.engine.contact_info(name_of(contact)).map(|info| info.state)
    }

    /// Begins an invite, or hands over one that is open. Returns whether to try again later.
    fn invite(&mut self, to: PersonId, is_anew: bool, handed: &mut Vec<Handed>) -> bool {
        if !is_anew && self.state_of(to).is_some_and(|state| state != ContactState::Invited) {
            return false;
        }
        let name = name_of(to);
        if let Ok(link) = self.running.shell.engine.open_link(name) {
            handed.push(Handed { from: self.id, to, link: link.as_str().to_owned(), is_anew });
            return false;
        }
        if self.user.errand.is_some() {
            return true;
        }
        match self.running.shell.engine.relay_of_invite(name) {
            Ok(relay) => {
                self.user.errand = Some(if is_anew { Wish::InviteAnew(to) } else { Wish::Invite(to) });
                self.running.start(Box::new(Inviter::new(name.to_owned(), relay)), self.sim);
                false
            }
            Err(_) => true,
        }
    }

    fn accept(&mut self, from: PersonId, link: &str, is_anew: bool) -> Checked<bool> {
        if !is_anew && self.state_of(from).is_some() {
            return Ok(false);
        }
        if self.user.errand.is_some() {
            return Ok(true);
        }
        let invite: InviteLink =
            link.parse().map_err(|_| Breach::new(Check::Protocol, "the link of an invite is damaged"))?;
        if self.running.shell.engine.check_accept(name_of(from), &invite).is_err() {
            return Ok(true);
        }
        self.user.errand = Some(Wish::Accept(from, link.to_owned(), is_anew));
        self.running.start(Box::new(Accepter::new(name_of(from).to_owned(), invite)), self.sim);
        Ok(false)
    }

    /// Sends texts. Returns the number of texts that were not accepted.
    fn send(&mut self, to: PersonId, count: u32, is_long: bool) -> u32 {
        if self.state_of(to).is_none() {
            return count;
        }
        for sent in 0..count {
            let (number, words) = self.ledger.begin(self.id, to, is_long);
            let shell = &mut self.running.shell;
            let done = shell.step(self.sim, |engine, now, _| engine.send_text(name_of(to), &words, now));
            match done {
                Ok(message) => {
                    shell.retries += 1;
                    note!(self.sim, "{} sends text {number} to {}", name_of(self.id), name_of(to));
                    self.ledger.accept(number, message, self.sim.now_ms);
                }
                Err(error) => {
                    note!(self.sim, "{} cannot send text {number}: {error:?}", name_of(self.id));
                    return count - sent;
                }
            }
        }
        0
    }

    fn agree(&mut self, contact: PersonId) -> bool {
        let name = name_of(contact);
        let asks = self.running.shell.engine.contact_info(name).map(|info| info.asks).unwrap_or_default();
        if !asks.contains(&ContactAsks::Reset) {
            return false;
        }
        note!(self.sim, "{} agrees to begin again with {name}", name_of(self.id));
        let shell = &mut self.running.shell;
        let done = shell.step(self.sim, |engine, _, today| engine.agree(name, &ContactAsks::Reset, today));
        shell.retries += 1;
        done == Err(Refused::Vault(StepError::NoRoom))
    }

    fn begin_again(&mut self, contact: PersonId) -> bool {
        let name = name_of(contact);
        let info = self.running.shell.engine.contact_info(name);
        if info.is_none_or(|info| info.session_trouble.is_none() || info.begins_again) {
            return false;
        }
        note!(self.sim, "{} begins again with {name}", name_of(self.id));
        let shell = &mut self.running.shell;
        let done = shell.step(self.sim, |engine, now, today| engine.begin_again(name, now, today));
        shell.retries += 1;
        match &done {
            Err(Refused::Engine(EngineError::NoResetBundle)) => {
                self.user.want(self.sim.now_ms, Wish::InviteAnew(contact));
            }
            Err(Refused::Engine(EngineError::AsksAlready)) => {
                self.user.want(self.sim.now_ms + 5_000, Wish::Agree(contact));
            }
            _ => {}
        }
        done == Err(Refused::Vault(StepError::NoRoom))
    }

    fn move_to(&mut self, relay: usize) -> bool {
        let shell = &mut self.running.shell;
        let Some(address) = shell.relays.get(relay).cloned() else { return false };
        let done = shell.step(self.sim, |engine, _, _| engine.move_to_relay(&address));
        shell.retries += 1;
        done == Err(Refused::Vault(StepError::NoRoom))
    }
}

const fn text_of(kind: &EventKind) -> Option<&str> {
    match kind {
        EventKind::MessageReceived { text, .. } | EventKind::MessageOfLeftSession { text } => {
            Some(text.as_str())
        }
        _ => None,
    }
}
