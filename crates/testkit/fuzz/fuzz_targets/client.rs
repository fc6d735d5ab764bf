//! The fuzz target of `client::client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::client::client(data));
