//! Putting links: each goes to one relay for one contact, carries the envelopes that wait, and is
//! closed soon. Nothing is read over them.

use super::{
    drive::{Links, drive},
    shared::Shared,
};
use deaddrop_engine::LinkPurpose;
use deaddrop_engine::conversation::{PutConversation, PutTimes};
use deaddrop_wire::ClientToken;
use std::sync::Arc;

/// Puts the envelopes for a contact at the contact's relay. Ends when no envelope waits, when the
/// client closes, or when the vault has stopped.
pub(super) async fn put(shared: Arc<Shared>, contact: u32) {
    let times = PutTimes { backoff: shared.config.backoff.clone(), idle: shared.config.putter_idle };
    let putting = PutConversation::new(contact, times, Arc::clone(&shared.openings));
    let (token, purpose) = (ClientToken::from_bytes([0; 16]), LinkPurpose::Putting(contact));
    let links = Links { token, purpose, moved: shared.progress.moved_for(contact) };
    let show = |state, round| match state {
        Some(state) => shared.set_putting(contact, state, round),
        None => shared.note_connecting(contact, round),
    };
    drive(&shared, putting, &links, show).await;
}
