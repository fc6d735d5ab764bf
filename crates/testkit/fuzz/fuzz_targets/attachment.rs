//! The fuzz target of `attachment::attachment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::attachment::attachment(data));
