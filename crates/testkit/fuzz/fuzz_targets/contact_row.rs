//! The fuzz target of `contact::row`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::contact::row(data));
