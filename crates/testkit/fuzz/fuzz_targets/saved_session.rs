//! The fuzz target of `saved::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::saved::session(data));
