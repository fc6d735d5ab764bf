//! See `contact::words`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::contact::words(data));
