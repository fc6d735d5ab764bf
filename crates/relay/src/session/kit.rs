//! Links as values for the tests of a session.

use super::{Output, RelaySession, SessionContext};
use crate::admission::Prefix;
use crate::clock::Now;
use deaddrop_wire::item::Hello;
use deaddrop_wire::{ClientToken, Day, Item, Received};
use std::sync::Arc;

/// Returns the moment `ms` on a fixed day.
pub(super) fn at(ms: u64) -> Now {
    Now::new(Day::from_number(20_000), ms)
}

/// Begins a link whose client has sent its Hello, which is one entry.
pub(super) fn link(shared: &Arc<SessionContext>, prefix: Prefix) -> RelaySession {
    let mut link = RelaySession::new(Arc::clone(shared), prefix, at(0));
    let client = ClientToken::from_bytes([0; 16]);
    let hello = Hello { features: 0, ping_s: 60, window_blobs: 1, window_bytes: 1, client, relay: None };
    let received = Received { items: vec![hello.into()], ..Received::default() };
    link.charge(&received, 0);
    link.on_received(received, at(0), &mut Output::default()).unwrap();
    link.pay(at(0));
    link
}

/// Lets the link handle one item.
pub(super) fn hear(link: &mut RelaySession, item: Item, ms: u64) -> Output {
    let mut out = Output::default();
    let received = Received { items: vec![item], ..Received::default() };
    link.on_received(received, at(ms), &mut out).unwrap();
    out
}
