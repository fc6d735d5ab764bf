//! The fuzz target of `websocket::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::websocket::frames(data));
