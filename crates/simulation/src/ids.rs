//! The numbers of the parts of a run.

/// The number of a person.
pub(crate) type PersonId = usize;
/// The number of a relay.
pub(crate) type RelayId = usize;
/// The number of a connection.
pub(crate) type ConnId = u64;
/// The number of a conversation of a client.
pub(crate) type ActorId = u32;
