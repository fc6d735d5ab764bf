//! Invites on both sides (spec/14-client.md section 5).

use super::{Contact, Engine, mailboxes::address_of};
use crate::{
    error::{ClientError, VaultError},
    event::EventKind,
    vault::{AcceptedInvite, InviteRow, MailboxKind, MailboxRow, MailboxState, Table, key},
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
use deaddrop_shred::Disk;
use deaddrop_wire::{Day, RelayAddress};
use std::net::IpAddr;
use zeroize::Zeroizing;

/// What must lie at the relay before a link is given out.
pub(crate) struct Publication {
    pub(crate) contact: u32,
    pub(crate) relay: RelayAddress,
    /// Own, read and send capability of the landing mailbox.
    pub(crate) landing: (OwnCapability, ReadCapability, SendCapability),
    /// The same of the invite mailbox.
    pub(crate) invite: (OwnCapability, ReadCapability, SendCapability),
    pub(crate) bundle: Vec<u8>,
}

/// What the user accepts.
pub(crate) struct Acceptance<'a> {
    /// The contact's name: a new one, or that of a contact that sends a new invite.
    pub(crate) name: &'a str,
    pub(crate) link: &'a InviteLink,
    /// The sealed bundle.
    pub(crate) blob: &'a [u8],
    /// The private address that the user has allowed and at which the bundle was found.
    pub(crate) allowed: Option<IpAddr>,
    /// The user agrees that a known contact has another identity.
    pub(crate) new_identity: bool,
}

#[cfg(test)]
impl<'a> Acceptance<'a> {
    /// Without any consent.
    pub(crate) fn of(name: &'a str, link: &'a InviteLink, blob: &'a [u8]) -> Self {
        Self { name, link, blob, allowed: None, new_identity: false }
    }
}

/// An invite mailbox that is to be emptied.
pub(crate) struct Taken {
    pub(crate) contact: u32,
    pub(crate) relay: RelayAddress,
    pub(crate) read: ReadCapability,
}

impl<D: Disk + 'static> Engine<D> {
    /// The relay on which an invite for this name will be published.
    pub(crate) fn relay_of_invite(&self, name: &str) -> Result<RelayAddress, ClientError> {
        let found = self.find(name).map(|(_, contact)| contact.invite.as_ref());
        let relay = match found {
            Some(Some((row, _))) if row.bundle.is_some() => row.relay.parse().ok(),
            Some(Some(_)) => return Err(ClientError::InviteOpen),
            Some(None) => self.relay(),
            None => {
                self.check_new_name(name)?;
                self.relay()
            }
        };
        self.check_room()?;
        relay.ok_or(ClientError::NoRelay)
    }

    /// Makes an invite durably, or finds the one of this name that was made and not published. A contact that has answered may be
    /// invited once more: the two begin again then.
    pub(crate) fn begin_invite(&mut self, name: &str, today: Day, days: u32) -> Result<u32, ClientError> {
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
            return Err(ClientError::InviteOpen);
        }
        self.check_room()?;
        let known = known.map(|(id, _)| id);
        let name = if known.is_none() { self.check_new_name(name)? } else { String::new() };
        let relay = self.relay().ok_or(ClientError::NoRelay)?;
        let mut step = self.step();
        let id = known.map_or_else(|| self.add_contact(&mut step, &name), Ok)?;
        let rng = &mut self.rng;
        let Some(contact) = self.contacts.get_mut(&id) else { return Err(ClientError::UnknownContact) };
        contact.want_mailbox(&relay, MailboxKind::Landing, rng);
        let address = contact.row.mailboxes.last().and_then(address_of).unwrap_or_default();
        let made = PendingInvite::create(&self.identity, today.plus(days), &address, rng);
        let (pending, bundle) = made.map_err(|_| ClientError::NoRelay)?;
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
    pub(crate) fn has_ended_invites(&self, today: Day) -> bool {
        let today = self.sure_day(today);
        self.contacts.values().any(|contact| contact.has_ended_invite(today))
    }

    /// An invite whose last day has surely passed ends: its secrets go, its landing mailbox is deleted. What waits for the contact stays.
    pub(crate) fn end_invites(&mut self, today: Day) -> Result<(), VaultError> {
        let sure = self.sure_day(today);
        for id in self.contact_ids() {
            let ended = self.contacts.get_mut(&id).filter(|contact| contact.has_ended_invite(sure));
            let Some(contact) = ended else { continue };
            contact.invite = None;
            contact.retire_invite_landing();
            let mut step = self.step();
            step.changes.erase(key(Table::Invite, id, 0));
            step.contacts.insert(id);
            self.event(&mut step, id, today, EventKind::InviteExpired)?;
            self.finish(step)?;
        }
        Ok(())
    }

    /// Ends an open invite: its secrets go at once, its mailboxes as soon as their relay answers. What waits for the contact stays.
    pub(crate) fn withdraw_invite(&mut self, name: &str) -> Result<(), ClientError> {
        let (id, _) = self.find(name).ok_or(ClientError::UnknownContact)?;
        let Some(contact) = self.contacts.get_mut(&id) else { return Err(ClientError::UnknownContact) };
        if !contact.give_up_invite() {
            return Err(ClientError::NoInvite);
        }
        let mut step = self.step();
        step.changes.erase(key(Table::Invite, id, 0));
        step.contacts.insert(id);
        Ok(self.finish(step)?)
    }

    /// The link of an open invite that lies at its relay.
    pub(crate) fn open_link(&self, name: &str) -> Result<Zeroizing<String>, ClientError> {
        let (id, contact) = self.find(name).ok_or(ClientError::UnknownContact)?;
        // One that is not published yet is made by inviting once more.
        let is_published = contact.invite.as_ref().is_some_and(|(row, _)| row.bundle.is_none());
        self.link_text(id).filter(|_| is_published).ok_or(ClientError::NoInvite)
    }

    /// What is still to be published of an invite; `None` when all of it is.
    pub(crate) fn publication(&self, id: u32) -> Option<Publication> {
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

    /// The invite lies at the relay: the link may be given out.
    pub(crate) fn published(&mut self, id: u32) -> Result<(), VaultError> {
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

    /// The text of an invite's link.
    pub(crate) fn link_text(&self, id: u32) -> Option<Zeroizing<String>> {
        let (row, pending) = self.contacts.get(&id)?.invite.as_ref()?;
        Some(InviteLink::new(row.relay.parse().ok()?, pending.secret().duplicate()).to_text())
    }

    /// What can be refused before anything is fetched.
    pub(crate) fn check_accept(&self, name: &str, link: &InviteLink) -> Result<(), ClientError> {
        if self.find(name).is_none() {
            self.check_new_name(name)?;
        }
        let own = self.contacts.values().filter_map(|contact| contact.invite.as_ref());
        if own.into_iter().any(|(_, pending)| pending.secret() == link.secret()) {
            return Err(ClientError::Bundle(deaddrop_e2ee::invite::BundleError::Own));
        }
        self.check_room()
    }

    /// Whether accepting an invite by this name takes a new mailbox.
    pub(crate) fn accepting_takes_mailbox(&self, name: &str, new_identity: bool) -> bool {
        new_identity || self.find(name).is_none_or(|(_, contact)| contact.private().next().is_none())
    }

    /// Begins a session with who made the invite, durably. The invite mailbox is emptied only after a relay has taken the first
    /// message.
    pub(crate) fn begin_accept(
        &mut self,
        acceptance: &Acceptance<'_>,
        today: Day,
    ) -> Result<u32, ClientError> {
        let Acceptance { name, link, blob, allowed, new_identity } = *acceptance;
        self.check_accept(name, link)?;
        let read = ReadCapability::copy_of(link.secret().read_capability().expose());
        let is_it = |contact: &Contact| {
            let accepted = contact.row.accepted_invite.as_ref();
            accepted.is_some_and(|accepted| accepted.read.expose() == read.expose())
        };
        if let Some((id, _)) = self.contacts.iter().find(|(_, contact)| is_it(contact)) {
            let is_named = self.find(name).is_some_and(|(named, _)| named == *id);
            return if is_named { Ok(*id) } else { Err(ClientError::AlreadyContact) };
        }
        let own = *self.identity.identity_key().hash();
        let bundle =
            VerifiedBundle::open(link.secret(), blob, &own, None, today).map_err(ClientError::Bundle)?;
        let peer = *bundle.identity().hash();
        let known = self.find(name).map(|(id, contact)| (id, contact.person.root));
        let is_other = match known {
            Some((_, Some(root))) => root != *peer.as_bytes(),
            _ if self.knows(&peer) => return Err(ClientError::AlreadyContact),
            _ => false,
        };
        if is_other && (self.knows(&peer) || !new_identity) {
            return Err(if new_identity { ClientError::AlreadyContact } else { ClientError::OtherIdentity });
        }
        if MailboxAddress::decode(bundle.address()).is_err() {
            return Err(ClientError::Bundle(deaddrop_e2ee::invite::BundleError::BadKey));
        }
        let relay = self.relay().unwrap_or_else(|| link.relay().clone());
        let (session, set) = Session::initiate(&self.identity, &bundle, &mut self.rng)
            .map_err(|_| ClientError::Bundle(deaddrop_e2ee::invite::BundleError::BadKey))?;
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
        let Some(contact) = self.contacts.get_mut(&id) else { return Err(ClientError::UnknownContact) };
        let ratchet = contact.ratchet.get_or_insert_with(|| deaddrop_e2ee::contact::Contact::new(peer));
        let added = ratchet
            .add_initiated(session, set, bundle.not_after(), InvitePolicy::KeepSessions)
            .map_err(|_| ClientError::AlreadyContact)?;
        step.ratchet(vault, id, &mut contact.row, added.changes)?;
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
            answered: false,
        });
        step.contacts.insert(id);
        step.persons.insert(id);
        let name = super::MailboxName { contact: id, mailbox: 0 };
        for event in added.events {
            self.heed(&mut step, name, &[], event, today)?;
        }
        self.learn_address(id, bundle.address());
        if known.is_some() {
            self.draw_stream(&mut step, id)?;
        }
        self.seal_drafts(&mut step, id)?;
        self.finish(step)?;
        self.go_on(id, today)?;
        Ok(id)
    }

    /// Invite mailboxes whose bundle is not needed any more.
    pub(crate) fn invites_to_empty(&self) -> Vec<Taken> {
        let taken = self.contacts.iter().filter_map(|(id, contact)| {
            let invite = contact.row.accepted_invite.as_ref().filter(|invite| invite.answered)?;
            let relay = invite.relay.parse().ok()?;
            Some(Taken { contact: *id, relay, read: invite.read.duplicate() })
        });
        taken.collect()
    }

    /// An invite mailbox is empty.
    pub(crate) fn invite_emptied(&mut self, id: u32) -> Result<(), VaultError> {
        let mut step = self.step();
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.row.accepted_invite = None;
            step.contacts.insert(id);
        }
        self.finish(step)
    }
}

impl Contact {
    fn has_ended_invite(&self, today: Day) -> bool {
        self.invite.as_ref().is_some_and(|(_, pending)| pending.not_after() < today)
    }

    /// Gives up the open invite, its landing and its mailbox, so that the link finds nothing. `false`: there is none.
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

    /// Gives up the landing of an invite that ends: the newest. One that a session still uses stays.
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
