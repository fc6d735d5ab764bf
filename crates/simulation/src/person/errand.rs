//! The driver of an errand, which is a short conversation of the engine that a user or a duty waits
//! for: performs its actions, within its time.

use super::{
    inbound::Inbound,
    shell::Place,
    slot::{Slot, SlotEvent},
};
use crate::{
    breach::Checked,
    conversations::{Errand, ErrandAction, Haste},
    ids::ConnId,
};
use deaddrop_wire::{ClientToken, RelayAddress};

/// An errand under way, with its link.
pub(crate) struct ErrandDriver<E: Errand> {
    errand: E,
    relay: RelayAddress,
    haste: Haste,
    pub(crate) slot: Slot,
    inbound: Inbound,
}

/// The time at which an errand continues, or its result.
pub(crate) enum ErrandNext<T> {
    Now,
    At(Option<u64>),
    Done(Result<T, String>),
}

impl<E: Errand> ErrandDriver<E> {
    /// Makes a driver for an errand at this relay, over the link of `slot`, or over one that is
    /// still to be opened.
    pub(crate) fn new(errand: E, relay: RelayAddress, haste: Haste, slot: Slot) -> Self {
        Self { errand, relay, haste, slot, inbound: Inbound::default() }
    }

    fn take(&mut self, event: SlotEvent, at: &mut Place<'_>) {
        let now = at.shell.moment(at.sim);
        match event {
            SlotEvent::Nothing => {}
            SlotEvent::Turn => self.errand.on_turn(now),
            SlotEvent::Opened(info, items) => {
                self.errand.on_opened(Ok(info));
                if !items.is_empty() {
                    self.errand.on_items(items, now);
                }
            }
            SlotEvent::Failed(error) => self.errand.on_opened(Err(error)),
            SlotEvent::Items(items) => self.errand.on_items(items, now),
            SlotEvent::Lost => self.errand.on_lost(),
        }
    }

    /// Does the next action of the errand. Returns when it continues.
    pub(crate) fn wake(&mut self, at: &mut Place<'_>) -> Checked<ErrandNext<E::Found>> {
        let event = self.slot.look_for_turn(at)?;
        self.take(event, at);
        let event = self.slot.on_time(at);
        self.take(event, at);
        let now = at.shell.moment(at.sim);
        if !self.errand.has_actions() && self.errand.deadline().is_some_and(|until| now >= until) {
            self.errand.on_time(now, false);
        }
        if let Some(action) = self.errand.next_action() {
            match action {
                ErrandAction::Open => {
                    let token = ClientToken::from_bytes([0; 16]);
                    let event = self.slot.open(self.relay.clone(), token, self.haste, at)?;
                    self.take(event, at);
                }
                ErrandAction::Send(items) => {
                    if self.slot.send(&items, at).is_err() {
                        self.slot.drop_link(at);
                        self.errand.on_lost();
                    }
                }
                ErrandAction::Close => self.slot.drop_link(at),
                ErrandAction::Finish(result) => {
                    self.slot.drop_link(at);
                    return Ok(ErrandNext::Done(result.map_err(|error| format!("{error:?}"))));
                }
            }
            return Ok(ErrandNext::Now);
        }
        if let Some(event) = self.inbound.take(&mut self.slot, at)? {
            self.take(event, at);
            return Ok(ErrandNext::Now);
        }
        let deadline = self.errand.deadline().into_iter().chain(self.slot.deadline()).min();
        Ok(ErrandNext::At(deadline.map(|moment| at.shell.at_ms(moment))))
    }

    pub(crate) fn on_connected(&mut self, conn: ConnId, at: &mut Place<'_>) {
        if self.slot.conn() == Some(conn) {
            self.slot.on_connected(at);
        }
    }

    pub(crate) fn push(&mut self, conn: ConnId, bytes: Option<Vec<u8>>) {
        self.inbound.push(conn, bytes);
    }
}
