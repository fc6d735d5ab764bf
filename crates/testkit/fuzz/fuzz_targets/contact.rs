//! The fuzz target of `contact::contact`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::contact::contact(data));
