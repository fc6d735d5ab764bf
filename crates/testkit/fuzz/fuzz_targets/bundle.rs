//! The fuzz target of `decoders::bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::decoders::bundle(data));
