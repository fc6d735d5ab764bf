//! The fuzz target of `relay::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::relay::records(data));
