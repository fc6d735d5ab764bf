//! A bound on deliveries that the client did not ask for.

use super::end::LinkClosed;

/// Maximum number of deliveries of one link for subscriptions that the client does not have
/// (spec/14-client.md section 6). An honest relay stays below: when another reader takes a mailbox
/// over, at most the 64 blobs of the window are under way.
const MAX_STRAYS: u32 = 128;

/// The number of deliveries of one link for subscriptions that the client does not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strays(u32);

impl Strays {
    /// Creates the counter of a link that was just opened.
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// Counts one delivery for a subscription that the client does not have. Fails if there were
    /// more than [`MAX_STRAYS`]: the link is to end.
    pub(crate) const fn note(&mut self) -> Result<(), LinkClosed> {
        self.0 = self.0.saturating_add(1);
        if self.0 > MAX_STRAYS { Err(LinkClosed) } else { Ok(()) }
    }
}
