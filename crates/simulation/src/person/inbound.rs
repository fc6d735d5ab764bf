//! Arrivals over the connection of a conversation that were not looked at yet.

use super::{
    shell::Place,
    slot::{Slot, SlotEvent},
};
use crate::{breach::Checked, ids::ConnId};
use std::collections::VecDeque;

/// The messages of connections, in their order. `None` is the end of the connection.
#[derive(Default)]
pub(crate) struct Inbound(VecDeque<(ConnId, Option<Vec<u8>>)>);

impl Inbound {
    pub(crate) fn push(&mut self, conn: ConnId, bytes: Option<Vec<u8>>) {
        self.0.push_back((conn, bytes));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands the next arrival to the link; passes over those of earlier connections. Returns `None`
    /// if there is none.
    pub(crate) fn take(&mut self, slot: &mut Slot, at: &mut Place<'_>) -> Checked<Option<SlotEvent>> {
        while let Some((conn, bytes)) = self.0.pop_front() {
            if slot.conn() != Some(conn) {
                continue;
            }
            return Ok(Some(match bytes {
                Some(bytes) => slot.on_message(bytes, at)?,
                None => slot.on_closed(at),
            }));
        }
        Ok(None)
    }
}
