//! The fuzz target of `forged::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::forged::envelope(data));
