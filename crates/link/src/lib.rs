//! The authenticated, encrypted channel between a deaddrop client and a relay; sans-I/O.
