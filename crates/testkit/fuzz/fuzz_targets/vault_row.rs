//! The fuzz target of `store::vault_row`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| deaddrop_fuzz::store::vault_row(data));
