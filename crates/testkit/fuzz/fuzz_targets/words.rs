//! The fuzz target of `words::words`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::words::words(data));
