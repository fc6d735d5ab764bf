//! A link of a stranger, without a network: a relay's conversation whose items the stranger sends
//! and takes directly.

use crate::{
    calls::RunningCall,
    relay_parts::{Now, Output, Prefix, RelaySession, SessionContext},
};
use deaddrop_wire::{ClientToken, Item, Received, item::Hello};
use std::sync::Arc;

/// The number of a link among those of one stranger.
pub(crate) type RawId = u8;

/// A link of a stranger.
pub(crate) struct RawLink {
    pub(crate) session: RelaySession,
    pub(crate) calls: Vec<RunningCall>,
    pub(crate) out: Output,
    pub(crate) said: Vec<Item>,
}

impl RawLink {
    /// Begins a link with a Hello under a client token of this byte.
    pub(crate) fn new(shared: &Arc<SessionContext>, token: u8, now: Now) -> Self {
        let session = RelaySession::new(Arc::clone(shared), Prefix::SHARED, now);
        let mut link = Self { session, calls: Vec::new(), out: Output::default(), said: Vec::new() };
        let client = ClientToken::from_bytes([token; 16]);
        let hello =
            Hello { features: 0, ping_s: 60, window_blobs: 64, window_bytes: 1 << 20, client, relay: None };
        // A Hello breaks no rule.
        let _ = link.hear(vec![hello.into()], now);
        link
    }

    /// Handles items of the stranger. Returns `false` if they break a rule.
    pub(crate) fn hear(&mut self, items: Vec<Item>, now: Now) -> bool {
        let received = Received { items, ..Received::default() };
        self.session.on_received(received, now, &mut self.out).is_ok()
    }
}
