//! The numbers by which the parts of a run are known.

/// The number of a person, from 0.
pub(crate) type PersonId = usize;
/// The number of a relay, from 0.
pub(crate) type RelayId = usize;
/// The number of a connection in the run, from 1.
pub(crate) type ConnId = u64;
/// The number of a conversation of a client, which is unique in the life of a process. 0 is the
/// supervisor.
pub(crate) type ActorId = u32;
