//! Sending: an item without a number is a *draft*. Drafts are kept in the order of their *places*,
//! and get their number when they are encrypted (*sealed*), in a stream that can be replaced
//! (spec/14-client.md section 3).

use super::{Engine, Peer, outbox::CONTROL, step::Step};
use crate::{
    error::{EngineError, VaultError},
    vault::{DraftRow, ItemKind, ItemRow, OutStream, Rows, Sealed, Table, Vault, VaultRoom, key, sub_key},
};
use deaddrop_e2ee::{
    content::{self, Content, MAX_TEXT, Message, MessageId, StreamDigest, StreamId},
    identity::IdentityHash,
    session::{EncryptError, Session, Standing},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The sub number in the keys of draft rows, which tells them from items.
const DRAFT: u8 = 1;
/// The place of the first draft that is new. Drafts that were items of an earlier stream have lower
/// places, so that they come first.
const FIRST_DRAFT: u64 = 1 << 63;
/// Number of messages of a turn that are reserved for new items: items are sent again only as long
/// as more are left (spec/14-client.md section 3).
pub(super) const LEFT_IN_TURN: u32 = 500;
/// The field `to_mask` of a message for the contact's main device, the only one: bit 0.
const TO_MAIN: u16 = 1;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Takes a text into the outbox. The text is durable when this returns, and the id names it in
    /// the event [`Delivered`](crate::EventKind::Delivered). `now` is in seconds since 1970-01-01.
    ///
    /// # Errors
    /// Fails with [`EngineError::TextTooLong`] if the text has more than [`MAX_TEXT`] bytes, with
    /// [`EngineError::UnknownContact`] if there is no contact with this name, and with
    /// [`EngineError::Vault`] if the vault has no room or fails.
    pub fn send_text(&mut self, name: &str, text: &str, now: u64) -> Result<MessageId, EngineError> {
        if text.len() > MAX_TEXT {
            return Err(EngineError::TextTooLong);
        }
        let (id, contact) = self.find(name).ok_or(EngineError::UnknownContact)?;
        self.check_room()?;
        let clock = contact.conversation.clock.saturating_add(1);
        let message = MessageId::for_text(&mut self.rng, clock, text);
        let said = Message { id: message, clock, time: now, text: text.to_owned() };
        let item =
            Content::Message { stream: NOWHERE, number: 0, to_version: 0, to_mask: TO_MAIN, message: said };
        let content = content::encode(&[item]).map_err(|_| EngineError::TextTooLong)?;
        let mut step = self.step();
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.conversation.clock = clock;
        }
        step.conversations.insert(id);
        self.queue(&mut step, id, ItemKind::Message, Some(message), content)?;
        self.finish(step)?;
        Ok(message)
    }

    /// Adds a draft that tells a contact the encoded address of an own mailbox.
    pub(super) fn queue_move(
        &mut self,
        step: &mut Step,
        id: u32,
        mut address: Zeroizing<Vec<u8>>,
    ) -> Result<(), VaultError> {
        // The content wipes itself.
        let address = std::mem::take(&mut *address);
        let content = content::encode(&[Content::MailboxMove { stream: NOWHERE, number: 0, address }]);
        self.queue(step, id, ItemKind::Move, None, content.map_err(|_| VaultError::Corrupt)?)
    }

    fn queue(
        &mut self,
        step: &mut Step,
        id: u32,
        kind: ItemKind,
        message: Option<MessageId>,
        content: Zeroizing<Vec<u8>>,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let last = contact.drafts.last_key_value().map_or(0, |(place, _)| *place);
        let place = last.max(FIRST_DRAFT - 1).checked_add(1).ok_or(VaultError::Corrupt)?;
        let message = message.map(|message| message.0);
        contact.drafts.insert(place, DraftRow { kind, content, stored_at_relay: false, message });
        self.seal_drafts(step, id)?;
        if let Some(draft) = self.contacts.get(&id).and_then(|contact| contact.drafts.get(&place)) {
            step.changes.put(sub_key(Table::Outbox, id, place, DRAFT), draft)?;
        }
        Ok(())
    }

    /// Encrypts the items and drafts of a contact that can be encrypted, as far as the step has
    /// room. This needs a session, an address of the peer and, before the peer's first answer, an
    /// own address to tell.
    pub(super) fn seal_drafts(&mut self, step: &mut Step, id: u32) -> Result<(), VaultError> {
        let own = *self.identity.identity_key().hash();
        // What is sealed lies there twice until a relay has it: without room one at a time.
        let is_full = self.vault.room() == VaultRoom::Full;
        let (rng, vault) = (&mut self.rng, &self.vault);
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if contact.row.outgoing.renumbers {
            contact.renumber(step, id)?;
            if contact.row.outgoing.renumbers {
                return Ok(());
            }
        }
        let Some(to) = contact.target(&own)? else { return Ok(()) };
        let waits = contact.row.accepted_invite.as_ref().is_some_and(|invite| !invite.stored_at_relay);
        if waits && !to.prefix.is_empty() && contact.items.is_empty() && contact.drafts.is_empty() {
            contact.items.insert(CONTROL, ItemRow::control(Zeroizing::default()));
        }
        let is_draft = |item: &ItemRow| item.sealed.is_none() && item.again_on.is_none();
        let items: Vec<u64> =
            contact.items.iter().filter(|(_, item)| is_draft(item)).map(|(number, _)| *number).collect();
        for number in items {
            let stored_at_relay = contact.items.get(&number).is_some_and(|item| item.stored_at_relay);
            if stored_at_relay && contact.room_in_turn() <= LEFT_IN_TURN {
                continue;
            }
            // The rest follows with the next answer of a relay.
            if step.room() == 0
                || is_full && contact.has_sealed()
                || !contact.seal_item(vault, step, id, number, &to, rng)?
            {
                return Ok(());
            }
        }
        // What is sent again has its own time and bounds; its receiver sees by the clocks that it is late.
        let drafts = contact.drafts.iter().filter(|(_, draft)| !draft.stored_at_relay);
        for place in drafts.map(|(place, _)| *place).take(step.room()).collect::<Vec<_>>() {
            if step.room() == 0
                || is_full && contact.has_sealed()
                || !contact.seal_draft(vault, step, id, place, &to, rng)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Replaces the stream to a contact by a new one, in which the items without a receipt are sent
    /// again, under new numbers.
    pub(super) fn draw_stream(&mut self, step: &mut Step, id: u32) -> Result<(), VaultError> {
        let rng = &mut self.rng;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let OutStream { drawn_on, disagrees, .. } = contact.row.outgoing;
        contact.row.outgoing = OutStream { drawn_on, disagrees, renumbers: true, ..OutStream::draw(rng) };
        contact.confirmed = None;
        step.contacts.insert(id);
        contact.renumber(step, id)
    }

    /// Continues to turn items of an earlier stream into drafts, for which one step had no room.
    /// Returns `false` if no such work was left.
    pub(super) fn continue_renumbering(&mut self, step: &mut Step, id: u32) -> Result<bool, VaultError> {
        let Some(contact) = self.contacts.get_mut(&id).filter(|contact| contact.row.outgoing.renumbers)
        else {
            return Ok(false);
        };
        contact.renumber(step, id)?;
        if !contact.row.outgoing.renumbers {
            self.seal_drafts(step, id)?;
        }
        Ok(true)
    }
}

/// The address for which an envelope is sealed, and the items that its content must begin with.
pub(super) struct Target {
    /// The encoded items before the content of an envelope: [`Content::Hello`] and
    /// [`Content::Device`] as long as the peer has not answered, then [`Content::Hello`] as long as
    /// a [`Content::MailboxMove`] waits for its receipt, else none.
    pub(super) prefix: Zeroizing<Vec<u8>>,
    pub(super) address: Zeroizing<Vec<u8>>,
}

/// The stream id in the content of a draft, which belongs to no stream yet.
const NOWHERE: StreamId = StreamId([0; 16]);

impl ItemRow {
    /// Creates a control message with this encoded content. Without content it is a Hello alone or,
    /// once the peer has answered, an empty message.
    pub(super) fn control(content: Zeroizing<Vec<u8>>) -> Self {
        Self {
            kind: ItemKind::Control,
            content,
            sealed: None,
            again_on: None,
            stored_at_relay: false,
            message: None,
            digest: StreamDigest::empty(),
        }
    }
}

impl Peer {
    /// Returns the peer's newest encoded address that has not refused; `None` if there is none.
    pub(super) fn best_address(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.row.addresses.iter().rev().find(|address| !address.stale).map(|address| address.encoded.clone())
    }

    fn has_sealed(&self) -> bool {
        self.items.values().any(|item| item.sealed.is_some())
    }

    /// Returns the number of messages that can still be sent before the peer has to answer; 0
    /// without a session.
    pub(super) fn room_in_turn(&self) -> u32 {
        self.ratchet
            .as_ref()
            .and_then(deaddrop_e2ee::contact::Contact::sending)
            .map_or(0, Session::room_in_turn)
    }

    /// Returns the target of everything that is sealed for this peer now; `None` if nothing can be
    /// sealed. `own` is this user's identity.
    pub(super) fn target(&self, own: &IdentityHash) -> Result<Option<Target>, VaultError> {
        let (prefix, address) = (self.prefix(own)?, self.best_address());
        Ok(prefix.zip(address).map(|(prefix, address)| Target { prefix, address }))
    }

    fn prefix(&self, own: &IdentityHash) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let Some(standing) = self.standing() else { return Ok(None) };
        let is_answered = standing != Standing::Unanswered;
        // The message with the move may be one that the peer never reads: a vault that was put back repeats numbers.
        let address = if is_answered { self.moved_address() } else { self.own_address() };
        let Some(mut address) = address else {
            return Ok(is_answered.then(Zeroizing::default));
        };
        let hello = Content::Hello { address: std::mem::take(&mut *address) };
        let device = Content::Device { root: *own, list_version: 0 };
        let items = [hello, device];
        let items = if is_answered { &items[..1] } else { &items[..] };
        content::encode(items).map(Some).map_err(|_| VaultError::Corrupt)
    }

    /// Encrypts a content, given as prefix and rest, by the session that is used for sending, and
    /// returns the envelope. Returns `None` if the turn is full, or if there is no such session.
    fn encrypt<V: Vault, R: CryptoRng>(
        &mut self,
        vault: &Rows<V>,
        step: &mut Step,
        id: u32,
        [prefix, content]: [&[u8]; 2],
        rng: &mut R,
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let Some(ratchet) = self.ratchet.as_mut() else { return Ok(None) };
        let content = Zeroizing::new([prefix, content].concat());
        match ratchet.encrypt(&content, rng) {
            Ok((envelope, changes)) => {
                self.sends_in = ratchet.sending().map(Session::id);
                step.add_session_changes(vault, id, &mut self.row, changes)?;
                Ok(Some(envelope.as_bytes().to_vec()))
            }
            Err(EncryptError::TurnFull | EncryptError::NoSession) => Ok(None),
            Err(_) => Err(VaultError::Corrupt),
        }
    }

    /// Encrypts the item with this number, or the control message, for an address. Returns `false`
    /// if that is not possible now.
    pub(super) fn seal_item<V: Vault, R: CryptoRng>(
        &mut self,
        vault: &Rows<V>,
        step: &mut Step,
        id: u32,
        number: u64,
        to: &Target,
        rng: &mut R,
    ) -> Result<bool, VaultError> {
        let Some(item) = self.items.get(&number) else { return Ok(false) };
        let content = item.content.clone();
        let Some(envelope) = self.encrypt(vault, step, id, [&to.prefix, &content], rng)? else {
            return Ok(false);
        };
        let Some(item) = self.items.get_mut(&number) else { return Ok(false) };
        item.sealed = Some(Sealed { address: to.address.clone(), envelope });
        step.changes.put(key(Table::Outbox, id, number), item)?;
        Ok(true)
    }

    /// Gives the draft at a place its number and encrypts it. Returns `false` if that is not
    /// possible now; it stays a draft then.
    pub(super) fn seal_draft<V: Vault, R: CryptoRng>(
        &mut self,
        vault: &Rows<V>,
        step: &mut Step,
        id: u32,
        place: u64,
        to: &Target,
        rng: &mut R,
    ) -> Result<bool, VaultError> {
        let Some(draft) = self.drafts.get(&place) else { return Ok(false) };
        let stream = &self.row.outgoing;
        let (number, after) = (stream.next, stream.next.checked_add(1).ok_or(VaultError::Corrupt)?);
        let mut content = draft.content.clone();
        let hash = content::set_place(&mut content, StreamId(stream.id), number)
            .then(|| content::item_hash(&content))
            .flatten()
            .ok_or(VaultError::Corrupt)?;
        let digest = stream.digest.then(&hash);
        let Some(envelope) = self.encrypt(vault, step, id, [&to.prefix, &content], rng)? else {
            return Ok(false);
        };
        let Some(draft) = self.drafts.remove(&place) else { return Ok(false) };
        (self.row.outgoing.next, self.row.outgoing.digest) = (after, digest.clone());
        let item = ItemRow {
            kind: draft.kind,
            content,
            sealed: Some(Sealed { address: to.address.clone(), envelope }),
            again_on: None,
            stored_at_relay: draft.stored_at_relay,
            message: draft.message,
            digest,
        };
        step.changes.erase(sub_key(Table::Outbox, id, place, DRAFT));
        step.changes.put(key(Table::Outbox, id, number), &item)?;
        step.contacts.insert(id);
        self.items.insert(number, item);
        Ok(true)
    }

    /// Turns items of the earlier stream into drafts, as many as the step has room for. Clears the
    /// mark [`OutStream::renumbers`] when none is left.
    fn renumber(&mut self, step: &mut Step, id: u32) -> Result<(), VaultError> {
        step.contacts.insert(id);
        while let Some((number, _)) = self.items.range(CONTROL + 1..).next() {
            if step.room() < 2 {
                return Ok(());
            }
            let number = *number;
            let Some(item) = self.items.remove(&number) else { break };
            let draft = DraftRow {
                kind: item.kind,
                stored_at_relay: item.stored_at_relay || item.again_on.is_some(),
                message: item.message,
                content: item.content,
            };
            step.changes.erase(key(Table::Outbox, id, number));
            if self.missing.remove(&number).is_some() {
                step.changes.erase(key(Table::Missing, id, number));
            }
            // Behind those of the stream before that still wait.
            let last = self.drafts.range(..FIRST_DRAFT).next_back().map_or(0, |(place, _)| *place);
            let place = last.saturating_add(1);
            step.changes.put(sub_key(Table::Outbox, id, place, DRAFT), &draft)?;
            self.drafts.insert(place, draft);
        }
        self.row.outgoing.renumbers = false;
        Ok(())
    }
}
