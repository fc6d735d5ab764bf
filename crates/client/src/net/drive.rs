//! Performs the actions of a conversation: opens links, moves items, does steps of the engine, waits.

use super::{
    connection::Connection,
    follow,
    moved::Moved,
    shared::{Shared, closed},
};
use crate::{engine::Engine, error::ClientError};
use deaddrop_engine::LinkPurpose;
use deaddrop_engine::conversation::{Action, EngineStep, LinkClosed, LinkConversation, Situation, StepError};
use deaddrop_shred::FileDisk;
use deaddrop_wire::{ClientToken, Item};
use std::{future::pending, ops::ControlFlow, sync::Arc};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// The properties that all links of one conversation have in common.
pub(super) struct Links {
    /// The token by which the relay knows an earlier connection of this client; zeros name none.
    pub(super) token: ClientToken,
    /// The purpose of the links.
    pub(super) purpose: LinkPurpose,
    /// The record in which the progress of the links is noted.
    pub(super) moved: Moved,
}

/// Runs a conversation until it is over, or the client closes. Calls `show` with each state for the
/// app and the number of the round that had begun before the state was reached; with `None` when a
/// link is about to be opened.
pub(super) async fn drive<C: LinkConversation<Engine<FileDisk>>>(
    shared: &Arc<Shared>,
    conversation: C,
    links: &Links,
    show: impl Fn(Option<C::State>, u64),
) {
    let mut driver = Driver {
        shared,
        conversation,
        links,
        link: None,
        changed: shared.changed.subscribe(),
        retries: shared.retries.subscribe(),
        closing: shared.closing.subscribe(),
    };
    while !shared.is_closing() {
        let Some(action) = driver.conversation.next_action() else {
            if !driver.look() {
                return;
            }
            if let Some((state, round)) = driver.conversation.state() {
                show(Some(state), round);
            }
            if !driver.conversation.has_actions() {
                driver.wait().await;
            }
            continue;
        };
        if driver.perform(action, &show).await.is_break() {
            return;
        }
    }
    if let Some(link) = driver.link {
        link.close().await;
    }
}

struct Driver<'a, C> {
    shared: &'a Arc<Shared>,
    conversation: C,
    links: &'a Links,
    link: Option<Connection>,
    changed: watch::Receiver<u64>,
    retries: watch::Receiver<u64>,
    closing: watch::Receiver<bool>,
}

impl<C: LinkConversation<Engine<FileDisk>>> Driver<'_, C> {
    /// Lets the conversation look at the engine for work. Returns `false` if the vault has stopped.
    fn look(&mut self) -> bool {
        self.changed.mark_unchanged();
        let (at, conversation) = (self.situation(), &mut self.conversation);
        let looked = self.shared.look(|engine| conversation.look(engine, &at, &mut rand::rng()));
        looked.is_ok()
    }

    fn situation(&self) -> Situation {
        let line = self.link.as_ref().map(Connection::line).unwrap_or_default();
        Situation { now: self.shared.moment(), round: self.shared.newest_round(), line }
    }

    /// Passes a wish of the user to try again at once, if there was one since the last call, to the
    /// conversation.
    fn note_retries(&mut self) {
        if self.retries.has_changed().unwrap_or(false) {
            self.retries.mark_unchanged();
            self.conversation.retry_now(self.shared.moment());
        }
    }

    /// Performs an action of the conversation. Returns `Break` if the conversation is over.
    async fn perform(
        &mut self,
        action: Action<C::Step, C::State>,
        show: &impl Fn(Option<C::State>, u64),
    ) -> ControlFlow<()> {
        match action {
            Action::Open(relay) => {
                self.retries.mark_unchanged();
                let Links { token, purpose, moved } = self.links;
                let opened = tokio::select! {
                    opened = follow::open(self.shared, *purpose, &relay, token, moved) => opened,
                    () = closed(&mut self.closing) => return ControlFlow::Break(()),
                };
                self.note_retries();
                let now = self.shared.moment();
                match opened {
                    Ok(link) => {
                        self.conversation.on_opened(Ok(link.opened()), now);
                        self.link = Some(link);
                    }
                    Err(error) => self.conversation.on_opened(Err(error), now),
                }
            }
            Action::Send(items) => {
                let sent = self.link.as_mut().ok_or(LinkClosed).and_then(|link| {
                    link.send(&items)?;
                    Ok(link.end_of_queue())
                });
                match sent {
                    Ok(end) => self.conversation.on_queued(end),
                    Err(LinkClosed) => self.lose_link(),
                }
            }
            Action::Step(step) => {
                let time = self.shared.now();
                let done = self.shared.step(move |engine, today| step.run(engine, time, today)).await;
                self.note_retries();
                self.conversation.on_step(done.map_err(step_error), self.shared.moment());
            }
            Action::Close => {
                if let Some(link) = self.link.take() {
                    link.close().await;
                }
            }
            Action::Drop => self.link = None,
            Action::Show(state, round) => show(Some(state), round),
            Action::ShowConnecting(round) => show(None, round),
            Action::End => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn lose_link(&mut self) {
        self.link = None;
        self.note_retries();
        self.conversation.on_lost(self.shared.moment());
    }

    /// Waits until items come, the link ends, the engine may have work, the user wants a retry, the
    /// conversation's deadline has come, or the client closes. Tells the conversation of it.
    async fn wait(&mut self) {
        let now = self.shared.moment();
        let deadline = self.conversation.deadline(now);
        let deadline = deadline.and_then(|at| self.shared.instant(at));
        let (looks_when_sent, can_retry) =
            (self.conversation.looks_when_sent(), self.conversation.can_retry(now));
        if !can_retry {
            self.retries.mark_unchanged();
        }
        let received = tokio::select! {
            received = receive(&mut self.link, looks_when_sent) => received,
            _ = self.changed.changed() => return,
            _ = self.retries.changed(), if can_retry => {
                self.conversation.retry_now(self.shared.moment());
                return;
            }
            () = sleep_to(deadline) => return,
            () = closed(&mut self.closing) => return,
        };
        self.note_retries();
        match received {
            Ok(items) => {
                let at = self.situation();
                self.conversation.on_items(items, &at);
            }
            Err(LinkClosed) => self.lose_link(),
        }
    }
}

/// Returns the items of the next record. With `until_sent`, returns no items as soon as the line
/// has taken everything that was queued. Without a link, the wait never ends.
pub(super) async fn receive(
    link: &mut Option<Connection>,
    until_sent: bool,
) -> Result<Vec<Item>, LinkClosed> {
    let Some(link) = link else { return pending().await };
    if until_sent { Ok(link.proceed().await?.unwrap_or_default()) } else { link.receive().await }
}

/// Waits until a moment; with `None`, the wait never ends.
pub(super) async fn sleep_to(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

pub(super) const fn step_error(error: ClientError) -> StepError {
    if error.is_passing() { StepError::NoRoom } else { StepError::Stopped }
}
