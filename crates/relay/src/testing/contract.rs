//! The contract of a [`Store`](crate::store::Store): every implementation passes [`check_all`].
//!
//! A check fails with a panic that says what was expected. Each check gets a new store from a
//! [`StoreFactory`]. If the factory can reopen a store, the checks of what survives run too, and
//! the random histories reopen at random moments. A *history* is a random sequence of requests
//! whose answers are compared with those of a model: the same rules over plain maps.
//!
//! A store may lose in a crash that a mailbox was used, and that reading renewed its lease, until
//! an owner's next change of that mailbox is answered. It may forget a pause of expiry that is
//! over.
//!
//! ```
//! use deaddrop_relay::kept::{KeptStore, MemoryBacking};
//! use deaddrop_relay::testing::contract::{Effort, StoreFactory, check_all};
//! use deaddrop_relay::Limits;
//!
//! struct InMemory;
//!
//! impl StoreFactory for InMemory {
//!     type Store = KeptStore<MemoryBacking>;
//!
//!     async fn create(&mut self, limits: Limits) -> Self::Store {
//!         KeptStore::in_memory(limits, &mut rand::rng())
//!     }
//!
//!     async fn reopen(&mut self, _: Self::Store, _: Limits) -> Option<Self::Store> {
//!         None
//!     }
//! }
//!
//! # fn main() {
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! runtime.block_on(check_all(&mut InMemory, Effort { histories: 1, steps: 40 }));
//! # }
//! ```
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a check fails by a panic"
)]

mod claims;
mod expiry;
mod factory;
mod history;
mod kit;
mod looks;
mod model;
mod owners;
mod puts;
mod quotas;
mod survival;

pub use factory::{StoreFactory, StoredCounts};

/// The number and the length of the random histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Number of random histories, each with its own seed.
    pub histories: u64,
    /// Number of steps of each history.
    pub steps: u32,
}

impl Default for Effort {
    fn default() -> Self {
        Self { histories: 8, steps: 400 }
    }
}

/// Runs every check of the contract, and `effort` random histories against the model.
///
/// # Panics
/// Panics when the store breaks the contract.
pub async fn check_all(factory: &mut impl StoreFactory, effort: Effort) {
    check_methods(factory).await;
    check_survival(factory).await;
    check_histories(factory, effort).await;
}

/// Runs the checks of single methods, each on a new store.
///
/// # Panics
/// Panics when the store breaks the contract.
pub async fn check_methods(factory: &mut impl StoreFactory) {
    let limits = kit::limits();
    macro_rules! on_new_stores {
        ($($check:path,)*) => {$(
            let store = factory.create(limits.clone()).await;
            Box::pin($check(&store)).await;
        )*};
    }
    on_new_stores! {
        puts::a_blob_is_kept_until_it_is_acked,
        puts::answers_come_in_order_one_per_entry,
        puts::a_repeated_put_stores_one_blob,
        puts::the_same_blob_in_two_mailboxes_is_two_blobs,
        owners::rights_are_separate,
        owners::a_create_repeats_only_itself,
        owners::owners_grant_revoke_and_delete,
        owners::a_rekey_displaces_the_reader,
        claims::fences_end_with_their_reader,
        claims::readers_do_not_take_turns_quickly,
        claims::a_reader_without_a_token_is_never_the_same,
        claims::readers_of_several_mailboxes_are_independent,
        claims::hints_tell_of_puts_and_ends,
        looks::a_look_keeps_order_and_room,
        looks::a_look_tells_what_is_gone,
        quotas::quotas_hold_until_blobs_are_destroyed,
        quotas::each_class_holds_its_numbers,
        expiry::days_end_blobs_and_mailboxes,
        expiry::an_expired_blob_is_not_given_out_before_the_sweep,
        expiry::a_sweep_keeps_its_limit,
        expiry::a_pause_of_expiry_keeps_everything,
        expiry::an_expired_blob_in_flight_is_told,
        expiry::reading_renews_and_unused_mailboxes_go,
        expiry::volatile_blobs_expire_too,
    }
    quotas::limits_of_the_store_hold(factory).await;
    quotas::puts_come_no_faster_than_the_rate(factory).await;
    quotas::a_mailbox_has_few_senders(factory).await;
}

/// Runs the checks of what survives when a store is reopened. A check ends early if the factory
/// cannot reopen a store.
///
/// # Panics
/// Panics when the store breaks the contract.
pub async fn check_survival(factory: &mut impl StoreFactory) {
    survival::answered_changes_survive(factory).await;
    survival::each_change_survives_at_once(factory).await;
    survival::destroyed_blobs_stay_destroyed(factory).await;
    survival::volatile_blobs_do_not_survive(factory).await;
    survival::a_store_with_a_mailbox_remembers_the_day(factory).await;
    survival::the_calendar_and_expiry_survive(factory).await;
}

/// Runs random histories against the model.
///
/// # Panics
/// Panics when the store breaks the contract, with the seed of the history.
pub async fn check_histories(factory: &mut impl StoreFactory, effort: Effort) {
    let can_reopen = history::can_reopen(factory).await;
    for seed in 0..effort.histories {
        history::run(factory, seed, effort.steps, can_reopen).await;
    }
}
