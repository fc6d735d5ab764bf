//! The fuzz target of `decoders::pending_invite`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::decoders::pending_invite(data));
