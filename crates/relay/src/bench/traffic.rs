//! The records that went over the links of a load.

/// Numbers of records, and of their bytes, that went over links. The bytes of WebSocket and TCP
/// around the records are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Number of records that clients sent.
    pub records_to_relay: u64,
    /// Number of bytes of the records that clients sent.
    pub bytes_to_relay: u64,
    /// Number of records that the relay sent.
    pub records_from_relay: u64,
    /// Number of bytes of the records that the relay sent.
    pub bytes_from_relay: u64,
}

impl Traffic {
    pub(super) fn add(&mut self, other: Self) {
        self.records_to_relay += other.records_to_relay;
        self.bytes_to_relay += other.bytes_to_relay;
        self.records_from_relay += other.records_from_relay;
        self.bytes_from_relay += other.bytes_from_relay;
    }
}
