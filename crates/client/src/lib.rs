//! The client SDK of deaddrop: vault, outbox, inbox, connections.
