//! The fuzz target of `decoders::content`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::decoders::content(data));
