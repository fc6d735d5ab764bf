//! End-to-end encryption between two people: invite, hybrid post-quantum handshake and ratchet, envelopes; sans-I/O.
