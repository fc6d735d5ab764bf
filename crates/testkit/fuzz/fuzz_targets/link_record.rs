//! The fuzz target of `link::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::link::record(data));
