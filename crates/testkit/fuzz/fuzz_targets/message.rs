//! The fuzz target of `forged::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::forged::message(data));
