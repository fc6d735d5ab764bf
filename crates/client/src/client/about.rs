//! The descriptions that relays give of themselves.

use super::Client;
use crate::{error::ClientError, net};
use deaddrop_wire::RelayAddress;

impl Client {
    /// Asks a relay for its description of itself: a JSON text of at most 4,096 bytes, which the
    /// relay with this fingerprint has said. The caller treats it as text of a stranger: whether it
    /// is JSON, and whether it is true, is not checked.
    ///
    /// # Errors
    /// Fails with [`ClientError::NoDescription`] if the relay is of a version that gives none, with
    /// the errors of a relay that cannot be reached, such as [`ClientError::RelayDown`], or with
    /// [`ClientError::RelayBusy`].
    pub async fn ask_about(&self, relay: &RelayAddress) -> Result<String, ClientError> {
        net::ask_about(&self.shared, relay).await
    }
}
