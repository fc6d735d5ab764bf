//! The client token, by which a relay recognizes a reader that reconnects after a broken connection
//! (spec/11-capabilities.md section 5).
//!
//! Each start of the client has its own secret, and each relay gets its own token: two relays that
//! compare tokens learn nothing.

use crate::labels;
use deaddrop_primitives::{hkdf::extract, secret_bytes};
use deaddrop_wire::{ClientToken, Fingerprint};

secret_bytes! {
    /// The secret from which a client derives its tokens. It is kept in memory only, and each start
    /// of the client has a new one.
    pub struct ClientTokenSecret[32];
}

impl ClientTokenSecret {
    /// Derives the token for the relay with this fingerprint. The token is the same as long as the
    /// secret lives.
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
