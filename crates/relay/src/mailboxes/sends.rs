//! The senders of one mailbox: without an allocation if there is one, as in most mailboxes.

use crate::names::Name;

/// The senders of a mailbox with the `via` of their grants: first those of the create, ordered by
/// name, then those that were granted later, latest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sends {
    /// One sender.
    One(Name, u8),
    /// No sender, or several.
    Many(Box<[(Name, u8)]>),
}

impl Sends {
    /// Returns the number of senders.
    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns the senders, each with its `via`, in the order that [`Sends`] has.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Name, u8)> + '_ {
        let (one, many) = match self {
            Self::One(name, via) => (Some((*name, *via)), None),
            Self::Many(sends) => (None, Some(sends.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Returns the `via` of the sender `send`; `None` if the mailbox has no such sender.
    pub(crate) fn via(&self, send: &Name) -> Option<u8> {
        self.iter().find(|(name, _)| name == send).map(|(_, via)| via)
    }

    /// Adds a sender, or gives one that exists a new `via`. This sender is the last one then.
    pub(crate) fn grant(&mut self, send: Name, via: u8) {
        *self = self.iter().filter(|(name, _)| *name != send).chain([(send, via)]).collect();
    }

    /// Removes a sender. Does nothing if there is no such sender.
    pub(crate) fn revoke(&mut self, send: &Name) {
        *self = self.iter().filter(|(name, _)| name != send).collect();
    }
}

impl FromIterator<(Name, u8)> for Sends {
    fn from_iter<I: IntoIterator<Item = (Name, u8)>>(sends: I) -> Self {
        let sends: Vec<_> = sends.into_iter().collect();
        match sends[..] {
            [(name, via)] => Self::One(name, via),
            _ => Self::Many(sends.into()),
        }
    }
}
