//! The parts of a relay, from the crate that holds them.

use crate::disk::NodeDisk;
use deaddrop_relay::kept::ShredBacking;
use std::sync::Arc;

pub(crate) use deaddrop_relay::{
    Limits, Prefix, StoreKey,
    clock::{Belief, Now},
    kept::KeptStore,
    session::{Acking, Call, Close, Outcome, Output, RelaySession, SessionContext},
    store::{ConnectedReader, Fence, Handle, Store, Verdict},
};
pub(crate) use deaddrop_wire::item::QuotaClass;

/// The store of a relay, over a simulated disk.
pub(crate) type RelayStore = KeptStore<ShredBacking<Arc<NodeDisk>>>;
