//! The fuzz target of `first_message::first_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::first_message::first_message(data));
