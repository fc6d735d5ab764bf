//! The fuzz target of `decoders::addresses`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::decoders::addresses(data));
