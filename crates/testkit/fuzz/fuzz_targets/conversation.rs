//! The fuzz target of `conversation::conversation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::conversation::conversation(data));
