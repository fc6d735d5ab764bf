//! The errands of a client: to publish an invite, to accept an invite, to empty an invite mailbox.

use super::{
    actor::{Actor, Ended, Next},
    errand::{ErrandDriver, ErrandNext},
    inbound::Inbound,
    shell::{PATIENCE, Place},
    slot::{Slot, SlotEvent},
};
use crate::{
    breach::Checked,
    conversations::{Haste, Publishing, Purpose, Visit},
    ids::ConnId,
};
use deaddrop_engine::{Acceptance, InviteLink, InviteToEmpty, is_same_day};
use deaddrop_link::capability::ReadCapability;
use deaddrop_wire::{ClientToken, Day, RelayAddress};

/// Number of days for which an invite can be accepted.
const INVITE_DAYS: u32 = 7;

/// The errand that empties an invite mailbox.
pub(crate) struct Emptier {
    contact: u32,
    visit: ErrandDriver<Visit>,
}

impl Emptier {
    pub(crate) fn new(invite: &InviteToEmpty) -> Self {
        let visit =
            Visit::new(Purpose::Empty, *invite.relay.fingerprint(), invite.read.duplicate(), PATIENCE);
        let visit = ErrandDriver::new(visit, invite.relay.clone(), Haste::Background, Slot::Empty);
        Self { contact: invite.contact, visit }
    }
}

impl Actor for Emptier {
    fn wake(&mut self, at: &mut Place<'_>) -> Checked<Next> {
        Ok(match self.visit.wake(at)? {
            ErrandNext::Now => Next::Now,
            ErrandNext::At(ms) => Next::At(ms),
            ErrandNext::Done(done) => Next::Ended(Ended::Emptier(self.contact, done.is_ok())),
        })
    }

    fn on_connected(&mut self, conn: ConnId, at: &mut Place<'_>) {
        self.visit.on_connected(conn, at);
    }

    fn on_message(&mut self, conn: ConnId, bytes: Vec<u8>) {
        self.visit.push(conn, Some(bytes));
    }

    fn on_closed(&mut self, conn: ConnId) {
        self.visit.push(conn, None);
    }
}

/// The errand that accepts an invite.
pub(crate) struct Accepter {
    name: String,
    link: InviteLink,
    visit: ErrandDriver<Visit>,
}

impl Accepter {
    pub(crate) fn new(name: String, link: InviteLink) -> Self {
        let read = ReadCapability::copy_of(link.secret().read_capability().expose());
        let relay = link.relay().clone();
        let visit = Visit::new(Purpose::Read, *relay.fingerprint(), read, PATIENCE);
        let visit = ErrandDriver::new(visit, relay, Haste::Errand, Slot::Empty);
        Self { name, link, visit }
    }

    fn accept(&self, blob: &[u8], relay_day: Day, at: &mut Place<'_>) -> Result<(), String> {
        let clock = Day::of_unix_seconds(at.shell.now_s(at.sim));
        let (name, link) = (self.name.as_str(), &self.link);
        let accepted = at.shell.step(at.sim, |engine, _, believed| {
            let today = if is_same_day(clock, relay_day) { clock } else { believed };
            engine.begin_accept(&Acceptance { name, link, blob, allowed: None, new_identity: false }, today)
        });
        at.shell.retries += 1;
        accepted.map(|_| ()).map_err(|error| format!("{error:?}"))
    }
}

impl Actor for Accepter {
    fn wake(&mut self, at: &mut Place<'_>) -> Checked<Next> {
        let done = match self.visit.wake(at)? {
            ErrandNext::Now => return Ok(Next::Now),
            ErrandNext::At(ms) => return Ok(Next::At(ms)),
            ErrandNext::Done(Err(error)) => Err(error),
            ErrandNext::Done(Ok(found)) => match found.bundle {
                None => Err("the invite is used".to_owned()),
                Some(bundle) => self.accept(&bundle, found.link.day, at),
            },
        };
        Ok(Next::Ended(Ended::Accepted(done)))
    }

    fn on_connected(&mut self, conn: ConnId, at: &mut Place<'_>) {
        self.visit.on_connected(conn, at);
    }

    fn on_message(&mut self, conn: ConnId, bytes: Vec<u8>) {
        self.visit.push(conn, Some(bytes));
    }

    fn on_closed(&mut self, conn: ConnId) {
        self.visit.push(conn, None);
    }
}

/// The errand that makes an invite and publishes it.
pub(crate) struct Inviter {
    name: String,
    relay: RelayAddress,
    stage: Stage,
}

/// The progress of an [`Inviter`].
enum Stage {
    Begin,
    /// The link over which the mailbox is made is being opened.
    Opening(Slot, Inbound),
    Publishing(u32, Box<ErrandDriver<Publishing>>),
}

impl Inviter {
    /// Prepares an invite to a contact of this name, at this relay; if the user moves to another
    /// one before the link is open, there.
    pub(crate) fn new(name: String, relay: RelayAddress) -> Self {
        Self { name, relay, stage: Stage::Begin }
    }

    fn end(&self, done: Result<String, String>) -> Next {
        Next::Ended(Ended::Invited(self.name.clone(), done))
    }

    fn failed(&self, error: impl std::fmt::Debug) -> Next {
        self.end(Err(format!("{error:?}")))
    }

    /// Makes the invite in the engine and begins to publish it over the open link. Fails if the
    /// clock is not that of the relay. Begins again if the user has moved to another relay
    /// meanwhile.
    fn publish(&mut self, relay_day: Day, mut slot: Slot, at: &mut Place<'_>) -> Next {
        let clock = Day::of_unix_seconds(at.shell.now_s(at.sim));
        if !is_same_day(clock, relay_day) {
            slot.drop_link(at);
            return self.failed("the clock is wrong");
        }
        let name = self.name.as_str();
        let begun = at.shell.step(at.sim, |engine, _, _| engine.begin_invite(name, clock, INVITE_DAYS));
        let contact = match begun {
            Ok(contact) => contact,
            Err(error) => {
                slot.drop_link(at);
                return self.failed(error);
            }
        };
        let Some(publication) = at.shell.engine.publication(contact) else {
            slot.drop_link(at);
            return self.finish(contact, at);
        };
        if publication.relay != self.relay {
            // The user has moved meanwhile.
            slot.drop_link(at);
            self.relay = publication.relay;
            return Next::Now;
        }
        let token = at.shell.engine.create_token(publication.relay.fingerprint());
        let now = at.shell.moment(at.sim);
        match Publishing::begin(&publication, &token, PATIENCE, now) {
            Err(error) => {
                slot.drop_link(at);
                self.failed(error)
            }
            Ok(publishing) => {
                let errand = ErrandDriver::new(publishing, self.relay.clone(), Haste::Errand, slot);
                self.stage = Stage::Publishing(contact, Box::new(errand));
                Next::Now
            }
        }
    }

    fn finish(&self, contact: u32, at: &Place<'_>) -> Next {
        let link = at.shell.engine.link_text(contact).map(|link| link.as_str().to_owned());
        self.end(link.ok_or_else(|| "the invite is used".to_owned()))
    }
}

impl Actor for Inviter {
    fn wake(&mut self, at: &mut Place<'_>) -> Checked<Next> {
        match std::mem::replace(&mut self.stage, Stage::Begin) {
            Stage::Begin => {
                let mut slot = Slot::Empty;
                slot.open(self.relay.clone(), ClientToken::from_bytes([0; 16]), Haste::Errand, at)?;
                self.stage = Stage::Opening(slot, Inbound::default());
                Ok(Next::Now)
            }
            Stage::Opening(mut slot, mut inbound) => {
                slot.look_for_turn(at)?;
                let event = match inbound.take(&mut slot, at)? {
                    Some(event) => event,
                    None => slot.on_time(at),
                };
                match event {
                    SlotEvent::Opened(info, _) => return Ok(self.publish(info.day, slot, at)),
                    SlotEvent::Failed(error) => return Ok(self.failed(error)),
                    SlotEvent::Lost => return Ok(self.failed("the link was lost")),
                    SlotEvent::Nothing | SlotEvent::Turn | SlotEvent::Items(_) => {}
                }
                let next = if inbound.is_empty() {
                    Next::At(slot.deadline().map(|moment| at.shell.at_ms(moment)))
                } else {
                    Next::Now
                };
                self.stage = Stage::Opening(slot, inbound);
                Ok(next)
            }
            Stage::Publishing(contact, mut errand) => {
                let next = errand.wake(at)?;
                match next {
                    ErrandNext::Done(Err(error)) => return Ok(self.failed(error)),
                    ErrandNext::Done(Ok(())) => {
                        let published = at.shell.step(at.sim, |engine, _, _| engine.published(contact));
                        return Ok(match published {
                            Ok(()) => self.finish(contact, at),
                            Err(error) => self.failed(error),
                        });
                    }
                    ErrandNext::Now | ErrandNext::At(_) => {}
                }
                self.stage = Stage::Publishing(contact, errand);
                Ok(if let ErrandNext::At(ms) = next { Next::At(ms) } else { Next::Now })
            }
        }
    }

    fn on_connected(&mut self, conn: ConnId, at: &mut Place<'_>) {
        match &mut self.stage {
            Stage::Begin => {}
            Stage::Opening(slot, _) => {
                if slot.conn() == Some(conn) {
                    slot.on_connected(at);
                }
            }
            Stage::Publishing(_, errand) => errand.on_connected(conn, at),
        }
    }

    fn on_message(&mut self, conn: ConnId, bytes: Vec<u8>) {
        self.push(conn, Some(bytes));
    }

    fn on_closed(&mut self, conn: ConnId) {
        self.push(conn, None);
    }
}

impl Inviter {
    fn push(&mut self, conn: ConnId, bytes: Option<Vec<u8>>) {
        match &mut self.stage {
            Stage::Begin => {}
            Stage::Opening(_, inbound) => inbound.push(conn, bytes),
            Stage::Publishing(_, errand) => errand.push(conn, bytes),
        }
    }
}
