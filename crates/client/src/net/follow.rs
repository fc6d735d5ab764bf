//! Opening links to relays that may have moved: a link follows its relay, and the vault keeps the
//! new place once the relay has proved there that it is the same one (spec/14-client.md section
//! 6.5).

use super::{
    connection::{Connection, Dialled, Opening, dial},
    moved::Moved,
    shared::Shared,
    transport::Consent,
    turns::Turn,
};
use deaddrop_engine::{
    LinkPurpose,
    conversation::{ConnectError, Following, Haste},
};
use deaddrop_wire::{ClientToken, RelayAddress};
use std::sync::Arc;
use tokio::time::timeout;

/// Opens a link of this purpose: at the place to which the relay is known to have moved, and if
/// that fails, at the address that was asked for. Stores what it learns. If the vault has no room
/// for it, a later link learns it again.
pub(super) async fn open(
    shared: &Arc<Shared>,
    purpose: LinkPurpose,
    relay: &RelayAddress,
    token: &ClientToken,
    moved: &Moved,
) -> Result<Connection, ConnectError> {
    let known = shared.look(|engine| engine.place_of(purpose, relay)).ok().flatten();
    let mut failed = None;
    let places = known.iter().chain([relay]);
    for place in places {
        let turn = shared.turns.take(place, Haste::Background, moved).await;
        let opening = Opening { shared, relay, token, consent: Consent::Rule, moved };
        match opening.open(place, turn).await {
            Ok((connection, following)) => {
                if let Some((left, place)) = following.moves() {
                    let note = move |engine: &mut crate::engine::Engine<_>, today| {
                        engine.relay_moved(purpose, &left, &place, today)
                    };
                    let _ = shared.step(note).await;
                } else if known.is_some() && place == relay {
                    let place = relay.clone();
                    let _ = shared.step(move |engine, _| engine.relay_came_back(purpose, &place)).await;
                }
                return Ok(connection);
            }
            Err(error) => drop(failed.get_or_insert(error)),
        }
    }
    Err(failed.unwrap_or(ConnectError::Down))
}

/// Opens the link of an errand, in a turn that was taken before. Follows the relay if it has moved,
/// and stores nothing about it. Fails with [`ConnectError::Down`] if the link is not open
/// [`Config::patience`](crate::Config::patience) after the call, or after the relay has named
/// another place. The turn ends when this returns.
pub(super) async fn open_errand(
    turn: Turn,
    shared: &Shared,
    relay: &RelayAddress,
    consent: Consent,
    moved: &Moved,
) -> Result<Connection, ConnectError> {
    let token = ClientToken::from_bytes([0; 16]);
    let opening = Opening { shared, relay, token: &token, consent, moved };
    opening.open(relay, turn).await.map(|(connection, _)| connection)
}

impl Opening<'_> {
    /// Opens the link in a turn for `place` that was taken before. Each place that the relay names
    /// has a turn of its own, and [`Config::patience`](crate::Config::patience) from there.
    async fn open(&self, place: &RelayAddress, turn: Turn) -> Result<(Connection, Following), ConnectError> {
        let mut following = Following::begin(place.clone());
        let (mut turn, mut consent) = (turn, self.consent);
        loop {
            self.shared.transport.check(following.place())?;
            let dialling = Box::pin(dial(self, following.place(), consent));
            let dialled = timeout(self.shared.config.patience, dialling).await;
            let dialled = dialled.unwrap_or(Err(ConnectError::Down))?;
            turn.note_opened();
            match dialled {
                Dialled::Open(connection) => return Ok((*connection, following)),
                Dialled::Moved(url) => following.on_moved(&url)?,
            }
            consent = Consent::Rule;
            let haste = turn.haste();
            drop(turn);
            turn = self.shared.turns.take(following.place(), haste, self.moved).await;
        }
    }
}
