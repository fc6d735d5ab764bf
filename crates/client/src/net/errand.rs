//! Performs the actions of an errand: a conversation with a relay that ends with a result, within a
//! time limit.

use super::{
    connection::Connection,
    drive::{receive, sleep_to},
    follow,
    moved::Moved,
    shared::Shared,
    transport::Consent,
};
use crate::error::ClientError;
use deaddrop_engine::conversation::{Errand, ErrandAction, Haste, LinkClosed};
use deaddrop_wire::RelayAddress;
use std::pin::pin;

/// The way in which the links of an errand are opened.
pub(super) struct ErrandLinks<'a> {
    pub(super) relay: &'a RelayAddress,
    pub(super) consent: Consent,
    pub(super) haste: Haste,
    /// The record in which the progress of the links is noted.
    pub(super) moved: &'a Moved,
}

/// Runs an errand to its end and returns its result. `link` is a link to the relay that is open
/// already, if there is one.
pub(super) async fn run<E: Errand>(
    shared: &Shared,
    links: &ErrandLinks<'_>,
    mut errand: E,
    mut link: Option<Connection>,
) -> Result<E::Found, ClientError> {
    loop {
        let Some(action) = errand.next_action() else {
            let received = within(shared, links.moved, &mut errand, receive(&mut link, false)).await;
            match received {
                Some(Ok(items)) => errand.on_items(items, shared.moment()),
                Some(Err(LinkClosed)) => errand.on_lost(),
                None => {}
            }
            continue;
        };
        match action {
            ErrandAction::Open => {
                link = None;
                let taking = shared.turns.take(links.relay, links.haste, links.moved);
                let Some(turn) = within(shared, links.moved, &mut errand, taking).await else { continue };
                errand.on_turn(shared.moment());
                let opening = follow::open_errand(turn, shared, links.relay, links.consent, links.moved);
                match within(shared, links.moved, &mut errand, opening).await {
                    Some(Ok(opened)) => {
                        errand.on_opened(Ok(opened.opened()));
                        link = Some(opened);
                    }
                    Some(Err(error)) => errand.on_opened(Err(error)),
                    None => {}
                }
            }
            ErrandAction::Send(items) => {
                if link.as_mut().ok_or(LinkClosed).and_then(|link| link.send(&items)).is_err() {
                    errand.on_lost();
                }
            }
            ErrandAction::Close => {
                if let Some(link) = link.take() {
                    link.close().await;
                }
            }
            ErrandAction::Finish(result) => return Ok(result?),
        }
    }
}

/// Awaits `waiting` while the errand has nothing to do. Returns `None` if the errand has an action
/// to perform before, because its deadline has come.
async fn within<E: Errand, F: Future>(
    shared: &Shared,
    moved: &Moved,
    errand: &mut E,
    waiting: F,
) -> Option<F::Output> {
    let mut waiting = pin!(waiting);
    loop {
        let deadline = errand.deadline().and_then(|at| shared.instant(at));
        tokio::select! {
            done = &mut waiting => return Some(done),
            () = sleep_to(deadline) => {
                errand.on_time(shared.moment(), moved.is_moving());
                if errand.has_actions() {
                    return None;
                }
            }
        }
    }
}
