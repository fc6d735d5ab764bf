//! The link of a conversation. A conversation has at most one: it waits for its turn, is opened, is
//! used, and ends.

use super::shell::{PATIENCE, Place};
use crate::{
    breach::Checked,
    conversations::{
        ConnectError, Haste, LineState, Link, LinkClosed, LinkInfo, LinkOpening, Moment, OpeningStep, Ticket,
    },
    ids::ConnId,
};
use deaddrop_wire::{ClientToken, Item, RelayAddress};
use std::net::{IpAddr, Ipv4Addr};

/// Maximum number of bytes that a conversation queues on its link at once. Real clients measure it;
/// any number does here.
const AHEAD: usize = 65_536;
/// The IP address at which every relay is reached: a public one, because clients do not use private
/// ones unless the user allows it.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));

/// The link of a conversation, in its present state.
#[derive(Default)]
pub(crate) enum Slot {
    #[default]
    Empty,
    /// The link waits for its turn to be opened.
    Queued {
        relay: RelayAddress,
        token: ClientToken,
        ticket: Ticket,
    },
    /// The link is being opened.
    Opening(Box<Opening>),
    Open(Box<OpenLink>),
}

/// A link whose connection or handshake has begun and is not finished.
pub(crate) struct Opening {
    conn: ConnId,
    relay: RelayAddress,
    ticket: Ticket,
    handshake: LinkOpening,
    /// The first message of the handshake, sent when the connection is open.
    first: Vec<u8>,
    read: u64,
    until: Moment,
}

pub(crate) struct OpenLink {
    conn: ConnId,
    link: Box<Link>,
    read: u64,
    taken: u64,
}

/// The news of a link.
pub(crate) enum SlotEvent {
    Nothing,
    /// The turn has come, and the link is being opened.
    Turn,
    /// The link is open; items have come with the relay's Hello.
    Opened(LinkInfo, Vec<Item>),
    Failed(ConnectError),
    Items(Vec<Item>),
    Lost,
}

impl Slot {
    pub(crate) const fn is_opening(&self) -> bool {
        matches!(self, Self::Queued { .. } | Self::Opening(_))
    }

    pub(crate) const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Opening(opening) => Some(opening.conn),
            Self::Open(open) => Some(open.conn),
            Self::Empty | Self::Queued { .. } => None,
        }
    }

    pub(crate) fn line(&self) -> LineState {
        match self {
            Self::Open(open) => {
                LineState { is_sending: false, taken: open.taken, read: open.read, ahead: AHEAD }
            }
            _ => LineState::default(),
        }
    }

    /// Asks for a link: drops the present one and takes a place in the queue of the relay. Opens
    /// the link at once if it is the place's turn.
    pub(crate) fn open(
        &mut self,
        relay: RelayAddress,
        token: ClientToken,
        haste: Haste,
        at: &mut Place<'_>,
    ) -> Checked<SlotEvent> {
        self.drop_link(at);
        let (ticket, is_turn) = at.shell.enter(&relay, haste);
        *self = Self::Queued { relay, token, ticket };
        if is_turn { self.begin(at) } else { Ok(SlotEvent::Nothing) }
    }

    /// Opens the link if its turn has come.
    pub(crate) fn look_for_turn(&mut self, at: &mut Place<'_>) -> Checked<SlotEvent> {
        match self {
            Self::Queued { ticket, .. } if at.shell.take_turn(*ticket) => self.begin(at),
            _ => Ok(SlotEvent::Nothing),
        }
    }

    fn begin(&mut self, at: &mut Place<'_>) -> Checked<SlotEvent> {
        let Self::Queued { relay, token, ticket } = std::mem::take(self) else {
            return Ok(SlotEvent::Nothing);
        };
        let number = at.shell.relay_of(&relay)?;
        let (handshake, first) = LinkOpening::begin(relay.fingerprint(), token, &mut at.shell.rng);
        let conn = at.sim.connect(at.shell.person, at.shell.incarnation, at.actor, number);
        let until = at.shell.moment(at.sim).plus(PATIENCE);
        *self = Self::Opening(Box::new(Opening { conn, relay, ticket, handshake, first, read: 0, until }));
        Ok(SlotEvent::Turn)
    }

    /// Sends the first message, because the connection is open.
    pub(crate) fn on_connected(&mut self, at: &mut Place<'_>) {
        if let Self::Opening(opening) = self {
            at.sim.send(opening.conn, std::mem::take(&mut opening.first), true);
        }
    }

    /// Handles a message of the relay: a part of the handshake, or a record.
    pub(crate) fn on_message(&mut self, mut message: Vec<u8>, at: &mut Place<'_>) -> Checked<SlotEvent> {
        match self {
            Self::Empty | Self::Queued { .. } => Ok(SlotEvent::Nothing),
            Self::Opening(_) => self.on_handshake(&message, at),
            Self::Open(open) => {
                open.read += message.len() as u64;
                let opened = open.link.open(&mut message);
                let Ok(record) = opened else { return Ok(self.lose(at)) };
                if self.send(&record.replies, at) == Err(LinkClosed) {
                    return Ok(self.lose(at));
                }
                Ok(SlotEvent::Items(record.items))
            }
        }
    }

    fn on_handshake(&mut self, message: &[u8], at: &mut Place<'_>) -> Checked<SlotEvent> {
        let now = at.shell.moment(at.sim);
        let Self::Opening(opening) = self else { return Ok(SlotEvent::Nothing) };
        opening.read += message.len() as u64;
        let step = opening.handshake.on_message(message, ADDRESS, opening.read, now, &mut at.shell.rng);
        match step {
            Err(error) => Ok(self.fail(error, at)),
            Ok(OpeningStep::Reconnect(first)) => {
                at.sim.close(opening.conn, false);
                let number = at.shell.relay_of(&opening.relay)?;
                opening.conn = at.sim.connect(at.shell.person, at.shell.incarnation, at.actor, number);
                (opening.first, opening.read) = (first, 0);
                Ok(SlotEvent::Nothing)
            }
            Ok(OpeningStep::Send(message)) => {
                at.sim.send(opening.conn, message, true);
                Ok(SlotEvent::Nothing)
            }
            // No relay of the simulation moves.
            Ok(OpeningStep::Moved(_)) => Ok(self.fail(ConnectError::Down, at)),
            Ok(OpeningStep::Opened { link, items, replies }) => {
                let (conn, read, info) = (opening.conn, opening.read, link.opened());
                at.shell.leave(&opening.relay, opening.ticket);
                if at.shell.engine.is_own_relay(&opening.relay) {
                    at.shell.days.insert(conn, (info.day, at.sim.now_ms));
                    at.shell.changes += 1;
                }
                *self = Self::Open(Box::new(OpenLink { conn, link, read, taken: 0 }));
                if self.send(&replies, at) == Err(LinkClosed) {
                    return Ok(self.lose(at));
                }
                Ok(SlotEvent::Opened(info, items))
            }
        }
    }

    /// Ends the link, because the relay has closed or the connection broke.
    pub(crate) fn on_closed(&mut self, at: &mut Place<'_>) -> SlotEvent {
        match self {
            Self::Empty | Self::Queued { .. } => SlotEvent::Nothing,
            Self::Opening(_) => self.fail(ConnectError::Down, at),
            Self::Open(_) => self.lose(at),
        }
    }

    /// Ends the link if its time is over, and sends a ping if one is due.
    pub(crate) fn on_time(&mut self, at: &mut Place<'_>) -> SlotEvent {
        let (now, line) = (at.shell.moment(at.sim), self.line());
        match self {
            Self::Empty | Self::Queued { .. } => SlotEvent::Nothing,
            Self::Opening(opening) if now >= opening.until => self.fail(ConnectError::Down, at),
            Self::Opening(_) => SlotEvent::Nothing,
            Self::Open(open) => match open.link.look(&line, now) {
                Err(LinkClosed) => self.lose(at),
                Ok(None) => SlotEvent::Nothing,
                Ok(Some(ping)) => match self.send(&[ping.into()], at) {
                    Ok(_) => SlotEvent::Nothing,
                    Err(LinkClosed) => self.lose(at),
                },
            },
        }
    }

    /// Returns the moment of the next call of [`on_time`](Self::on_time); `None` if no link is open
    /// or being opened.
    pub(crate) fn deadline(&self) -> Option<Moment> {
        match self {
            Self::Empty | Self::Queued { .. } => None,
            Self::Opening(opening) => Some(opening.until),
            Self::Open(open) => Some(open.link.deadline()),
        }
    }

    /// Seals and sends items. Returns the number of bytes sent over this link so far. Fails if no
    /// link is open.
    pub(crate) fn send(&mut self, items: &[Item], at: &mut Place<'_>) -> Result<u64, LinkClosed> {
        let Self::Open(open) = self else { return Err(LinkClosed) };
        for record in open.link.seal(items)? {
            open.taken += record.bytes.len() as u64;
            at.sim.send(open.conn, record.bytes, true);
        }
        Ok(open.taken)
    }

    fn fail(&mut self, error: ConnectError, at: &mut Place<'_>) -> SlotEvent {
        self.drop_link(at);
        SlotEvent::Failed(error)
    }

    fn lose(&mut self, at: &mut Place<'_>) -> SlotEvent {
        self.drop_link(at);
        SlotEvent::Lost
    }

    /// Drops the link, or its place in the queue. Does nothing if there is none.
    pub(crate) fn drop_link(&mut self, at: &mut Place<'_>) {
        match std::mem::take(self) {
            Self::Empty => {}
            Self::Queued { relay, ticket, .. } => at.shell.leave(&relay, ticket),
            Self::Opening(opening) => {
                at.shell.leave(&opening.relay, opening.ticket);
                at.sim.close(opening.conn, false);
            }
            Self::Open(open) => {
                if at.shell.days.remove(&open.conn).is_some() {
                    at.shell.changes += 1;
                }
                at.sim.close(open.conn, false);
            }
        }
    }
}
