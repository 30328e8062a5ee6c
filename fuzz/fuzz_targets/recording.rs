//! `recording` for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| nostr_pool_fuzz::recording(data));
