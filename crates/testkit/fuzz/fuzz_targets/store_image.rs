//! The fuzz target of `store::image`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::store::image(data));
