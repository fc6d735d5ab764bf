//! The fuzz target of `decoders::invite_link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::decoders::invite_link(data));
