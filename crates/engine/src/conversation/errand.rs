//! Errands: conversations that are over after an answer or two, within a time.

use super::{line::LinkInfo, moment::Moment, states::ConnectError};
use deaddrop_wire::Item;
use std::time::Duration;

/// Maximum time of an errand whose link is slow but makes progress, as spec/14-client.md section 6
/// says. An errand whose own time limit is longer has that limit. Each of the two links of a
/// [`Publishing`](super::Publishing) has a time of its own.
pub const LONGEST_ERRAND: Duration = Duration::from_secs(120);
/// Time between two checks of an errand whose time limit has passed: whether bytes still move over
/// its link.
const LOOK: Duration = Duration::from_secs(1);

/// A task for the caller of an errand.
pub enum ErrandAction<T> {
    /// Take a place in the [queue](super::TurnQueues) of the relay's address. Call
    /// [`Errand::on_turn`] when its turn has come; then open the link and call
    /// [`Errand::on_opened`].
    Open,
    /// Queue these items on the link.
    Send(Vec<Item>),
    /// Send what is queued, and close the link.
    Close,
    /// The errand is over, with this result. No action follows.
    Finish(Result<T, ErrandError>),
}

/// The reason for which an errand was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrandError {
    /// The link could not be opened, or was lost, or an answer did not come in time.
    #[error("there is no link to the relay")]
    Connect(#[from] ConnectError),
    /// The relay makes mailboxes only for clients that show its token. This client showed none, or
    /// another one.
    #[error("the relay makes new mailboxes only with a token that was not shown")]
    NeedsToken,
    /// The relay answered that it does not do now what it was asked for.
    #[error("the relay does not do now what it was asked for")]
    Busy,
    /// The relay is of an earlier version and does not know what it was asked for.
    #[error("the relay is of a version that does not know what it was asked for")]
    Unsupported,
    /// The bundle to be published has a length that no relay stores: the row that holds it is
    /// damaged.
    #[error("the bundle has a length that no relay stores")]
    Corrupt,
}

impl ErrandError {
    /// The error of a relay that cannot be reached, or does not answer in time.
    pub(crate) const DOWN: Self = Self::Connect(ConnectError::Down);
}

/// A conversation that is over after an answer or two, and ends with a result:
/// [`ErrandAction::Finish`].
pub trait Errand {
    /// The result of a successful errand.
    type Found;

    /// Takes the next action out; `None` if there is none.
    fn next_action(&mut self) -> Option<ErrandAction<Self::Found>>;

    /// Whether [`next_action`](Self::next_action) would return an action.
    fn has_actions(&self) -> bool;

    /// Notes that the turn to open a link has come. The time limit begins if none runs.
    fn on_turn(&mut self, now: Moment);

    /// Handles the outcome of [`ErrandAction::Open`]. An error ends the errand.
    fn on_opened(&mut self, opened: Result<LinkInfo, ConnectError>);

    /// Handles items that came over the link. The link itself answers pings.
    fn on_items(&mut self, items: Vec<Item>, now: Moment);

    /// Handles the loss of the link. The errand fails if it is not over.
    fn on_lost(&mut self);

    /// Handles the [`deadline`](Self::deadline): ends the errand if its time limit has passed, or
    /// does what waited for this moment. `is_moving` tells whether the caller has seen bytes move
    /// over the link within the last few seconds.
    fn on_time(&mut self, now: Moment, is_moving: bool);

    /// Returns the time at which to call [`on_time`](Self::on_time); `None` while the errand waits
    /// for its turn, when no time limit runs.
    fn deadline(&self) -> Option<Moment>;
}

/// The time limit of an errand, or of one of the two links of a [`Publishing`](super::Publishing):
/// `patience` for each connection and each answer for which it waits.
/// While bytes move over the link the errand may continue after the limit, up to [`LONGEST_ERRAND`]
/// in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrandTime {
    until: Moment,
    longest: Moment,
}

impl ErrandTime {
    /// Begins the time limit of an errand that waits for this many connections and answers.
    pub(crate) fn begin(patience: Duration, waits: u32, now: Moment) -> Self {
        let until = now.plus(patience.saturating_mul(waits));
        Self { until, longest: until.max(now.plus(LONGEST_ERRAND)) }
    }

    /// Returns the time at which to call [`is_over`](Self::is_over) next.
    pub(crate) const fn until(&self) -> Moment {
        self.until
    }

    /// Whether the time limit has passed. If the caller has seen bytes move over the link within
    /// the last few seconds (`is_moving`), extends the limit by [`LOOK`] instead, up to
    /// [`LONGEST_ERRAND`] in all.
    pub(crate) fn is_over(&mut self, now: Moment, is_moving: bool) -> bool {
        if now < self.until {
            return false;
        }
        if self.until >= self.longest || !is_moving {
            return true;
        }
        self.until = now.plus(LOOK).min(self.longest);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_goes_on_as_long_as_it_moves_and_no_longer_than_two_minutes() {
        let seconds = Duration::from_secs;
        for (moves_until, over) in [(0, 30), (70, 70), (900, 120)] {
            let mut time = ErrandTime::begin(seconds(15), 2, Moment::default());
            let mut now = Moment::default();
            while !time.is_over(now, now.since_start() < seconds(moves_until)) {
                now = time.until();
            }
            assert_eq!(now.since_start(), seconds(over));
        }
        let mut unbounded = ErrandTime::begin(Duration::MAX, 2, Moment::default());
        assert!(!unbounded.is_over(Moment::after_start(seconds(1 << 40)), false));
    }
}
