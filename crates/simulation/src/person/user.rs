//! The user of a client, and the app that shows its events. Both outlive the client's process.

use crate::ids::PersonId;
use std::collections::{BTreeMap, VecDeque};

/// Something that a user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Invite a person.
    Invite(PersonId),
    /// Accept the invite of a person, who may be a contact already.
    Accept(PersonId, String, bool),
    /// Invite a contact once more, because no session can begin otherwise.
    InviteAnew(PersonId),
    /// Send texts.
    Send { to: PersonId, count: u32, is_long: bool },
    /// Agree to the request of a contact.
    Agree(PersonId),
    /// Begin again with a contact whose session is lost.
    BeginAgain(PersonId),
    /// Move to another relay.
    Move(usize),
}

/// A user and an app.
#[derive(Default)]
pub(crate) struct User {
    /// The wishes of the user, each with the time of its next try.
    pub(crate) wishes: VecDeque<(u64, Wish)>,
    /// An errand for this wish is under way.
    pub(crate) errand: Option<Wish>,
    /// The app has a store of its own, and keeps the number of the last event there.
    pub(crate) has_store: bool,
    /// The number of the last event that was shown.
    pub(crate) shown: u64,
    /// The simple app has shown this event and not yet told the client.
    pub(crate) unmarked: Option<u64>,
    /// Events up to this number may be shown again, because the vault was put back.
    pub(crate) is_put_back: bool,
    /// Events up to this number were looked at for what the vault holds.
    pub(crate) looked: u64,
    /// The contacts with whom there is trouble, and since when.
    pub(crate) trouble_since: BTreeMap<PersonId, u64>,
}

impl User {
    pub(crate) fn want(&mut self, at_ms: u64, wish: Wish) {
        if self.errand.as_ref() != Some(&wish) && !self.wishes.iter().any(|(_, known)| *known == wish) {
            self.wishes.push_back((at_ms, wish));
        }
    }

    /// As [`want`](Self::want), also when the same is wanted already.
    pub(crate) fn want_more(&mut self, at_ms: u64, wish: Wish) {
        self.wishes.push_back((at_ms, wish));
    }

    /// The next wish whose time has come.
    pub(crate) fn take_wish(&mut self, now_ms: u64) -> Option<Wish> {
        let at = self.wishes.iter().position(|(at, _)| *at <= now_ms)?;
        self.wishes.remove(at).map(|(_, wish)| wish)
    }

    /// Returns the time at which the next wish is tried.
    pub(crate) fn next_wish(&self) -> Option<u64> {
        self.wishes.iter().map(|(at, _)| *at).min()
    }
}

impl Wish {
    /// The wish in words.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Accept(from, ..) => format!("Accept({from})"),
            other => format!("{other:?}"),
        }
    }
}
