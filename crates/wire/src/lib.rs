//! The bytes that deaddrop's clients and relays agree on: size classes, capabilities, items and their strict codec.
