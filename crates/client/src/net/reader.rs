//! The reading links of one relay: own mailboxes are made, read and deleted over them. Nothing is put over them.

use super::{
    drive::{Links, drive},
    shared::Shared,
};
use deaddrop_engine::LinkPurpose;
use deaddrop_engine::conversation::{Connectivity, ReadConversation, ReadTimes};
use deaddrop_wire::RelayAddress;
use std::sync::Arc;

/// Reads at one relay until the client closes, or no own mailbox lies there any more.
pub(super) async fn read(shared: Arc<Shared>, relay: String) {
    let Ok(address) = relay.parse::<RelayAddress>() else { return };
    let times = ReadTimes { backoff: shared.config.backoff.clone(), patience: shared.config.patience };
    let token = shared.tokens.token(address.fingerprint());
    let links = Links { token, purpose: LinkPurpose::Reading, moved: shared.progress.moved_at(&relay) };
    let reading = ReadConversation::new(address, relay.clone(), times);
    let show = |state, round| match state {
        Some(state) => shared.set_link(&relay, state, round),
        None if shared.progress.is_new(&relay) => shared.set_link(&relay, Connectivity::Connecting, round),
        None => {}
    };
    drive(&shared, reading, &links, show).await;
}
