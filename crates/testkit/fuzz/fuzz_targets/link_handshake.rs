//! The fuzz target of `link::handshake`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::link::handshake(data));
