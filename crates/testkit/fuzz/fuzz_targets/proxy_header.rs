//! The fuzz target of `proxy::header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::proxy::header(data));
