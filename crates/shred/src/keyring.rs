//! The data keys of a store: the one that seals, and the one before while it is being replaced (S15).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::keys::StoreKeys;
use std::sync::Arc;

/// One data key, or two while the older is being replaced. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keyring {
    newest: Arc<StoreKeys>,
    before: Option<Arc<StoreKeys>>,
}

impl Keyring {
    pub(crate) fn one(keys: StoreKeys) -> Self {
        Self { newest: Arc::new(keys), before: None }
    }

    /// Makes a keyring from one or two keys, oldest first. Returns `None` if there is none.
    pub(crate) fn from_oldest(keys: impl IntoIterator<Item = StoreKeys>) -> Option<Self> {
        let mut keys = keys.into_iter().map(Arc::new);
        let (first, second) = (keys.next()?, keys.next());
        Some(match second {
            Some(newest) => Self { newest, before: Some(first) },
            None => Self { newest: first, before: None },
        })
    }

    /// Returns a keyring of the present newest key and of `newest`, which replaces it.
    pub(crate) fn followed_by(&self, newest: StoreKeys) -> Self {
        Self { newest: Arc::new(newest), before: Some(Arc::clone(&self.newest)) }
    }

    /// Returns the keyring without the key that is being replaced.
    pub(crate) fn only_newest(&self) -> Self {
        Self { newest: Arc::clone(&self.newest), before: None }
    }

    /// Returns the data key under which new records are sealed.
    pub(crate) fn newest(&self) -> &Arc<StoreKeys> {
        &self.newest
    }

    pub(crate) fn is_replacing(&self) -> bool {
        self.before.is_some()
    }

    pub(crate) fn of(&self, epoch: u32) -> Option<&Arc<StoreKeys>> {
        self.oldest_first().find(|keys| keys.epoch == epoch)
    }

    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &Arc<StoreKeys>> {
        self.before.iter().chain([&self.newest])
    }

    pub(crate) fn epochs(&self) -> Vec<u32> {
        self.oldest_first().map(|keys| keys.epoch).collect()
    }
}
