//! The fuzz target of `relay::conversation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::relay::conversation(data));
