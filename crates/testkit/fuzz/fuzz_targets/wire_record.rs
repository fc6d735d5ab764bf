//! The fuzz target of `decoders::wire_record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::decoders::wire_record(data));
