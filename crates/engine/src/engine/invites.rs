//! Invites on both sides (spec/14-client.md section 5). The inviter makes two mailboxes: the
//! *invite mailbox*, in which the sealed bundle lies and to which the link leads, and the *landing
//! mailbox*, into which the first message of the person that accepts is put.

use super::{Engine, Peer, mailboxes::address_of};
use crate::{
    error::{EngineError, VaultError},
    event::EventKind,
    vault::{AcceptedInvite, InviteRow, MailboxKind, MailboxRow, MailboxState, Table, Vault, key},
};
use deaddrop_e2ee::{
    contact::InvitePolicy,
    invite::{InviteLink, PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_link::{
    MailboxAddress,
    capability::{OwnCapability, ReadCapability, SendCapability},
};
use deaddrop_wire::{Day, RelayAddress};
use rand_core::CryptoRng;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// The mailboxes and the bundle that a relay must have before the link of an invite is given out.
pub struct Publication {
    /// Number of the contact that is invited.
    pub contact: u32,
    /// The relay on which the two mailboxes and the bundle are to lie.
    pub relay: RelayAddress,
    /// Own, read and send capability of the landing mailbox.
    pub landing: (OwnCapability, ReadCapability, SendCapability),
    /// Own, read and send capability of the invite mailbox.
    pub invite: (OwnCapability, ReadCapability, SendCapability),
    /// The sealed bundle, to be put into the invite mailbox.
    pub bundle: Vec<u8>,
}

/// An invite that the user accepts.
pub struct Acceptance<'a> {
    /// The name for the contact: a new one, or that of a contact that sends a new invite.
    pub name: &'a str,
    /// The link of the invite, as the inviter gave it.
    pub link: &'a InviteLink,
    /// The sealed bundle, as it lay in the invite mailbox.
    pub blob: &'a [u8],
    /// The private IP address at which the bundle was found and which the user has allowed; `None`:
    /// the address was public.
    pub allowed: Option<IpAddr>,
    /// Whether the user agrees that a known contact gets another identity.
    pub new_identity: bool,
}

impl<'a> Acceptance<'a> {
    /// Creates an acceptance without consent to a private address or to another identity.
    #[must_use]
    pub const fn of(name: &'a str, link: &'a InviteLink, blob: &'a [u8]) -> Self {
        Self { name, link, blob, allowed: None, new_identity: false }
    }
}

/// An invite mailbox that is to be emptied.
pub struct InviteToEmpty {
    /// Number of the contact whose invite this user has accepted.
    pub contact: u32,
    /// The relay on which the invite mailbox lies.
    pub relay: RelayAddress,
    /// The capability to read the invite mailbox.
    pub read: ReadCapability,
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns the relay on which an invite for this name will be published. Changes nothing.
    ///
    /// # Errors
    /// Fails with [`EngineError::InviteOpen`] if an invite for this name is published and open,
    /// with [`EngineError::BadName`] or [`EngineError::NameLooksAlike`] if no contact has the name
    /// and it cannot be used, with [`EngineError::Vault`] if the vault has no room, and with
    /// [`EngineError::NoRelay`] if no relay is set.
    pub fn relay_of_invite(&self, name: &str) -> Result<RelayAddress, EngineError> {
        let found = self.find(name).map(|(_, contact)| contact.invite.as_ref());
        let relay = match found {
            Some(Some((row, _))) if row.bundle.is_some() => row.relay.parse().ok(),
            Some(Some(_)) => return Err(EngineError::InviteOpen),
            Some(None) => self.relay(),
            None => {
                self.check_new_name(name)?;
                self.relay()
            }
        };
        self.check_room()?;
        relay.ok_or(EngineError::NoRelay)
    }

    /// Makes an invite whose last day is `days` days after `today`, stores it, and returns the
    /// number of its contact. If an invite for this name was made and not published, continues with
    /// that invite, or withdraws it if it would end earlier. A contact that has answered can be
    /// invited again: a new session begins when it accepts.
    ///
    /// # Errors
    /// Fails with [`EngineError::InviteOpen`] if an invite for this name is published and open,
    /// with [`EngineError::BadName`] or [`EngineError::NameLooksAlike`] if no contact has the name
    /// and it cannot be used, with [`EngineError::NoRelay`] if no relay is set, and with
    /// [`EngineError::Vault`] if the vault has no room or fails. An invite that would end too early
    /// is withdrawn also when the call then fails.
    pub fn begin_invite(&mut self, name: &str, today: Day, days: u32) -> Result<u32, EngineError> {
        let unpublished = self.find(name).and_then(|(id, contact)| {
            let (row, pending) = contact.invite.as_ref()?;
            row.bundle.is_some().then(|| (id, pending.not_after()))
        });
        match unpublished {
            Some((id, last)) if last >= today.plus(days) => return Ok(id),
            // It was made on an earlier day, and would end too early.
            Some(_) => self.withdraw_invite(name)?,
            None => {}
        }
        let known = self.find(name).map(|(id, contact)| (id, contact.invite.is_some()));
        if let Some((_, true)) = known {
            return Err(EngineError::InviteOpen);
        }
        self.check_room()?;
        let known = known.map(|(id, _)| id);
        let name = if known.is_none() { self.check_new_name(name)? } else { String::new() };
        let relay = self.relay().ok_or(EngineError::NoRelay)?;
        let mut step = self.step();
        let id = known.map_or_else(|| self.add_contact(&mut step, &name), Ok)?;
        let rng = &mut self.rng;
        let Some(contact) = self.contacts.get_mut(&id) else { return Err(EngineError::UnknownContact) };
        contact.want_mailbox(&relay, MailboxKind::Landing, rng);
        let address = contact.row.mailboxes.last().and_then(address_of).unwrap_or_default();
        let made = PendingInvite::create(&self.identity, today.plus(days), &address, rng);
        let (pending, bundle) = made.map_err(|_| EngineError::NoRelay)?;
        let row = InviteRow {
            pending: pending.to_bytes(),
            relay: relay.to_string(),
            own: OwnCapability::generate(rng),
            send: SendCapability::generate(rng),
            bundle: Some(bundle),
        };
        step.changes.put(key(Table::Invite, id, 0), &row)?;
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.invite = Some((row, pending));
        }
        step.contacts.insert(id);
        self.finish(step)?;
        Ok(id)
    }

    /// Whether [`end_invites`](Self::end_invites) has something to do.
    pub fn has_ended_invites(&self, today: Day) -> bool {
        let today = self.sure_day(today);
        self.contacts.values().any(|contact| contact.has_ended_invite(today))
    }

    /// Ends the open invites whose last day has passed on the *sure day*: the believed day without
    /// days that no own relay has confirmed. Their secrets are erased, their landing mailboxes are
    /// deleted, and the app is told ([`InviteExpired`](EventKind::InviteExpired)). Messages for the
    /// contacts stay.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn end_invites(&mut self, today: Day) -> Result<(), VaultError> {
        let sure = self.sure_day(today);
        for id in self.contact_ids() {
            let ended = self.contacts.get_mut(&id).filter(|contact| contact.has_ended_invite(sure));
            let Some(contact) = ended else { continue };
            contact.invite = None;
            contact.retire_invite_landing();
            let mut step = self.step();
            step.changes.erase(key(Table::Invite, id, 0));
            step.contacts.insert(id);
            self.add_event(&mut step, id, today, EventKind::InviteExpired)?;
            self.finish(step)?;
        }
        Ok(())
    }

    /// Ends an open invite. Its secrets are erased at once, and its mailboxes are deleted as soon
    /// as their relay answers. Messages for the contact stay.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if there is no contact with this name, with
    /// [`EngineError::NoInvite`] if no invite for it is open, and with [`EngineError::Vault`] if
    /// the vault fails.
    pub fn withdraw_invite(&mut self, name: &str) -> Result<(), EngineError> {
        let (id, _) = self.find(name).ok_or(EngineError::UnknownContact)?;
        let Some(contact) = self.contacts.get_mut(&id) else { return Err(EngineError::UnknownContact) };
        if !contact.give_up_invite() {
            return Err(EngineError::NoInvite);
        }
        let mut step = self.step();
        step.changes.erase(key(Table::Invite, id, 0));
        step.contacts.insert(id);
        Ok(self.finish(step)?)
    }

    /// Returns the link of an open invite that has been published, as text.
    ///
    /// # Errors
    /// Fails with [`EngineError::UnknownContact`] if there is no contact with this name, and with
    /// [`EngineError::NoInvite`] if no published invite for it is open.
    pub fn open_link(&self, name: &str) -> Result<Zeroizing<String>, EngineError> {
        let (id, contact) = self.find(name).ok_or(EngineError::UnknownContact)?;
        // One that is not published yet is made by inviting once more.
        let is_published = contact.invite.as_ref().is_some_and(|(row, _)| row.bundle.is_none());
        self.link_text(id).filter(|_| is_published).ok_or(EngineError::NoInvite)
    }

    /// Returns what has to be published of the invite of the contact with this number; `None` if it
    /// has been published, or if there is none. If the user has moved to another relay since the
    /// invite was made, the relay of the publication is not the one that
    /// [`relay_of_invite`](Self::relay_of_invite) returned: publish it at the relay of the
    /// publication.
    pub fn publication(&self, id: u32) -> Option<Publication> {
        let contact = self.contacts.get(&id)?;
        let (row, pending) = contact.invite.as_ref()?;
        // An expired invite's landing may still wait to be deleted.
        let landing = contact.row.mailboxes.iter().rfind(|mailbox| mailbox.kind == MailboxKind::Landing)?;
        Some(Publication {
            contact: id,
            relay: row.relay.parse().ok()?,
            landing: (landing.own.duplicate(), landing.read.duplicate(), landing.send.duplicate()),
            invite: (
                row.own.duplicate(),
                ReadCapability::copy_of(pending.secret().read_capability().expose()),
                row.send.duplicate(),
            ),
            bundle: row.bundle.clone()?,
        })
    }

    /// Notes that the invite of the contact with this number has been published: its mailboxes and
    /// its bundle lie at the relay. The link may be given out from now on.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn published(&mut self, id: u32) -> Result<(), VaultError> {
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if let Some((row, _)) = contact.invite.as_mut() {
            row.bundle = None;
            step.changes.put(key(Table::Invite, id, 0), row)?;
        }
        contact.landings().filter(|mailbox| mailbox.state == MailboxState::Wanted).for_each(|mailbox| {
            mailbox.state = MailboxState::Live;
        });
        step.contacts.insert(id);
        self.finish(step)
    }

    /// Returns the link of a contact's open invite as text, published or not; `None` if there is no
    /// invite, or if the address of its relay in the row cannot be read.
    pub fn link_text(&self, id: u32) -> Option<Zeroizing<String>> {
        let (row, pending) = self.contacts.get(&id)?.invite.as_ref()?;
        Some(InviteLink::new(row.relay.parse().ok()?, pending.secret().duplicate()).to_text())
    }

    /// Checks whether accepting an invite under this name can be refused already before its bundle
    /// is fetched.
    ///
    /// # Errors
    /// Fails with [`EngineError::BadName`] or [`EngineError::NameLooksAlike`] if no contact has the
    /// name and it cannot be used, with [`EngineError::Bundle`] of
    /// [`BundleError::Own`](crate::BundleError::Own) if the invite is an open one of this user, and
    /// with [`EngineError::Vault`] if the vault has no room.
    pub fn check_accept(&self, name: &str, link: &InviteLink) -> Result<(), EngineError> {
        if self.find(name).is_none() {
            self.check_new_name(name)?;
        }
        let own = self.contacts.values().filter_map(|contact| contact.invite.as_ref());
        if own.into_iter().any(|(_, pending)| pending.secret() == link.secret()) {
            return Err(EngineError::Bundle(deaddrop_e2ee::invite::BundleError::Own));
        }
        self.check_room()
    }

    /// Whether accepting an invite under this name needs a new private mailbox. `new_identity`
    /// tells whether the contact gets another identity.
    pub fn accepting_takes_mailbox(&self, name: &str, new_identity: bool) -> bool {
        new_identity || self.find(name).is_none_or(|(_, contact)| contact.private().next().is_none())
    }

    /// Accepts an invite: begins a session with the person who made it, stores it, and returns the
    /// number of the contact. The invite mailbox is emptied only after a relay has stored the first
    /// message. Accepting the same invite again by the same name changes nothing. If no relay is
    /// set, that of the link is set. [`Acceptance::allowed`] is allowed from then on, as by
    /// [`allow_private`](Self::allow_private).
    ///
    /// # Errors
    /// Fails as [`check_accept`](Self::check_accept) does, with [`EngineError::Bundle`] if the
    /// bundle is refused, with [`EngineError::AlreadyContact`] if the person is a contact of
    /// another name, or the invite was accepted under another name, with
    /// [`EngineError::OtherIdentity`] if the contact would get another identity and
    /// [`Acceptance::new_identity`] does not allow it, and with [`EngineError::Vault`] if the vault
    /// fails.
    pub fn begin_accept(&mut self, acceptance: &Acceptance<'_>, today: Day) -> Result<u32, EngineError> {
        let Acceptance { name, link, blob, allowed, new_identity } = *acceptance;
        self.check_accept(name, link)?;
        let read = ReadCapability::copy_of(link.secret().read_capability().expose());
        let is_it = |contact: &Peer| {
            let accepted = contact.row.accepted_invite.as_ref();
            accepted.is_some_and(|accepted| accepted.read.expose() == read.expose())
        };
        if let Some((id, _)) = self.contacts.iter().find(|(_, contact)| is_it(contact)) {
            let is_named = self.find(name).is_some_and(|(named, _)| named == *id);
            return if is_named { Ok(*id) } else { Err(EngineError::AlreadyContact) };
        }
        let own = *self.identity.identity_key().hash();
        let bundle =
            VerifiedBundle::open(link.secret(), blob, &own, None, today).map_err(EngineError::Bundle)?;
        let peer = *bundle.identity().hash();
        let known = self.find(name).map(|(id, contact)| (id, contact.person.root));
        let is_other = match known {
            Some((_, Some(root))) => root != *peer.as_bytes(),
            _ if self.knows(&peer) => return Err(EngineError::AlreadyContact),
            _ => false,
        };
        if is_other && (self.knows(&peer) || !new_identity) {
            return Err(if new_identity { EngineError::AlreadyContact } else { EngineError::OtherIdentity });
        }
        if MailboxAddress::decode(bundle.address()).is_err() {
            return Err(EngineError::Bundle(deaddrop_e2ee::invite::BundleError::BadKey));
        }
        let relay = self.relay().unwrap_or_else(|| link.relay().clone());
        let (session, set) = Session::initiate(&self.identity, &bundle, &mut self.rng)
            .map_err(|_| EngineError::Bundle(deaddrop_e2ee::invite::BundleError::BadKey))?;
        let new_name = if known.is_none() { self.check_new_name(name)? } else { String::new() };
        let mut step = self.step();
        if self.config.relay.is_none() {
            self.config.relay = Some(relay.to_string());
            self.adopt(&mut step, &relay)?;
            step.config = true;
        }
        if let Some(ip) = allowed {
            self.add_allowed(&mut step, ip)?;
        }
        let id = match known {
            Some((id, _)) => id,
            None => self.add_contact(&mut step, &new_name)?,
        };
        if is_other {
            self.change_identity(&mut step, id, peer, today)?;
        }
        let vault = &self.vault;
        let Some(contact) = self.contacts.get_mut(&id) else { return Err(EngineError::UnknownContact) };
        let ratchet = contact.ratchet.get_or_insert_with(|| deaddrop_e2ee::contact::Contact::new(peer));
        let added = ratchet
            .add_initiated(session, set, bundle.not_after(), InvitePolicy::KeepSessions)
            .map_err(|_| EngineError::AlreadyContact)?;
        step.add_session_changes(vault, id, &mut contact.row, added.changes)?;
        (contact.person.root, contact.row.leaf) = (Some(*peer.as_bytes()), Some(*peer.as_bytes()));
        // A landing of an own open invite ends with that invite.
        if contact.private().next().is_none() {
            contact.want_mailbox(&relay, MailboxKind::Private, &mut self.rng);
            contact.row.hello_due = true;
        }
        contact.row.reset_due = false;
        contact.row.accepted_invite = Some(AcceptedInvite {
            relay: link.relay().to_string(),
            read: ReadCapability::copy_of(link.secret().read_capability().expose()),
            stored_at_relay: false,
        });
        step.contacts.insert(id);
        step.persons.insert(id);
        let name = super::MailboxName { contact: id, mailbox: 0 };
        for event in added.events {
            self.handle_session_event(&mut step, name, &[], event, today)?;
        }
        self.learn_address(id, bundle.address());
        if known.is_some() {
            self.draw_stream(&mut step, id)?;
            // Neither texts that wait for a free hour nor a receipt of an earlier session tell the inviter.
            let drafts = self.contacts.get(&id).map(|contact| &contact.drafts);
            if drafts.is_some_and(|drafts| drafts.values().all(|draft| draft.stored_at_relay)) {
                self.queue_hello(&mut step, id)?;
            }
        }
        self.seal_drafts(&mut step, id)?;
        self.finish(step)?;
        self.drain_backlog(id, today)?;
        Ok(id)
    }

    /// Returns the invite mailboxes of accepted invites that are to be emptied, because a relay has
    /// stored the first message.
    pub fn invites_to_empty(&self) -> Vec<InviteToEmpty> {
        let taken = self.contacts.iter().filter_map(|(id, contact)| {
            let invite = contact.row.accepted_invite.as_ref().filter(|invite| invite.stored_at_relay)?;
            let relay = invite.relay.parse().ok()?;
            Some(InviteToEmpty { contact: *id, relay, read: invite.read.duplicate() })
        });
        taken.collect()
    }

    /// Notes that the mailbox of the invite that the contact with this number had made is empty.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn invite_emptied(&mut self, id: u32) -> Result<(), VaultError> {
        let mut step = self.step();
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.row.accepted_invite = None;
            step.contacts.insert(id);
        }
        self.finish(step)
    }
}

impl Peer {
    fn has_ended_invite(&self, today: Day) -> bool {
        self.invite.as_ref().is_some_and(|(_, pending)| pending.not_after() < today)
    }

    /// Ends the open invite: retires its landing and its invite mailbox, so that the link finds
    /// nothing. Returns `false` if no invite is open.
    pub(super) fn give_up_invite(&mut self) -> bool {
        let Some((row, pending)) = self.invite.take() else { return false };
        self.retire_invite_landing();
        // The mailbox with the bundle is deleted as any other one is that is given up.
        let number = self.row.next_mailbox;
        self.row.next_mailbox = number.saturating_add(1);
        self.row.mailboxes.push(MailboxRow {
            id: number,
            relay: row.relay,
            kind: MailboxKind::Landing,
            state: MailboxState::Retiring,
            own: row.own,
            read: ReadCapability::copy_of(pending.secret().read_capability().expose()),
            send: row.send,
        });
        true
    }

    /// Retires the landing of an invite that ends: the newest landing, or all of them if there is
    /// no session yet.
    fn retire_invite_landing(&mut self) {
        let is_met = self.standing().is_some();
        let landings = self.landings().filter(|mailbox| mailbox.state != MailboxState::Retiring);
        if is_met {
            landings.last().into_iter().for_each(|mailbox| mailbox.state = MailboxState::Retiring);
        } else {
            landings.for_each(|mailbox| mailbox.state = MailboxState::Retiring);
        }
    }

    pub(super) fn landings(&mut self) -> impl Iterator<Item = &mut crate::vault::MailboxRow> {
        self.row.mailboxes.iter_mut().filter(|mailbox| mailbox.kind == MailboxKind::Landing)
    }
}
