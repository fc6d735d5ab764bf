//! Arrivals over a connection.

/// An arrival over a connection.
pub(crate) enum Arrived {
    Connected,
    Message(Vec<u8>),
    Closed,
}
