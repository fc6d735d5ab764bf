//! The fuzz target of `decoders::identity_key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::decoders::identity_key(data));
