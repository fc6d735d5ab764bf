//! The client token: how a relay recognises a reader that comes back after a broken connection (spec/11-capabilities.md
//! section 5).
//!
//! One secret a start of the client, one token a relay: two relays that compare their tokens learn nothing.

use crate::labels;
use deaddrop_primitives::{hkdf::extract, secret_bytes};
use deaddrop_wire::{ClientToken, Fingerprint};

secret_bytes! {
    /// From which a client's tokens derive. Lives in memory only, one per start.
    pub struct ClientTokenSecret[32];
}

impl ClientTokenSecret {
    /// The token for the relay with this fingerprint: the same as long as the secret lives.
    #[must_use]
    pub fn token(&self, relay: &Fingerprint) -> ClientToken {
        let prk = extract(labels::CLIENT_TOKEN, &[self.expose()]);
        ClientToken::from_bytes(prk.expand(&[labels::CLIENT_TOKEN, relay.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_relay_and_each_start_has_a_token_of_its_own() {
        let secret = |byte| ClientTokenSecret::from_bytes([byte; 32]);
        let relay = |byte| Fingerprint::from_bytes([byte; 32]);
        let tokens = [
            secret(1).token(&relay(1)),
            secret(1).token(&relay(2)),
            secret(2).token(&relay(1)),
            ClientToken::from_bytes([0; 16]),
        ];
        for (at, token) in tokens.iter().enumerate() {
            assert!(!tokens[at + 1..].contains(token), "{at}");
        }
        assert!(secret(1).token(&relay(1)) == tokens[0]);
    }
}
