//! `head_scan_agrees` for libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| nostr_pool_fuzz::head_scan_agrees(data));
