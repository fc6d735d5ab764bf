//! The user of a client, and the app that shows its events. Both outlive the client's process.

use crate::ids::PersonId;
use deaddrop_engine::EventKind;
use std::collections::{BTreeMap, VecDeque};

/// Number of milliseconds within which a user does not take the same step again.
const REPEAT_MS: u64 = 600_000;

/// Number of milliseconds for which a user waits for the contact's answer after beginning again.
const ANSWER_MS: u64 = 1_800_000;

/// Something that a user wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Invite a person.
    Invite(PersonId),
    /// Accept the invite of a person, given by its link. The flag tells whether the person may be a
    /// contact already.
    Accept(PersonId, String, bool),
    /// Invite a contact once more with a new invite, because no session can begin otherwise.
    InviteAnew(PersonId),
    /// Send this many texts, short or long.
    Send { to: PersonId, count: u32, is_long: bool },
    /// Agree to a contact's request to begin again.
    Agree(PersonId),
    /// Begin again with a contact with whom the session is lost.
    BeginAgain(PersonId),
    /// Move to the relay with this number.
    Move(usize),
}

/// A user and an app of one person.
#[derive(Default)]
pub(crate) struct User {
    /// The wishes of the user, each with the time of its next try in milliseconds of the run.
    pub(crate) wishes: VecDeque<(u64, Wish)>,
    /// The wish whose errand (a conversation with a relay) is under way.
    pub(crate) errand: Option<Wish>,
    /// Whether the app has a store of its own, and keeps the number of the last event there. Other
    /// apps rely on the cursor in the client's vault.
    pub(crate) has_store: bool,
    /// The number of the last event that was shown.
    pub(crate) shown: u64,
    /// The number of an event that an app without a store has shown, and that it has not told the
    /// client yet.
    pub(crate) unmarked: Option<u64>,
    /// Whether the vault was put back to an older copy since the app started last, so that it must
    /// show all events again.
    pub(crate) is_put_back: bool,
    /// The number of the last event that was examined for texts that the vault holds.
    pub(crate) looked: u64,
    /// Whether the vault was ever put back to an older copy. The user knows it.
    pub(crate) has_old_vault: bool,
    /// Whether the user takes no steps yet when an event asks for one.
    pub(crate) is_patient: bool,
    /// For each contact, the last event about the session that asks for a step, until one tells of
    /// success.
    pub(crate) told: BTreeMap<PersonId, EventKind>,
    /// For each contact, the last step of the user, and its time in milliseconds of the run.
    pub(crate) steps: BTreeMap<PersonId, (Wish, u64)>,
}

impl User {
    /// Notes an event about a contact if it asks the user for a step, or tells that the session
    /// works.
    pub(crate) fn note_told(&mut self, contact: PersonId, kind: &EventKind) {
        match kind {
            EventKind::SessionLost
            | EventKind::StaleReset
            | EventKind::PeerRewound
            | EventKind::ResetRequested
            | EventKind::BegunAgain
            | EventKind::Unreachable => drop(self.told.insert(contact, kind.clone())),
            EventKind::SessionReset | EventKind::Established => drop(self.told.remove(&contact)),
            _ => {}
        }
    }

    /// Whether the user's last step about a contact was to begin again, [`ANSWER_MS`] ago or more.
    pub(crate) fn waits_long(&self, now_ms: u64, contact: PersonId) -> bool {
        matches!(self.steps.get(&contact), Some((Wish::BeginAgain(_), at)) if now_ms >= at + ANSWER_MS)
    }

    /// Notes a step. Returns `false`, and notes nothing, if the same one was taken less than
    /// [`REPEAT_MS`] ago.
    pub(crate) fn begin_step(&mut self, now_ms: u64, contact: PersonId, wish: &Wish) -> bool {
        let is_repeated =
            self.steps.get(&contact).is_some_and(|(last, at)| last == wish && now_ms < at + REPEAT_MS);
        if !is_repeated {
            self.steps.insert(contact, (wish.clone(), now_ms));
        }
        !is_repeated
    }

    pub(crate) fn want(&mut self, at_ms: u64, wish: Wish) {
        if self.errand.as_ref() != Some(&wish) && !self.wishes.iter().any(|(_, known)| *known == wish) {
            self.wishes.push_back((at_ms, wish));
        }
    }

    /// Adds a wish like [`want`](Self::want), even if the user has the same wish already.
    pub(crate) fn want_more(&mut self, at_ms: u64, wish: Wish) {
        self.wishes.push_back((at_ms, wish));
    }

    /// Takes the next wish whose time has come; `None` if there is none.
    pub(crate) fn take_wish(&mut self, now_ms: u64) -> Option<Wish> {
        let at = self.wishes.iter().position(|(at, _)| *at <= now_ms)?;
        self.wishes.remove(at).map(|(_, wish)| wish)
    }

    /// Returns the time at which the next wish is tried; `None` if there is none.
    pub(crate) fn next_wish(&self) -> Option<u64> {
        self.wishes.iter().map(|(at, _)| *at).min()
    }
}

impl Wish {
    /// Describes the wish in words.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Accept(from, ..) => format!("Accept({from})"),
            other => format!("{other:?}"),
        }
    }
}
