//! Requests of contacts that only the user can allow: a reset without a proof, another identity
//! (spec/14-client.md section 4.2). The envelopes that make such a request are kept unread until
//! the user has decided; each has a *place*, a number from 1.

use super::{ContactAsks, Engine, MailboxName, Peer, peer::Asked, step::Step};
use crate::{
    error::{EngineError, VaultError},
    event::EventKind,
    vault::{AskedRow, MailboxKind, MailboxState, Question, Table, Vault, key},
};
use deaddrop_e2ee::{
    contact::Received,
    identity::{IdentityHash, SafetyNumber},
};
use deaddrop_wire::Day;
use rand_core::CryptoRng;

/// Maximum number of envelopes of one contact that wait for the user's decision (spec/14-client.md
/// section 2.4).
pub(super) const MAX_ASKED: usize = 8;

impl Asked {
    pub(super) fn of(row: &AskedRow) -> Self {
        let tag = row.envelope.first_chunk().copied().unwrap_or_default();
        Self { question: row.question, identity: row.identity, tag }
    }

    /// Returns the request that the user is asked about. `own` is this user's identity, for the
    /// safety number.
    pub(super) fn what(&self, own: &IdentityHash) -> ContactAsks {
        match self.question {
            Question::Reset => ContactAsks::Reset,
            Question::Identity => {
                ContactAsks::NewIdentity(SafetyNumber::new(own, &IdentityHash::from_bytes(self.identity)))
            }
        }
    }
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Keeps an envelope until the user has decided, and adds an event unless an envelope with the
    /// same request waits already. Does nothing if [`MAX_ASKED`] envelopes of the contact wait, if
    /// this one is among them, or while [`asks_nothing`](Engine::asks_nothing) is set. `identity`
    /// is the identity that asks to be the contact; `None`: the contact asks for a reset.
    pub(super) fn ask(
        &mut self,
        step: &mut Step,
        name: MailboxName,
        envelope: &[u8],
        identity: Option<&IdentityHash>,
        today: Day,
    ) -> Result<(), VaultError> {
        let id = name.contact;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let question = if identity.is_some() { Question::Identity } else { Question::Reset };
        let identity = identity.map_or([0; 32], |identity| *identity.as_bytes());
        let row = AskedRow { question, identity, mailbox: name.mailbox, envelope: envelope.to_vec() };
        let asked = Asked::of(&row);
        let mut waiting = contact.asked.values();
        // Beyond the bound the first ones stay. A relay may bring one again.
        if self.asks_nothing
            || contact.asked.len() >= MAX_ASKED
            || waiting.any(|other| other.tag == asked.tag)
        {
            return Ok(());
        }
        let mut waiting = contact.asked.values();
        let is_new = !waiting.any(|other| (other.question, other.identity) == (question, identity));
        let place = contact.asked.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        step.changes.put(key(Table::Asked, id, place), &row)?;
        contact.asked.insert(place, asked);
        if !is_new {
            return Ok(());
        }
        let kind = match question {
            Question::Reset => EventKind::ResetRequested,
            Question::Identity => EventKind::OtherIdentity,
        };
        self.add_event(step, id, today, kind)
    }

    /// Agrees to one request of the contact.
    ///
    /// Reads the newest envelope that makes the request, as agreed to; if it is not valid any more,
    /// the one before it, and so on. Then reads the other envelopes that waited, without asking
    /// again: most belong to the session that the first one has begun.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if there is no contact with this name, with
    /// [`EngineError::NothingAsked`] if it does not make this request, or if no envelope of the
    /// request is valid any more, and with [`EngineError::Vault`] if the vault fails. Envelopes
    /// that were tried are gone also when the call fails.
    pub fn agree(&mut self, name: &str, asks: &ContactAsks, today: Day) -> Result<(), EngineError> {
        let own = *self.identity.identity_key().hash();
        let (id, contact) = self.find(name).ok_or(EngineError::UnknownContact)?;
        let mut waiting = Vec::with_capacity(contact.asked.len());
        for (place, asked) in &contact.asked {
            let row = self.vault.read::<AskedRow>(&key(Table::Asked, id, *place))?;
            waiting.extend(row.map(|row| (*place, asked.what(&own) == *asks, row)));
        }
        let mut agreed = false;
        while let Some(at) = waiting.iter().rposition(|(_, fits, _)| *fits) {
            let (place, _, row) = waiting.remove(at);
            agreed = self.answer(id, place, &row, true, today)?;
            if agreed {
                break;
            }
        }
        if !agreed {
            return Err(EngineError::NothingAsked);
        }
        for (place, _, row) in waiting {
            self.answer(id, place, &row, false, today)?;
        }
        Ok(())
    }

    /// Drops the envelopes that ask for a reset, because another session has begun.
    pub(super) fn forget_resets(&mut self, step: &mut Step, id: u32) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let over = contact.asked.extract_if(.., |_, asked| asked.question == Question::Reset);
        over.for_each(|(place, _)| step.changes.erase(key(Table::Asked, id, place)));
    }

    /// Declines all requests of the contact: drops the envelopes that make them. If another person
    /// has used the open invite, the invite is withdrawn, too.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if there is no contact with this name, with
    /// [`EngineError::NothingAsked`] if it makes no request, and with [`EngineError::Vault`] if the
    /// vault fails.
    pub fn decline(&mut self, name: &str) -> Result<(), EngineError> {
        let (id, _) = self.find(name).ok_or(EngineError::UnknownContact)?;
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&id).filter(|contact| !contact.asked.is_empty()) else {
            return Err(EngineError::NothingAsked);
        };
        let asked = std::mem::take(&mut contact.asked);
        // An invite that another person has used is of no use to the contact.
        if asked.values().any(|asked| asked.question == Question::Identity) && contact.give_up_invite() {
            step.changes.erase(key(Table::Invite, id, 0));
            step.contacts.insert(id);
        }
        asked.into_keys().for_each(|place| step.changes.erase(key(Table::Asked, id, place)));
        Ok(self.finish(step)?)
    }

    /// Reads and forgets the envelope `asked`, which was kept at `place`. If `agreed`, does first
    /// what the envelope asks for. Returns whether that was done: `false` if not `agreed`, or if
    /// the request is not valid any more.
    fn answer(
        &mut self,
        id: u32,
        place: u64,
        asked: &AskedRow,
        agreed: bool,
        today: Day,
    ) -> Result<bool, VaultError> {
        let mut step = self.step();
        step.changes.erase(key(Table::Asked, id, place));
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.asked.remove(&place);
        }
        let name = MailboxName { contact: id, mailbox: asked.mailbox };
        let received = match asked.question {
            _ if !agreed => None,
            Question::Reset => self.accept_reset(id, &asked.envelope, today),
            Question::Identity => self.accept_identity(&mut step, id, &asked.envelope, today)?,
        };
        let is_it = received.is_some();
        self.asks_nothing = true;
        let read = match received {
            Some(received) => self.take_received(&mut step, name, &asked.envelope, received, today),
            None => self.read(&mut step, name, &asked.envelope, today),
        };
        self.asks_nothing = false;
        // As in `delivered`: the session has changed in memory, and that is not stored.
        read.inspect_err(|error| self.dead |= !error.is_passing())?;
        if is_it && matches!(asked.question, Question::Reset) {
            // The contact learns by the first message of the new session that the user has agreed.
            self.queue_hello(&mut step, id)?;
            self.seal_drafts(&mut step, id)?;
        }
        self.finish(step)?;
        self.drain_backlog(id, today)?;
        Ok(is_it)
    }

    fn accept_reset(&mut self, id: u32, envelope: &[u8], today: Day) -> Option<Received> {
        let Peer { ratchet: Some(ratchet), .. } = self.contacts.get_mut(&id)? else { return None };
        ratchet.agree_to_reset(&self.identity, envelope, today).ok()
    }

    /// Gives a contact the identity of the person that used its invite, whose first message is
    /// `envelope`. Sessions with the old identity end. Returns what the message holds; `None` if no
    /// invite is open, or if the message does not open with it.
    fn accept_identity(
        &mut self,
        step: &mut Step,
        id: u32,
        envelope: &[u8],
        today: Day,
    ) -> Result<Option<Received>, VaultError> {
        let sure = self.sure_day(today);
        let Some(Peer { invite: Some((_, invite)), .. }) = self.contacts.get_mut(&id) else {
            return Ok(None);
        };
        let Ok(accepted) = invite.accept(&self.identity, envelope, |_| false, sure) else { return Ok(None) };
        let peer = *accepted.peer.hash();
        self.change_identity(step, id, peer, today)?;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(None) };
        let Some(ratchet) = contact.ratchet.as_mut() else { return Ok(None) };
        let Ok(received) = ratchet.add_accepted(accepted, deaddrop_e2ee::contact::InvitePolicy::KeepSessions)
        else {
            return Ok(None);
        };
        contact.invite = None;
        contact.person.contested = false;
        self.add_event(step, id, today, EventKind::InviteAccepted)?;
        self.draw_stream(step, id)?;
        self.want_private(step, id)?;
        Ok(Some(received))
    }

    /// Gives a contact another identity: ends every session with the old one, and drops the
    /// contact's addresses, which belong to the device of the old identity. Retires the contact's
    /// private mailboxes, which that device may know.
    pub(super) fn change_identity(
        &mut self,
        step: &mut Step,
        id: u32,
        peer: IdentityHash,
        today: Day,
    ) -> Result<(), VaultError> {
        let vault = &self.vault;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let ratchet = contact.ratchet.get_or_insert_with(|| deaddrop_e2ee::contact::Contact::new(peer));
        let changed = ratchet.change_identity(peer);
        step.add_session_changes(vault, id, &mut contact.row, changed.changes)?;
        (contact.person.root, contact.row.leaf) = (Some(*peer.as_bytes()), Some(*peer.as_bytes()));
        contact.row.addresses.clear();
        // The links to the old identity's mailboxes learnt these; those to the new one's show other rights.
        if self.moved_relays.remove(&id).is_some() {
            step.changes.erase(key(Table::MovedRelays, id, 0));
        }
        contact.row.established = false;
        // The device of the old identity knows the mailboxes that were told to it.
        contact.row.mailboxes.iter_mut().filter(|row| row.kind == MailboxKind::Private).for_each(|row| {
            row.state = MailboxState::Retiring;
        });
        step.persons.insert(id);
        step.contacts.insert(id);
        let name = MailboxName { contact: id, mailbox: 0 };
        changed
            .events
            .into_iter()
            .try_for_each(|event| self.handle_session_event(step, name, &[], event, today))
    }
}
