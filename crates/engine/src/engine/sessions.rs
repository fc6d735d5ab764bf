//! Resets, losses and replacements of sessions (spec/14-client.md section 4.2).

use super::{
    Engine, MailboxName, Peer, inbox::UNREAD_AFTER_RESTORE, outbox::CONTROL, peer::Receipt, step::Step,
};
use crate::{
    error::{EngineError, VaultError},
    event::EventKind,
    vault::{ItemRow, Question, Table, Vault, key},
};
use deaddrop_e2ee::{
    contact::{ContactEvent, Hour, Received, ResetError, ResetKind},
    session::Session,
};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

const HOUR_S: u64 = 3_600;
const HOURS_OF_DAY: u64 = 24;
/// Number of event numbers that are set aside for each second since 1970-01-01, once a restore was
/// noticed: the next event then gets at least the number of the present time, above all numbers
/// that were used before. No client makes so many events in a second.
const EVENTS_PER_S: u64 = 1 << 16;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Handles an event about the sessions of a contact, and tells the app what it has to know.
    /// `name` and `blob` are the mailbox and the envelope that caused the event.
    pub(super) fn handle_session_event(
        &mut self,
        step: &mut Step,
        name: MailboxName,
        blob: &[u8],
        event: ContactEvent,
        today: Day,
    ) -> Result<(), VaultError> {
        let id = name.contact;
        match event {
            ContactEvent::Established { .. } => {
                let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
                step.contacts.insert(id);
                // What goes wrong from here on is another trouble.
                (contact.row.troubled_on, contact.row.unread) = (0, 0);
                let is_first = !std::mem::replace(&mut contact.row.established, true);
                if is_first {
                    // Both users have begun again, and one of them has agreed.
                    self.forget_resets(step, id);
                }
                let kind = if is_first { EventKind::Established } else { EventKind::SessionReset };
                self.add_event(step, id, today, kind)
            }
            ContactEvent::PeerReset { .. } => {
                self.add_event(step, id, today, EventKind::SessionReset)?;
                self.draw_stream(step, id)
            }
            ContactEvent::ResetRequested { .. } => self.ask(step, name, blob, None, today),
            ContactEvent::StaleReset => self.reset_by_own_proof(step, id, EventKind::StaleReset, today),
            ContactEvent::StartedOver { .. } => {
                if let Some(contact) = self.contacts.get_mut(&id) {
                    contact.row.established = false;
                }
                self.forget_resets(step, id);
                self.add_event(step, id, today, EventKind::BegunAgain)?;
                self.draw_stream(step, id)
            }
            ContactEvent::PeerFellBack { .. } => self.add_event(step, id, today, EventKind::PeerFellBack),
            ContactEvent::VerificationCleared => {
                self.add_event(step, id, today, EventKind::VerificationCleared)
            }
            ContactEvent::IdentityChanged { .. } => {
                self.add_event(step, id, today, EventKind::IdentityChanged)
            }
            ContactEvent::InviteContested => {
                let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
                if std::mem::replace(&mut contact.person.contested, true) {
                    return Ok(());
                }
                step.persons.insert(id);
                self.add_event(step, id, today, EventKind::InviteContested)?;
                self.clear_verification(step, id, today)
            }
            ContactEvent::InviteTaken { .. } => self.add_event(step, id, today, EventKind::InviteTaken),
            ContactEvent::PeerRewound => {
                let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
                if !std::mem::replace(&mut contact.row.reset_due, true) {
                    step.contacts.insert(id);
                }
                self.tell_trouble(step, id, EventKind::PeerRewound, today)
            }
            _ => Ok(()),
        }
    }

    /// Tells the app of trouble with a session and marks the session for a reset, both at most once
    /// a day. The peer is at a turn that this vault does not know; this vault may know a turn that
    /// is recent enough to prove a reset.
    pub(super) fn reset_by_own_proof(
        &mut self,
        step: &mut Step,
        id: u32,
        kind: EventKind,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        contact.row.reset_due |= contact.row.troubled_on != today.number();
        self.tell_trouble(step, id, kind, today)
    }

    /// Tells the app of trouble with a session by an event of this kind, once a day for each
    /// contact, because a relay can repeat the cause. If the trouble that was told is
    /// [`PeerRewound`](EventKind::PeerRewound), which may heal by itself, one for which the user is
    /// needed is told on the same day.
    pub(super) fn tell_trouble(
        &mut self,
        step: &mut Step,
        id: u32,
        kind: EventKind,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let is_rewound = kind == EventKind::PeerRewound;
        if contact.row.troubled_on == today.number() && (is_rewound || contact.rewound_told != Some(today)) {
            return Ok(());
        }
        contact.row.troubled_on = today.number();
        contact.rewound_told = is_rewound.then_some(today);
        contact.healing_told = (kind != EventKind::SessionLost).then_some(today);
        step.contacts.insert(id);
        self.add_event(step, id, today, kind)
    }

    fn clear_verification(&mut self, step: &mut Step, id: u32, today: Day) -> Result<(), VaultError> {
        let vault = &self.vault;
        let Some(Peer { ratchet: Some(ratchet), row, .. }) = self.contacts.get_mut(&id) else {
            return Ok(());
        };
        if !ratchet.is_verified() {
            return Ok(());
        }
        let changes = ratchet.set_verified(false);
        step.add_session_changes(vault, id, row, changes)?;
        self.add_event(step, id, today, EventKind::VerificationCleared)
    }

    /// Whether [`reset_lost`](Self::reset_lost) has something to do.
    pub fn resets_due(&self, now: u64, today: Day) -> bool {
        let hour = hour_of(now, today);
        self.contacts.values().any(|contact| contact.row.reset_due && contact.reset_tried != Some(hour))
    }

    /// Begins new sessions with contacts whose session is lost or whose vault was put back, if a
    /// secret of a recent turn proves that this vault knew the old session. Otherwise tells the app
    /// ([`SessionLost`](EventKind::SessionLost)). Each contact is tried once in each hour of the
    /// clock, and after an opening.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn reset_lost(&mut self, now: u64, today: Day) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
            if contact.row.reset_due && contact.reset_tried != Some(hour_of(now, today)) {
                contact.reset_tried = Some(hour_of(now, today));
                self.reset(id, hour_of(now, today), today)?;
            }
        }
        Ok(())
    }

    /// Begins a new session with a contact, without a proof that this vault knew the old one,
    /// because the user wants it. The contact has to agree.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if there is no contact with this name, with
    /// [`EngineError::NoSession`] if there never was a session with it, with
    /// [`EngineError::AsksAlready`] if the contact asks for a new session itself: this user agrees
    /// or declines first, with [`EngineError::NoResetBundle`] if there is no bundle with which a
    /// session could begin: make a new invite, and with [`EngineError::Vault`] if the vault has no
    /// room or fails.
    pub fn begin_again(&mut self, name: &str, now: u64, today: Day) -> Result<(), EngineError> {
        let (id, _) = self.find(name).ok_or(EngineError::UnknownContact)?;
        self.check_room()?;
        let (rng, identity) = (&mut self.rng, &self.identity);
        let contact = self.contacts.get_mut(&id).ok_or(EngineError::UnknownContact)?;
        // The question would be dropped, and each of the two would wait for the other.
        if contact.asked.values().any(|asked| asked.question == Question::Reset) {
            return Err(EngineError::AsksAlready);
        }
        let ratchet = contact.ratchet.as_mut().ok_or(EngineError::NoSession)?;
        let reset = ratchet
            .reset(identity, ResetKind::Hard, hour_of(now, today), rng)
            .map_err(|_| EngineError::NoResetBundle)?;
        Ok(self.finish_reset(id, reset, today)?)
    }

    fn reset(&mut self, id: u32, hour: Hour, today: Day) -> Result<(), VaultError> {
        let (rng, identity) = (&mut self.rng, &self.identity);
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(ratchet) = contact.ratchet.as_mut() else { return Ok(()) };
        let reset = match ratchet.reset(identity, ResetKind::Soft, hour, rng) {
            Ok(reset) => reset,
            // Tried again in the next hour.
            Err(ResetError::TooSoon) => return Ok(()),
            Err(_) => {
                contact.row.reset_due = false;
                // What was told today of a trouble that was to heal by itself does not hide that it cannot.
                let is_worse = contact.healing_told.take() == Some(today);
                contact.rewound_told.take_if(|_| is_worse);
                let mut step = self.step();
                step.contacts.insert(id);
                if is_worse {
                    self.add_event(&mut step, id, today, EventKind::SessionLost)?;
                } else {
                    self.tell_trouble(&mut step, id, EventKind::SessionLost, today)?;
                }
                return self.finish(step);
            }
        };
        self.finish_reset(id, reset, today)
    }

    /// Stores a new session that was begun on the peer's reset bundle, and encrypts the waiting
    /// items in it.
    fn finish_reset(&mut self, id: u32, reset: Received, today: Day) -> Result<(), VaultError> {
        let mut step = self.step();
        let vault = &self.vault;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        contact.row.reset_due = false;
        step.contacts.insert(id);
        step.add_session_changes(vault, id, &mut contact.row, reset.changes)?;
        // The peer learns of it by what comes first: a receipt under way belongs to the session before.
        self.queue_hello(&mut step, id)?;
        let name = MailboxName { contact: id, mailbox: 0 };
        for event in reset.events {
            self.handle_session_event(&mut step, name, &[], event, today)?;
        }
        if let Some(address) = reset.reset_address.filter(|address| !address.is_empty()) {
            self.learn_address(id, &address);
        }
        self.draw_stream(&mut step, id)?;
        self.seal_drafts(&mut step, id)?;
        self.finish(step)?;
        self.drain_backlog(id, today)
    }

    /// Queues a control message without content, which becomes a Hello or an empty message. It
    /// takes the place of a receipt that waits.
    pub(super) fn queue_hello(&mut self, step: &mut Step, id: u32) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let hello = ItemRow::control(Zeroizing::default());
        step.changes.put(key(Table::Outbox, id, CONTROL), &hello)?;
        contact.items.insert(CONTROL, hello);
        Ok(())
    }

    /// Drops what is too old in the sessions of a contact: keys of skipped messages, reset bundles
    /// and, if everything that lay in the contact's mailboxes has been read (`is_read`), sessions
    /// that were not used for a long time.
    pub(super) fn tidy(
        &mut self,
        step: &mut Step,
        id: u32,
        is_read: bool,
        today: Day,
    ) -> Result<(), VaultError> {
        let vault = &self.vault;
        let Some(Peer { ratchet: Some(ratchet), row, .. }) = self.contacts.get_mut(&id) else {
            return Ok(());
        };
        let tidied = ratchet.tidy(today, is_read);
        step.add_session_changes(vault, id, row, tidied.changes)?;
        let name = MailboxName { contact: id, mailbox: 0 };
        tidied
            .events
            .into_iter()
            .try_for_each(|event| self.handle_session_event(step, name, &[], event, today))
    }

    /// Whether [`tidy_read`](Self::tidy_read) has something to do.
    pub fn is_tidy_due(&self, read: &BTreeSet<String>, today: Day) -> bool {
        self.contacts.values().any(|contact| contact.is_tidy_due(read, today))
    }

    /// Drops sessions that are not used any more, and retires mailboxes that the peer no longer
    /// uses, once a day, and when the peer has begun to use a newer mailbox, for each contact whose
    /// mailboxes all lie at relays in `read`, from which everything was read.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn tidy_read(&mut self, read: &BTreeSet<String>, today: Day) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let contact = self.contacts.get_mut(&id).filter(|contact| contact.is_tidy_due(read, today));
            let Some(contact) = contact else { continue };
            contact.tidied_on = Some(today);
            let mut step = Step::default();
            let is_invited = contact.invite.is_some();
            if let Some(used) = contact.uses_mailbox.take() {
                step.changes.erase(key(Table::Used, id, 0));
                if contact.retire_before(used, !is_invited) {
                    step.contacts.insert(id);
                }
            }
            self.tidy(&mut step, id, true, today)?;
            self.finish(step)?;
        }
        Ok(())
    }

    /// Handles that this vault was put back from a copy, or that a copy of it is in use: tells the
    /// app, replaces every outgoing stream, and tells each contact its address again, because the
    /// contact may know a newer one that this vault does not. Sessions continue until a peer shows
    /// that its session went further.
    pub(super) fn note_restored(&mut self, now: u64, today: Day) -> Result<(), VaultError> {
        // An app may have seen events with the numbers that would come next. A clock without bounds must not use numbers up.
        let time = now.max(today.unix_seconds()).min(Day::LAST_PLAUSIBLE.unix_seconds());
        self.next_event = self.next_event.max(time.saturating_mul(EVENTS_PER_S));
        let mut step = self.step();
        self.add_event(&mut step, 0, today, EventKind::Restored)?;
        self.finish(step)?;
        for id in self.contact_ids() {
            let mut step = self.step();
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
            contact.row.unread = UNREAD_AFTER_RESTORE;
            let address = contact.address_after_restore();
            self.draw_stream(&mut step, id)?;
            if let Some(address) = address {
                self.queue_move(&mut step, id, address)?;
            }
            self.seal_drafts(&mut step, id)?;
            self.finish(step)?;
            self.drain_backlog(id, today)?;
        }
        Ok(())
    }
}

/// Returns 24 times the believed day `today` plus the hour of the day that the machine's clock
/// (`now`, in seconds since 1970-01-01) shows.
fn hour_of(now: u64, today: Day) -> Hour {
    let hour = u32::try_from(now / HOUR_S % HOURS_OF_DAY).unwrap_or(0);
    Hour::from_number(today.number().saturating_mul(24).saturating_add(hour))
}

impl Peer {
    /// Notes the session that is used for sending. If it is another one than before, or if a
    /// session was `answered` (established), items that were sent may be lost: the peer could not
    /// read them until it had agreed, or they came by a session that it had left. They are then
    /// noted as missing.
    pub(super) fn note_session(&mut self, answered: bool) {
        let sends_in =
            self.ratchet.as_ref().and_then(deaddrop_e2ee::contact::Contact::sending).map(Session::id);
        let before = std::mem::replace(&mut self.sends_in, sends_in);
        let is_another = before.is_some() && before != sends_in;
        self.doubts_all |= answered || is_another;
        if is_another {
            let items = self.items.iter_mut().filter(|(number, _)| **number != CONTROL);
            items.for_each(|(_, item)| item.sealed = None);
        }
    }

    /// Returns a receipt that makes every item without a receipt count as missing; `None` if a
    /// relay has stored no such item.
    pub(super) fn misses_all(&self) -> Option<Receipt> {
        let stream = &self.row.outgoing;
        let (low_water, digest) = (stream.confirmed, Some(stream.confirmed_digest.short()));
        let is_any = self.items.values().any(|item| item.again_on.is_some());
        is_any.then(|| Receipt { low_water, digest, sparse: vec![u64::MAX], is_counted: true })
    }

    fn is_tidy_due(&self, read: &BTreeSet<String>, today: Day) -> bool {
        (self.tidied_on != Some(today) || self.uses_mailbox.is_some())
            && self.row.mailboxes.iter().all(|mailbox| read.contains(&mailbox.relay))
    }
}
